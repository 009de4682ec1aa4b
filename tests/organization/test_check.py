"""The check as it is run, on answers of AWS: what is read, what is said of each account, and the exit code."""

import csv
import io
import json
import os
import re
import signal
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import SSOTokenLoadError
from hypothesis import given
from hypothesis import strategies as st

from organization import aws, cli
from organization.check import formats, judging, reading
from organization.check.judging import STATUSES, Checked, Row, Setting, rows
from organization.statuses import Account, Status
from organization.unread import Step, Unread
from periodic_rule.parameters import RuleParameters
from periodic_rule.verdict import Verdict
from root_virtual_mfa_enabled import facts
from root_virtual_mfa_enabled.decision import AccountSummary, Facts, Parameters, VirtualMfaDevice, decide
from root_virtual_mfa_enabled.parameters import PARAMETERS
from tests.fake_aws import CENTRAL, REGION, FakeAws, RefusalError, paged
from tests.organization.fake_organization import HOSTILE, MANAGEMENT, MEMBER, OTHER, account, check_shown

pytestmark = pytest.mark.usefixtures("accounts")

PROJECT = Path(__file__).parents[2]
CLOSED = "555555555555"
BARE = {
    "AccountMFAEnabled": 0,
    "AccountPasswordPresent": 1,
    "AccountAccessKeysPresent": 0,
    "AccountSigningCertificatesPresent": 0,
}
WITH_MFA = BARE | {"AccountMFAEnabled": 1}
NOTHING = BARE | {"AccountPasswordPresent": 0}
ROLE = "organization-reader"


class FakeAccounts:
    """The root users of accounts: what IAM says about each to whoever has credentials of it."""

    def __init__(self, fake: FakeAws) -> None:
        self.fake = fake
        self.summaries: dict[str, Mapping[str, int] | Exception] = {}
        self.devices: dict[str, list[str]] = {}
        self.assumed: list[str] = []
        fake.answers |= {
            "AssumeRole": self.assume_role,
            "GetAccountSummary": self.summary,
            "ListVirtualMFADevices": self.list_devices,
        }

    def assume_role(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        account_id = asked["RoleArn"].split(":")[4]
        self.assumed.append(asked["RoleArn"])
        keys = {
            "AccessKeyId": f"ASIA{account_id}",
            "SecretAccessKey": "secret-of-a-session",
            "SessionToken": "token-of-a-session",
        }
        return {"Credentials": keys | {"Expiration": datetime.now(UTC)}}

    @property
    def asked(self) -> str:
        key = self.fake.access_key_id
        return key.removeprefix("ASIA") if key.startswith("ASIA") else CENTRAL

    def summary(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        said = self.summaries.get(self.asked, BARE)
        if isinstance(said, Exception):
            raise said
        return {"SummaryMap": said}

    def list_devices(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give one device a page, whatever is asked for."""
        names, at = self.devices.get(self.asked, []), int(asked.get("Marker", "0"))
        arn = f"arn:aws:iam::{self.asked}"
        device = [
            {
                "SerialNumber": f"{arn}:mfa/{name}",
                "User": {"Arn": f"{arn}:root", "UserId": self.asked},
                "EnableDate": datetime(2026, 1, 1, tzinfo=UTC),
            }
            for name in names[at : at + 1]
        ]
        more = at + 1 < len(names)
        return {"VirtualMFADevices": device, "IsTruncated": more} | ({"Marker": str(at + 1)} if more else {})


@pytest.fixture
def fake() -> Iterator[FakeAws]:
    """Answer for an organization of five accounts, on three pages, to one of them."""
    members = [account(MANAGEMENT, "Management"), account(CENTRAL, "Security"), account(MEMBER, "Shop"), account(OTHER, "=1+1")]
    pages = [members[:2], [], [*members[2:], account(CLOSED, "Old", "SUSPENDED")]]
    fake = FakeAws({"ListAccounts": paged("Accounts", pages)})
    with fake.in_place():
        yield fake


@pytest.fixture
def accounts(fake: FakeAws) -> FakeAccounts:
    accounts = FakeAccounts(fake)
    for account_id, devices in {MANAGEMENT: ["safe", "spare"], CENTRAL: ["phone"], MEMBER: ["phone"]}.items():
        accounts.summaries[account_id] = WITH_MFA
        accounts.devices[account_id] = devices
    accounts.summaries[OTHER] = NOTHING
    return accounts


def run(*arguments: str) -> int:
    return cli.main(["check", *arguments])


def checked(capsys: pytest.CaptureFixture[str], expected: int, *arguments: str) -> dict[str, Any]:
    """Check, and return the JSON document."""
    assert run("--format", "json", *arguments) == expected
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {each["account_id"]: each["status"] for each in document["accounts"]}


# --- What is read ---


def test_own_account_alone_takes_three_calls(fake: FakeAws, accounts: FakeAccounts, capsys: pytest.CaptureFixture[str]) -> None:
    document = checked(capsys, 0)
    [only] = document["accounts"]
    assert (only["account_id"], only["status"], only["root_virtual_mfa_devices"]) == (CENTRAL, "COMPLIANT", ["phone"])
    assert only["annotation"] == "The root user has 1 virtual MFA device (phone)."
    assert [name for name, _ in fake.calls] == ["GetCallerIdentity", "GetAccountSummary", "ListVirtualMFADevices"]
    assert accounts.assumed == []


def test_every_account_of_every_page(fake: FakeAws, accounts: FakeAccounts, capsys: pytest.CaptureFixture[str]) -> None:
    document = checked(capsys, 0, "--role-name", ROLE)
    assert statuses(document) == {
        **dict.fromkeys((MANAGEMENT, CENTRAL, MEMBER, OTHER), "COMPLIANT"),
        CLOSED: "SUSPENDED",
    }
    assert document["accounts"][-1]["reason"] == "The account is SUSPENDED in AWS Organizations."
    assert document["accounts"][0]["root_virtual_mfa_devices"] == ["safe", "spare"], "from two pages"
    # The own account needs no role, and a suspended one gives no credentials.
    assert sorted(accounts.assumed) == [f"arn:aws:iam::{each}:role/{ROLE}" for each in (MANAGEMENT, MEMBER, OTHER)]
    assert {name for name, _ in fake.calls} == {
        "GetCallerIdentity", "ListAccounts", "AssumeRole", "GetAccountSummary", "ListVirtualMFADevices",
    }  # fmt: skip  # as a table


def test_second_run_says_the_same(accounts: FakeAccounts, capsys: pytest.CaptureFixture[str]) -> None:
    accounts.summaries[MEMBER] = BARE
    first, second = (checked(capsys, 1, "--role-name", ROLE)["accounts"] for _ in range(2))
    assert first == second


@pytest.mark.parametrize("partition", ["aws-cn", "aws-us-gov"])
def test_partitions_that_the_rule_leaves_out_need_no_read(
    fake: FakeAws, accounts: FakeAccounts, capsys: pytest.CaptureFixture[str], partition: str
) -> None:
    fake.answers["GetCallerIdentity"] = {"Account": CENTRAL, "Arn": f"arn:{partition}:iam::{CENTRAL}:user/x"}
    document = checked(capsys, 0, "--role-name", ROLE)
    assert set(statuses(document).values()) == {"NOT_APPLICABLE", "SUSPENDED"}
    assert accounts.assumed == []


def test_role_is_of_the_callers_partition(fake: FakeAws, accounts: FakeAccounts) -> None:
    fake.answers["GetCallerIdentity"] = {"Account": CENTRAL, "Arn": f"arn:aws-iso:iam::{CENTRAL}:user/x"}
    run("--role-name", ROLE)
    assert f"arn:aws-iso:iam::{MEMBER}:role/{ROLE}" in accounts.assumed


def test_permissions_are_the_calls(fake: FakeAws) -> None:
    assert run("--role-name", ROLE) == 0
    assert fake.actions - {"sts:GetCallerIdentity"} == reading.PERMISSIONS | facts.PERMISSIONS


def test_calls_are_three_an_account_however_many_there_are(fake: FakeAws, accounts: FakeAccounts) -> None:
    ids = [f"9{number:011}" for number in range(120)]
    pages = [[account(each, "x") for each in ids[at : at + 20]] for at in range(0, 120, 20)]
    fake.answers["ListAccounts"] = paged("Accounts", pages)
    accounts.summaries = dict.fromkeys(ids, WITH_MFA)
    run("--role-name", ROLE)
    assert len(fake.calls) == 1 + 6 + 3 * 120
    assert sorted(each.split(":")[4] for each in accounts.assumed) == ids


def test_documented_policies_have_the_permissions() -> None:
    page = (PROJECT / "docs/auditing.md").read_text(encoding="utf-8").partition("## What would the rule say?")[2]
    blocks = re.findall(r"^```json\n(.*?)^```$", page.partition("\n## ")[0], re.DOTALL | re.MULTILINE)
    own, inside = map(json.loads, blocks)
    assert {statement["Action"] for statement in own["Statement"]} == reading.PERMISSIONS
    assert set(inside["Statement"][0]["Action"]) == facts.PERMISSIONS


# --- What cannot be read ---


@pytest.mark.parametrize(
    ("code", "action"),
    [
        ("AccessDenied", f"Allow iam:GetAccountSummary and iam:ListVirtualMFADevices to the role {ROLE} in account {MEMBER}"),
        ("Throttling", "AWS throttled the calls for longer than the retries"),
        ("ExpiredToken", "sign in again"),
        ("ServiceFailure", "If it fails again"),
    ],
)
def test_denied_or_failed_read_is_a_row_that_says_what_to_do(
    accounts: FakeAccounts, capsys: pytest.CaptureFixture[str], code: str, action: str
) -> None:
    accounts.summaries[MEMBER] = RefusalError(code, "said by IAM")
    document = checked(capsys, 1, "--role-name", ROLE)
    assert document["accounts"][0]["account_id"] == MEMBER
    assert document["accounts"][0]["status"] == "UNKNOWN"
    [advice] = document["accounts"][0]["advice"]
    assert advice["why"] == f"iam:GetAccountSummary failed in account {MEMBER}: {code}: said by IAM."
    assert action in advice["action"]
    assert "Lambda" not in json.dumps(document), "no function is involved"
    assert document["totals"] == {"NON_COMPLIANT": 0, "UNKNOWN": 1, "COMPLIANT": 3, "NOT_APPLICABLE": 0, "SUSPENDED": 1}


def test_missing_role_is_a_row(fake: FakeAws, accounts: FakeAccounts, capsys: pytest.CaptureFixture[str]) -> None:
    def assume(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        if MEMBER in asked["RoleArn"]:
            raise RefusalError("AccessDenied", "User: x is not authorized to perform: sts:AssumeRole")
        return accounts.assume_role(asked)

    fake.answers["AssumeRole"] = assume
    document = checked(capsys, 1, "--role-name", ROLE)
    [advice] = document["accounts"][0]["advice"]
    assert f"sts:AssumeRole failed in account {MEMBER}: AccessDenied" in advice["why"]
    assert f"Either account {MEMBER} has no role {ROLE}" in advice["action"]
    assert statuses(document)[OTHER] == "COMPLIANT", "the others are read"


def test_broken_or_incomplete_answer_is_unknown(accounts: FakeAccounts, capsys: pytest.CaptureFixture[str]) -> None:
    accounts.summaries |= {MEMBER: {}, OTHER: BARE | {"AccountMFAEnabled": 7}}
    document = checked(capsys, 1, "--role-name", ROLE)
    assert [statuses(document)[each] for each in (MEMBER, OTHER)] == ["UNKNOWN", "UNKNOWN"]
    assert "AccountMFAEnabled is missing" in document["accounts"][0]["advice"][0]["why"]


def test_credentials_that_end_meanwhile(accounts: FakeAccounts, capsys: pytest.CaptureFixture[str]) -> None:
    accounts.summaries[MEMBER] = SSOTokenLoadError(error_msg="the token has expired")
    document = checked(capsys, 1, "--role-name", ROLE)
    assert statuses(document)[MEMBER] == "UNKNOWN"


def test_answer_of_sts_that_cannot_be_parsed_shows_no_credentials(
    fake: FakeAws, accounts: FakeAccounts, capsys: pytest.CaptureFixture[str]
) -> None:
    def assume(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        answer: dict[str, Any] = dict(accounts.assume_role(asked)["Credentials"])
        return {"Credentials": answer if MEMBER not in asked["RoleArn"] else {"SecretAccessKey": answer["SecretAccessKey"]}}

    fake.answers["AssumeRole"] = assume
    assert run("--role-name", ROLE, "--format", "json") == 1
    said = capsys.readouterr()
    assert statuses(json.loads(said.out))[MEMBER] == "UNKNOWN"
    assert "secret-of-a-session" not in said.out + said.err


def test_without_an_organization(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.refuse("ListAccounts", "AWSOrganizationsNotInUseException")
    assert run("--role-name", ROLE) == 2
    assert f"Account {CENTRAL} is in no organization: leave --role-name out" in capsys.readouterr().err


def test_account_that_may_not_list_the_organization(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.refuse("ListAccounts", "AccessDeniedException")
    assert run("--role-name", ROLE) == 2
    assert "to the management account and to delegated administrators only." in capsys.readouterr().err


# --- Somebody interrupts it ---


def test_interrupt_keeps_what_was_read(
    fake: FakeAws,
    accounts: FakeAccounts,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aws, "THREADS", 1)
    never = threading.Event()

    def summary(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        if accounts.asked == MEMBER:
            os.kill(os.getpid(), signal.SIGINT)
            never.wait(600)  # the call that is under way is not waited for
        return accounts.summary(asked)

    fake.answers["GetAccountSummary"] = summary
    page, document = tmp_path / "check.html", tmp_path / "check.json"
    try:
        assert run("--role-name", ROLE, "--output", str(page), "--output", str(document)) == 130
    finally:
        never.set()
    written = json.loads(document.read_text(encoding="utf-8"))
    assert written["interrupted"] is True
    assert statuses(written) == {
        MEMBER: "UNKNOWN", OTHER: "UNKNOWN", MANAGEMENT: "COMPLIANT", CENTRAL: "COMPLIANT", CLOSED: "SUSPENDED",
    }  # fmt: skip  # as a table
    assert written["accounts"][0]["advice"][0]["why"] == "The check was interrupted before it read this account."
    assert "Somebody interrupted the check" in page.read_text(encoding="utf-8")
    said = capsys.readouterr()
    assert "interrupted: the accounts that were not read yet are UNKNOWN." in said.err
    assert "2 UNKNOWN" in said.out


def test_mistake_in_a_read_ends_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Facts:
        raise ZeroDivisionError

    monkeypatch.setattr(facts, "read", broken)
    with pytest.raises(ZeroDivisionError):
        run()


# --- Parameters, and another setting ---


def test_parameters_are_the_rules_own(capsys: pytest.CaptureFixture[str]) -> None:
    given = ("--parameter", "minimumVirtualMfaDevices=2", "--parameter", "noRootCredentials=NOT_APPLICABLE")
    document = checked(capsys, 1, "--role-name", ROLE, *given)
    assert statuses(document) == {
        **dict.fromkeys((CENTRAL, MEMBER), "NON_COMPLIANT"),
        MANAGEMENT: "COMPLIANT",
        OTHER: "NOT_APPLICABLE",
        CLOSED: "SUSPENDED",
    }
    assert document["parameters"] == {
        "minimumVirtualMfaDevices": "2",
        "nonVirtualMfa": "NON_COMPLIANT",
        "noRootCredentials": "NOT_APPLICABLE",
    }


@pytest.mark.parametrize("option", ["--parameter", "--compare"])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("minimumVirtualMfaDevices=9", "minimumVirtualMfaDevices is '9': allowed is a whole number from 1 to 8."),
        ("nonVirtualMfa=maybe", "nonVirtualMfa is 'maybe': allowed is NON_COMPLIANT or COMPLIANT."),
        ("ExecutionRoleName=x", "Unknown rule parameter 'ExecutionRoleName': allowed are minimumVirtualMfaDevices, "),
        ("minimumVirtualMfaDevices", "must be NAME=VALUE."),
    ],
)
def test_bad_parameter_is_refused_before_anything_is_read(
    fake: FakeAws, capsys: pytest.CaptureFixture[str], option: str, given: str, said: str
) -> None:
    assert run(option, given) == 2
    assert said in capsys.readouterr().err
    assert fake.calls == []


def test_compare_shows_which_accounts_change(accounts: FakeAccounts, capsys: pytest.CaptureFixture[str]) -> None:
    other = ("--compare", "minimumVirtualMfaDevices=2", "--compare", "noRootCredentials=NON_COMPLIANT")
    document = checked(capsys, 0, "--role-name", ROLE, *other)
    changes = {each["account_id"]: each["compared_status"] for each in document["accounts"] if each["changes"]}
    assert changes == dict.fromkeys((CENTRAL, MEMBER, OTHER), "NON_COMPLIANT")
    assert document["changes"] == [{"status": "COMPLIANT", "compared_status": "NON_COMPLIANT", "accounts": 3}]
    accounts.summaries[MEMBER] = RefusalError("AccessDenied")
    assert run("--role-name", ROLE, *other) == 1
    printed = capsys.readouterr().out
    assert "Compared with: minimumVirtualMfaDevices=2, noRootCredentials=NON_COMPLIANT" in printed
    assert "2 COMPLIANT would be NON_COMPLIANT" in printed
    assert "Nobody knows about 1 UNKNOWN." in printed
    [unread] = [line for line in printed.splitlines() if "UNKNOWN   │" in line]
    assert "│ -  " in unread, "not that it stays the same"


def test_compare_has_what_the_setting_has_unless_it_says_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    document = checked(capsys, 1, "--parameter", "minimumVirtualMfaDevices=2", "--compare", "noRootCredentials=NON_COMPLIANT")
    assert document["compared_parameters"]["minimumVirtualMfaDevices"] == "2"
    assert document["changes"] == []


# --- How it is shown ---


def test_json_keys_are_those_that_are_documented(accounts: FakeAccounts, capsys: pytest.CaptureFixture[str]) -> None:
    accounts.summaries[MEMBER] = RefusalError("AccessDenied")
    document = checked(capsys, 1, "--role-name", ROLE, "--compare", "minimumVirtualMfaDevices=2")
    documented = formats.as_json.__doc__ or ""
    keys = {*document, *document["accounts"][0], *document["accounts"][0]["advice"][0], *document["changes"][0]}
    assert {key for key in keys if f"`{key}`" not in documented} == set()


def test_files_have_the_same_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = {suffix: tmp_path / f"check.{suffix}" for suffix in ("txt", "csv", "html", "json")}
    run("--role-name", ROLE, *(word for path in paths.values() for word in ("--output", str(path))))
    texts = {suffix: path.read_text(encoding="utf-8") for suffix, path in paths.items()}
    assert texts["txt"] in capsys.readouterr().out
    listed = json.loads(texts["json"])["accounts"]
    lines = list(csv.DictReader(io.StringIO(texts["csv"], newline="")))
    assert [line["account_id"] for line in lines] == [each["account_id"] for each in listed]
    assert [line["account_name"] for line in lines][-2:] == ["'=1+1", "Old"], "a formula is text"
    assert lines[0]["root_virtual_mfa_devices"] == "safe spare"
    assert all(f'data-account="{each["account_id"]}" data-status="{each["status"]}"' in texts["html"] for each in listed)


def test_nothing_that_others_wrote_acts_on_a_screen(
    fake: FakeAws, accounts: FakeAccounts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.answers["ListAccounts"] = {"Accounts": [account(MEMBER, HOSTILE), account(OTHER, HOSTILE)]}
    accounts.devices[MEMBER] = [HOSTILE]
    accounts.summaries[OTHER] = RefusalError("AccessDenied", HOSTILE)
    paths = [tmp_path / f"check.{suffix}" for suffix in ("txt", "csv", "html", "json")]
    compare = ("--compare", "minimumVirtualMfaDevices=2")
    assert run("--role-name", ROLE, *compare, *(word for path in paths for word in ("--output", str(path)))) == 1
    table, spreadsheet, html, document = (path.read_text(encoding="utf-8") for path in paths)
    check_shown(capsys.readouterr().out, 0)
    check_shown(table, 0)
    check_shown(spreadsheet.replace("\r\n", "\n"), 0)
    check_shown(html, 0)
    assert html.count("<script>") == 1
    assert "default-src 'none'" in html
    assert all(character == "\n" or " " <= character <= "~" for character in document)


# --- The core ---

texts = st.text(max_size=8)
summaries = st.builds(AccountSummary, st.booleans(), *[st.none() | st.booleans()] * 3)
devices = st.lists(
    st.builds(VirtualMfaDevice, texts, st.just(f"arn:aws:iam::{MEMBER}:root") | texts, st.booleans()), max_size=4
)
some_facts = st.builds(Facts, st.just("aws"), st.just(MEMBER), summaries, devices.map(tuple)) | st.just(Facts("aws-cn", MEMBER))
unread = st.builds(
    Unread, texts, st.sampled_from(["AccessDenied", "Throttling", "ExpiredToken", "", "x"]), st.sampled_from(Step)
)
settings = st.builds(
    Parameters,
    st.integers(1, 8),
    st.sampled_from([Verdict.COMPLIANT, Verdict.NON_COMPLIANT]),
    st.sampled_from(list(Verdict)),
).map(lambda parameters: Setting(parameters, PARAMETERS.texts(RuleParameters(parameters))))
ids = st.lists(st.sampled_from([MANAGEMENT, CENTRAL, MEMBER, OTHER, CLOSED]), unique=True)


@given(ids, st.dictionaries(st.sampled_from([CENTRAL, MEMBER, OTHER]), some_facts | unread), settings, st.none() | settings)
def test_every_account_has_one_row_and_only_facts_give_a_verdict(
    account_ids: list[str], readings: dict[str, Facts | Unread], setting: Setting, compared: Setting | None
) -> None:
    listed = [Account(each, f"name-{each}", "", "SUSPENDED" if each == CLOSED else "ACTIVE") for each in account_ids]
    found = rows(listed, readings, setting, compared, ROLE)
    assert sorted(row.account.account_id for row in found) == sorted(account_ids)
    for row in found:
        read = readings.get(row.account.account_id)
        if isinstance(read, Facts):
            decision = decide(read, setting.parameters)
            assert (str(row.status), row.annotation) == (decision.verdict, decision.annotation)
            assert (
                row.compared is None
                or compared is None
                or str(row.compared.status) == decide(read, compared.parameters).verdict
            )
        else:
            assert row.status is (Status.SUSPENDED if row.account.account_id == CLOSED else Status.UNKNOWN)
            assert row.status is Status.SUSPENDED or (row.advice and row.advice[0].action)
            assert not row.changes
    check = Checked(datetime(2026, 1, 1, tzinfo=UTC), CENTRAL, REGION, ROLE, setting, compared, found)
    assert sum(check.totals.values()) == len(found)
    assert sum(check.changes.values()) == sum(row.changes for row in found)
    assert [STATUSES.index(row.status) for row in found] == sorted(STATUSES.index(row.status) for row in found)
    assert check.fails == bool(check.totals[Status.NON_COMPLIANT] + check.totals[Status.UNKNOWN])


@given(some_facts, settings)
def test_the_same_setting_changes_nothing(read: Facts, setting: Setting) -> None:
    [row] = rows([Account(MEMBER, "", "")], {MEMBER: read}, setting, setting, None)
    assert not row.changes


def test_statuses_have_meanings() -> None:
    assert tuple(judging.MEANINGS) == STATUSES
    assert Row(Account(MEMBER, "", ""), Status.UNKNOWN).finding == ""
