"""Which controls of which frameworks a root user satisfies, and where the numbers come from."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from organization import journal
from organization.controls.judging import STATES, Assessment, Control, RootFacts, State, assess, assessments, states
from organization.controls.reading import frameworks
from periodic_rule.verdict import Verdict
from root_virtual_mfa_enabled.decision import AccountSummary, Facts, Parameters, VirtualMfaDevice, decide

ACCOUNT = "111111111111"
CONTROLS = {
    "aws-iam-43": ["AWS_IAM_43"],
    "cis-aws-1.2": ["1.13", "1.14"],
    "cis-aws-1.4": ["1.5", "1.6"],
    "cis-aws-1.5": ["1.5", "1.6"],
    "cis-aws-2.0": ["1.5", "1.6"],
    "cis-aws-3.0": ["1.5", "1.6"],
    "cis-aws-4.0.1": ["1.5", "1.6"],
    "cis-aws-5.0": ["1.4", "1.5"],
    "cis-aws-6.0": ["2.4", "2.5"],
    "cis-aws-7.0": ["2.5", "2.6"],
    "security-hub": ["IAM.9", "IAM.6"],
    "nist-800-53-r5": ["AC-2(1)", "AC-3(15)", "IA-2(1)", "IA-2(2)", "IA-2(6)", "IA-2(8)"],
    "pci-dss-4.0.1": ["8.4.2"],
    "iso-27001-2022": ["A.5.15", "A.5.17", "A.8.5"],
    "nist-csf-1.1": ["PR.AC-3", "PR.AC-7"],
    "nist-csf-2.0": ["PR.AA-01", "PR.AA-02", "PR.AA-03", "PR.AA-04"],
    "soc-2": ["CC6.6"],
}
ALL = [(framework.name, control) for framework in frameworks().values() for control in framework.controls]

FLAGS = st.sampled_from([True, False, None])
ROOTS = st.builds(
    lambda mfa, *others, devices: RootFacts(AccountSummary(mfa, *others), devices if mfa else 0),
    st.booleans(),
    *(FLAGS,) * 3,
    devices=st.integers(0, 8),
)


def root(*, mfa: bool = False, devices: int = 0, password: bool | None = True, keys: bool | None = False) -> RootFacts:
    return RootFacts(AccountSummary(mfa, password, keys, signing_certificates_present=False), devices)


VIRTUAL, OTHER, NO_MFA = root(mfa=True, devices=1), root(mfa=True), root()
NONE, KEYS_ONLY = root(password=False), root(password=False, keys=True)
LEFT_OVER = root(mfa=True, devices=1, password=False)
"""No credentials, and a virtual device that is still assigned."""

YES, NO, UNKNOWN = Assessment.SATISFIED, Assessment.NOT_SATISFIED, Assessment.UNKNOWN


def found(name: str, root_user: RootFacts | None) -> list[Assessment]:
    """Return the assessment of each control of a framework."""
    return [assess(control, root_user) for control in frameworks()[name].controls]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        # MFA of any kind, then hardware
        pytest.param(
            [name for name in CONTROLS if name.startswith("cis-aws-") and name < "cis-aws-5"],
            {
                "virtual": (VIRTUAL, [YES, NO]),
                "hardware": (OTHER, [YES, YES]),
                "no MFA": (NO_MFA, [NO, NO]),
                "no credentials": (NONE, [NO, NO]),
                "keys only": (KEYS_ONLY, [NO, NO]),
                "left over": (LEFT_OVER, [YES, NO]),
            },
            id="CIS up to 4.0.1 exempts nobody",
        ),
        pytest.param(
            ["cis-aws-5.0", "cis-aws-6.0", "cis-aws-7.0"],
            {
                "virtual": (VIRTUAL, [YES, NO]),
                "hardware": (OTHER, [YES, YES]),
                "no MFA": (NO_MFA, [NO, NO]),
                "no credentials": (NONE, [YES, YES]),
                "keys only": (KEYS_ONLY, [YES, YES]),
                "left over": (LEFT_OVER, [YES, NO]),
            },
            id="CIS from 5.0 exempts who has no password",
        ),
        pytest.param(
            ["security-hub"],
            {
                "virtual": (VIRTUAL, [YES, NO]),
                "hardware": (OTHER, [YES, YES]),
                "no MFA": (NO_MFA, [NO, NO]),
                "no credentials": (NONE, [YES, YES]),
                "keys only": (KEYS_ONLY, [YES, YES]),
                "left over": (LEFT_OVER, [YES, YES]),
            },
            id="Security Hub",
        ),
    ],
)
def test_hardware_is_no_virtual_device_and_any_mfa_is_either(
    names: list[str], expected: dict[str, tuple[RootFacts, list[Assessment]]]
) -> None:
    for name, (said, (root_user, outcomes_expected)) in product(names, expected.items()):
        assert found(name, root_user) == outcomes_expected, (name, said)


@pytest.mark.parametrize(
    ("name", "no_credentials"),
    [
        ("nist-800-53-r5", YES),
        ("pci-dss-4.0.1", YES),
        ("iso-27001-2022", UNKNOWN),
        ("nist-csf-1.1", UNKNOWN),
        ("nist-csf-2.0", NO),
        ("soc-2", NO),
    ],
)
def test_no_credentials_satisfy_only_where_the_source_says_so(name: str, no_credentials: Assessment) -> None:
    for root_user, expected in ((VIRTUAL, YES), (OTHER, YES), (NO_MFA, NO), (NONE, no_credentials)):
        assert set(found(name, root_user)) == {expected}


@given(ROOTS)
def test_control_of_this_rule_is_satisfied_if_the_rule_says_so(root_user: RootFacts) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}"
    devices = tuple(
        VirtualMfaDevice(f"{arn}:mfa/{number}", f"{arn}:root", enabled=True) for number in range(root_user.virtual_mfa_devices)
    )
    verdict = decide(Facts("aws", ACCOUNT, root_user.summary, devices), Parameters()).verdict
    assert (found("aws-iam-43", root_user) == [YES]) == (verdict is Verdict.COMPLIANT)


@given(ROOTS, st.sampled_from(ALL))
def test_what_is_not_known_never_satisfies(root_user: RootFacts, which: tuple[str, Control]) -> None:
    _, control = which
    assert assess(control, None) is UNKNOWN
    summary = root_user.summary
    password, keys, certificates = (
        each is not False
        for each in (summary.password_present, summary.access_keys_present, summary.signing_certificates_present)
    )
    assumed = AccountSummary(summary.mfa_enabled, password, keys, certificates)
    assert assess(control, root_user) == assess(control, RootFacts(assumed, root_user.virtual_mfa_devices))
    if not summary.mfa_enabled and summary.password_present is not False:
        assert assess(control, root_user) is NO


@given(ROOTS)
def test_a_root_user_with_mfa_is_of_one_kind(root_user: RootFacts) -> None:
    kinds = states(root_user) & {State.VIRTUAL, State.OTHER}
    assert len(kinds) == root_user.summary.mfa_enabled


@given(st.none() | ROOTS, st.sampled_from(list(CONTROLS)))
def test_each_control_has_one_outcome(root_user: RootFacts | None, name: str) -> None:
    by_assessment = assessments(frameworks()[name], root_user)
    assert list(by_assessment) == list(Assessment)
    assert sorted(control_id for control_ids in by_assessment.values() for control_id in control_ids) == sorted(CONTROLS[name])


# --- The data ---


def test_every_framework_has_its_controls() -> None:
    assert {name: [each.control_id for each in framework.controls] for name, framework in frameworks().items()} == CONTROLS


@pytest.mark.parametrize(("name", "control"), ALL)
def test_every_line_has_its_source_or_says_that_it_has_none(name: str, control: Control) -> None:
    assert bool(control.source) != bool(control.unverified)
    assert not control.source or control.source.startswith(("https://docs.aws.amazon.com/", "https://github.com/"))
    assert bool(control.unverified) == (name == "aws-iam-43")
    assert control.satisfied_by
    assert not control.satisfied_by & control.silent_on
    assert set(STATES) == set(State)


# --- The journal has the facts ---


def line(**fields: str) -> dict[str, str]:
    return {"@timestamp": "2026-03-01 12:00:00.000", "account": ACCOUNT, "message": "evaluation", **fields}


NAMES = ("mfa_enabled", "password_present", "access_keys_present", "signing_certificates_present")


@pytest.mark.parametrize(("no", "yes"), [("0", "1"), ("false", "true")])
def test_facts_of_a_line_however_a_query_shows_a_boolean(no: str, yes: str) -> None:
    facts = {f"facts.{name}": said for name, said in zip(NAMES, (yes, no, yes, no), strict=True)}
    entry = journal.from_rows([line(**facts, rootVirtualMfaDevices="2")]).evaluations[ACCOUNT]
    expected = AccountSummary(
        mfa_enabled=True, password_present=False, access_keys_present=True, signing_certificates_present=False
    )
    assert entry.root == RootFacts(expected, 2)


def test_a_fact_that_a_line_lacks_is_not_known() -> None:
    entry = journal.from_rows([line(**{"facts.mfa_enabled": "0"}, rootVirtualMfaDevices="0")]).evaluations[ACCOUNT]
    assert entry.root == RootFacts(AccountSummary(False, None, None, None), 0)  # noqa: FBT003 - its facts in a row


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"facts.mfa_enabled": "1"},
        {"rootVirtualMfaDevices": "1"},
        {"facts.mfa_enabled": "yes", "rootVirtualMfaDevices": "1"},
        {"facts.mfa_enabled": "1", "rootVirtualMfaDevices": "-1"},
        {"facts.mfa_enabled": "1", "rootVirtualMfaDevices": "1.5"},
        {"facts.mfa_enabled": "1", "rootVirtualMfaDevices": "\u0661"},
        {"facts.mfa_enabled": "1", "rootVirtualMfaDevices": "9" * 5000},
    ],
)
def test_a_line_without_the_facts_that_count_has_none(fields: dict[str, str]) -> None:
    assert journal.from_rows([line(**fields)]).evaluations[ACCOUNT].root is None
