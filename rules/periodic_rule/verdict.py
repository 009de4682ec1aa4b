"""What a rule decides: pure, so that a rule's decision can be pure too."""

from dataclasses import dataclass
from enum import StrEnum

ANNOTATION_LENGTH = 256
"""The most characters that AWS Config accepts in an annotation. Source: API model, config, StringWithCharLimit256."""


class Verdict(StrEnum):
    """What the function reports to AWS Config; the values are AWS Config's compliance types."""

    COMPLIANT = "COMPLIANT"
    NON_COMPLIANT = "NON_COMPLIANT"
    NOT_APPLICABLE = "NOT_APPLICABLE"


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict and its annotation: one sentence of at most ANNOTATION_LENGTH characters."""

    verdict: Verdict
    annotation: str
