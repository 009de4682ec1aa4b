"""`root-virtual-mfa verify` for an organization: each check holds, and fails when AWS answers otherwise or a part is broken."""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from demo.clients import boto3_client
from demo.sam import deploy_account
from local_aws.client import PROJECT, LocalAwsProcess
from organization.deployment import EVENTS_ROLE_NAME
from organization.runbooks import NOTIFY, REEVALUATE, REMOVAL
from organization.verify.judging import CHECKS
from tests.e2e.application import wait_for
from tests.e2e.organization import CENTRAL, MANAGEMENT, ROOT, Organization, Ran, run, write_accounts
from tests.e2e.packaged import deploy_organization

BARE, VIRTUAL = "310000000001", "310000000002"
JOINS, JOINS_LATER = "310000000003", "310000000004"
AUDITOR, APPROVER = "auditor", "approver"
A_DAY = 86_400
BAD_POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Action": "iam:GetAccountSummary",
                "Resource": "*",
                "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/root-virtual-mfa-evaluation"}},
            },
            {"Effect": "Deny", "Action": "iam:DeleteRole", "Resource": f"arn:aws:iam::*:role/{EVENTS_ROLE_NAME}"},
        ],
    }
)
"""A service control policy that lets the evaluation role not through."""


class Verified(Organization):
    """The deployment, whose accounts have a role that the central account may assume, and what happens there."""

    policy_id: str
    """The service control policy of BARE and VIRTUAL."""

    def role(self, account_id: str, name: str) -> str:
        """Make an administrator's role that the central account may assume; returns its ARN."""
        iam = self.client("iam", account_id)
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{CENTRAL}:root"}}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        arn = str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"])
        iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
        return arn

    def statuses(self, runbook: str, account_id: str, since: datetime | None = None) -> set[str]:
        """Return the statuses of a runbook's executions in an account."""
        filters = [{"Key": "DocumentNamePrefix", "Values": [runbook]}]
        if since:
            filters.append({"Key": "StartTimeAfter", "Values": [f"{since:%Y-%m-%dT%H:%M:%SZ}"]})
        answer = self.client("ssm", account_id).describe_automation_executions(Filters=filters)
        return {each["AutomationExecutionStatus"] for each in answer["AutomationExecutionMetadataList"]}

    def advance_until(self, ended: Callable[[], bool], what: str) -> None:
        """Move the clock, by which the runbooks wait, until something has ended."""

        def has_ended() -> bool:
            self.aws.advance_clock(seconds=70)
            return ended()

        wait_for(has_ended, what)

    def reevaluate(self, *account_ids: str) -> None:
        """Start RootVirtualMfa-Reevaluate in accounts, and wait for the ends."""
        since = self.now()
        for account_id in account_ids:
            self.client("ssm", account_id).start_automation_execution(DocumentName=REEVALUATE)
        running = {"Pending", "InProgress"}
        self.advance_until(
            lambda: not any(running & self.statuses(REEVALUATE, each, since) for each in account_ids), "the end of the runbook"
        )

    def remove(self, account_id: str) -> None:
        """Remove an account's root credentials; another role approves."""
        ssm, since = self.client("ssm"), self.now()
        parameters = {"AccountId": [account_id], "DryRun": ["false"]}
        started = ssm.start_automation_execution(DocumentName=REMOVAL, Parameters=parameters)["AutomationExecutionId"]
        wait_for(lambda: self.statuses(REMOVAL, CENTRAL, since) == {"Waiting"}, "the request for approval")
        role = f"arn:aws:iam::{CENTRAL}:role/{APPROVER}"
        session = self.client("sts").assume_role(RoleArn=role, RoleSessionName="alice")["Credentials"]
        approver = boto3_client(self.aws, "ssm", CENTRAL, credentials=session)
        approver.send_automation_signal(AutomationExecutionId=started, SignalType="Approve")
        wait_for(lambda: self.statuses(REMOVAL, CENTRAL, since) == {"Success"}, "the end of the removal")

    def change_policy(self, content: str) -> None:
        self.client("organizations", MANAGEMENT).update_policy(PolicyId=self.policy_id, Content=content)

    def attach_policy(self, content: str) -> None:
        """Attach a service control policy to the unit of BARE and VIRTUAL."""
        organizations = self.client("organizations", MANAGEMENT)
        [root] = organizations.list_roots()["Roots"]
        [unit] = organizations.list_organizational_units_for_parent(ParentId=root["Id"])["OrganizationalUnits"]
        policy = organizations.create_policy(
            Name="root-virtual-mfa", Type="SERVICE_CONTROL_POLICY", Description="", Content=content
        )["Policy"]["PolicySummary"]
        organizations.attach_policy(PolicyId=policy["Id"], TargetId=unit["Id"])
        self.policy_id = policy["Id"]

    def credential_report(self, account_id: str) -> None:
        self.client("iam", account_id).generate_credential_report()
        self.aws.advance_clock(seconds=60)  # which making it takes, at most

    def verified(self, code: int, *arguments: str) -> dict[str, dict[str, Any]]:
        return found_by(run(self.aws, CENTRAL, "verify", "--format", "json", *arguments), code)


def found_by(ran: Ran, code: int) -> dict[str, dict[str, Any]]:
    found = {each["name"]: each for each in json.loads(ran.printed)["checks"]}
    assert ran.code == code, [each for each in found.values() if each["outcome"] == "FAILS"]
    return found


def outcomes(found: Mapping[str, Mapping[str, Any]], outcome: str) -> set[str]:
    return {name for name, each in found.items() if each["outcome"] == outcome}


@pytest.fixture(scope="module")
def organization(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verified]:
    """Deploy everything that the package has, while AWS Config answers less than it could."""
    directory = tmp_path_factory.mktemp("verify")
    has_device: dict[str, Any] = {"root_user": {"virtual_mfa_devices": ["phone"]}}
    accounts: dict[str, Any] = {MANAGEMENT: has_device, CENTRAL: has_device, VIRTUAL: has_device, BARE: {}}
    file = write_accounts(directory, accounts, {"Workloads": [BARE, VIRTUAL]})
    with LocalAwsProcess(file, directory / "local-aws.log") as aws:
        for switch in ("no-event-of-first-verdict", "no-pack-results-by-resource"):
            aws.switch(switch, on=True)
        deploy_account(aws, MANAGEMENT, CENTRAL)
        parameters = {
            "ManagementAccountHasEvaluationRole": "true",
            "AlarmEmail": "alarms@example.com",
            "RemovalApprovers": f"arn:aws:iam::{CENTRAL}:role/{APPROVER}",
        }
        deploy_organization(aws, CENTRAL, parameters)
        organization = Verified(aws, CENTRAL)
        for account_id in accounts:
            organization.result(account_id)
        for account_id in (BARE, VIRTUAL, MANAGEMENT):
            organization.role(account_id, AUDITOR)
        organization.role(CENTRAL, APPROVER)
        yield organization


Found = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Story:
    """What `verify` says after the deployment, two days later, when AWS answers otherwise, and without journal and pack."""

    first: Found
    later: Found
    broken: Found
    unreadable: Found
    without_parts: Found


ROLE = ("--role-name", AUDITOR)


@pytest.fixture(scope="module")
def story(organization: Verified) -> Story:
    first = after_the_deployment(organization)
    later = two_days_later(organization)
    broken = when_aws_answers_otherwise(organization)
    for switch in ("no-dedup-in-queries", "packs-without-prefix"):
        organization.aws.switch(switch, on=True)
    unreadable = organization.verified(1, *ROLE)
    config = organization.client("config")
    config.delete_organization_conformance_pack(OrganizationConformancePackName="root-virtual-mfa")
    config.delete_configuration_aggregator(ConfigurationAggregatorName="root-virtual-mfa")
    organization.aws.settle()
    return Story(first, later, broken, unreadable, organization.verified(1))


def after_the_deployment(organization: Verified) -> Found:
    """Verify with a probe, while the clock, by which the runbooks wait, goes on."""
    aws = organization.aws
    aws.settle()
    with ThreadPoolExecutor(1) as pool:
        arguments = ("--format", "json", *ROLE, "--probe", BARE, "--yes")
        ran = pool.submit(run, aws, CENTRAL, "verify", *arguments)

        def has_ended() -> bool:
            if "InProgress" in organization.statuses(REEVALUATE, BARE):
                aws.advance_clock(seconds=70)
            return ran.done()

        wait_for(has_ended, "the end of the probe")
    for switch in ("no-event-of-first-verdict", "no-pack-results-by-resource"):
        aws.switch(switch, on=False)
    return found_by(ran.result(), 0)


def two_days_later(organization: Verified) -> Found:
    """Let everything happen once that a check looks for, and two days pass."""
    aws = organization.aws
    # The removal is one more change of root's: that one starts nothing.
    organization.client("events", VIRTUAL).disable_rule(Name="root-virtual-mfa-root-user-change")
    content = (PROJECT / "service_control_policies/root-virtual-mfa.json").read_text(encoding="utf-8")
    organization.attach_policy(content)
    since = organization.now()
    aws.change_root_user(BARE, "add-virtual-device", "phone")
    organization.client("lambda").invoke(FunctionName=organization.function_arn, InvocationType="Event", Payload="{}")
    organization.remove(VIRTUAL)
    aws.settle()
    # Of several starts at once, AWS Config takes one, and the others wait a while by the clock.
    organization.advance_until(
        lambda: organization.statuses(REEVALUATE, BARE, since) == {"Success"}, "the end of the runbook after root's change"
    )
    for seconds in (3700, A_DAY, A_DAY):
        aws.advance_clock(seconds=seconds)
        aws.settle()
    organization.credential_report(BARE)
    return organization.verified(0, *ROLE)


def when_aws_answers_otherwise(organization: Verified) -> Found:
    """Break what the checks look at, so that after the two weeks that they look back nothing has gone well."""
    aws = organization.aws
    for switch in (
        "keep-times-of-unchanged-results",
        "no-approvers-in-executions",
        "no-booleans-in-filters",
        "no-events-of-root",
        "no-source-arn-to-queues",
    ):
        aws.switch(switch, on=True)
    harmless = BAD_POLICY.replace("iam:GetAccountSummary", "iam:CreateUser")
    organization.change_policy(harmless)
    for account_id in (BARE, VIRTUAL, CENTRAL, MANAGEMENT):
        organization.client("iam", account_id).delete_role_policy(RoleName=EVENTS_ROLE_NAME, PolicyName="start-runbooks")
    organization.client("sqs").purge_queue(QueueUrl=organization.outputs["FailedEventsQueueUrl"])
    aws.advance_clock(seconds=15 * A_DAY)
    aws.settle()

    aws.change_root_user(BARE, "remove-virtual-device", "phone")
    assert organization.evaluate(BARE)["ComplianceType"] == "NON_COMPLIANT"
    aws.change_root_user(VIRTUAL, "create-access-key")
    organization.remove(VIRTUAL)
    aws.switch("no-start-of-pack-rules", on=True)
    deny = {"Effect": "Deny", "Action": "config:DescribeConfigRules", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    role = "root-virtual-mfa-reevaluation"
    organization.client("iam", CENTRAL).put_role_policy(RoleName=role, PolicyName="deny", PolicyDocument=document)
    organization.reevaluate(BARE, CENTRAL)

    aws.switch("no-results-of-pack-rules", on=True)
    organization.change_policy(BAD_POLICY)
    for seconds in (A_DAY, 3700, 3700):
        aws.advance_clock(seconds=seconds)
        aws.settle()

    aws.switch("no-evaluation-of-new-rules", on=True)
    aws.create_account(JOINS, "joins", "", {})
    aws.settle()

    organization.client("ssm", VIRTUAL).delete_document(Name=NOTIFY)
    organization.client("config", VIRTUAL).stop_configuration_recorder(ConfigurationRecorderName="default")
    organization.client("cloudformation").delete_stack_instances(
        StackSetName="root-virtual-mfa-account",
        CallAs="DELEGATED_ADMIN",
        DeploymentTargets={
            "OrganizationalUnitIds": [ROOT],
            "Accounts": [VIRTUAL],
            "AccountFilterType": "INTERSECTION",
        },
        Regions=["us-east-1"],
        RetainStacks=True,
    )
    ring_without_topic(organization)
    aws.switch("withhold-source-org-id", on=True)
    aws.create_account(JOINS_LATER, "joins-later", "", {})
    aws.settle()
    for switch in ("no-function-of-pack-rules", "no-password-in-summary"):
        aws.switch(switch, on=True)
    organization.credential_report(BARE)
    return organization.verified(1, *ROLE)


def ring_without_topic(organization: Verified) -> None:
    organization.client("sns").delete_topic(TopicArn=organization.outputs["AlarmTopicArn"])
    cloudwatch = organization.client("cloudwatch")
    [name] = [each["AlarmName"] for each in cloudwatch.describe_alarms()["MetricAlarms"] if "Throttles" in each["AlarmName"]]
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")


OF_PACK = [check.name for check in CHECKS if check.name != "The StackSet follows accounts that move"]
"""The checks of a deployment with a conformance pack."""

ELSEWHERE = "AWS Config remediates an account"
"""The check that a test of test_remediation.py sees hold and fail: here nobody uses AWS Config's remediation."""

INVOCATION = "AWS Config may invoke the function for every account"
AGE = "An evaluation renews the age of an unchanged result"
JOURNAL = "The journal can be queried"
AGGREGATION, PACK = "The aggregator reads every account", "AWS Config takes the conformance pack"
LISTED = "The aggregator lists each account's conformance pack"


def test_right_after_the_deployment_nothing_fails_and_the_probe_goes_well(story: Story) -> None:
    assert outcomes(story.first, "NOT_SEEN") == {ELSEWHERE}
    # Within a minute the alarm on silence fires: before or after the look.
    assert outcomes(story.first, "NOT_YET") - {"The alarms reach their topic"} == {
        "AWS Config's verdicts reach EventBridge",
        "Root's changes reach EventBridge",
        "EventBridge may start the runbooks",
        AGE,
        "AccountPasswordPresent is 1 whenever root has a password",
        "The queue gets what fails",
        "The service control policies let StackSets and AWS Config through",
        "Automation says who approved a removal",
    }
    assert "AWS Config names the organization" in story.first[INVOCATION]["text"]
    assert f"{NOTIFY} had it from get_compliance_details_by_config_rule." in story.first[RESULTS]["text"]
    probes = {name: each["outcome"] for name, each in story.first.items() if name.startswith("Probe")}
    assert probes == {
        f"Probe: {NOTIFY} runs in account {BARE}": "HOLDS",
        f"Probe: {REEVALUATE} runs in account {BARE}": "HOLDS",
        f"Probe: {REMOVAL} runs in account {CENTRAL}": "HOLDS",
    }


RESULTS = "AWS Config gives an account the result of its rule"


def test_two_days_later_every_check_holds(story: Story) -> None:
    assert {name: each for name, each in story.later.items() if each["outcome"] != "HOLDS" and name != ELSEWHERE} == {}
    assert list(story.later) == OF_PACK
    assert BARE in story.later["Root's changes reach EventBridge"]["text"]
    assert f"AWS Config's events came in account {BARE}" in story.later["AWS Config's verdicts reach EventBridge"]["text"]
    assert "by the resource" in story.later[RESULTS]["text"]


MENDS = {
    INVOCATION: "InvokePermission=Accounts",
    "AWS Config's verdicts reach EventBridge": "Remediation=Automatic",
    "Root's changes reach EventBridge": "EvaluationFrequency=Three_Hours",
    "EventBridge may start the runbooks": "Remediation=Automatic",
    "A member may start the evaluation of the organization's rule": "EvaluationFrequency=Three_Hours",
    "Automation takes the runbooks as they are": "root-virtual-mfa deploy",
    RESULTS: "root-virtual-mfa report",
    "AWS Config evaluates a new rule at once": "start-config-rules-evaluation",
    "AccountPasswordPresent is 1 whenever root has a password": "NoRootCredentials=NON_COMPLIANT",
    "The StackSet reaches every account but the excluded ones": "create-stack-instances",
    "An aggregator's source status tells whether a recorder is on": "preflight --role-name",
    "The alarms reach their topic": "AlarmEmail=ADDRESS",
    "The metric filters count": "describe-metric-filters",
    "The queue gets what fails": "filter-log-events",
    "AWS Config says who made the rule, and which function evaluates it": "EvaluationFrequency=Three_Hours",
    "The service control policies let StackSets and AWS Config through": "detach-policy --policy-id p-",
    "Automation says who approved a removal": "RemovalMinimumApprovals=2",
    "The package's roles may do what they have to": "put-role-policy --role-name root-virtual-mfa-reevaluation",
}
"""What fails when AWS answers otherwise, and a part of its fix."""


def test_what_aws_answers_otherwise_fails_with_its_fix(story: Story) -> None:
    failed = {name: each for name, each in story.broken.items() if each["outcome"] == "FAILS"}
    assert {name: story.broken[name] for name in failed.keys() ^ MENDS.keys()} == {}
    assert {name: each for name, each in failed.items() if MENDS[name] not in "\n".join(each["commands"])} == {}
    assert "FailedInvocations of root-virtual-mfa-" in failed["EventBridge may start the runbooks"]["text"]
    assert "AccessDenied" in failed["EventBridge may start the runbooks"]["text"]
    assert f"{NOTIFY} (missing)" in failed["Automation takes the runbooks as they are"]["text"]
    assert JOINS in failed["AWS Config evaluates a new rule at once"]["text"]
    assert "The report takes the age from the journal" in story.broken[AGE]["text"]


def test_without_the_journal_nobody_knows_ages_and_whose_rule_it_is(story: Story) -> None:
    failed = {name: story.unreadable[name] for name in (AGE, JOURNAL, LISTED)}
    assert {each["outcome"] for each in failed.values()} == {"FAILS"}, failed
    assert "older than 26 hours" in failed[AGE]["text"]
    assert "MalformedQueryException" in failed[JOURNAL]["text"]
    assert "the name of the rule alone" in failed[LISTED]["text"]


def test_what_is_gone_fails(story: Story) -> None:
    assert {INVOCATION, AGGREGATION, PACK} <= outcomes(story.without_parts, "FAILS")


ANSWERS = {
    "keep-times-of-unchanged-results": AGE,
    "no-approvers-in-executions": "Automation says who approved a removal",
    "no-booleans-in-filters": "The metric filters count",
    "no-dedup-in-queries": JOURNAL,
    "no-evaluation-of-new-rules": "AWS Config evaluates a new rule at once",
    "no-events-of-root": "Root's changes reach EventBridge",
    "no-function-of-pack-rules": "AWS Config says who made the rule, and which function evaluates it",
    "no-password-in-summary": "AccountPasswordPresent is 1 whenever root has a password",
    "no-results-of-pack-rules": RESULTS,
    "no-source-arn-to-queues": "The queue gets what fails",
    "no-start-of-pack-rules": "A member may start the evaluation of the organization's rule",
    "packs-without-prefix": LISTED,
    "withhold-source-org-id": INVOCATION,
}
"""The switches that the story turns on, and the check that each one lets fail. Something is broken for each other check."""


def test_each_check_is_seen_to_hold_and_to_fail(story: Story) -> None:
    failed = outcomes(story.broken, "FAILS") | outcomes(story.unreadable, "FAILS") | outcomes(story.without_parts, "FAILS")
    assert failed == set(OF_PACK) - {ELSEWHERE}
    assert set(ANSWERS.values()) <= failed
