"""The verdict table: scenarios 1 to 6 of the rule's header, and what holds for any facts."""

import itertools
import re
from dataclasses import replace
from typing import TypeAlias

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from periodic_rule.verdict import ANNOTATION_LENGTH, Decision, Verdict
from root_virtual_mfa_enabled.decision import (
    AccountSummary,
    Facts,
    Parameters,
    VirtualMfaDevice,
    decide,
)

Presence: TypeAlias = bool | None
"""Whether the summary says that a kind of credential is present; None if it says nothing."""

ACCOUNT = "111122223333"
OTHER_ACCOUNT = "444455556666"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"

MFA_ON = AccountSummary(mfa_enabled=True, password_present=True, access_keys_present=False, signing_certificates_present=False)
MFA_OFF = replace(MFA_ON, mfa_enabled=False)
NO_CREDENTIALS = replace(MFA_OFF, password_present=False)
NO_CREDENTIALS_MFA_ON = replace(MFA_ON, password_present=False)


def device(name: str = "phone", user_arn: str | None = ROOT, *, enabled: bool = True) -> VirtualMfaDevice:
    return VirtualMfaDevice(f"arn:aws:iam::{ACCOUNT}:mfa/{name}", user_arn, enabled=enabled)


def root_devices(count: int) -> tuple[VirtualMfaDevice, ...]:
    return tuple(device(f"device-{number}") for number in range(count))


def facts(summary: AccountSummary | None, *devices: VirtualMfaDevice, partition: str = "aws") -> Facts:
    return Facts(partition, ACCOUNT, summary, devices)


# Scenario 1: a partition that is not evaluated


@pytest.mark.parametrize("partition", ["aws-us-gov", "aws-cn"])
def test_scenario_1_partition_without_such_a_root_user_is_not_applicable(partition: str) -> None:
    decision = decide(Facts(partition, ACCOUNT), Parameters())
    assert decision == Decision(Verdict.NOT_APPLICABLE, f"The root user is not evaluated in this partition ({partition}).")


def test_scenario_1_decides_before_any_other() -> None:
    known = facts(MFA_ON, device(user_arn=f"arn:aws-cn:iam::{ACCOUNT}:root"), partition="aws-cn")
    assert decide(known, Parameters()).verdict is Verdict.NOT_APPLICABLE


@pytest.mark.parametrize("partition", ["aws", "aws-iso", "aws-iso-b", "aws-eusc"])
def test_scenario_1_does_not_hold_in_another_partition(partition: str) -> None:
    assert decide(facts(MFA_OFF, partition=partition), Parameters()).verdict is Verdict.NON_COMPLIANT


@pytest.mark.parametrize("partition", ["aws", "aws-iso"])
def test_an_evaluated_partition_needs_the_summary(partition: str) -> None:
    with pytest.raises(ValueError, match=f"^facts about {ACCOUNT} lack the account summary$"):
        decide(Facts(partition, ACCOUNT), Parameters())


# Scenario 2: enough virtual MFA devices


@pytest.mark.parametrize("minimum", range(1, 9))
def test_scenario_2_at_least_the_minimum_is_compliant(minimum: int) -> None:
    parameters = Parameters(minimum_virtual_mfa_devices=minimum)
    for found in range(minimum, 9):
        assert decide(facts(MFA_ON, *root_devices(found)), parameters).verdict is Verdict.COMPLIANT


@pytest.mark.parametrize(
    ("devices", "access_keys", "annotation"),
    [
        pytest.param([device("phone")], False, "The root user has 1 virtual MFA device (phone).", id="one device"),
        pytest.param(
            [device("tablet"), device("phone")],
            False,
            "The root user has 2 virtual MFA devices (phone, tablet).",
            id="two devices, sorted",
        ),
        pytest.param(
            [device("offices/berlin/safe")], None, "The root user has 1 virtual MFA device (safe).", id="name in a path"
        ),
        pytest.param(
            [device("phone")],
            True,
            "The root user has 1 virtual MFA device (phone); root also has access keys, which bypass the MFA of the console.",
            id="access keys",
        ),
        pytest.param(
            [device("a" * 120), device("b" * 120)],
            False,
            f"The root user has 2 virtual MFA devices ({'a' * 120} and 1 more).",
            id="not all names fit",
        ),
        pytest.param([device("a" * 226)], False, "The root user has 1 virtual MFA device.", id="no name fits"),
        pytest.param([device("")], False, "The root user has 1 virtual MFA device.", id="empty name"),
    ],
)
def test_scenario_2_annotation(devices: list[VirtualMfaDevice], access_keys: Presence, annotation: str) -> None:
    summary = replace(MFA_ON, access_keys_present=access_keys)
    assert decide(facts(summary, *devices), Parameters()) == Decision(Verdict.COMPLIANT, annotation)


def test_scenario_2_names_a_device_as_long_as_there_is_room() -> None:
    around = len("The root user has 1 virtual MFA device ().")
    longest = "x" * (ANNOTATION_LENGTH - around)
    fits = decide(facts(MFA_ON, device(longest)), Parameters()).annotation
    assert len(fits) == ANNOTATION_LENGTH
    assert longest in fits
    assert "x" not in decide(facts(MFA_ON, device(longest + "x")), Parameters()).annotation


@pytest.mark.parametrize(
    "summary", [NO_CREDENTIALS_MFA_ON, replace(MFA_ON, access_keys_present=True, signing_certificates_present=True)]
)
@pytest.mark.parametrize("no_root_credentials", Verdict)
@pytest.mark.parametrize("non_virtual_mfa", [Verdict.COMPLIANT, Verdict.NON_COMPLIANT])
def test_scenario_2_asks_for_nothing_else(
    summary: AccountSummary, no_root_credentials: Verdict, non_virtual_mfa: Verdict
) -> None:
    parameters = Parameters(non_virtual_mfa=non_virtual_mfa, no_root_credentials=no_root_credentials)
    decision = decide(facts(summary, device()), parameters)
    assert decision.verdict is Verdict.COMPLIANT
    assert decision.annotation.startswith("The root user has 1 virtual MFA device (phone)")


# Which devices are root's


@pytest.mark.parametrize(
    "owned",
    [
        pytest.param(device("root-account-mfa-device"), id="the name that the console once gave"),
        pytest.param(device("x"), id="short name"),
        pytest.param(device("n" * 226), id="longest name"),
        pytest.param(device("division/team/phone"), id="path"),
        pytest.param(device("A+b=c,d.e@f-g_h"), id="every character that a name may have"),
        pytest.param(device(enabled=False), id="without EnableDate"),
        pytest.param(device("root-account-mfa-device", user_arn=None), id="legacy shape"),
    ],
)
def test_scenario_2_device_of_root(owned: VirtualMfaDevice) -> None:
    known = facts(MFA_ON, owned)
    assert known.root_devices == (owned,)
    assert decide(known, Parameters()).verdict is Verdict.COMPLIANT


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(device(user_arn=f"arn:aws:iam::{ACCOUNT}:user/groot"), id="user groot"),
        pytest.param(device(user_arn=f"arn:aws:iam::{ACCOUNT}:user/x:root"), id="user whose ARN ends like root's"),
        pytest.param(device(user_arn=f"{ROOT}/phone"), id="ARN that begins with root's"),
        pytest.param(device(user_arn=f"x{ROOT}"), id="ARN that ends with root's"),
        pytest.param(device(user_arn=ROOT.upper()), id="upper case"),
        pytest.param(device(user_arn=f"{ROOT} "), id="white space"),
        pytest.param(device(user_arn=""), id="empty ARN"),
        pytest.param(device(user_arn=ACCOUNT), id="account id"),
        pytest.param(
            device("root-account-mfa-device", user_arn=f"arn:aws:iam::{ACCOUNT}:user/alejandra"),
            id="an IAM user's device of root's old name",
        ),
        pytest.param(device("root-account-mfa-device", user_arn=None, enabled=False), id="left behind by an abandoned set-up"),
        pytest.param(device("phone", user_arn=None), id="without user, another name"),
        pytest.param(device("x/root-account-mfa-device", user_arn=None), id="without user, root's old name in a path"),
        pytest.param(device("my-root-account-mfa-device", user_arn=None), id="without user, root's old name as an end"),
        pytest.param(device("root-account-mfa-device-2", user_arn=None), id="without user, root's old name as a start"),
        pytest.param(device(user_arn=f"arn:aws:iam::{OTHER_ACCOUNT}:root"), id="root of another account"),
        pytest.param(device(user_arn=f"arn:aws-cn:iam::{ACCOUNT}:root"), id="root in another partition"),
    ],
)
def test_scenario_2_device_of_someone_else(other: VirtualMfaDevice) -> None:
    known = facts(MFA_ON, other)
    assert known.root_devices == ()
    assert decide(known, Parameters()).verdict is Verdict.NON_COMPLIANT


@pytest.mark.parametrize("partition", ["aws", "aws-iso", "aws-eusc"])
def test_root_is_the_root_of_the_evaluated_account_and_partition(partition: str) -> None:
    owned = device(user_arn=f"arn:{partition}:iam::{ACCOUNT}:root")
    assert facts(MFA_ON, owned, partition=partition).root_devices == (owned,)


# Scenario 3: no root credentials

NO_CREDENTIALS_FOUND = "The root user has no credentials (no password, access key or signing certificate)"
RECOVERY = "a password recovery counts as a password once it is allowed, and then MFA decides"


@pytest.mark.parametrize("summary", [NO_CREDENTIALS, NO_CREDENTIALS_MFA_ON], ids=["MFA off", "MFA on"])
@pytest.mark.parametrize(
    ("no_root_credentials", "annotation"),
    [
        pytest.param(
            Verdict.COMPLIANT,
            f"{NO_CREDENTIALS_FOUND}; {RECOVERY}.",
            id="COMPLIANT",
        ),
        pytest.param(
            Verdict.NOT_APPLICABLE,
            f"{NO_CREDENTIALS_FOUND}, and noRootCredentials is NOT_APPLICABLE; {RECOVERY}.",
            id="NOT_APPLICABLE",
        ),
        pytest.param(
            Verdict.NON_COMPLIANT,
            f"{NO_CREDENTIALS_FOUND}, and noRootCredentials is NON_COMPLIANT: have a password recovery allowed, recover the "
            "password and assign a virtual MFA device.",
            id="NON_COMPLIANT",
        ),
    ],
)
def test_scenario_3_no_credentials(summary: AccountSummary, no_root_credentials: Verdict, annotation: str) -> None:
    decision = decide(facts(summary), Parameters(no_root_credentials=no_root_credentials))
    assert decision == Decision(no_root_credentials, annotation)


def test_scenario_3_comes_before_scenarios_4_and_5() -> None:
    parameters = Parameters(minimum_virtual_mfa_devices=2, no_root_credentials=Verdict.NOT_APPLICABLE)
    for devices in ((), root_devices(1)):
        assert decide(facts(NO_CREDENTIALS_MFA_ON, *devices), parameters).verdict is Verdict.NOT_APPLICABLE


KINDS = ("password_present", "access_keys_present", "signing_certificates_present")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("present", [True, None], ids=["present", "missing from the summary"])
@pytest.mark.parametrize("no_credentials", [NO_CREDENTIALS, NO_CREDENTIALS_MFA_ON], ids=["MFA off", "MFA on"])
def test_scenario_3_needs_each_kind_to_be_known_absent(kind: str, present: Presence, no_credentials: AccountSummary) -> None:
    summary = replace(no_credentials, **{kind: present})  # type: ignore[arg-type] # the names are of bool | None
    decision = decide(facts(summary), Parameters(no_root_credentials=Verdict.COMPLIANT))
    assert decision.verdict is Verdict.NON_COMPLIANT
    assert "no credentials" not in decision.annotation


# Scenario 4: fewer than the minimum


@pytest.mark.parametrize(("found", "minimum"), list(itertools.combinations(range(1, 9), 2)))
def test_scenario_4_fewer_than_the_minimum_is_non_compliant(found: int, minimum: int) -> None:
    parameters = Parameters(minimum_virtual_mfa_devices=minimum)
    decision = decide(facts(MFA_ON, *root_devices(found)), parameters)
    assert decision == Decision(
        Verdict.NON_COMPLIANT,
        f"The root user has {found} virtual MFA device{'' if found == 1 else 's'} and minimumVirtualMfaDevices is "
        f"{minimum}: sign in to the console as root and assign {minimum - found} more.",
    )


def test_scenario_4_is_not_excused_by_what_excuses_others() -> None:
    lenient = Parameters(2, non_virtual_mfa=Verdict.COMPLIANT, no_root_credentials=Verdict.COMPLIANT)
    assert decide(facts(MFA_ON, device()), lenient).verdict is Verdict.NON_COMPLIANT


# Scenario 5: MFA without any virtual device


@pytest.mark.parametrize("minimum", [1, 2, 8])
def test_scenario_5_only_another_kind_of_mfa_is_non_compliant_by_default(minimum: int) -> None:
    decision = decide(facts(MFA_ON), Parameters(minimum_virtual_mfa_devices=minimum))
    assert decision == Decision(
        Verdict.NON_COMPLIANT,
        "The root user's MFA is on without a virtual MFA device, so it is inferred to be a hardware token, passkey or "
        "security key: assign a virtual device as well, or set nonVirtualMfa to COMPLIANT.",
    )


@pytest.mark.parametrize(
    ("access_keys", "end"),
    [
        pytest.param(False, ".", id="no access keys"),
        pytest.param(None, ".", id="access keys unknown"),
        pytest.param(True, "; root also has access keys, which bypass the MFA of the console.", id="access keys"),
    ],
)
def test_scenario_5_is_compliant_if_non_virtual_mfa_is(access_keys: Presence, end: str) -> None:
    summary = replace(MFA_ON, access_keys_present=access_keys)
    decision = decide(facts(summary), Parameters(non_virtual_mfa=Verdict.COMPLIANT))
    assert decision == Decision(
        Verdict.COMPLIANT,
        "The root user's MFA is on without a virtual MFA device, so it is inferred to be a hardware token, passkey or "
        f"security key, which nonVirtualMfa accepts{end}",
    )


# Scenario 6: no MFA


@pytest.mark.parametrize(
    ("password", "access_keys", "certificates", "remaining"),
    [
        pytest.param(True, False, False, None, id="password"),
        pytest.param(True, True, True, None, id="password, keys and certificates"),
        pytest.param(None, True, False, None, id="password unknown, keys"),
        pytest.param(None, False, False, None, id="password unknown"),
        pytest.param(False, None, False, None, id="keys unknown"),
        pytest.param(False, None, None, None, id="keys and certificates unknown"),
        pytest.param(False, True, False, "access keys", id="keys remain"),
        pytest.param(False, True, None, "access keys", id="keys remain, certificates unknown"),
        pytest.param(False, False, True, "signing certificates", id="certificates remain"),
        pytest.param(False, True, True, "access keys and signing certificates", id="both remain"),
    ],
)
def test_scenario_6_no_mfa_is_non_compliant(
    password: Presence, access_keys: Presence, certificates: Presence, remaining: str | None
) -> None:
    lenient = Parameters(non_virtual_mfa=Verdict.COMPLIANT, no_root_credentials=Verdict.COMPLIANT)
    decision = decide(facts(AccountSummary(False, password, access_keys, certificates)), lenient)  # noqa: FBT003 - one column each
    expected = (
        "The root user has no MFA: sign in to the console as root and assign a virtual MFA device."
        if remaining is None
        else f"The root user has no MFA and no password, but {remaining} remain: delete what remains, or recover the "
        "password by e-mail and assign a virtual MFA device."
    )
    assert decision == Decision(Verdict.NON_COMPLIANT, expected)


def test_scenario_6_devices_do_not_count_if_mfa_is_off() -> None:
    assert decide(facts(MFA_OFF, *root_devices(8)), Parameters()).verdict is Verdict.NON_COMPLIANT


# What holds for any facts

maybe = st.sampled_from([True, False, None])
summaries = st.builds(AccountSummary, st.booleans(), maybe, maybe, maybe)
verdicts_of_non_virtual_mfa = st.sampled_from([Verdict.NON_COMPLIANT, Verdict.COMPLIANT])
rule_parameters = st.builds(Parameters, st.integers(1, 8), verdicts_of_non_virtual_mfa, st.sampled_from(Verdict))

# Source: API model, iam, virtualMFADeviceName and pathType.
names = st.text("abcXYZ019_+=,.@-", min_size=1, max_size=30) | st.sampled_from(
    ["n" * 226, "root-account-mfa-device", "...", "groot", "Ends-like-a-sentence."]
)
paths = st.sampled_from(["/", "/", "/division/", "/a/b/c/"])
serials = st.builds(lambda path, name: f"arn:aws:iam::{ACCOUNT}:mfa{path}{name}", paths, names)
devices_of_root = st.builds(VirtualMfaDevice, serials, st.just(ROOT), st.booleans()) | st.just(
    device("root-account-mfa-device", user_arn=None)
)
arns_of_others = st.sampled_from(
    [
        f"arn:aws:iam::{ACCOUNT}:user/groot",
        f"arn:aws:iam::{ACCOUNT}:user/team/root",
        f"arn:aws:iam::{OTHER_ACCOUNT}:root",
        f"arn:aws-cn:iam::{ACCOUNT}:root",
    ]
)
devices_of_others = st.builds(VirtualMfaDevice, serials, arns_of_others, st.booleans()) | st.builds(
    VirtualMfaDevice, serials, st.none(), st.just(value=False)
)
lists_of_root = st.lists(devices_of_root, max_size=10)
lists_of_others = st.lists(devices_of_others, max_size=5)


@given(
    partition=st.sampled_from(["aws", "aws-iso", "aws-us-gov", "aws-cn"]),
    summary=summaries,
    devices=st.lists(devices_of_root | devices_of_others, max_size=12),
    parameters=rule_parameters,
)
def test_annotation_is_one_sentence_that_config_takes(
    partition: str, summary: AccountSummary, devices: list[VirtualMfaDevice], parameters: Parameters
) -> None:
    annotation = decide(facts(summary, *devices, partition=partition), parameters).annotation
    assert 1 <= len(annotation) <= ANNOTATION_LENGTH == 256
    without_names = re.sub(r"\(.*\)", "", annotation)
    assert re.fullmatch(r"The root user(?:'s| )[^.!?\n]+\.", without_names)


# What each row of the table says, by: MFA on, number of virtual devices, no credentials.
ROWS = {
    (True, "enough", True): 2,
    (True, "enough", False): 2,
    (True, "few", True): 3,
    (True, "few", False): 4,
    (True, "none", True): 3,
    (True, "none", False): 5,
    (False, "enough", True): 3,
    (False, "enough", False): 6,
    (False, "few", True): 3,
    (False, "few", False): 6,
    (False, "none", True): 3,
    (False, "none", False): 6,
}


@given(summary=summaries, of_root=lists_of_root, of_others=lists_of_others, parameters=rule_parameters, data=st.data())
def test_decision_is_what_the_table_says(
    summary: AccountSummary,
    of_root: list[VirtualMfaDevice],
    of_others: list[VirtualMfaDevice],
    parameters: Parameters,
    data: st.DataObject,
) -> None:
    devices = data.draw(st.permutations(of_root + of_others))
    missing = parameters.minimum_virtual_mfa_devices - len(of_root)
    known = (summary.password_present, summary.access_keys_present, summary.signing_certificates_present)
    row = ROWS[
        summary.mfa_enabled,
        "none" if not of_root else "few" if missing > 0 else "enough",
        known == (False, False, False),
    ]
    verdict, saying = {
        2: (Verdict.COMPLIANT, f"has {len(of_root)} virtual MFA device"),
        3: (parameters.no_root_credentials, "has no credentials"),
        4: (Verdict.NON_COMPLIANT, f"assign {missing} more"),
        5: (parameters.non_virtual_mfa, "inferred to be a hardware token, passkey or security key"),
        6: (Verdict.NON_COMPLIANT, "has no MFA"),
    }[row]
    decision = decide(facts(summary, *devices), parameters)
    assert (decision.verdict, saying in decision.annotation) == (verdict, True)


@given(summary=summaries, of_root=lists_of_root, added=devices_of_root, parameters=rule_parameters)
def test_another_virtual_device_never_makes_it_worse(
    summary: AccountSummary, of_root: list[VirtualMfaDevice], added: VirtualMfaDevice, parameters: Parameters
) -> None:
    # The table's one exception: a hardware device alone passes, but one virtual device beside it is too few.
    assume(of_root or parameters.minimum_virtual_mfa_devices == 1 or parameters.non_virtual_mfa != Verdict.COMPLIANT)
    if decide(facts(summary, *of_root), parameters).verdict is Verdict.COMPLIANT:
        assert decide(facts(summary, *of_root, added), parameters).verdict is Verdict.COMPLIANT


@given(summary=summaries, of_root=lists_of_root, of_others=lists_of_others, parameters=rule_parameters)
def test_devices_of_others_change_nothing(
    summary: AccountSummary,
    of_root: list[VirtualMfaDevice],
    of_others: list[VirtualMfaDevice],
    parameters: Parameters,
) -> None:
    alone = decide(facts(summary, *of_root), parameters)
    assert decide(facts(summary, *of_others, *of_root), parameters) == alone


@given(
    summary=summaries,
    devices=st.lists(devices_of_root | devices_of_others, max_size=6),
    parameters=rule_parameters,
    data=st.data(),
)
def test_order_of_devices_changes_nothing(
    summary: AccountSummary, devices: list[VirtualMfaDevice], parameters: Parameters, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(devices))
    assert decide(facts(summary, *shuffled), parameters) == decide(facts(summary, *devices), parameters)


@given(summary=summaries, of_root=lists_of_root, parameters=rule_parameters)
def test_a_higher_minimum_never_makes_an_account_compliant(
    summary: AccountSummary, of_root: list[VirtualMfaDevice], parameters: Parameters
) -> None:
    verdict = decide(facts(summary, *of_root), parameters).verdict
    assume(verdict is not Verdict.COMPLIANT)
    for minimum in range(parameters.minimum_virtual_mfa_devices, 9):
        stricter = replace(parameters, minimum_virtual_mfa_devices=minimum)
        assert decide(facts(summary, *of_root), stricter).verdict is verdict


@given(summary=summaries, of_root=lists_of_root, parameters=rule_parameters)
def test_unknown_is_as_good_as_present(
    summary: AccountSummary, of_root: list[VirtualMfaDevice], parameters: Parameters
) -> None:
    assumed = AccountSummary(
        mfa_enabled=summary.mfa_enabled,
        password_present=summary.password_present is not False,
        access_keys_present=summary.access_keys_present is not False,
        signing_certificates_present=summary.signing_certificates_present is not False,
    )
    verdict = decide(facts(assumed, *of_root), parameters).verdict
    assert decide(facts(summary, *of_root), parameters).verdict is verdict
