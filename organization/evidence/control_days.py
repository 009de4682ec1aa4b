"""Counts the days on which accounts satisfied the controls of frameworks, from the facts of each day: pure."""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from organization.controls.judging import Assessment, Framework, RootFacts, as_texts, assessments
from organization.evidence.days import AccountDay
from organization.evidence.lines import Line
from root_virtual_mfa_enabled.decision import AccountSummary


class ControlDays:
    """The frameworks that were asked for, and how many account-days in scope had which assessment.

    `counts` has the account-days by framework, control and assessment; `satisfied` the days by account, framework and control.
    """

    def __init__(self, frameworks: Sequence[Framework] = ()) -> None:
        """Begin with no days."""
        self.frameworks = frameworks
        self.counts: Counter[tuple[str, str, Assessment]] = Counter()
        self.satisfied: Counter[tuple[str, str, str]] = Counter()
        # Of a few root users each has thousands of days.
        self._assessments = lru_cache(maxsize=1000)(self._of)

    def add(self, day: AccountDay) -> tuple[str, ...]:
        """Count a day; returns for each framework what controls have which assessment, in words."""
        found = self._assessments(root_facts(day.line) if day.line else None)
        if day.counts:
            for framework, by_assessment in zip(self.frameworks, found, strict=True):
                for assessment, control_ids in by_assessment.items():
                    for control_id in control_ids:
                        self.counts[framework.name, control_id, assessment] += 1
                        self.satisfied[day.account_id, framework.name, control_id] += assessment is Assessment.SATISFIED
        return tuple("; ".join(as_texts(by_assessment)) for by_assessment in found)

    def _of(self, root: RootFacts | None) -> list[dict[Assessment, list[str]]]:
        return [assessments(framework, root) for framework in self.frameworks]


def root_facts(line: Line) -> RootFacts | None:
    """Return the facts of a line as the controls take them; None if it does not have them."""
    mfa_enabled, *present = line.facts or (None,)
    if mfa_enabled is None or line.devices is None:
        return None
    return RootFacts(AccountSummary(mfa_enabled, *present), line.devices)
