"""The rule parameters: their names and which values each may have."""

from periodic_rule.parameters import ParameterSchema, one_of, whole_number
from periodic_rule.verdict import Verdict
from root_virtual_mfa_enabled.decision import Parameters

MAXIMUM_MFA_DEVICES = 8
"""The most MFA devices of a root user. Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa.html"""

PARAMETERS = ParameterSchema(
    Parameters,
    {
        "minimumVirtualMfaDevices": ("minimum_virtual_mfa_devices", whole_number(1, MAXIMUM_MFA_DEVICES)),
        "nonVirtualMfa": ("non_virtual_mfa", one_of(Verdict.NON_COMPLIANT, Verdict.COMPLIANT)),
        "noRootCredentials": (
            "no_root_credentials",
            one_of(Verdict.COMPLIANT, Verdict.NOT_APPLICABLE, Verdict.NON_COMPLIANT),
        ),
    },
)
