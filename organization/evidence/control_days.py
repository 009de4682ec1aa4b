"""Counts the days on which accounts satisfied the controls of frameworks, from the facts of each day: pure."""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from organization.controls.judging import Framework, Outcome, RootUser, outcomes
from organization.evidence.days import AccountDay
from organization.evidence.lines import Line
from root_virtual_mfa_enabled.decision import AccountSummary


class ControlDays:
    """The frameworks that were asked for, and how many account-days in scope had which outcome.

    `counts` has the account-days by framework, control and outcome; `satisfied` the days by account, framework and control.
    """

    def __init__(self, frameworks: Sequence[Framework] = ()) -> None:
        """Begin with no days."""
        self.frameworks = frameworks
        self.counts: Counter[tuple[str, str, Outcome]] = Counter()
        self.satisfied: Counter[tuple[str, str, str]] = Counter()
        # Of a few root users each has thousands of days.
        self._outcomes = lru_cache(maxsize=1000)(self._of)

    def add(self, day: AccountDay) -> tuple[str, ...]:
        """Count a day; returns for each framework what controls have which outcome, in words."""
        found = self._outcomes(root_user(day.line) if day.line else None)
        if day.counts:
            for framework, by_outcome in zip(self.frameworks, found, strict=True):
                for outcome, control_ids in by_outcome.items():
                    for control_id in control_ids:
                        self.counts[framework.name, control_id, outcome] += 1
                        self.satisfied[day.account_id, framework.name, control_id] += outcome is Outcome.SATISFIED
        return tuple(in_words(by_outcome) for by_outcome in found)

    def _of(self, root: RootUser | None) -> list[dict[Outcome, list[str]]]:
        return [outcomes(framework, root) for framework in self.frameworks]


def root_user(line: Line) -> RootUser | None:
    """Return the facts of a line as the controls take them; None if it does not have them."""
    mfa_enabled, *present = line.facts or (None,)
    if mfa_enabled is None or line.devices is None:
        return None
    return RootUser(AccountSummary(mfa_enabled, *present), line.devices)


def in_words(by_outcome: dict[Outcome, list[str]]) -> str:
    """Say which controls have which outcome, as the report does."""
    return "; ".join(f"{outcome}: {', '.join(control_ids)}" for outcome, control_ids in by_outcome.items() if control_ids)
