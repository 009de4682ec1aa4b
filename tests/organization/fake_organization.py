"""What AWS tells about a deployment for an organization, for the commands of the operator."""

from datetime import UTC, datetime, timedelta
from typing import Any

from organization.visible import visible
from tests.fake_aws import CENTRAL, REGION, FakeAws

HOSTILE = (
    "\x1b]0;x\x07\x1b[2J\r\n    aws iam delete-user --user-name me\n\u2028    root-virtual-mfa delete\x85\u202e\u200b"
    "[red]:skull:[/]; touch x $(touch y) '\\"
)
"""What somebody may write where others read: it clears a terminal, poses as commands, hides and turns what follows."""

MANAGEMENT, MEMBER, OTHER = "222222222222", "333333333333", "444444444444"
ORGANIZATION, ROOT = "o-a1b2c3d4e5", "r-a1b2"


def stack(*, outputs: bool = True, status: str = "CREATE_COMPLETE", **parameters: str) -> dict[str, Any]:
    """Describe a stack for the organization."""
    values = {"OrganizationId": ORGANIZATION, "OrganizationRootId": ROOT, "ManagementAccountId": MANAGEMENT, **parameters}
    told = {"AggregatorName": "agg", "ConformancePackName": "root-virtual-mfa", "StackSetName": "root-virtual-mfa-account"}
    return {
        "StackName": "root-virtual-mfa",
        "StackId": f"arn:aws:cloudformation:{REGION}:{CENTRAL}:stack/root-virtual-mfa/1",
        "StackStatus": status,
        "CreationTime": datetime.now(UTC),
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
        "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in told.items()] if outputs else [],
    }


def account(account_id: str, name: str, state: str = "ACTIVE", units: tuple[str, ...] = ()) -> dict[str, Any]:
    """Describe an account below the root, or in the last of these units."""
    path = "".join(f"{each}/" for each in (ORGANIZATION, ROOT, *units, account_id))
    return {"Id": account_id, "Name": name, "State": state, "Status": state, "Paths": [path]}


SECURITY, WORKLOADS, PRODUCTION = "ou-a1b2-11111111", "ou-a1b2-22222222", "ou-a1b2-33333333"
UNITS = {
    ROOT: ([MANAGEMENT], {"Security": SECURITY, "Workloads": WORKLOADS}),
    SECURITY: ([CENTRAL], {}),
    WORKLOADS: ([MEMBER], {"Production": PRODUCTION}),
    PRODUCTION: ([OTHER], {}),
}
"""The accounts directly in the root and in each organizational unit, and the units directly below it by their names."""


def answer_units(aws: FakeAws) -> None:
    """Answer what the organizational units are."""
    aws.answers |= {
        "ListAccountsForParent": lambda asked: {"Accounts": [account(each, each) for each in UNITS[asked["ParentId"]][0]]},
        "ListOrganizationalUnitsForParent": lambda asked: {
            "OrganizationalUnits": [{"Id": unit_id, "Name": name} for name, unit_id in UNITS[asked["ParentId"]][1].items()]
        },
    }


def evaluation(account_id: str, compliance: str, *, hours_ago: float = 1, annotation: str = "Found.") -> dict[str, Any]:
    """Make a result as GetAggregateComplianceDetailsByConfigRule gives it: recorded at `hours_ago`, invoked long before."""
    qualifier = {"ConfigRuleName": "x", "ResourceType": "AWS::::Account", "ResourceId": account_id}
    now = datetime.now(UTC)
    return {
        "EvaluationResultIdentifier": {"EvaluationResultQualifier": qualifier, "OrderingTimestamp": now},
        "ComplianceType": compliance,
        "ResultRecordedTime": now - timedelta(hours=hours_ago),
        "ConfigRuleInvokedTime": now - timedelta(hours=hours_ago + 500),
        "Annotation": annotation,
        "AccountId": account_id,
        "AwsRegion": REGION,
    }


def check_shown(printed: str, commands: int) -> None:
    """See that nothing printed acts on a terminal, and that exactly this many lines look like commands."""
    assert all(visible(line) == line for line in printed.split("\n"))
    assert [line.startswith(("    aws ", "    root-virtual-mfa ", "    sam ")) for line in printed.split("\n")].count(
        True
    ) == commands
    assert "[red]:skull:[/]" in printed, "it is shown, as what it is"


def evaluation_line(
    account_id: str, verdict: str, rule_name: str, *, hours_ago: float = 1, annotation: str = "Noted."
) -> list[dict[str, str]]:
    """Make a row about an evaluation as GetQueryResults gives it."""
    return _row(account_id, "evaluation", hours_ago, configRuleName=rule_name, verdict=verdict, annotation=annotation)


def failure_line(account_id: str, error: str, *, hours_ago: float = 1) -> list[dict[str, str]]:
    """Make a row about a failed evaluation as GetQueryResults gives it."""
    return _row(account_id, "evaluation failed", hours_ago, errorType=error, errorMessage="said by AWS")


def _row(account_id: str, message: str, hours_ago: float, **fields: str) -> list[dict[str, str]]:
    written = datetime.now(UTC) - timedelta(hours=hours_ago)
    values = {
        "@timestamp": f"{written:%Y-%m-%d %H:%M:%S}.123",
        "account": account_id,
        "message": message,
        **fields,
        "@ptr": "x",
    }
    return [{"field": name, "value": value} for name, value in values.items()]
