"""Remediation in one account: one message tells the owner, the owner acts, and nobody starts anything."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from demo.clients import boto3_client
from demo.operator import NOTICES, NOTIFY, REEVALUATE, Operator
from demo.sam import RULE_NAME, STACK_NAME, uploaded
from local_aws.client import PROJECT, REGION, LocalAwsProcess
from organization.deployment import Deployment
from organization.verify.judging import CHECKS
from remediation.notify import PROCEDURE
from tests.e2e.application import Application, wait_for
from tests.e2e.organization import run
from tests.e2e.packaged import deploy

A_DAY = 24 * 3600 + 1
ACCOUNTS = [f"600000000{number:03}" for number in range(30)]
CALLS_OF_NOTIFY = ["config:DescribeConfigRules", "ssm:DescribeAutomationExecutions", "ssm:CreateOpsItem", "sns:Publish"]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAwsProcess]:
    directory = tmp_path_factory.mktemp("remediation")
    accounts_file = directory / "accounts.yaml"
    accounts_file.write_text("accounts:\n" + "".join(f'  "{account_id}": {{}}\n' for account_id in ACCOUNTS))
    with LocalAwsProcess(accounts_file, directory / "local-aws.log") as aws:
        yield aws


@pytest.fixture(scope="module")
def unused(aws: LocalAwsProcess) -> Iterator[str]:  # noqa: ARG001 - they are its accounts
    return iter(ACCOUNTS)


Deployed = Callable[..., tuple[Application, Operator]]


@pytest.fixture
def deployed(aws: LocalAwsProcess, unused: Iterator[str]) -> Iterator[Deployed]:
    """Deploy to a new account whose root user has no MFA, and wait for the end of the runbook that its verdict starts."""

    def deploy_to_new(**parameters: str) -> tuple[Application, Operator]:
        account_id = next(unused)
        operator = stack.enter_context(Operator(aws, account_id, NOTICES))
        deploy(aws, account_id, parameters)
        application = Application(aws, account_id)
        application.result(account_id)
        operator.wait_for_executions(account_id, NOTIFY, 1)
        return application, operator

    with ExitStack() as stack:
        yield deploy_to_new


def test_from_the_first_verdict_to_the_resolved_ops_item(deployed: Deployed) -> None:
    application, operator = deployed()
    account_id = application.account_id
    annotation = application.result(account_id)["Annotation"]

    [item] = operator.ops_items(account_id)
    assert (item["Status"], item["Severity"], item["Category"]) == ("Open", "2", "Security")
    assert f"\n> {annotation}\n" in item["Description"]
    assert item["Description"].endswith(PROCEDURE)

    # However often it runs, ten times in a row and at the same time.
    first = [operator.run(account_id, NOTIFY, AccountId=account_id) for _ in range(5)]
    with ThreadPoolExecutor(5) as pool:
        ids = list(pool.map(lambda _: operator.start(account_id, NOTIFY, AccountId=account_id), range(5)))
    executions = [*first, *(operator.finished(account_id, execution_id) for execution_id in ids)]
    assert {execution["AutomationExecutionStatus"] for execution in executions} == {"Success"}
    assert [again["OpsItemId"] for again in operator.ops_items(account_id)] == [item["OpsItemId"]]

    # The owner acts, and nothing else is done.
    before = application.results(account_id)
    application.aws.change_root_user(account_id, "add-virtual-device", "phone")
    operator.let_a_minute_pass(account_id)
    assert application.changed(account_id, before)["ComplianceType"] == "COMPLIANT"
    wait_for(lambda: operator.ops_items(account_id)[0]["Status"] == "Resolved", "the resolved OpsItem")

    # It fails again: another OpsItem.
    before = application.results(account_id)
    application.aws.change_root_user(account_id, "remove-virtual-device", "phone")
    operator.let_a_minute_pass(account_id)
    application.changed(account_id, before)
    wait_for(lambda: len(operator.ops_items(account_id)) == 2, "the second OpsItem")
    assert [item["Status"] for item in operator.ops_items(account_id)] == ["Resolved", "Open"]


def test_the_message_is_sent_once_and_says_what_to_do(deployed: Deployed) -> None:
    application, operator = deployed()
    account_id = application.account_id
    for _ in range(3):
        operator.run(account_id, NOTIFY, AccountId=account_id)
    [message] = operator.messages(account_id)
    [item] = operator.ops_items(account_id)
    assert account_id in message["Subject"]
    for said in (application.result(account_id)["Annotation"], PROCEDURE, item["OpsItemId"], "us-east-1"):
        assert said in message["Message"]


@pytest.mark.parametrize("action", CALLS_OF_NOTIFY)
def test_a_fault_fails_the_daily_execution_and_the_next_makes_up_for_it(
    deployed: Deployed, aws: LocalAwsProcess, action: str
) -> None:
    application, operator = deployed()
    account_id = application.account_id
    for item in operator.ops_items(account_id):
        application.client("ssm").update_ops_item(OpsItemId=item["OpsItemId"], Status="Resolved")
    before, sent = len(operator.ops_items(account_id)), len(operator.messages(account_id))

    aws.add_fault(account_id, action, "AccessDenied")
    aws.advance_clock(seconds=A_DAY)
    aws.settle()
    aws.clear_faults()
    failed = operator.executions(account_id, NOTIFY)[0]
    assert failed["AutomationExecutionStatus"] == "Failed"
    assert f"CallError: {action.partition(':')[2]}: " in failed["FailureMessage"]
    assert "AccessDenied" in failed["FailureMessage"] or "AuthorizationError" in failed["FailureMessage"]

    assert operator.run(account_id, NOTIFY, AccountId=account_id)["AutomationExecutionStatus"] == "Success"
    assert len(operator.ops_items(account_id)) == before + 1
    wait_for(lambda: len(operator.messages(account_id)) == sent + 1, "the one message")


def test_without_an_event_the_owner_is_told_within_a_day_and_whatever_is_closed_opens_again(
    aws: LocalAwsProcess, unused: Iterator[str]
) -> None:
    account_id = next(unused)
    aws.switch("no-event-of-first-verdict", on=True)
    with Operator(aws, account_id, NOTICES) as operator:
        deploy(aws, account_id)
        application = Application(aws, account_id)
        application.result(account_id)
        aws.settle()
        aws.switch("no-event-of-first-verdict", on=False)
        assert operator.executions(account_id, NOTIFY) == []
        aws.advance_clock(seconds=A_DAY)
        aws.settle()
        [execution] = operator.executions(account_id, NOTIFY)
        assert ":assumed-role/root-virtual-mfa-events/" in execution["ExecutedBy"]
        [item] = operator.ops_items(account_id)
        assert len(operator.messages(account_id)) == 1

        # Somebody closes the OpsItem.
        application.client("ssm").update_ops_item(OpsItemId=item["OpsItemId"], Status="Resolved")
        aws.advance_clock(seconds=A_DAY)
        aws.settle()
        assert [each["Status"] for each in operator.ops_items(account_id)] == ["Resolved", "Open"]
        assert len(operator.messages(account_id)) == 2  # one for each OpsItem, a day apart

        # The event that the account is COMPLIANT is lost.
        application.client("events").disable_rule(Name="root-virtual-mfa-compliance-change")
        before = application.results(account_id)
        aws.change_root_user(account_id, "add-virtual-device", "phone")
        operator.let_a_minute_pass(account_id)
        assert application.changed(account_id, before)["ComplianceType"] == "COMPLIANT"
        aws.settle()
        assert [each["Status"] for each in operator.ops_items(account_id)] == ["Resolved", "Open"]
        aws.advance_clock(seconds=A_DAY)
        aws.settle()
        assert [each["Status"] for each in operator.ops_items(account_id)] == ["Resolved", "Resolved"]
        assert len(operator.messages(account_id)) == 2


def test_an_event_brings_its_result_along(deployed: Deployed, aws: LocalAwsProcess) -> None:
    application, operator = deployed()
    account_id = application.account_id
    for operation in ("GetComplianceDetailsByResource", "GetComplianceDetailsByConfigRule", "DescribeComplianceByConfigRule"):
        aws.add_fault(account_id, f"config:{operation}", "AccessDenied")
    # With its own words alone an execution knows nothing, and says so.
    failed = operator.run(account_id, NOTIFY, AccountId=account_id)
    assert (failed["AutomationExecutionStatus"], "NoResultError" in failed["FailureMessage"]) == ("Failed", True)
    assert [item["Status"] for item in operator.ops_items(account_id)] == ["Open"]
    aws.change_root_user(account_id, "add-virtual-device", "phone")
    operator.let_a_minute_pass(account_id)
    aws.settle()
    executions = operator.executions(account_id, NOTIFY)
    aws.clear_faults()
    told = executions[0]["Outputs"]
    assert (told["Notify.Source"], told["Notify.Compliance"]) == (["event"], ["COMPLIANT"])
    assert [item["Status"] for item in operator.ops_items(account_id)] == ["Resolved"]


def test_another_account_is_nothing_that_notify_tells_of(deployed: Deployed) -> None:
    application, operator = deployed()
    failed = operator.run(application.account_id, NOTIFY, AccountId=ACCOUNTS[-1])
    assert failed["AutomationExecutionStatus"] == "Failed"
    assert "ForeignAccountError" in failed["FailureMessage"]


def test_while_config_is_busy_reevaluate_waits(deployed: Deployed, aws: LocalAwsProcess) -> None:
    application, operator = deployed()
    account_id = application.account_id
    aws.advance_clock(seconds=61)
    execution_id = operator.start(account_id, REEVALUATE)
    operator.wait_for_step(account_id, execution_id, "WaitForIam")
    aws.advance_clock(seconds=30)
    before = application.results(account_id)
    application.client("config").start_config_rules_evaluation(ConfigRuleNames=[RULE_NAME])  # by somebody else
    before = [application.changed(account_id, before)]
    aws.take_calls()
    aws.advance_clock(seconds=31)

    def refused() -> bool:
        starts = "config:StartConfigRulesEvaluation"
        return any((call["account_id"], call["action"]) == (account_id, starts) for call in aws.take_calls())

    wait_for(refused, "the first attempt")
    aws.advance_clock(seconds=70)
    execution = operator.finished(account_id, execution_id)
    assert execution["AutomationExecutionStatus"] == "Success"
    assert execution["Outputs"]["StartEvaluation.ConfigRuleNames"] == [RULE_NAME]
    assert execution["Outputs"]["StartEvaluation.Text"] == [f"Started the evaluation of {RULE_NAME}."]
    application.changed(account_id, before)


def test_the_roles_may_do_what_their_runbooks_do_and_no_more(deployed: Deployed, aws: LocalAwsProcess) -> None:
    aws.take_calls()
    application, operator = deployed()
    account_id = application.account_id
    for action in ("GetComplianceDetailsByResource", "GetComplianceDetailsByConfigRule"):
        aws.add_fault(account_id, f"config:{action}", "AccessDenied")
    execution = operator.run(account_id, NOTIFY, AccountId=account_id)  # sees that the message was sent
    assert "FailureMessage" not in execution, execution["FailureMessage"]
    assert execution["Outputs"]["Notify.Source"] == ["describe_compliance_by_config_rule"], execution
    aws.clear_faults()
    application.aws.change_root_user(account_id, "add-virtual-device", "phone")
    operator.let_a_minute_pass(account_id)
    wait_for(lambda: operator.ops_items(account_id)[0]["Status"] == "Resolved", "the resolved OpsItem")
    operator.wait_for_executions(account_id, NOTIFY, 3)
    calls: dict[str, set[str]] = {}
    for call in aws.take_calls():
        if call["account_id"] == account_id and ":assumed-role/root-virtual-mfa-" in call["principal"]:
            calls.setdefault(call["principal"].split("/")[1], set()).add(call["action"])
    for role in ("root-virtual-mfa-remediation", "root-virtual-mfa-reevaluation"):
        assert calls[role] == application.allowed_actions(role, account_id), role
    started = application.allowed_actions("root-virtual-mfa-events", account_id)
    assert calls["root-virtual-mfa-events"] == started - {"iam:PassRole"}  # a permission without a call


def test_a_changed_runbook_becomes_the_default(deployed: Deployed) -> None:
    application, operator = deployed()
    account_id = application.account_id
    cloudformation, ssm = application.client("cloudformation"), application.client("ssm")
    [nested] = [
        resource["PhysicalResourceId"]
        for resource in cloudformation.describe_stack_resources(StackName="root-virtual-mfa")["StackResources"]
        if resource["LogicalResourceId"] == "Account"
    ]
    template = (PROJECT / "account.yaml").read_text(encoding="utf-8")
    cloudformation.update_stack(
        StackName=nested,
        TemplateURL=uploaded(
            application.aws, account_id, template.replace("Never changes the root user:", "Never touches the root user:")
        ),
        Parameters=[{"ParameterKey": "CentralAccountId", "UsePreviousValue": True}],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    waiter: Any = cloudformation.get_waiter("stack_update_complete")
    waiter.wait(StackName=nested, WaiterConfig={"Delay": 0.1, "MaxAttempts": 6000})
    document = ssm.describe_document(Name=NOTIFY)["Document"]
    assert (document["DefaultVersion"], document["LatestVersion"]) == ("2", "2")
    assert "Never touches" in ssm.get_document(Name=NOTIFY)["Content"]
    execution = operator.run(account_id, NOTIFY, AccountId=account_id)
    assert (execution["DocumentVersion"], execution["AutomationExecutionStatus"]) == ("2", "Success")


def remediations(application: Application) -> list[dict[str, Any]]:
    config = application.client("config")
    found: list[dict[str, Any]] = config.describe_remediation_configurations(ConfigRuleNames=[RULE_NAME])[
        "RemediationConfigurations"
    ]
    return found


def test_configs_button_starts_notify(deployed: Deployed) -> None:
    application, operator = deployed()
    account_id, config = application.account_id, application.client("config")
    [remediation] = remediations(application)
    assert (remediation["TargetId"], remediation["Automatic"]) == (NOTIFY, False)
    key = {"resourceType": "AWS::::Account", "resourceId": account_id}
    assert config.start_remediation_execution(ConfigRuleName=RULE_NAME, ResourceKeys=[key]).get("FailedItems", []) == []

    def state() -> str:
        [status] = config.describe_remediation_execution_status(ConfigRuleName=RULE_NAME)["RemediationExecutionStatuses"]
        return str(status["State"])

    wait_for(lambda: state() == "SUCCEEDED", "the remediation")
    assert len(operator.wait_for_executions(account_id, NOTIFY, 2)) == 2
    assert len(operator.ops_items(account_id)) == 1


def test_off_is_off_and_automatic_starts_by_itself_and_changes_nothing_twice(deployed: Deployed, aws: LocalAwsProcess) -> None:
    application, operator = deployed(Remediation="Automatic", MaximumAutomaticAttempts="2", RetryAttemptSeconds="120")
    account_id = application.account_id
    [remediation] = remediations(application)
    found = {name: remediation[name] for name in ("Automatic", "MaximumAutomaticAttempts", "RetryAttemptSeconds")}
    assert found == {"Automatic": True, "MaximumAutomaticAttempts": 2, "RetryAttemptSeconds": 120}
    operator.wait_for_executions(account_id, NOTIFY, 2)  # EventBridge's, and AWS Config's
    assert len(operator.ops_items(account_id)) == 1
    assert len(operator.messages(account_id)) == 1
    deploy(aws, account_id, {"Remediation": "Off"})
    assert remediations(application) == []


# --- What `root-virtual-mfa verify` says about one account ---


def test_verify_and_its_probe_in_one_account(deployed: Deployed, aws: LocalAwsProcess) -> None:
    application, operator = deployed(Remediation="Automatic")
    account_id, remediates = application.account_id, "AWS Config remediates an account"
    operator.wait_for_executions(account_id, NOTIFY, 2)  # EventBridge's, and AWS Config's
    with ThreadPoolExecutor(1) as pool:
        ran = pool.submit(run, aws, account_id, "verify", "--format", "json", "--probe", account_id, "--yes")

        def has_ended() -> bool:
            if any(each.get("CurrentStepName") for each in operator.executions(account_id, REEVALUATE)):
                aws.advance_clock(seconds=61)
            return ran.done()

        wait_for(has_ended, "the end of the probe")
    checks = json.loads(ran.result().printed)["checks"]
    found = {each["name"]: each["outcome"] for each in checks}
    probes = [f"Probe: {runbook} runs in account {account_id}" for runbook in (NOTIFY, REEVALUATE)]
    one_account = Deployment(STACK_NAME, "", account_id, REGION, "aws")
    assert list(found) == [*(check.name for check in CHECKS if check.concerns(one_account)), *probes]
    assert {found[name] for name in (*probes, remediates, "EventBridge may start the runbooks")} == {"HOLDS"}, checks
    assert ran.result().code == 0, checks

    aws.switch("no-remediation-of-accounts", on=True)
    try:
        application.start_evaluation(account_id)
        aws.settle()
    finally:
        aws.switch("no-remediation-of-accounts", on=False)
    again = run(aws, account_id, "verify", "--format", "json")
    failed = [each for each in json.loads(again.printed)["checks"] if each["outcome"] == "FAILS"]
    assert [(each["name"], each["commands"]) for each in failed] == [
        (remediates, ["root-virtual-mfa deploy --parameter Remediation=Off"])
    ]
    assert again.code == 1


# --- A home Region other than us-east-1 ---


def test_what_root_does_is_heard_in_the_home_region(aws: LocalAwsProcess, unused: Iterator[str]) -> None:
    account_id, home = next(unused), "eu-central-1"

    def client(service: Any, region: str) -> Any:  # noqa: ANN401 - of any service
        return boto3_client(aws, service, account_id, region=region)

    for region, template, parameters in (
        (home, "account.yaml", {}),
        ("us-east-1", "region-forwarder.yaml", {"HomeRegion": home}),
    ):
        cloudformation = client("cloudformation", region)
        cloudformation.create_stack(
            StackName="root-virtual-mfa",
            TemplateURL=uploaded(aws, account_id, (PROJECT / template).read_text(encoding="utf-8")),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        waiter = cloudformation.get_waiter("stack_create_complete")
        waiter.wait(StackName="root-virtual-mfa", WaiterConfig={"Delay": 0.1, "MaxAttempts": 6000})
    aws.change_root_user(account_id, "add-virtual-device", "phone")

    def started() -> list[str]:
        executions = client("ssm", home).describe_automation_executions()["AutomationExecutionMetadataList"]
        return [execution["DocumentName"] for execution in executions]

    assert set(wait_for(started, f"an execution in {home}")) == {REEVALUATE}
