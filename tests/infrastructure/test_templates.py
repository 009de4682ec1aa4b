"""The templates: what this project asks of them. `make lint` asks the tools."""

import json
import re
import tomllib
from typing import Any

import pytest

from demo.sam import RULE_NAME
from local_aws.logs import filter_patterns
from organization import deployment, journal
from periodic_rule import clients, outsiders
from periodic_rule.evaluations import PERMISSIONS as REPORT_PERMISSIONS
from periodic_rule.verdict import Verdict
from root_virtual_mfa_enabled.facts import PERMISSIONS as READ_PERMISSIONS
from root_virtual_mfa_enabled.parameters import PARAMETERS

from .templates import (
    ACCOUNT,
    APPLICATION,
    FORWARDER,
    PROJECT,
    ROOT_CREDENTIALS,
    TEMPLATES,
    Deployment,
    as_list,
    nodes,
    present,
    resources,
    template,
)

ACTIONS_WITHOUT_RESOURCES = {
    "config:DescribeConfigRules",
    "config:GetComplianceDetailsByResource",
    "config:PutEvaluations",
    "iam:GetAccountSummary",
    "iam:ListOrganizationsFeatures",
    "iam:ListVirtualMFADevices",
    "organizations:DescribeAccount",
    "organizations:DescribeOrganization",
    "ssm:CreateOpsItem",
    "ssm:DescribeAutomationExecutions",
    "ssm:DescribeOpsItems",
}
"""Actions whose Resource is "*": they support no resource, or nobody knows its ARN beforehand. The templates say which.

Source: Service Authorization Reference.
"""

each_template = pytest.mark.parametrize("name", TEMPLATES)


def statements(name: str) -> list[dict[str, Any]]:
    policies = [node for node in nodes(template(name)["Resources"]) if isinstance(node, dict) and "Statement" in node]
    found = [each for policy in policies for each in policy["Statement"]]
    return [
        statement
        for each in found
        for statement in (each["Fn::If"][1:] if "Fn::If" in each else [each])
        if statement != {"Ref": "AWS::NoValue"}
    ]


# --- Every template ---


@each_template
def test_every_parameter_is_described_constrained_and_grouped(name: str) -> None:
    given = template(name)["Parameters"]
    constraints = {"AllowedValues", "AllowedPattern", "MinValue", "MaxValue", "MinLength", "MaxLength"}
    for parameter, definition in given.items():
        assert definition["Description"], parameter
        assert constraints & definition.keys(), parameter
        assert definition["ConstraintDescription"], parameter
    interface = template(name)["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [parameter for group in interface["ParameterGroups"] for parameter in group["Parameters"]]
    assert sorted(grouped) == sorted(given)
    assert sorted(interface["ParameterLabels"]) == sorted(given)
    assert all(group["Label"]["default"] for group in interface["ParameterGroups"])


@each_template
def test_every_output_is_described(name: str) -> None:
    assert all(output["Description"] for output in template(name)["Outputs"].values())


@each_template
def test_no_partition_account_or_region_is_written_down(name: str) -> None:
    used = {key: template(name)[key] for key in ("Resources", "Outputs")}
    for text in (node for node in nodes(used) if isinstance(node, str)):
        # A text without Fn::Sub means any partition.
        assert re.findall(r"arn:", text) == re.findall(r"arn:(?=\$\{AWS::Partition\}:|\*:)", text), text
        assert not re.search(r"\b[0-9]{12}\b", text), text
        # AWS records what root does in IAM in us-east-1, whatever the home Region is.
        other = re.sub(r"^us-east-1$|in us-east-1 only|--region us-east-1 ", "", text)
        assert not re.search(r"\b[a-z]{2}(-[a-z]+)+-[0-9]\b", other), text


@each_template
def test_every_statement_says_its_purpose_and_allows_no_more(name: str) -> None:
    found = statements(name)
    sids = [statement["Sid"] for statement in found if statement["Effect"] == "Allow"]
    assert len(sids) == len(set(sids))
    for statement in found:
        assert statement["Sid"]
        if statement["Effect"] == "Deny":
            continue
        actions = as_list(statement["Action"])
        assert not [action for action in actions if "*" in action], statement["Sid"]
        assert statement.get("Principal") != "*", statement["Sid"]
        if "*" in as_list(statement.get("Principal", {}).get("AWS", [])):
            assert statement["Condition"].keys() == {"StringEquals", "ArnLike"}, statement["Sid"]
        if "*" in as_list(statement.get("Resource")):
            assert set(actions) <= ACTIONS_WITHOUT_RESOURCES, statement["Sid"]


# --- Permissions ---


def test_an_evaluation_may_call_what_the_code_declares() -> None:
    [policy] = resources(ACCOUNT, "AWS::IAM::ManagedPolicy").values()
    allowed = [action for each in policy["Properties"]["PolicyDocument"]["Statement"] for action in as_list(each["Action"])]
    assert sorted(allowed) == sorted(READ_PERMISSIONS | REPORT_PERMISSIONS)


def test_the_function_may_evaluate_write_its_log_and_tell_failed_events() -> None:
    role = template(APPLICATION)["Resources"]["FunctionRole"]["Properties"]
    assert role["ManagedPolicyArns"]["Fn::If"][0] == "OneAccount"
    assert present(role["ManagedPolicyArns"]) == [{"Fn::GetAtt": ["Account", "Outputs.EvaluationPolicyArn"]}]
    always = {"events:PutEvents", "logs:CreateLogStream", "logs:PutLogEvents"}
    organization = {"OrganizationId": "o-a1b2c3d4e5", "ManagementAccountId": "111122223333"}
    for parameters, further in (
        ({}, set()),
        (organization, clients.PERMISSIONS),
        ({**organization, "InvokePermission": "Any"}, clients.PERMISSIONS | outsiders.PERMISSIONS),
    ):
        [policy] = Deployment(APPLICATION, **parameters).properties("FunctionRole")["Policies"]
        allowed = {action for each in policy["PolicyDocument"]["Statement"] for action in as_list(each["Action"])}
        assert allowed == always | further


def test_the_evaluation_role_trusts_the_functions_role() -> None:
    role = template(ACCOUNT)["Resources"]["EvaluationRole"]
    [statement] = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    trusted = statement["Condition"]["ArnEquals"]["aws:PrincipalArn"]["Fn::Sub"]
    name = template(APPLICATION)["Resources"]["FunctionRole"]["Properties"]["RoleName"]
    assert trusted.endswith(f":iam::${{CentralAccountId}}:role/{name}")
    assert statement["Principal"] == {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${CentralAccountId}:root"}}


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        (APPLICATION, "FailedEventsQueuePolicy"),
        (APPLICATION, "AlarmTopicPolicy"),
        (APPLICATION, "NoticeTopicPolicy"),
        (ROOT_CREDENTIALS, "ApprovalTopicPolicy"),
    ],
)
def test_queue_and_topics_refuse_what_comes_without_tls(name: str, policy: str) -> None:
    document = template(name)["Resources"][policy]["Properties"]["PolicyDocument"]
    denied = [statement for statement in document["Statement"] if statement["Effect"] == "Deny"]
    conditions = [statement["Condition"] for statement in denied if statement["Sid"] == "RefuseWithoutTls"]
    assert conditions == [{"Bool": {"aws:SecureTransport": "false"}}]


# --- The function and the rule ---


@pytest.mark.parametrize("name", [ACCOUNT, FORWARDER])
def test_what_a_stack_set_deploys_has_no_macro(name: str) -> None:
    assert not {"Transform", "Fn::Transform", "AWS::Include"} & {
        node for node in nodes(template(name)) if isinstance(node, str)
    }


def test_the_longest_run_ends_within_the_time_out() -> None:
    calls = len(clients.PERMISSIONS | READ_PERMISSIONS | REPORT_PERMISSIONS)  # once each, since a second page is rare
    time_out = template(APPLICATION)["Globals"]["Function"]["Timeout"]
    assert calls * clients.LONGEST_CALL + clients.REPORT_MARGIN <= time_out


@pytest.mark.parametrize("name", [APPLICATION, ACCOUNT])
def test_template_parameters_allow_and_default_to_what_the_rule_does(name: str) -> None:
    [rule] = resources(name, "AWS::Config::ConfigRule").values()
    given = rule["Properties"]["InputParameters"]
    assert given.pop("ExecutionRoleName")
    definitions = {parameter: template(name)["Parameters"][value["Ref"]] for parameter, value in given.items()}
    for parameter, definition in definitions.items():
        for value in definition["AllowedValues"]:
            PARAMETERS.parse({parameter: value})
    defaults = {parameter: definition["Default"] for parameter, definition in definitions.items()}
    assert len(defaults) == 3
    assert PARAMETERS.parse(defaults) == PARAMETERS.parse({})


def test_the_rule_is_made_when_its_first_evaluation_can_be_made_counted_and_kept_if_it_fails() -> None:
    [rule] = resources(APPLICATION, "AWS::Config::ConfigRule").values()
    needed = resources(APPLICATION, "AWS::Logs::MetricFilter")
    kept = {"RootVirtualMfaEnabledFunctionEventInvokeConfig", "FailedEventsRule", "FailedEventsQueuePolicy"}
    assert set(rule["DependsOn"]) == {*needed, *kept, "NoticeTopicPolicy"}
    # A condition makes only one of these two, and DependsOn takes no conditions.
    function, *ordering = rule["Properties"]["Source"]["SourceIdentifier"]["Fn::Select"][1]
    assert function == {"Fn::GetAtt": ["RootVirtualMfaEnabledFunction", "Arn"]}
    assert {"Ref": "FunctionPolicy"} in nodes(ordering)
    assert {"Ref": "ConfigPermission"} in nodes(ordering)


# --- Metrics and alarms ---


def deployed(scope: str) -> Deployment:
    """Fill in template.yaml for a scope of SCOPES, in account 111122223333."""
    settings = {"MinimumVirtualMfaDevices": "2", "NonVirtualMfa": "COMPLIANT", "NoRootCredentials": "NOT_APPLICABLE"}
    organization = {"OrganizationId": "o-a1b2c3d4e5", "ManagementAccountId": "222222222222", "RuleDeployment": scope}
    return Deployment(APPLICATION, **settings, **(organization if scope != ONE_ACCOUNT else {}))


def counted(scope: str) -> dict[str, str]:
    """Collect the filter pattern behind each metric of this project."""
    patterns = {}
    for logical_id in resources(APPLICATION, "AWS::Logs::MetricFilter"):
        properties = deployed(scope).properties(logical_id)
        assert properties["LogGroupName"] == "FunctionLogGroup.Ref"
        [transformation] = properties["MetricTransformations"]
        assert transformation["MetricNamespace"] == "RootVirtualMfa"
        assert transformation["MetricValue"] == "1"
        patterns[transformation["MetricName"]] = properties["FilterPattern"]
    return patterns


def saved_query(scope: str) -> str:
    [logical_id] = resources(APPLICATION, "AWS::Logs::QueryDefinition")
    return str(deployed(scope).properties(logical_id)["QueryString"])


ONE_ACCOUNT = "one account"
SCOPES = pytest.mark.parametrize("scope", [ONE_ACCOUNT, deployment.BY_CONFORMANCE_PACK, deployment.BY_STACK_SET])


def own_line(scope: str, **changes: object) -> dict[str, Any]:
    """Make the log line of an evaluation by the deployment's own rule. A change to None removes a field."""
    pack = {"ruleOwner": "config-conforms.amazonaws.com", "configRuleName": f"{RULE_NAME}-conformance-pack-q1w2e3r4t"}
    own = {"ruleOwner": "account", "configRuleName": RULE_NAME}
    given = {"minimumVirtualMfaDevices": "2", "nonVirtualMfa": "COMPLIANT", "noRootCredentials": "NOT_APPLICABLE"}
    line = {
        "message": "evaluation",
        "verdict": "COMPLIANT",
        "account": "111122223333" if scope == ONE_ACCOUNT else "444455556666",
        "test": False,
        **(pack if scope == deployment.BY_CONFORMANCE_PACK else own),
        "parameters": given | ({} if scope == ONE_ACCOUNT else {"ExecutionRoleName": "root-virtual-mfa-evaluation"}),
    } | changes
    return {name: value for name, value in line.items() if value is not None}


@SCOPES
@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_of_the_own_rule_is_counted(verdict: Verdict, scope: str) -> None:
    line = json.dumps(own_line(scope, verdict=verdict))
    patterns = counted(scope)
    selecting = {name for name, pattern in patterns.items() if filter_patterns.parse(pattern)(line)}
    assert selecting == {"Evaluations", verdict.value.title().replace("_", "")}
    # Source: API model, logs, FilterPattern.
    assert max(map(len, patterns.values())) <= 1024


@SCOPES
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"test": True}, id="test"),
        pytest.param({"test": None}, id="not known whether a test"),
        pytest.param({"ruleOwner": "securityhub.amazonaws.com"}, id="rule of another service"),
        pytest.param({"ruleOwner": None}, id="not known whose rule"),
        pytest.param({"configRuleName": "another"}, id="another rule"),
        pytest.param({"configRuleName": f"{RULE_NAME}-conformance-pac"}, id="nearly the name"),
        pytest.param({"configRuleName": None}, id="rule without a name"),
        pytest.param({"parameters": None}, id="parameters not known"),
        pytest.param({"message": "evaluation failed", "verdict": None}, id="failure"),
    ],
)
def test_what_is_no_evaluation_of_the_own_rule_is_not_counted(changes: dict[str, object], scope: str) -> None:
    not_counted(own_line(scope, **changes), scope)


@SCOPES
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("minimumVirtualMfaDevices", "1"),
        ("nonVirtualMfa", "NON_COMPLIANT"),
        ("noRootCredentials", "COMPLIANT"),
        ("ExecutionRoleName", "another-role"),
        ("nonVirtualMfa", None),
    ],
)
def test_other_parameters_are_not_counted(name: str, value: str | None, scope: str) -> None:
    line = own_line(scope)
    not_counted({**line, "parameters": {**line["parameters"], name: value}}, scope)


@pytest.mark.parametrize(
    ("changes", "scope"),
    [
        pytest.param({"ruleOwner": "account"}, deployment.BY_CONFORMANCE_PACK, id="member's own rule"),
        pytest.param({"configRuleName": RULE_NAME}, deployment.BY_CONFORMANCE_PACK, id="rule of a service, not of a pack"),
        pytest.param({"ruleOwner": "config-conforms.amazonaws.com"}, deployment.BY_STACK_SET, id="rule of a service"),
        pytest.param({"configRuleName": f"{RULE_NAME}-2"}, deployment.BY_STACK_SET, id="member's second rule"),
        pytest.param({"account": "444455556666"}, ONE_ACCOUNT, id="rule of another account"),
        pytest.param({"configRuleName": f"{RULE_NAME}-2"}, ONE_ACCOUNT, id="second rule of the account"),
    ],
)
def test_rules_that_are_not_the_deployments_are_not_counted(changes: dict[str, object], scope: str) -> None:
    not_counted(own_line(scope, **changes), scope)


@pytest.mark.parametrize("scope", [deployment.BY_CONFORMANCE_PACK, deployment.BY_STACK_SET])
def test_the_rule_of_the_other_way_is_not_counted(scope: str) -> None:
    """While a deployment switches, both rules evaluate an account for a time. One of them is counted."""
    [other] = {deployment.BY_CONFORMANCE_PACK, deployment.BY_STACK_SET} - {scope}
    not_counted(own_line(other), scope)


def not_counted(line: dict[str, object], scope: str) -> None:
    patterns = counted(scope)
    assert {name for name, pattern in patterns.items() if filter_patterns.parse(pattern)(json.dumps(line))} <= {"Failures"}


@SCOPES
def test_what_was_refused_is_not_counted(scope: str) -> None:
    line = json.dumps(own_line(scope, message="refused", membership="outsider"))
    assert not [pattern for pattern in counted(scope).values() if filter_patterns.parse(pattern)(line)]


def test_every_failure_is_counted() -> None:
    for line in (own_line(ONE_ACCOUNT, message="evaluation failed", test=True), {"message": "evaluation failed"}):
        assert filter_patterns.parse(counted(ONE_ACCOUNT)["Failures"])(json.dumps(line))


@SCOPES
def test_the_saved_query_asks_for_the_same_rule_as_the_metric_filters(scope: str) -> None:
    text = saved_query(scope)
    conditions = re.findall(r'\$\.([\w.]+) = "([^"]*)"', counted(scope)["Evaluations"])
    assert len(conditions) == 7
    for path, value in conditions:
        if path == "message":
            assert f'{path} in ["{value}", "{value} failed"]' in text
        elif value.endswith("*"):
            assert f"{path} like /^{value.removesuffix('*')}/" in text
        else:
            assert f'{path} = "{value}"' in text
    assert '(test = 0 or test = "false")' in text
    assert ("not ispresent(parameters.ExecutionRoleName)" in text) == (scope == ONE_ACCOUNT)


@SCOPES
def test_the_report_asks_the_journal_for_the_same_rule(scope: str) -> None:
    text = saved_query(scope)
    conditions = re.split(r"\s+and\s+|\s*\|\s*filter\s+", text.partition("| sort")[0])[1:]
    parameters = dict(re.findall(r'parameters\.(\w+) = "([^"]*)"', text))
    parameters.pop("ExecutionRoleName", None)
    asked = journal.query(
        deployment.Deployment(
            "root-virtual-mfa",
            "CREATE_COMPLETE",
            "111122223333",
            "us-east-1",
            "aws",
            organization_id="" if scope == ONE_ACCOUNT else "o-a1b2c3d4e5",
            rule_deployment=scope,
            rule_parameters=parameters,
        )
    )
    assert len(conditions) == (9 if scope == ONE_ACCOUNT else 8)
    assert [condition for condition in conditions if condition not in asked] == []


# --- Events that fail for good ---


def test_failed_events_go_to_the_queue_without_their_result_token() -> None:
    rule = template(APPLICATION)["Resources"]["FailedEventsRule"]["Properties"]
    assert rule["EventBusName"] == {"Ref": "FailedEventsBus"}
    [target] = rule["Targets"]
    assert target.keys() == {"Id", "Arn", "InputTransformer"}  # no dead-letter queue, which would get the whole event
    paths = target["InputTransformer"]["InputPathsMap"]
    assert {path for path in paths.values() if path.startswith("$.detail.requestPayload")} == {
        "$.detail.requestPayload.accountId",
        "$.detail.requestPayload.configRuleArn",
    }
    assert set(paths.values()) - set(PARTS_OF_A_RECORD) == set()
    variables = set(re.findall(r"<([^>]*)>", target["InputTransformer"]["InputTemplate"]))
    assert variables == set(paths)


PARTS_OF_A_RECORD = {
    "$.time": '"2026-01-15T06:00:00Z"',
    "$.detail.requestPayload.accountId": '"444455556666"',
    "$.detail.requestPayload.configRuleArn": '"arn:aws:config:us-east-1:444455556666:config-rule/config-rule-a1b2c3"',
    "$.detail.requestContext": '{"condition": "RetriesExhausted", "approximateInvokeCount": 3}',
    "$.detail.responsePayload": '{"errorType": "ReadError", "errorMessage": "A \\"quoted\\" word\\nand a line"}',
}
"""Parts of Lambda's record of a failed event, as JSON."""


@pytest.mark.parametrize("adds_quotes", [False, True])
@pytest.mark.parametrize(
    "missing",
    [
        [],
        ["$.detail.responsePayload"],
        ["$.detail.requestPayload.accountId"],
        ["$.detail.requestPayload.accountId", "$.detail.requestPayload.configRuleArn", "$.detail.responsePayload"],
    ],
)
def test_what_the_queue_gets_is_json_whatever_is_missing(missing: list[str], *, adds_quotes: bool) -> None:
    """AWS does not document whether EventBridge puts nothing or quotes in the place of what is missing."""
    [target] = template(APPLICATION)["Resources"]["FailedEventsRule"]["Properties"]["Targets"]
    paths = target["InputTransformer"]["InputPathsMap"]

    def put_in(variable: re.Match[str]) -> str:
        path, quoted = paths[variable["name"]], variable["quote"] == '"'
        if path in missing:
            return '""' if quoted or adds_quotes else ""
        text = PARTS_OF_A_RECORD[path]
        assert quoted == text.startswith('"'), path  # a text that is not escaped must be one that nobody else wrote
        return text

    made = re.sub(r'(?P<quote>"?)<(?P<name>\w+)>"?', put_in, target["InputTransformer"]["InputTemplate"])
    record = json.loads(made)
    assert [error for error in record["errors"] if error] == (
        [] if "$.detail.responsePayload" in missing else [json.loads(PARTS_OF_A_RECORD["$.detail.responsePayload"])]
    )
    assert record["requestContext"]["condition"] == "RetriesExhausted"


def test_only_the_rule_may_send_to_the_queue() -> None:
    policy = template(APPLICATION)["Resources"]["FailedEventsQueuePolicy"]["Properties"]["PolicyDocument"]
    [allowed] = [statement for statement in policy["Statement"] if statement["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert allowed["Action"] == "sqs:SendMessage"
    rule = {"aws:SourceArn": {"Fn::GetAtt": ["FailedEventsRule", "Arn"]}}
    assert allowed["Condition"] == {"ArnEquals": rule}
    # Others may not send with a policy of their own either.
    [refused] = [statement for statement in policy["Statement"] if statement["Sid"] == "RefuseOtherSenders"]
    assert (refused["Effect"], refused["Principal"], refused["Action"]) == ("Deny", "*", "sqs:SendMessage")
    assert refused["Condition"] == {"ArnNotEquals": rule}


def test_alarms_watch_metrics_that_are_there() -> None:
    watched = set()
    for alarm in resources(APPLICATION, "AWS::CloudWatch::Alarm").values():
        properties = alarm["Properties"]
        assert properties["AlarmActions"]
        [metric] = [each["MetricStat"]["Metric"] for each in properties.get("Metrics", []) if "MetricStat" in each] or [
            properties
        ]
        watched.add((metric["Namespace"], metric["MetricName"]))
        if metric["Namespace"] == "RootVirtualMfa":
            assert metric["MetricName"] in counted(ONE_ACCOUNT)
        else:
            assert metric["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": "RootVirtualMfaEnabledFunction"}}]
    assert watched == {
        ("AWS/Lambda", "AsyncEventsDropped"),
        ("AWS/Lambda", "Throttles"),
        ("RootVirtualMfa", "Evaluations"),
    }


def test_silence_raises_the_alarm() -> None:
    alarm = template(APPLICATION)["Resources"]["SilenceAlarm"]["Properties"]
    expression, stat = alarm["Metrics"]
    assert (expression["Expression"], expression.get("ReturnData", True)) == (f"FILL({stat['Id']}, 0)", True)
    assert stat["ReturnData"] is False
    assert alarm["TreatMissingData"] == "breaching"
    assert alarm["ComparisonOperator"] == "LessThanThreshold"
    assert alarm["Threshold"] == {"Ref": "ExpectedEvaluations"}
    hours = stat["MetricStat"]["Period"] * alarm["EvaluationPeriods"] / 3600
    assert hours == 26


# --- samconfig.toml ---


def test_samconfig_asks_before_it_deploys_to_aws_and_not_on_the_local_one() -> None:
    config = tomllib.loads((PROJECT / "samconfig.toml").read_text())
    default, local = config["default"], config["local"]
    assert default["deploy"]["parameters"]["confirm_changeset"] is True
    assert local["deploy"]["parameters"]["confirm_changeset"] is False
    assert default["deploy"]["parameters"]["capabilities"] == local["deploy"]["parameters"]["capabilities"]
    # The caller's credentials decide where `default` deploys.
    assert not {"region", "profile", "role_arn"} & {node for node in nodes(default) if isinstance(node, str)}
