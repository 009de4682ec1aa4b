"""The accounts file and the changes to a root user: what is accepted, and the message for each mistake."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local_aws.client import PROJECT
from local_aws.organizations import accounts, accounts_file
from local_aws.organizations.accounts import CHANGES, Account, AccountsError, RootUser

NOW = datetime(2026, 1, 31, tzinfo=UTC)
GOOD = """
accounts:
  "000000000001":
    name: everything
    recorder: false
    root_user:
      password: false
      access_keys: 2
      signing_certificates: 1
      hardware_mfa_devices: 3
      virtual_mfa_devices: [phone-in-the-safe, "a.b+c=d,e@f_g"]
  "000000000002": {}
"""


def write(directory: Path, text: str) -> Path:
    file = directory / "accounts.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_says_what_accounts_and_root_users_there_are(tmp_path: Path) -> None:
    began = datetime.now(UTC)
    everything, _ = accounts_file.read_accounts(write(tmp_path, GOOD)).values()
    assert (everything.account_id, everything.name, everything.recorder) == ("000000000001", "everything", False)
    root = everything.root_user
    assert root.password is False
    assert (len(root.access_keys), len(root.signing_certificates), len(root.hardware_mfa_devices)) == (2, 1, 3)
    assert list(root.virtual_mfa_devices) == ["phone-in-the-safe", "a.b+c=d,e@f_g"]
    assert all(enabled >= began for enabled in root.virtual_mfa_devices.values())
    assert root.mfa_devices == 5


def test_a_file_says_how_long_ago_root_was_used(tmp_path: Path) -> None:
    """A key is not older than its use, and what was never used has no time."""
    settings = "{password_used_days_ago: 30, access_keys: 2, access_keys_used_days_ago: 1, signing_certificates: 1}"
    began = datetime.now(UTC)
    [account] = accounts_file.read_accounts(write(tmp_path, root_user(settings))).values()
    root, ended = account.root_user, datetime.now(UTC)
    assert root.password_last_used is not None
    assert began <= root.password_last_used + timedelta(days=30) <= ended
    assert root.access_keys == root.access_keys_last_used
    assert all(began <= used + timedelta(days=1) <= ended for used in root.access_keys.values())
    assert all(uploaded >= began for uploaded in root.signing_certificates.values())
    assert (RootUser().password_last_used, RootUser().access_keys_last_used) == (None, {})


def test_what_a_file_leaves_out_is_usual(tmp_path: Path) -> None:
    _, nothing = accounts_file.read_accounts(write(tmp_path, GOOD)).values()
    assert (nothing.name, nothing.recorder, nothing.root_user) == ("000000000002", True, RootUser(password=True))


def test_the_file_of_the_project_is_good() -> None:
    assert accounts_file.read_accounts(PROJECT / "local_aws/accounts.yaml")


def test_an_account_that_is_not_there_is_told_from_some_that_are() -> None:
    some = {number: Account(number, number, RootUser()) for number in "1234567"}
    assert accounts.find(some, "7") is some["7"]
    with pytest.raises(AccountsError, match=r"^There is no account 8: there are 1, 2, 3, 4, 5 and 2 more\.$"):
        accounts.find(some, "8")
    del some["6"], some["7"]
    with pytest.raises(AccountsError, match=r"^There is no account 8: there are 1, 2, 3, 4, 5\.$"):
        accounts.find(some, "8")


def account(settings: str) -> str:
    return f'accounts: {{"000000000001": {settings}}}'


def root_user(settings: str) -> str:
    return account(f"{{root_user: {settings}}}")


ONE = "account 000000000001"
ROOT = f"{ONE}: root_user"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accounts: [", "is no YAML: while parsing"),
        ("a: &a [*a]\nb: !!python/object:os.system x", "is no YAML: could not determine a constructor"),
        ("", " must be a mapping, but is None."),
        ("- accounts", " must be a mapping, but is ['accounts']."),
        ("acounts: {}", " has an unknown key 'acounts': allowed are accounts, organization."),
        ("{}", " has no accounts: it must have at least one, in the mapping 'accounts'."),
        ("accounts: {}", " has no accounts: it must have at least one, in the mapping 'accounts'."),
        ("accounts: []", ": accounts is [], but must be a mapping."),
        ("accounts: {1: {}}", ": account 1: an account id has 12 digits (write it in quotes)."),
        ('accounts: {"00000000000a": {}}', ": account 00000000000a: an account id has 12 digits (write it in quotes)."),
        ('accounts: {"000000000001": {}, "000000000001": {}}', "the key '000000000001' is there twice"),
        ('accounts: {"100000000001": {}, 100000000001: {}}', "the key '100000000001' is there twice"),
        (account(""), f": {ONE} must be a mapping, but is None."),
        (account("[]"), f": {ONE} must be a mapping, but is []."),
        (account("{nome: x}"), f": {ONE} has an unknown key 'nome': allowed are name, recorder, root_user."),
        (account("{name: 1}"), f": {ONE}: name is 1, but must be a text."),
        (account("{recorder: 'on'}"), f": {ONE}: recorder is 'on', but must be true or false."),
        (root_user(""), f": {ROOT} is None, but must be a mapping."),
        (
            root_user("{mfa: 1}"),
            f": {ROOT} has an unknown key 'mfa': allowed are password, access_keys, signing_certificates, hardware_mfa_devices",
        ),
        (root_user("{password: 1}"), f": {ROOT}: password is 1, but must be true or false."),
        (root_user("{access_keys: true}"), f": {ROOT}: access_keys is True, but must be a number, not a negative one."),
        (root_user("{access_keys: -1}"), f": {ROOT}: access_keys is -1, but must be a number, not a negative one."),
        (root_user("{access_keys: 3}"), f": {ROOT}: The root user already has 2 access keys, and may have no more."),
        (
            root_user("{signing_certificates: 3}"),
            f": {ROOT}: The root user already has 2 signing certificates, and may have no more.",
        ),
        (
            root_user("{hardware_mfa_devices: 9}"),
            f": {ROOT}: The root user already has 8 MFA devices, and may have no more.",
        ),
        (
            root_user("{hardware_mfa_devices: 7, virtual_mfa_devices: [a, b]}"),
            f": {ROOT}: The root user already has 8 MFA devices, and may have no more.",
        ),
        (root_user("{virtual_mfa_devices: phone}"), f": {ROOT}: virtual_mfa_devices is 'phone', but must be a list."),
        (
            root_user("{virtual_mfa_devices: [a, a]}"),
            f": {ROOT}: The root user already has a virtual MFA device named a.",
        ),
        (root_user("{virtual_mfa_devices: [a b]}"), "needs the name of a device (1 to 226 of A-Z a-z 0-9 + = , . @ _ -)"),
        (root_user("{virtual_mfa_devices: [null]}"), "needs the name of a device"),
        (root_user(f"{{virtual_mfa_devices: [{'x' * 227}]}}"), "needs the name of a device"),
        (root_user("{password: false, password_used_days_ago: 1}"), f": {ROOT}: The root user has no password, so nobody can"),
        (root_user("{access_keys_used_days_ago: 1}"), f": {ROOT}: The root user has no access keys, so nobody can use one."),
        (root_user("{password_used_days_ago: 99999}"), f": {ROOT}: password_used_days_ago is 99999, but the account is only"),
    ],
)
def test_a_bad_file_is_refused_in_one_line_that_says_where(tmp_path: Path, text: str, message: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(AccountsError) as refusal:
        accounts_file.read_accounts(file)
    assert str(refusal.value).startswith(str(file))
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "accounts.yaml"
    file.write_bytes(b"accounts: \xff")
    with pytest.raises(AccountsError, match="is no YAML: 'utf-8' codec can't decode"):
        accounts_file.read_accounts(file)


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        accounts_file.read_accounts(tmp_path / "accounts.yaml")


# Changes


@pytest.mark.parametrize(
    ("change", "attribute", "before", "after"),
    [
        ("add-hardware-device", "hardware_mfa_devices", 1, 2),
        ("remove-hardware-devices", "hardware_mfa_devices", 3, 0),
        ("add-passkey", "passkeys", 1, 2),
        ("remove-passkeys", "passkeys", 2, 0),
        ("create-access-key", "access_keys", 1, 2),
        ("delete-access-keys", "access_keys", 2, 0),
        ("upload-signing-certificate", "signing_certificates", 0, 1),
        ("delete-signing-certificates", "signing_certificates", 1, 0),
    ],
)
def test_a_change_changes_what_it_says(change: str, attribute: str, before: int, after: int) -> None:
    root = RootUser()
    setattr(root, attribute, some(before))
    accounts.change(root, change, None, NOW)
    assert len(getattr(root, attribute)) == after
    setattr(root, attribute, {})
    assert root == RootUser()


def some(number: int) -> dict[str, datetime]:
    return {f"number {place}": datetime.now(UTC) for place in range(number)}


@pytest.mark.parametrize(("change", "before", "after"), [("recover-password", False, True), ("delete-password", True, False)])
def test_a_password_comes_and_goes(change: str, *, before: bool, after: bool) -> None:
    root = RootUser(password=before)
    accounts.change(root, change, None, NOW)
    assert (root.password, root.password_last_used) == (after, None)


@pytest.mark.parametrize(
    ("change", "attribute", "pattern"),
    [
        ("add-hardware-device", "hardware_mfa_devices", "GAHT[0-9]{8}"),
        ("create-access-key", "access_keys", "AKIA[A-Z2-7]{16}"),
        ("upload-signing-certificate", "signing_certificates", "[A-Z2-7]{32}"),
    ],
)
def test_what_is_added_has_a_name_of_its_own_and_a_time(change: str, attribute: str, pattern: str) -> None:
    root = RootUser()
    accounts.change(root, change, None, NOW)
    accounts.change(root, change, None, NOW)
    added: dict[str, datetime] = getattr(root, attribute)
    assert len(added) == 2
    assert all(re.fullmatch(pattern, name) for name in added)
    assert set(added.values()) == {NOW}


def test_a_virtual_device_is_added_with_its_time_and_removed() -> None:
    root = RootUser()
    accounts.change(root, "add-virtual-device", "phone", NOW)
    accounts.change(root, "add-virtual-device", "tablet", NOW)
    assert root.virtual_mfa_devices["phone"] == NOW
    accounts.change(root, "remove-virtual-device", "phone", NOW)
    assert list(root.virtual_mfa_devices) == ["tablet"]


@pytest.mark.parametrize(
    ("root", "change", "device", "message"),
    [
        (RootUser(), "add-virtual", "phone", f"Unknown change 'add-virtual': allowed are {', '.join(CHANGES)}."),
        (RootUser(), "add-virtual-device", None, "add-virtual-device needs the name of a device"),
        (RootUser(), "add-virtual-device", "a/b", "but got 'a/b'"),
        (RootUser(), "remove-virtual-device", "", "remove-virtual-device needs the name of a device"),
        (RootUser(), "remove-virtual-device", "phone", "has no virtual MFA device named phone"),
        (RootUser(virtual_mfa_devices={"phone": datetime.now(UTC)}), "add-virtual-device", "phone", "already has a virtual"),
        (RootUser(unassigned_virtual_mfa_devices=["phone"]), "add-virtual-device", "phone", "already has a virtual"),
        (RootUser(unassigned_virtual_mfa_devices=["phone"]), "remove-virtual-device", "phone", "has no virtual MFA device"),
        (
            RootUser(hardware_mfa_devices=some(8)),
            "add-virtual-device",
            "phone",
            "already has 8 MFA devices, and may have no more",
        ),
        (
            RootUser(hardware_mfa_devices=some(8)),
            "add-hardware-device",
            None,
            "already has 8 MFA devices, and may have no more",
        ),
        (RootUser(access_keys=some(2)), "create-access-key", None, "already has 2 access keys, and may have no more"),
        (RootUser(password=False), "sign-in", None, "has no password"),
        (RootUser(), "use-access-keys", None, "has no access keys"),
        (RootUser(signing_certificates=some(2)), "upload-signing-certificate", None, "already has 2 signing certificates"),
    ],
)
def test_a_change_that_can_not_be_is_refused_and_changes_nothing(
    root: RootUser, change: str, device: str | None, message: str
) -> None:
    before = repr(root)
    with pytest.raises(AccountsError) as refusal:
        accounts.change(root, change, device, NOW)
    assert message in str(refusal.value)
    assert repr(root) == before
