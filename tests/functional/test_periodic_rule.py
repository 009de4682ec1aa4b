"""What every rule gets from periodic_rule, shown with small rules: its own names, and no verdict from a mistake."""

import gc
import logging
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from rdklib import InvalidParametersError

from periodic_rule.clients import AccountClients
from periodic_rule.errors import EvaluationError, IncorrectRuleError
from periodic_rule.event import Account
from periodic_rule.handler import Handler
from periodic_rule.verdict import ANNOTATION_LENGTH, Decision, Verdict
from root_virtual_mfa_enabled.rule import RULE as ROOT_VIRTUAL_MFA
from tests.example_rule.account_alias_exists import rule as example
from tests.functional.fake_aws import FUNCTION, MEMBER_ACCOUNT, OWN_ACCOUNT, WITHOUT_MFA, FakeAws, change_body, refusal
from tests.functional.invocation import ROLE, Context, evaluation, handle, scheduled_event

NO_ALIAS = "The account has no alias: create one in the IAM console."


def evaluate(rule: Any = example.RULE, event: Mapping[str, Any] | None = None) -> list[dict[str, str]]:  # noqa: ANN401 - any facts and parameters
    """Invoke the function of a rule."""
    return Handler(rule)(dict(event or scheduled_event()), Context())


# The example


def test_scenario_1_of_the_example(aws: FakeAws) -> None:
    aws.account_aliases[OWN_ACCOUNT] = "example"
    assert evaluate() == [evaluation("COMPLIANT", "The account has the alias example.")]
    assert aws.signed == [("iam:ListAccountAliases", FUNCTION), ("config:PutEvaluations", FUNCTION)]


@pytest.mark.parametrize(
    ("parameters", "verdict"), [({}, "NON_COMPLIANT"), ({"withoutAlias": "NOT_APPLICABLE"}, "NOT_APPLICABLE")]
)
def test_scenario_2_of_the_example(aws: FakeAws, parameters: dict[str, str], verdict: str) -> None:
    assert evaluate(event=scheduled_event(**parameters)) == [evaluation(verdict, NO_ALIAS)]
    assert aws.verdicts == {verdict}


def test_a_member_account_is_evaluated_with_its_own_credentials(aws: FakeAws) -> None:
    aws.account_aliases[MEMBER_ACCOUNT] = "member"
    [reported] = evaluate(event=scheduled_event(MEMBER_ACCOUNT, ExecutionRoleName=ROLE))
    assert reported["Annotation"] == "The account has the alias member."
    assert aws.signed == [
        ("sts:AssumeRole", FUNCTION),
        ("iam:ListAccountAliases", MEMBER_ACCOUNT),
        ("config:PutEvaluations", MEMBER_ACCOUNT),
    ]


@pytest.mark.parametrize("account_id", [OWN_ACCOUNT, MEMBER_ACCOUNT])
def test_each_call_counts_once_if_a_rule_asks_for_a_client_twice(
    aws: FakeAws, caplog: pytest.LogCaptureFixture, account_id: str
) -> None:
    def read_twice(clients: AccountClients, account: Account) -> example.Facts:
        example.read(clients, account)
        return example.read(clients, account)

    own = account_id == OWN_ACCOUNT
    event = scheduled_event(account_id, **({} if own else {"ExecutionRoleName": ROLE}))
    evaluate(replace(example.RULE, read_facts=read_twice), event)
    assert aws.actions.count("iam:ListAccountAliases") == 2
    assert vars(caplog.records[0])["apiCalls"] == {
        **({} if own else {"sts:AssumeRole": 1}),
        "iam:ListAccountAliases": 2,
        "config:PutEvaluations": 1,
    }


@pytest.mark.parametrize("kind", ["denied", "throttled", "broken down", "expired"])
def test_a_read_that_fails_is_no_verdict(aws: FakeAws, kind: str) -> None:
    aws.account_aliases[OWN_ACCOUNT] = "example"
    aws.fail("iam:ListAccountAliases", refusal(kind, "iam:ListAccountAliases"))
    with pytest.raises(EvaluationError, match=f"^iam:ListAccountAliases failed in account {OWN_ACCOUNT}: "):
        evaluate()
    assert aws.verdicts == set()


def test_an_answer_that_is_incomplete_is_no_verdict(aws: FakeAws) -> None:
    aws.account_aliases[OWN_ACCOUNT] = "example"
    aws.fail("iam:ListAccountAliases", change_body(b"AccountAliases>", b"Other>"))
    with pytest.raises(EvaluationError, match="AccountAliases is missing"):
        evaluate()
    assert aws.verdicts == set()


@pytest.mark.parametrize("parameters", [{"withoutAlias": "COMPLIANT"}, {"nonVirtualMfa": "COMPLIANT"}])
def test_a_rule_takes_its_own_parameters_only(aws: FakeAws, parameters: dict[str, str]) -> None:
    with pytest.raises(InvalidParametersError, match="withoutAlias"):
        evaluate(event=scheduled_event(**parameters))
    assert aws.requests == []


# Its names


def test_log_line_role_session_and_user_agent_have_the_names_of_the_rule(
    aws: FakeAws, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERSION", "2.3.4")
    evaluate(event=scheduled_event(MEMBER_ACCOUNT, ExecutionRoleName=ROLE))
    [record] = caplog.records
    fields = vars(record)
    assert record.name == "account_alias_exists"
    assert (fields["rule"], fields["version"]) == ("ACCOUNT_ALIAS_EXISTS", "2.3.4")
    assert (fields["facts"], fields["parameters"]) == (
        {"alias": None},
        {"withoutAlias": "NON_COMPLIANT", "ExecutionRoleName": ROLE},
    )
    assert aws.requests[0].parameters["RoleSessionName"] == "account-alias-exists"
    assert [request.user_agent.endswith(" account-alias/2.3.4") for request in aws.requests] == [True] * 3


def test_two_rules_in_one_process_do_not_share_names(aws: FakeAws, caplog: pytest.LogCaptureFixture) -> None:
    aws.root_users[OWN_ACCOUNT] = WITHOUT_MFA
    handlers = Handler(example.RULE), Handler(ROOT_VIRTUAL_MFA)
    for handler in handlers * 2:
        handler(scheduled_event(), Context())
    names = ["account_alias_exists", "root_virtual_mfa_enabled"]
    assert [record.name for record in caplog.records] == names * 2
    products = [request.user_agent.rpartition(" ")[2].partition("/")[0] for request in aws.requests]
    assert products == [*["account-alias"] * 2, *["root-virtual-mfa"] * 2] * 2


# A rule with a mistake


def fails(*_: object) -> Any:  # noqa: ANN401 - gives nothing
    raise AssertionError


def answers_as_rdklib_expects(*_: object) -> Any:  # noqa: ANN401 - gives nothing
    raise ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "ListAccountAliases")


@pytest.mark.parametrize("step", ["read_facts", "decide", "log_fields"])
@pytest.mark.parametrize(("mistake", "error"), [(fails, AssertionError), (answers_as_rdklib_expects, ClientError)])
def test_a_rule_that_raises_gives_no_verdict(
    aws: FakeAws, caplog: pytest.LogCaptureFixture, step: str, mistake: Callable[..., Any], error: type[Exception]
) -> None:
    aws.account_aliases[OWN_ACCOUNT] = "example"
    with pytest.raises(error):
        evaluate(replace(example.RULE, **{step: mistake}))  # type: ignore[arg-type]  # a step, by its name
    assert_no_verdict(aws, caplog)


@pytest.mark.parametrize(
    ("returned", "named"),
    [
        (None, "NoneType"),
        (True, "bool"),
        ("COMPLIANT", "str"),
        (Verdict.COMPLIANT, "Verdict"),
        ((Verdict.COMPLIANT, "The account has an alias."), "tuple"),
        ([Decision(Verdict.COMPLIANT, "The account has an alias.")], "list"),
        (Decision("COMPLIANT", "The account has an alias."), "Decision"),  # type: ignore[arg-type]  # the mistake
        (Decision(None, "The account has an alias."), "Decision"),  # type: ignore[arg-type]  # the mistake
        (Decision(Verdict.COMPLIANT, None), "Decision"),  # type: ignore[arg-type]  # the mistake
    ],
    ids=repr,
)
def test_a_rule_that_returns_no_decision_gives_no_verdict(
    aws: FakeAws, caplog: pytest.LogCaptureFixture, returned: object, named: str
) -> None:
    aws.account_aliases[OWN_ACCOUNT] = "example"
    with pytest.raises(IncorrectRuleError) as caught:
        evaluate(replace(example.RULE, decide=lambda *_: returned))  # type: ignore[arg-type]  # the mistake
    assert str(caught.value) == (
        f"Rule ACCOUNT_ALIAS_EXISTS gave no verdict for account {OWN_ACCOUNT}: its decide() returned {named} instead of a "
        "Decision with a Verdict and an annotation. Correct the rule."
    )
    assert_no_verdict(aws, caplog)


def assert_no_verdict(aws: FakeAws, caplog: pytest.LogCaptureFixture) -> None:
    assert aws.verdicts == set()
    [record] = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "evaluation failed")
    assert not {"verdict", "annotation"} & {*vars(record)}


def test_an_annotation_that_is_too_long_is_cut(aws: FakeAws) -> None:
    too_long = Decision(Verdict.NON_COMPLIANT, "x" * (ANNOTATION_LENGTH + 1))
    [reported] = evaluate(replace(example.RULE, decide=lambda *_: too_long))
    assert len(reported["Annotation"]) == ANNOTATION_LENGTH
    assert aws.verdicts == {"NON_COMPLIANT"}


# What outlives an invocation


@pytest.mark.parametrize("account_id", [OWN_ACCOUNT, MEMBER_ACCOUNT])
def test_nothing_of_an_invocation_outlives_it(aws: FakeAws, caplog: pytest.LogCaptureFixture, account_id: str) -> None:
    aws.root_users[account_id] = WITHOUT_MFA
    context = Context()
    left = weakref.ref(context)
    handle(scheduled_event(account_id, **({"ExecutionRoleName": ROLE} if account_id == MEMBER_ACCOUNT else {})), context)
    assert len(caplog.records) == 1
    del context
    gc.collect()
    assert left() is None
