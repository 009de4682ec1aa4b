"""How AWS Organizations refuses: the code, the message and, for two codes, the reason.

Real answers have these messages of codes that say that something is not there, of AccessDeniedException, of
PolicyInUseException and of the reasons that `core.models` and `answers` name:
https://github.com/radkawar/stackd, testdata/aws/iam/organizations_*.json, captured in September 2026.
Others were written down by those who saw them: https://github.com/getmoto/moto, moto/organizations/exceptions.py.
All other messages are those of the API model's documentation.
"""

from local_aws.core.models import AwsError

_MISSING = {
    "AccountNotFoundException": "You specified an account that doesn't exist.",
    "ChildNotFoundException": "You specified a child that doesn't exist.",
    "CreateAccountStatusNotFoundException": "You specified a create-account request that doesn't exist.",
    "DestinationParentNotFoundException": "You specified a destination parent that doesn't exist.",
    "OrganizationalUnitNotFoundException": "You specified an organizational unit that doesn't exist.",
    "ParentNotFoundException": "You specified a parent that doesn't exist.",
    "PolicyNotFoundException": "You specified a policy that doesn't exist.",
    "RootNotFoundException": "You specified a root that doesn't exist.",
    "SourceParentNotFoundException": "You specified a source parent that doesn't exist.",
    "TargetNotFoundException": "You specified a target that doesn't exist.",
}


def missing(code: str) -> AwsError:
    """Say that something does not exist. `code` says what: AccountNotFoundException."""
    return AwsError(code, _MISSING[code])


def not_in_use() -> AwsError:
    """Say that the calling account is in no organization."""
    return AwsError("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")


def denied() -> AwsError:
    """Say that the calling account may not call the operation."""
    return AwsError("AccessDeniedException", "You don't have permissions to access this resource.")


def invalid(reason: str, message: str) -> AwsError:
    """Refuse a value. `reason` is an InvalidInputExceptionReason of the API model."""
    return AwsError("InvalidInputException", message, members={"Reason": reason})


def constraint(reason: str, message: str) -> AwsError:
    """Refuse what would break a limit. `reason` is a ConstraintViolationExceptionReason of the API model."""
    return AwsError("ConstraintViolationException", message, members={"Reason": reason})


def not_all_features() -> AwsError:
    """Refuse what needs all features in an organization with consolidated billing only."""
    return constraint(
        "ORGANIZATION_NOT_IN_ALL_FEATURES_MODE",
        "This operation requires the organization to support all features, and not consolidated billing only.",
    )
