"""Scenario 7 of the rule's header: the rule parameters."""

import re

import pytest

from periodic_rule.parameters import ParameterError, RuleParameters
from periodic_rule.verdict import Verdict
from root_virtual_mfa_enabled.decision import Parameters
from root_virtual_mfa_enabled.parameters import PARAMETERS

DEVICE_COUNT = "a whole number from 1 to 8"
NON_VIRTUAL_MFA = "NON_COMPLIANT or COMPLIANT"
NO_ROOT_CREDENTIALS = "COMPLIANT or NOT_APPLICABLE or NON_COMPLIANT"
ROLE_NAME = "the name of a role (1 to 64 of A-Z a-z 0-9 + = , . @ _ -), without a path or ARN"


def test_defaults() -> None:
    assert PARAMETERS.parse({}) == RuleParameters(
        Parameters(
            minimum_virtual_mfa_devices=1,
            non_virtual_mfa=Verdict.NON_COMPLIANT,
            no_root_credentials=Verdict.COMPLIANT,
        ),
        execution_role_name=None,
    )


def test_all_parameters_at_once() -> None:
    parsed = PARAMETERS.parse(
        {
            "minimumVirtualMfaDevices": "2",
            "nonVirtualMfa": "COMPLIANT",
            "noRootCredentials": "NOT_APPLICABLE",
            "ExecutionRoleName": "root-virtual-mfa-evaluation",
        }
    )
    assert parsed == RuleParameters(Parameters(2, Verdict.COMPLIANT, Verdict.NOT_APPLICABLE), "root-virtual-mfa-evaluation")


@pytest.mark.parametrize("count", range(1, 9))
def test_minimum_virtual_mfa_devices(count: int) -> None:
    parsed = PARAMETERS.parse({"minimumVirtualMfaDevices": str(count)})
    assert parsed == RuleParameters(Parameters(minimum_virtual_mfa_devices=count))


@pytest.mark.parametrize("verdict", ["NON_COMPLIANT", "COMPLIANT"])
def test_non_virtual_mfa(verdict: str) -> None:
    assert PARAMETERS.parse({"nonVirtualMfa": verdict}) == RuleParameters(Parameters(non_virtual_mfa=Verdict(verdict)))


@pytest.mark.parametrize("verdict", ["COMPLIANT", "NOT_APPLICABLE", "NON_COMPLIANT"])
def test_no_root_credentials(verdict: str) -> None:
    assert PARAMETERS.parse({"noRootCredentials": verdict}) == RuleParameters(Parameters(no_root_credentials=Verdict(verdict)))


@pytest.mark.parametrize("name", ["r", "r" * 64, "Root+virtual=mfa,evaluation.role@example_1-a"])
def test_execution_role_name(name: str) -> None:
    assert PARAMETERS.parse({"ExecutionRoleName": name}) == RuleParameters(Parameters(), execution_role_name=name)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        *(
            pytest.param("minimumVirtualMfaDevices", value, DEVICE_COUNT, id=f"minimumVirtualMfaDevices-{why}")
            for value, why in [
                ("", "empty"),
                ("0", "below"),
                ("9", "above"),
                ("10", "two digits"),
                ("-1", "negative"),
                ("+1", "sign"),
                ("01", "leading zero"),
                ("1.0", "fraction"),
                ("1e0", "exponent"),
                (" 1", "white space before"),
                ("1 ", "white space after"),
                ("1\n", "line break after"),
                ("\u0663", "Arabic digit"),
                ("\u00b2", "superscript digit"),
                ("one", "word"),
                ("true", "boolean"),
                ("1,2", "list"),
            ]
        ),
        *(
            pytest.param("nonVirtualMfa", value, NON_VIRTUAL_MFA, id=f"nonVirtualMfa-{why}")
            for value, why in [
                ("", "empty"),
                ("NOT_APPLICABLE", "verdict of another parameter"),
                ("INSUFFICIENT_DATA", "compliance type of AWS Config"),
                ("compliant", "lower case"),
                ("COMPLIANT ", "white space"),
                ("true", "boolean"),
            ]
        ),
        *(
            pytest.param("noRootCredentials", value, NO_ROOT_CREDENTIALS, id=f"noRootCredentials-{why}")
            for value, why in [
                ("", "empty"),
                ("INSUFFICIENT_DATA", "compliance type of AWS Config"),
                ("not_applicable", "lower case"),
                ("NON-COMPLIANT", "hyphen"),
                ("\tCOMPLIANT", "white space"),
                ("1", "number"),
            ]
        ),
        *(
            pytest.param("ExecutionRoleName", value, ROLE_NAME, id=f"ExecutionRoleName-{why}")
            for value, why in [
                ("", "empty"),
                ("service-role/evaluation", "path"),
                ("/evaluation", "leading slash"),
                ("arn:aws:iam::111122223333:role/evaluation", "ARN"),
                ("two words", "white space"),
                ("evaluation\n", "line break after"),
                ("\u00e9valuation", "letter beyond ASCII"),
                ("*", "wildcard"),
            ]
        ),
    ],
)
def test_scenario_7_value_that_is_not_allowed(name: str, value: str, allowed: str) -> None:
    message = f"Rule parameter {name} is {value!r}: allowed is {allowed}."
    with pytest.raises(ParameterError, match=f"^{re.escape(message)}$"):
        PARAMETERS.parse({name: value})


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("AssumeRoleMode", id="rdklib's AssumeRoleMode"),
        pytest.param("ExecutionRoleRegion", id="rdklib's ExecutionRoleRegion"),
        pytest.param("executionRoleName", id="another case of a name"),
        pytest.param("minimumVirtualMFADevices", id="another spelling of a name"),
        pytest.param(" nonVirtualMfa", id="white space"),
        pytest.param("", id="empty"),
    ],
)
def test_scenario_7_unknown_name(name: str) -> None:
    message = (
        f"Unknown rule parameter {name!r}: allowed are minimumVirtualMfaDevices, nonVirtualMfa, noRootCredentials, "
        "ExecutionRoleName."
    )
    with pytest.raises(ParameterError, match=f"^{re.escape(message)}$"):
        PARAMETERS.parse({"nonVirtualMfa": "COMPLIANT", name: "true"})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"ExecutionRoleName": "r" * 65},
            f"Rule parameter ExecutionRoleName is a text of 65 characters: allowed is {ROLE_NAME}.",
        ),
        ({"t" * 300: "1"}, "Unknown rule parameter a text of 300 characters: allowed are minimumVirtualMfaDevices,"),
    ],
)
def test_scenario_7_what_is_as_long_as_a_result_token_is_not_shown(given: dict[str, str], message: str) -> None:
    with pytest.raises(ParameterError, match=f"^{re.escape(message)}"):
        PARAMETERS.parse(given)


def test_parameters_that_are_in_force_are_what_the_rule_takes() -> None:
    given = {"minimumVirtualMfaDevices": "2", "nonVirtualMfa": "COMPLIANT", "noRootCredentials": "NOT_APPLICABLE"}
    assert PARAMETERS.texts(PARAMETERS.parse(given)) == given
    assert PARAMETERS.texts(PARAMETERS.parse(given | {"ExecutionRoleName": "evaluation"})) == given | {
        "ExecutionRoleName": "evaluation"
    }
    defaults = {"minimumVirtualMfaDevices": "1", "nonVirtualMfa": "NON_COMPLIANT", "noRootCredentials": "COMPLIANT"}
    assert PARAMETERS.texts(PARAMETERS.parse({})) == defaults
    assert PARAMETERS.parse(defaults) == PARAMETERS.parse({})


def test_scenario_7_a_good_parameter_excuses_no_bad_one() -> None:
    with pytest.raises(ParameterError, match=r"^Rule parameter noRootCredentials is 'maybe'"):
        PARAMETERS.parse({"minimumVirtualMfaDevices": "1", "noRootCredentials": "maybe", "ExecutionRoleName": "evaluation"})
