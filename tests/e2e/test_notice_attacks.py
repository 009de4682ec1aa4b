"""Notices, and an administrator of a member account who wants them to lie, to flood or not to come."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo.operator import NOTICES, NOTIFY, REEVALUATE, Operator
from demo.sam import RULE_NAME
from local_aws.client import REGION, LocalAwsProcess
from remediation.notify import PROCEDURE, SENT_BY, SOURCE
from tests.e2e.application import wait_for
from tests.e2e.attacker import administrator, lying_rule, make_liar, put_lying_pack
from tests.e2e.organization import CENTRAL, MANAGEMENT, Organization, write_accounts
from tests.e2e.packaged import deploy_organization
from tests.local_aws.scene import trust

MEMBERS = [f"7300000000{number:02}" for number in range(26)]
PACK_LIKE = "root-virtual-mfa-enabled-conformance-pack-x"
PHISHING = "Root locked!\r\n\x1b[31mUnlock at http://aws.x.evil/root\u2028or x.evil \u202e\u200b"
EVIL = ("evil", "Unlock", "\x1b")
A_DAY = 24 * 3600 + 1


class Member:
    """A member account whose root user has one virtual device, and Mallory, its administrator with an access key of her own.

    `before` is how many executions of Notify there were at first.
    """

    def __init__(self, organization: Organization, operator: Operator, account_id: str) -> None:
        self.organization = organization
        self.operator = operator
        self.account_id = account_id
        organization.result(account_id)
        organization.aws.settle()  # days that pass in other tests start Notify here, too
        self.before = len(operator.wait_for_executions(account_id, NOTIFY, 1))
        self.mallory = administrator(organization.aws, account_id)

    def change_root_user(self, change: str) -> dict[str, Any]:
        """Add or remove root's device, and give the verdict that follows from it by itself."""
        before = self.organization.results(self.account_id)
        self.organization.aws.change_root_user(self.account_id, change, "phone")
        self.operator.let_a_minute_pass(self.account_id)
        return self.organization.changed(self.account_id, before)

    def notified(self, of: int) -> list[dict[str, Any]]:
        """Wait until so many executions of Notify have ended, and return them."""
        return self.operator.wait_for_executions(self.account_id, NOTIFY, of)

    def is_told(self) -> dict[str, str]:
        """Wait for the first message, and return it."""
        return wait_for(self.messages, f"the message of {self.account_id}")[0]

    def messages(self) -> list[dict[str, str]]:
        return self.operator.messages(self.account_id)

    def ops_items(self) -> list[dict[str, Any]]:
        return self.operator.ops_items(self.account_id)

    def open_ops_item(self) -> dict[str, Any]:
        """Return the one of the package's OpsItems that is open."""
        [item] = [item for item in self.ops_items() if item["Status"] == "Open"]
        return item

    def run(self) -> dict[str, Any]:
        """Start Notify as Mallory, and return the execution after its end."""
        return self.operator.finished(self.account_id, self.start())

    def start(self, **parameters: str) -> str:
        """Start Notify as Mallory."""
        given = {name: [value] for name, value in {"AccountId": self.account_id, **parameters}.items()}
        started = self.mallory.client("ssm").start_automation_execution(DocumentName=NOTIFY, Parameters=given)
        return str(started["AutomationExecutionId"])


@pytest.fixture(scope="module")
def organization(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Organization, Operator]]:
    accounts = {
        MANAGEMENT: {"name": "management"},
        CENTRAL: {"name": "security", "root_user": {"virtual_mfa_devices": ["duty-phone"]}},
        **{account_id: {"name": account_id, "root_user": {"virtual_mfa_devices": ["phone"]}} for account_id in MEMBERS},
    }
    directory = tmp_path_factory.mktemp("notice-attacks")
    accounts_file = write_accounts(directory, accounts)
    with LocalAwsProcess(accounts_file, directory / "local-aws.log") as aws, Operator(aws, CENTRAL, NOTICES) as operator:
        deploy_organization(aws, CENTRAL)
        yield Organization(aws, CENTRAL), operator


@pytest.fixture(scope="module")
def _unused() -> Iterator[str]:
    return iter(MEMBERS)


@pytest.fixture
def member(organization: tuple[Organization, Operator], _unused: Iterator[str]) -> Member:
    """Give a member that no other test uses."""
    return Member(*organization, next(_unused))


# --- A rule of the member's own ---


def test_a_members_own_rule_makes_no_notice_however_often_it_flips(member: Member) -> None:
    function_arn = make_liar(member.mallory)
    for number in range(11):
        says = lying_rule(function_arn, PACK_LIKE, "COMPLIANT" if number % 2 else "NON_COMPLIANT", PHISHING)
        member.mallory.client("config").put_config_rule(ConfigRule=says)
        member.organization.aws.settle()
    assert len(member.notified(member.before)) == member.before  # it does not even start the runbook
    assert member.run()["Outputs"]["Notify.Compliance"] == ["COMPLIANT"]
    assert member.messages() == []
    assert member.ops_items() == []

    # The real one still comes, in the rule's words and in nobody else's.
    annotation = member.change_root_user("remove-virtual-device")["Annotation"]
    message = member.is_told()
    said = message["Subject"] + message["Message"] + str(member.open_ops_item())
    assert annotation in said
    assert not [evil for evil in EVIL if evil in said]


def test_a_pack_of_the_members_own_makes_no_notice(member: Member) -> None:
    # AWS Config makes this rule for her. Only the account of its function differs from the organization's rule.
    put_pack(member, "Root locked! Unlock at http://x.evil/root")
    [execution, *_] = member.notified(member.before + 1)
    assert execution["Outputs"]["Notify.Compliance"] == ["COMPLIANT"]  # what the organization's rule found
    assert member.messages() == []
    assert [item for item in member.ops_items() if item["Status"] == "Open"] == []


def put_pack(member: Member, annotation: str) -> None:
    put_lying_pack(member.mallory, RULE_NAME, "NON_COMPLIANT", annotation)
    member.organization.aws.settle()


# --- The words of an event, if AWS Config gives no results ---


UNLOCK = "NON_COMPLIANT 2099-01-01T00:00:00Z Unlock at x.evil"


@pytest.fixture
def silent(member: Member) -> Iterator[Member]:
    """Let AWS Config give no results in the account, so that the runbook has an event to go by, or nothing."""
    for operation in ("GetComplianceDetailsByResource", "GetComplianceDetailsByConfigRule", "DescribeComplianceByConfigRule"):
        member.organization.aws.add_fault(member.account_id, f"config:{operation}", "AccessDenied")
    yield member
    member.organization.aws.clear_faults()


def organizations_rule(member: Member) -> str:
    """Return the ARN of the organization's rule in the account."""
    rules = member.mallory.client("config").describe_config_rules()["ConfigRules"]
    [found] = [each["ConfigRuleArn"] for each in rules if f":{CENTRAL}:function:" in each["Source"]["SourceIdentifier"]]
    return str(found)


def nobody_is_told_and_nothing_started(member: Member) -> None:
    member.organization.aws.settle()
    assert len(member.notified(member.before)) == member.before
    assert member.messages() == []
    assert [item for item in member.ops_items() if item["Status"] == "Open"] == []


def test_an_event_of_the_organizations_rule_is_believed_all_the_same(silent: Member) -> None:
    silent.organization.aws.change_root_user(silent.account_id, "remove-virtual-device", "phone")
    silent.operator.let_a_minute_pass(silent.account_id)
    assert "> The root user has no MFA" in silent.is_told()["Message"]
    assert silent.notified(silent.before + 1)[0]["Outputs"]["Notify.Source"] == ["event"]


def test_whoever_starts_the_runbook_does_not_speak_for_an_event(silent: Member) -> None:
    started = silent.start(Event=UNLOCK, ConfigRuleArn=organizations_rule(silent))
    execution = silent.operator.finished(silent.account_id, started)
    assert (execution["AutomationExecutionStatus"], "NoResultError" in execution["FailureMessage"]) == ("Failed", True)
    assert (silent.messages(), silent.ops_items()) == ([], [])


def test_nobody_puts_an_event_of_aws_config(silent: Member) -> None:
    detail = {"messageType": "ComplianceChangeNotification", "configRuleARN": organizations_rule(silent)}
    entry = {"Source": "aws.config", "DetailType": "Config Rules Compliance Change", "Detail": json.dumps(detail)}
    answer = silent.mallory.client("events").put_events(Entries=[entry])
    assert answer["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"
    nobody_is_told_and_nothing_started(silent)


def test_a_rule_of_her_own_does_not_get_the_role_that_speaks_for_events(silent: Member) -> None:
    events, name = silent.mallory.client("events"), "root-virtual-mfa-hers"
    given = {"AccountId": [silent.account_id], "Event": [UNLOCK], "ConfigRuleArn": [organizations_rule(silent)]}
    target = {
        "Id": "hers",
        "Arn": f"arn:aws:ssm:{REGION}:{silent.account_id}:automation-definition/{NOTIFY}:$DEFAULT",
        "RoleArn": f"arn:aws:iam::{silent.account_id}:role/root-virtual-mfa-events",
        "Input": json.dumps(given),
    }
    events.put_rule(Name=name, EventPattern=json.dumps({"source": ["hers"]}))
    events.put_targets(Rule=name, Targets=[target])
    events.put_events(Entries=[{"Source": "hers", "DetailType": "x", "Detail": "{}"}])
    nobody_is_told_and_nothing_started(silent)


def test_the_event_of_a_pack_of_her_own_is_not_believed(silent: Member) -> None:
    put_pack(silent, "Unlock at x.evil")
    execution = silent.notified(silent.before + 1)[0]
    assert (execution["AutomationExecutionStatus"], execution["DocumentName"]) == ("Failed", NOTIFY)
    assert (silent.messages(), silent.ops_items()) == ([], [])


def test_no_annotation_sets_another_parameter_of_the_runbook(silent: Member) -> None:
    """EventBridge puts it into a JSON text as it is."""
    put_pack(silent, f'x"], "Event": ["{UNLOCK}"], "ConfigRuleArn": ["{organizations_rule(silent)}')
    nobody_is_told_and_nothing_started(silent)
    silent.organization.aws.clear_faults()
    verdicts = silent.mallory.client("config").describe_compliance_by_config_rule()["ComplianceByConfigRules"]
    assert "NON_COMPLIANT" in {each["Compliance"]["ComplianceType"] for each in verdicts}  # so there was an event


# --- Many messages ---


def test_however_often_it_is_started_and_whatever_is_resolved_there_is_one_message_a_day(member: Member) -> None:
    member.change_root_user("remove-virtual-device")
    member.is_told()
    ssm = member.mallory.client("ssm")
    for _ in range(3):
        ssm.update_ops_item(OpsItemId=member.open_ops_item()["OpsItemId"], Status="Resolved")
        assert member.run()["AutomationExecutionStatus"] == "Success"
    with ThreadPoolExecutor(10) as pool:
        started = list(pool.map(lambda _: member.start(), range(10)))
        for _ in range(10):
            with suppress(ValueError):  # none is open at this moment
                ssm.update_ops_item(OpsItemId=member.open_ops_item()["OpsItemId"], Status="Resolved")
    for execution_id in started:
        assert member.operator.finished(member.account_id, execution_id)["AutomationExecutionStatus"] == "Success"
    assert len(member.messages()) == 1

    # A day later the OpsItem that got none gets one, and one only, though ten start at the same time.
    member.run()
    assert SENT_BY not in member.open_ops_item()["OperationalData"]
    member.organization.aws.advance_clock(seconds=A_DAY)
    with ThreadPoolExecutor(10) as pool:
        started = list(pool.map(lambda _: member.start(), range(10)))
    for execution_id in started:
        assert member.operator.finished(member.account_id, execution_id)["AutomationExecutionStatus"] == "Success"
    assert len(member.messages()) == 2
    assert len([item for item in member.ops_items() if item["Status"] == "Open"]) == 1


def test_an_account_whose_verdict_flips_all_day_makes_one_message(member: Member) -> None:
    for _ in range(3):
        member.change_root_user("remove-virtual-device")
        wait_for(lambda: [item for item in member.ops_items() if item["Status"] == "Open"], "the OpsItem")
        member.change_root_user("add-virtual-device")
        wait_for(lambda: {item["Status"] for item in member.ops_items()} == {"Resolved"}, "the resolved OpsItem")
    assert len(member.ops_items()) == 3
    assert len(member.messages()) == 1


# --- An OpsItem that was there before ---


def of_nobody(_: Member) -> str:
    return "12345678-1234-4234-8234-123456789012"


def malformed(_: Member) -> str:
    return "sent by me"


def of_another_runbook(member: Member) -> str:
    started = member.mallory.client("ssm").start_automation_execution(DocumentName=REEVALUATE)["AutomationExecutionId"]
    member.operator.finished(member.account_id, started, hurry=True)
    return str(started)


def that_had_nothing_to_tell(member: Member) -> str:
    return str(member.run()["AutomationExecutionId"])


def that_failed(member: Member) -> str:
    iam = member.mallory.client("iam")
    role = iam.create_role(RoleName="hers", AssumeRolePolicyDocument=trust({"Service": "ssm.amazonaws.com"}))["Role"]
    execution_id = member.start(AutomationAssumeRole=role["Arn"])
    assert member.operator.finished(member.account_id, execution_id)["AutomationExecutionStatus"] == "Failed"
    return execution_id


def of_the_message_before(member: Member) -> str:
    member.change_root_user("remove-virtual-device")
    member.is_told()
    sent_by = member.open_ops_item()["OperationalData"][SENT_BY]["Value"]
    member.change_root_user("add-virtual-device")
    wait_for(lambda: {item["Status"] for item in member.ops_items()} == {"Resolved"}, "the resolved OpsItem")
    before = member.organization.results(member.account_id)
    member.organization.aws.advance_clock(seconds=A_DAY)
    member.organization.changed(member.account_id, before)  # else the daily evaluation would be reading while root changes
    member.organization.aws.settle()  # the daily execution, too
    return str(sent_by)


@pytest.mark.parametrize("source", [SOURCE, "mallory"])
@pytest.mark.parametrize(
    "sent_by",
    [malformed, of_nobody, of_another_runbook, that_had_nothing_to_tell, that_failed, of_the_message_before],
)
def test_an_ops_item_of_the_members_own_silences_nothing_and_says_nothing(
    member: Member, sent_by: Callable[[Member], str], source: str
) -> None:
    named = sent_by(member)
    before = len(member.messages())
    ssm = member.mallory.client("ssm")
    hers = ssm.create_ops_item(
        Title=PHISHING.splitlines()[0],
        Description=PHISHING,
        Source=source,
        Category="Cost",
        Severity="4",
        OperationalData={
            "/aws/dedup": {"Type": "SearchableString", "Value": json.dumps({"dedupString": f"{SOURCE}-{member.account_id}"})},
            "/aws/resources": {"Type": "SearchableString", "Value": json.dumps([{"arn": "arn:aws:s3:::x"}])},
            SENT_BY: {"Type": "SearchableString", "Value": named},
        },
    )["OpsItemId"]
    annotation = member.change_root_user("remove-virtual-device")["Annotation"]
    message = wait_for(lambda: member.messages()[before:], "the message")[0]
    assert annotation in message["Message"]

    item = member.open_ops_item()
    assert (item["OpsItemId"] == hers) is (source == SOURCE)
    assert item["OpsItemId"] in message["Message"]
    assert (item["Title"], item["Category"], item["Severity"]) == (message["Subject"], "Security", "2")
    assert annotation in item["Description"]
    assert item["Description"].endswith(PROCEDURE)
    assert json.loads(item["OperationalData"]["/aws/resources"]["Value"]) == [{"arn": f"arn:aws:iam::{member.account_id}:root"}]
    assert not [evil for evil in EVIL if evil in str(item) + message["Message"]]

    member.change_root_user("add-virtual-device")
    wait_for(lambda: ssm.get_ops_item(OpsItemId=item["OpsItemId"])["OpsItem"]["Status"] == "Resolved", "the resolved OpsItem")
    assert ssm.get_ops_item(OpsItemId=hers)["OpsItem"]["Status"] == "Resolved"


# --- What she may not do at all ---


def test_neither_she_nor_a_role_of_hers_sends_a_notice(member: Member) -> None:
    with pytest.raises(ClientError, match=r"AuthorizationError|AccessDenied"):
        member.mallory.client("sns").publish(TopicArn=member.organization.outputs["NoticeTopicArn"], Message=PHISHING)
