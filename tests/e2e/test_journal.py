"""The log as a journal: nobody pads what is counted, and nobody finds a result token in what is kept."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo.sam import EVALUATION_ROLE_NAME, RULE_NAME, sam
from local_aws.client import PROJECT
from tests.e2e.application import METRICS, READ, Application, wait_for
from tests.e2e.attacker import as_user
from tests.e2e.conftest import CENTRAL_ACCOUNT_ID, HARDWARE, STATES, UNREADABLE, NewAccount
from tests.e2e.organization import Organization, run_aws

ADMINISTRATOR = {"Effect": "Allow", "Action": "*", "Resource": "*"}
"""What AdministratorAccess allows."""
VERDICTS = METRICS[:-1]
PACK_RULE = f"{RULE_NAME}-conformance-pack-"


def counted(application: Application) -> dict[str, float]:
    return {name: application.metric(name) for name in VERDICTS}


def line_of(application: Application, rule_name: str, message: str = "evaluation", **fields: object) -> dict[str, Any]:
    """Wait for a log line about a rule, and return the last one."""

    def lines() -> list[dict[str, Any]]:
        wanted = {"configRuleName": rule_name, **fields}
        return [line for line in application.lines(message) if wanted.items() <= line.items()]

    return wait_for(lines, f"a line {message!r} about {rule_name}")[-1]


def put_rule(config: Any, name: str, function_arn: str, parameters: Mapping[str, str]) -> None:  # noqa: ANN401 - a client
    details = [{"EventSource": "aws.config", "MessageType": "ScheduledNotification"}]
    source = {"Owner": "CUSTOM_LAMBDA", "SourceIdentifier": function_arn, "SourceDetails": details}
    rule = {"ConfigRuleName": name, "InputParameters": json.dumps(dict(parameters)), "Source": source}
    config.put_config_rule(ConfigRule=rule)


# --- Rules of others ---


@contextmanager
def own_rules(config: Any, function_arn: str, rules: Mapping[str, Mapping[str, str]]) -> Iterator[None]:  # noqa: ANN401 - a client
    """Have rules on the function, each with parameters of its own, while the block runs."""
    for name, parameters in rules.items():
        put_rule(config, name, function_arn, parameters)
    try:
        yield
    finally:
        for name in rules:
            config.delete_config_rule(ConfigRuleName=name)


def test_a_members_own_rules_are_not_counted(organization: Organization) -> None:
    """Its administrator gives them the names and the parameters of the deployment's, or parameters that suit."""
    before = counted(organization)
    given = {"ExecutionRoleName": EVALUATION_ROLE_NAME}
    suits = {"nonVirtualMfa": "COMPLIANT", **given}
    rules = {RULE_NAME: suits, f"{PACK_RULE}x": suits, f"{PACK_RULE}q1w2e3r4t": {**given, "minimumVirtualMfaDevices": "8"}}
    with (
        as_user(organization.aws, HARDWARE, ADMINISTRATOR) as member,
        own_rules(member.client("config"), organization.function_arn, rules),
    ):
        for name, parameters in rules.items():
            line = line_of(organization, name)
            assert (line["account"], line["ruleOwner"], line["test"]) == (HARDWARE, "account", False)
            assert line["configRuleArn"].startswith(f"arn:aws:config:us-east-1:{HARDWARE}:config-rule/config-rule-")
            assert line["parameters"].items() >= parameters.items()
        assert line_of(organization, RULE_NAME)["verdict"] == "COMPLIANT"
        assert counted(organization) == before

    organization.evaluate(HARDWARE)
    wait_for(lambda: organization.metric("NonCompliant") > before["NonCompliant"], "a count of the deployment's rule")
    after = counted(organization)
    added = {name: after[name] - before[name] for name in VERDICTS}
    assert added == {"Evaluations": 1, "Compliant": 0, "NonCompliant": 1, "NotApplicable": 0}


def test_a_members_own_conformance_pack_is_not_counted(organization: Organization) -> None:
    """Its rule has the deployment's name and an ARN like it, so its parameters tell."""
    before = counted(organization)
    with as_user(organization.aws, HARDWARE, ADMINISTRATOR) as member:
        member.client("config").put_conformance_pack(
            ConformancePackName="mine",
            TemplateBody=(PROJECT / "conformance_packs/root-virtual-mfa.yaml").read_text(encoding="utf-8"),
            ConformancePackInputParameters=[
                {"ParameterName": "FunctionArn", "ParameterValue": organization.function_arn},
                {"ParameterName": "NonVirtualMfa", "ParameterValue": "COMPLIANT"},
            ],
        )
        try:
            [pack] = member.client("config").describe_conformance_packs(ConformancePackNames=["mine"])["ConformancePackDetails"]
            line = line_of(organization, f"{RULE_NAME}-{pack['ConformancePackId']}")
            assert (line["verdict"], line["ruleOwner"]) == ("COMPLIANT", "config-conforms.amazonaws.com")
            assert line["configRuleName"].startswith(PACK_RULE)
            assert line["parameters"]["nonVirtualMfa"] == "COMPLIANT"
            assert counted(organization) == before
        finally:
            member.client("config").delete_conformance_pack(ConformancePackName="mine")


def test_a_second_rule_of_the_account_is_not_counted(application: Application) -> None:
    application.log(CENTRAL_ACCOUNT_ID, "evaluation")
    before = counted(application)
    second = f"{RULE_NAME}-2"
    with (
        as_user(application.aws, CENTRAL_ACCOUNT_ID, ADMINISTRATOR) as user,
        own_rules(user.client("config"), application.function_arn, {second: {}}),
    ):
        assert line_of(application, second)["ruleOwner"] == "account"
        assert counted(application) == before
    application.evaluate(CENTRAL_ACCOUNT_ID)
    wait_for(lambda: application.metric("Evaluations") > before["Evaluations"], "a count of the deployment's rule")
    assert application.metric("Evaluations") == before["Evaluations"] + 1


# --- Invocations by hand ---


@pytest.fixture(scope="module")
def of_member(organization: Organization) -> dict[str, Any]:
    """Give the event of the deployment's rule in a member, with its result token."""
    with organization.tapped_events() as tapped:
        organization.aws.add_fault(HARDWARE, READ, "AccessDenied", times=3)
        organization.start_evaluation(HARDWARE)
        return tapped(HARDWARE)


def invoke(organization: Organization, event: Mapping[str, Any]) -> Any:  # noqa: ANN401 - what comes of it
    """Invoke the function as somebody of the central account who may do that and nothing else."""
    statement = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": organization.function_arn}
    with as_user(organization.aws, organization.account_id, statement) as user:
        answer = user.client("lambda").invoke(FunctionName=organization.function_arn, Payload=json.dumps(event))
        return json.loads(answer["Payload"].read())


def test_a_test_is_not_counted_and_says_so(organization: Organization, of_member: dict[str, Any]) -> None:
    before = counted(organization)
    [evaluation] = invoke(organization, {**of_member, "resultToken": "TESTMODE"})
    assert evaluation["ComplianceType"] == "NON_COMPLIANT"
    line = line_of(organization, of_member["configRuleName"], test=True)
    assert line["verdict"] == "NON_COMPLIANT"
    assert "TESTMODE" not in json.dumps(line)
    assert counted(organization) == before


def test_an_event_with_a_made_up_token_is_not_counted(organization: Organization, of_member: dict[str, Any]) -> None:
    before, results = counted(organization), organization.results(HARDWARE)
    failures = organization.metric("Failures")
    token = f"{of_member['resultToken'][:-8]}forgery="
    answer = invoke(organization, {**of_member, "resultToken": token})
    assert answer["errorType"] == "ReportError"
    line = line_of(organization, of_member["configRuleName"], "evaluation failed", errorType="ReportError")
    assert not {"verdict", "annotation"} & line.keys()
    assert counted(organization) == before
    assert organization.metric("Failures") == failures + 1
    assert organization.results(HARDWARE) == results


def test_a_verdict_of_a_time_to_come_freezes_nothing(organization: Organization, of_member: dict[str, Any]) -> None:
    """The token is good; the root user's state of the moment would outlast all that comes."""
    results = organization.results(HARDWARE)
    invoking = {**json.loads(of_member["invokingEvent"]), "notificationCreationTime": "2099-01-01T00:00:00.000Z"}
    answer = invoke(organization, {**of_member, "invokingEvent": json.dumps(invoking)})
    assert answer["errorType"] == "InvalidEventError"
    assert "allowed is a time at most" in answer["errorMessage"]
    assert organization.results(HARDWARE) == results
    organization.evaluate(HARDWARE)  # waits for a result that is another


# --- The result token ---


def test_what_is_kept_of_a_failed_event_has_no_result_token(application: Application, new_account: NewAccount) -> None:
    account_id = new_account()
    application.watch(account_id)
    application.result(account_id)
    queue_url = application.outputs["FailedEventsQueueUrl"]
    queue_arn = f"arn:aws:sqs:us-east-1:{application.account_id}:{queue_url.rpartition('/')[2]}"
    reader = {"Effect": "Allow", "Action": "sqs:ReceiveMessage", "Resource": queue_arn}
    with application.tapped_events() as tapped, as_user(application.aws, application.account_id, reader) as user:
        application.aws.add_fault(account_id, READ, "AccessDenied", times=3)
        application.start_evaluation(account_id)
        token = tapped(account_id)["resultToken"]

        def receive() -> list[str]:
            messages = user.client("sqs").receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages", [])
            for message in messages:
                application.client("sqs").delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
            return [message["Body"] for message in messages if account_id in message["Body"]]

        [body] = wait_for(receive, "the failed event")
        with pytest.raises(ClientError, match="AccessDenied"):
            user.client("sqs").get_queue_attributes(QueueUrl=queue_url)
    record = json.loads(body)
    assert record.keys() == {"time", "account", "configRuleArn", "requestContext", "errors"}
    assert (record["account"], record["errors"][0]["errorType"]) == (account_id, "ReadError")

    log = (
        application.client("logs").get_paginator("filter_log_events").paginate(logGroupName=application.outputs["LogGroupName"])
    )
    lines = [event["message"] for page in log for event in page["events"]]
    assert any(record["requestContext"]["requestId"] in line for line in lines)
    metrics = json.dumps(application.client("cloudwatch").list_metrics()["Metrics"])
    assert len(token) > 300
    kept = [body, metrics, *lines]
    parts = [token[start : start + 24] for start in range(0, len(token) - 24, 24)]
    assert [text for text in kept if any(part in text for part in parts)] == []


@pytest.mark.parametrize("field", ["accountId", "configRuleArn", "configRuleName", "invokingEvent", "ruleParameters"])
def test_a_result_token_in_the_place_of_another_field_is_not_kept(application: Application, field: str) -> None:
    token = "eyJlbmNyeXB0ZWREYXRhIjpbLTEyLDEyMCwtOTksNDEsMTIsLTMs" * 6
    answer = application.invoke(application.event(CENTRAL_ACCOUNT_ID, resultToken=CENTRAL_ACCOUNT_ID, **{field: token}))
    assert answer.payload["errorType"] == "InvalidEventError"
    text = json.dumps(answer.payload) + json.dumps(application.lines("evaluation failed"))
    assert f"{field} is a text of {len(token)} characters" in text
    assert token[:24] not in text


def test_nobody_but_the_rule_sends_to_the_queue(application: Application) -> None:
    queue_url = application.outputs["FailedEventsQueueUrl"]
    sender = {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}
    with (
        as_user(application.aws, application.account_id, sender) as user,
        pytest.raises(ClientError, match="AccessDenied"),
    ):
        user.client("sqs").send_message(QueueUrl=queue_url, MessageBody="{}")


# --- What reads the log ---


@pytest.fixture(params=[False, True], ids=["booleans are numbers", "booleans are texts"])
def _either_answer(application: Application, organization: Organization, request: pytest.FixtureRequest) -> Iterator[None]:
    """Let queries take the booleans of JSON as either of what AWS may do: no page says which."""
    for aws in (application.aws, organization.aws):
        aws.switch("booleans-as-texts", on=request.param)
    yield
    for aws in (application.aws, organization.aws):
        aws.switch("booleans-as-texts", on=False)


def saved_query(application: Application) -> dict[str, dict[str, str]]:
    """Run the stack's query over a day, and return its rows by account."""
    logs = application.client("logs")
    answer = logs.describe_query_definitions()
    [query] = answer["queryDefinitions"]
    now = int(parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp())
    started = logs.start_query(
        logGroupNames=query["logGroupNames"],
        queryString=query["queryString"],
        startTime=now - 86_400,
        endTime=now + 1,
    )

    def complete() -> list[list[dict[str, str]]] | None:
        answer: dict[str, Any] = logs.get_query_results(queryId=started["queryId"])
        assert answer["status"] in {"Scheduled", "Running", "Complete"}
        return answer["results"] if answer["status"] == "Complete" else None

    rows = [{field["field"]: field["value"] for field in row} for row in wait_for(complete, "the query's results")]
    by_account = {row["account"]: row for row in rows}
    assert len(by_account) == len(rows)
    return by_account


@pytest.mark.usefixtures("_either_answer")
def test_the_saved_query_tells_the_latest_of_each_account_of_the_organization(
    organization: Organization, of_member: dict[str, Any]
) -> None:
    """Neither a member's own rule nor a test counts."""
    before = {account_id: organization.results(account_id) for account_id in STATES}
    organization.start_evaluation(*STATES, UNREADABLE)
    results = {account_id: organization.changed(account_id, before[account_id]) for account_id in STATES}
    organization.failure(UNREADABLE)
    organization.aws.settle()  # the line of an evaluation comes after its result
    given = {"ExecutionRoleName": EVALUATION_ROLE_NAME, "nonVirtualMfa": "COMPLIANT"}
    with own_rules(organization.client("config", HARDWARE), organization.function_arn, {RULE_NAME: given}):
        assert line_of(organization, RULE_NAME)["verdict"] == "COMPLIANT"
        invoke(organization, {**of_member, "resultToken": "TESTMODE"})
        rows = saved_query(organization)
    for account_id, result in results.items():
        row = rows[account_id]
        assert (row["message"], row["verdict"]) == ("evaluation", result["ComplianceType"])
        assert row["annotation"] == result["Annotation"]
        [line] = [line for line in organization.log(account_id, "evaluation") if line["annotation"] == row["annotation"]][-1:]
        assert line["configRuleName"].startswith(PACK_RULE)
    failed = rows[UNREADABLE]
    assert failed.keys() == {"@timestamp", "@ptr", "account", "message", "errorType", "errorMessage"}
    assert (failed["message"], failed["errorType"]) == ("evaluation failed", "ReadError")


@pytest.mark.usefixtures("_either_answer")
def test_the_saved_query_tells_the_latest_of_one_account(application: Application) -> None:
    application.evaluate(CENTRAL_ACCOUNT_ID)
    rows = wait_for(lambda: saved_query(application), "a row")
    assert rows.keys() == {CENTRAL_ACCOUNT_ID}
    latest = application.log(CENTRAL_ACCOUNT_ID, "evaluation")[-1]
    assert rows[CENTRAL_ACCOUNT_ID]["annotation"] == latest["annotation"]
    assert rows[CENTRAL_ACCOUNT_ID]["verdict"] == application.result(CENTRAL_ACCOUNT_ID)["ComplianceType"]


def test_the_command_that_the_report_prints_shows_the_failures_of_one_account(organization: Organization) -> None:
    [command] = [
        command
        for advice in organization.report()[UNREADABLE]["advice"]
        for command in advice["commands"]
        if " filter-log-events " in command
    ]
    answer = run_aws(organization.aws, organization.account_id, command)
    lines = [json.loads(event["message"]) for event in answer["events"]]
    assert {(line["account"], line["message"]) for line in lines} == {(UNREADABLE, "evaluation failed")}
    assert lines == organization.log(UNREADABLE, "evaluation failed")


def test_sam_logs_shows_what_a_filter_selects(organization: Organization) -> None:
    """A function that fails is tried again, so the log may have grown meanwhile.

    Without an end, the SAM CLI ends at the machine's time, and other tests have advanced the clock.
    """
    failures = organization.log(UNREADABLE, "evaluation failed")
    pattern = f'{{ $.account = "{UNREADABLE}" && $.message = "evaluation failed" }}'
    period = ("--start-time", "2 days ago", "--end-time", (organization.now() + timedelta(days=1)).isoformat())
    options = ("--cw-log-group", organization.outputs["LogGroupName"], *period, "--output", "json")
    shown = sam(organization.aws, organization.account_id, "logs", *options, "--filter", pattern)
    lines = [json.loads(json.loads(line)["message"]) for line in shown.splitlines() if line.startswith("{")]
    assert failures
    assert lines[: len(failures)] == failures
    assert {(line["account"], line["message"]) for line in lines} == {(UNREADABLE, "evaluation failed")}
