"""The services that an organization can trust, and those that a member account can administer for it.

Sources: https://docs.aws.amazon.com/organizations/latest/userguide/orgs_integrate_services_list.html, and the pages of the
services that it leads to. The list is not whole: AWS adds services. Those that the local AWS does not know are refused.
"""

from collections.abc import Iterable

from local_aws.organizations import refusals

_DELEGATED = {
    "access-analyzer.amazonaws.com",
    "account.amazonaws.com",
    "auditmanager.amazonaws.com",
    "backup.amazonaws.com",
    "cloudtrail.amazonaws.com",
    "compute-optimizer.amazonaws.com",
    "config-multiaccountsetup.amazonaws.com",
    "config.amazonaws.com",
    "detective.amazonaws.com",
    "devops-guru.amazonaws.com",
    "fms.amazonaws.com",
    "guardduty.amazonaws.com",
    "health.amazonaws.com",
    "iam.amazonaws.com",
    "inspector2.amazonaws.com",
    "ipam.amazonaws.com",
    "license-manager.amazonaws.com",
    "macie.amazonaws.com",
    "member.org.stacksets.cloudformation.amazonaws.com",
    "mgn.amazonaws.com",
    "reachabilityanalyzer.networkinsights.amazonaws.com",
    "reporting.trustedadvisor.amazonaws.com",
    "securityhub.amazonaws.com",
    "securitylake.amazonaws.com",
    "servicecatalog.amazonaws.com",
    "ssm.amazonaws.com",
    "sso.amazonaws.com",
    "storage-lens.s3.amazonaws.com",
}
"""Services with trusted access that have delegated administrators."""
_TRUSTED = _DELEGATED | {
    "aws-artifact-account-sync.amazonaws.com",
    "controltower.amazonaws.com",
    "ds.amazonaws.com",
    "license-management.marketplace.amazonaws.com",
    "ram.amazonaws.com",
    "servicequotas.amazonaws.com",
    "tagpolicies.tag.amazonaws.com",
    "wellarchitected.amazonaws.com",
}

MOST_DELEGATED = {"config-multiaccountsetup.amazonaws.com": 3, "member.org.stacksets.cloudformation.amazonaws.com": 5}
"""How many delegated administrators a service may have.

Sources: API model, config, PutOrganizationConformancePack;
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-orgs-delegated-admin.html.
The local AWS knows no other service's number, and limits none.
"""


def unknown(principals: Iterable[object], *, delegated: bool) -> list[str]:
    """Return what is no service that an organization can trust, or that a member account can administer for it."""
    known = _DELEGATED if delegated else _TRUSTED
    return sorted(str(principal) for principal in principals if principal not in known)


def check_trusted(principal: str) -> None:
    """Refuse what is no service that an organization can trust. Raises AwsError."""
    _check(principal, delegated=False)


def check_delegated(principal: str) -> None:
    """Refuse what is no service with delegated administrators. Raises AwsError."""
    _check(principal, delegated=True)


def _check(principal: str, *, delegated: bool) -> None:
    if unknown([principal], delegated=delegated):
        message = "You specified an unrecognized service principal."
        raise refusals.invalid("UNRECOGNIZED_SERVICE_PRINCIPAL", message)
