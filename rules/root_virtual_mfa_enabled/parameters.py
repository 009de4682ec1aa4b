"""The rule parameters: their names, what each may be, and their defaults."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rdklib import InvalidParametersError

from root_virtual_mfa_enabled.decision import Parameters, Verdict
from root_virtual_mfa_enabled.errors import shown

MAXIMUM_MFA_DEVICES = 8
"""MFA devices that root may have. Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa.html"""

_ROLE_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
"""A role's name, without a path. Source: API model, iam, roleNameType."""


@dataclass(frozen=True, slots=True)
class RuleParameters:
    """All parameters of the rule: the ones that change a verdict, and the role to assume in the evaluated account."""

    decision: Parameters = field(default_factory=Parameters)
    execution_role_name: str | None = None

    def texts(self) -> dict[str, str]:
        """Return the parameters that are in force, defaults too, by the names and as the texts that the rule takes them."""
        texts = {
            "minimumVirtualMfaDevices": str(self.decision.minimum_virtual_mfa_devices),
            "nonVirtualMfa": self.decision.non_virtual_mfa.value,
            "noRootCredentials": self.decision.no_root_credentials.value,
        }
        return texts | ({"ExecutionRoleName": self.execution_role_name} if self.execution_role_name else {})


def parse(rule_parameters: Mapping[str, str]) -> RuleParameters:
    """Parse the rule parameters of an event: AWS Config passes strings.

    Raises rdklib's InvalidParametersError, which names the parameter, what is allowed and, unless it is long, its value.
    """
    for name in rule_parameters:
        if name not in _PARSERS:
            message = f"Unknown rule parameter {shown(name)}: allowed are {', '.join(_PARSERS)}."
            raise InvalidParametersError(message)
    parsed = {name: _PARSERS[name](name, value) for name, value in rule_parameters.items()}
    defaults = Parameters()
    return RuleParameters(
        decision=Parameters(
            minimum_virtual_mfa_devices=parsed.get("minimumVirtualMfaDevices", defaults.minimum_virtual_mfa_devices),
            non_virtual_mfa=parsed.get("nonVirtualMfa", defaults.non_virtual_mfa),
            no_root_credentials=parsed.get("noRootCredentials", defaults.no_root_credentials),
        ),
        execution_role_name=parsed.get("ExecutionRoleName"),
    )


def _device_count(name: str, value: str) -> int:
    counts = [str(count) for count in range(1, MAXIMUM_MFA_DEVICES + 1)]
    if value not in counts:
        raise _refused(name, value, f"a whole number from 1 to {MAXIMUM_MFA_DEVICES}")
    return int(value)


def _verdict(*allowed: Verdict) -> Callable[[str, str], Verdict]:
    def parse_verdict(name: str, value: str) -> Verdict:
        if value not in list(allowed):
            raise _refused(name, value, " or ".join(allowed))
        return Verdict(value)

    return parse_verdict


def _role_name(name: str, value: str) -> str:
    if not _ROLE_NAME.fullmatch(value):
        raise _refused(name, value, "the name of a role (1 to 64 of A-Z a-z 0-9 + = , . @ _ -), without a path or ARN")
    return value


def _refused(name: str, value: str, allowed: str) -> InvalidParametersError:
    return InvalidParametersError(f"Rule parameter {name} is {shown(value)}: allowed is {allowed}.")


_PARSERS: Mapping[str, Callable[[str, str], Any]] = {
    "minimumVirtualMfaDevices": _device_count,
    "nonVirtualMfa": _verdict(Verdict.NON_COMPLIANT, Verdict.COMPLIANT),
    "noRootCredentials": _verdict(Verdict.COMPLIANT, Verdict.NOT_APPLICABLE, Verdict.NON_COMPLIANT),
    "ExecutionRoleName": _role_name,
}
