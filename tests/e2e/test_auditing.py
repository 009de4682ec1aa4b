"""check and inventory as they are run from a shell, without a deployment, on an organization with every root user there is."""

import csv
import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By

from demo.clients import boto3_client
from local_aws.client import PROJECT, LocalAwsClient, LocalAwsProcess
from tests.browser import chromium, needs_chromium
from tests.e2e import auditing
from tests.e2e.application import wait_for
from tests.e2e.auditing import (
    CLOSED,
    DENIED,
    HARDWARE,
    KEYS,
    NAME,
    NO_CREDENTIALS,
    NO_MFA,
    PASSKEY,
    ROLE,
    STATES,
    TWO,
    VIRTUAL,
    WITHOUT_ROLE,
)
from tests.e2e.organization import CENTRAL, MANAGEMENT, Ran, environment, run

SUFFIXES = ("txt", "csv", "html", "json")


@dataclass(frozen=True)
class Auditor:
    """Runs commands with the documented permissions."""

    aws: LocalAwsClient
    session: dict[str, str]
    directory: Path

    def run(self, command: str, *arguments: str) -> Ran:
        return run(self.aws, MANAGEMENT, command, *arguments, **self.session)

    def files(self, *arguments: str) -> tuple[Ran, dict[str, str]]:
        """Run a command, and return what it wrote in each format."""
        paths = {suffix: self.directory / f"{arguments[0]}.{suffix}" for suffix in SUFFIXES}
        ran = self.run(*arguments, *(word for path in paths.values() for word in ("--output", str(path))))
        return ran, {suffix: path.read_text(encoding="utf-8") for suffix, path in paths.items()}


@pytest.fixture(scope="module")
def auditor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Auditor]:
    directory = tmp_path_factory.mktemp("auditing")
    with LocalAwsProcess(auditing.write(directory), directory / "local-aws.log") as aws:
        yield Auditor(aws, auditing.prepare(aws), directory)


@pytest.fixture(scope="module")
def checked(auditor: Auditor) -> tuple[Ran, dict[str, str]]:
    auditor.aws.add_fault(TWO, "iam:GetAccountSummary", "Throttling", times=2)  # it is asked again
    return auditor.files("check", "--role-name", ROLE, "--compare", "minimumVirtualMfaDevices=2")


def accounts(document: str) -> dict[str, dict[str, Any]]:
    return {each["account_id"]: each for each in json.loads(document)["accounts"]}


def test_check_says_of_every_account_what_the_rule_would_say(checked: tuple[Ran, dict[str, str]]) -> None:
    ran, files = checked
    assert ran.code == 1
    assert {account_id: each["status"] for account_id, each in accounts(files["json"]).items()} == {
        **dict.fromkeys((MANAGEMENT, CENTRAL, VIRTUAL, TWO, NO_CREDENTIALS), "COMPLIANT"),
        **dict.fromkeys((HARDWARE, PASSKEY, KEYS, NO_MFA), "NON_COMPLIANT"),
        **dict.fromkeys((WITHOUT_ROLE, DENIED), "UNKNOWN"),
        CLOSED: "SUSPENDED",
    }
    [advice] = accounts(files["json"])[WITHOUT_ROLE]["advice"]
    assert f"Either account {WITHOUT_ROLE} has no role {ROLE}" in advice["action"]
    [advice] = accounts(files["json"])[DENIED]["advice"]
    assert f"to the role {ROLE} in account {DENIED}" in advice["action"]


def test_compare_says_what_two_devices_would_cost(checked: tuple[Ran, dict[str, str]]) -> None:
    ran, files = checked
    changed = {account_id for account_id, each in accounts(files["json"]).items() if each["changes"]}
    assert changed == {MANAGEMENT, CENTRAL, VIRTUAL}
    assert "3 COMPLIANT would be NON_COMPLIANT" in ran.printed
    assert "3 COMPLIANT would be NON_COMPLIANT." in files["html"]


def test_check_in_every_format(checked: tuple[Ran, dict[str, str]]) -> None:
    ran, files = checked
    assert files["txt"] == ran.printed
    lines = csv.DictReader(io.StringIO(files["csv"], newline=""))
    assert {line["account_id"]: line["status"] for line in lines} == {
        account_id: each["status"] for account_id, each in accounts(files["json"]).items()
    }
    assert set(accounts(files["json"])) == set(STATES)
    assert NAME not in files["html"]
    assert files["html"].count("data-account=") == len(STATES)


def test_check_of_the_own_account_alone(auditor: Auditor) -> None:
    ran = auditor.run("check", "--format", "json")
    assert (ran.code, list(accounts(ran.printed))) == (0, [MANAGEMENT])
    assert accounts(ran.printed)[MANAGEMENT]["annotation"] == "The root user has 1 virtual MFA device (safe)."


def test_interrupting_keeps_what_was_read_and_waits_for_no_call(auditor: Auditor, tmp_path: Path) -> None:
    file = tmp_path / "check.json"
    auditor.aws.add_fault(HARDWARE, "iam:GetAccountSummary", "Latency", times=1, seconds=600)
    auditor.aws.take_issued_credentials()
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "organization", "check", "--role-name", ROLE, "--output", str(file)],
        cwd=PROJECT,
        env=environment(auditor.aws, MANAGEMENT) | auditor.session,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: any(HARDWARE in each["arn"] for each in auditor.aws.take_issued_credentials()), "a session in HARDWARE")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    auditor.aws.clear_faults()
    auditor.aws.add_fault(DENIED, "iam:GetAccountSummary", "AccessDenied")
    assert process.returncode == 130, said
    found = accounts(file.read_text(encoding="utf-8"))
    assert set(found) == set(STATES)
    assert "interrupted" in found[HARDWARE]["advice"][0]["why"]


@pytest.fixture(scope="module")
def inventory(auditor: Auditor) -> tuple[Ran, dict[str, str]]:
    return auditor.files("inventory")


def test_inventory_shows_every_device_with_its_kind(inventory: tuple[Ran, dict[str, str]]) -> None:
    _, files = inventory
    found = accounts(files["json"])
    kinds = {account_id: " + ".join(each["kind"] for each in one["mfa_devices"] or ()) for account_id, one in found.items()}
    assert kinds == {
        **dict.fromkeys((MANAGEMENT, CENTRAL, VIRTUAL, WITHOUT_ROLE), "virtual MFA device"),
        TWO: "virtual MFA device + virtual MFA device",
        HARDWARE: "hardware TOTP token",
        PASSKEY: "passkey or security key",
        **dict.fromkeys((NO_CREDENTIALS, KEYS, NO_MFA, CLOSED, DENIED), ""),
    }
    assert found[PASSKEY]["mfa_devices"][0]["serial_number"].startswith(f"arn:aws:iam::{PASSKEY}:u2f/root/passkey-")
    assert found[MANAGEMENT]["inferred_mfa_devices"] == 1, "the hardware token"
    assert [found[each]["password"] for each in (NO_CREDENTIALS, NO_MFA)] == [False, True]
    [key] = found[KEYS]["access_keys"]
    assert (key["active"], key["service"], key["last_used"] is not None) == (True, "iam", True)


def test_inventory_says_what_check_says(inventory: tuple[Ran, dict[str, str]], checked: tuple[Ran, dict[str, str]]) -> None:
    """It needs no role in the accounts, so it sees one more; in DENIED, IAM refuses the summary to both."""
    said = {account_id: (one["status"], one["annotation"]) for account_id, one in accounts(checked[1]["json"]).items()}
    found = {account_id: (one["status"], one["annotation"]) for account_id, one in accounts(inventory[1]["json"]).items()}
    assert found == said | {WITHOUT_ROLE: ("COMPLIANT", "The root user has 1 virtual MFA device (phone).")}
    assert (inventory[0].code, accounts(inventory[1]["json"])[DENIED]["status"]) == (1, "UNKNOWN")


def test_inventory_lists(inventory: tuple[Ran, dict[str, str]]) -> None:
    lists = json.loads(inventory[1]["json"])["lists"]
    assert lists["access_keys_in_use"] == [KEYS]
    assert sorted(lists["one_device"]) == sorted([CENTRAL, VIRTUAL, HARDWARE, PASSKEY, WITHOUT_ROLE])
    assert lists["only_a_passkey"] == [PASSKEY]
    removable = {each["account_id"]: each["command"] for each in lists["removable"]}
    assert sorted(removable) == sorted([CENTRAL, VIRTUAL, TWO, HARDWARE, NO_MFA, WITHOUT_ROLE])
    assert all(command in inventory[0].printed and f"AccountId={each}," in command for each, command in removable.items())


def test_no_secret_of_a_root_session_is_anywhere(auditor: Auditor) -> None:
    """One answer of STS is cut in half, and IAM refuses one read of each other session."""
    auditor.aws.add_fault(TWO, "sts:AssumeRoot", "BrokenBody", times=1)
    auditor.aws.add_fault("*", "iam:ListMFADevices", "AccessDenied")
    auditor.aws.take_issued_credentials()
    try:
        ran, files = auditor.files("inventory")
    finally:
        auditor.aws.clear_faults()
        auditor.aws.add_fault(DENIED, "iam:GetAccountSummary", "AccessDenied")
    issued = auditor.aws.take_issued_credentials()
    secrets = {each[name] for each in issued for name in ("access_key_id", "secret_access_key", "session_token")}
    assert len(secrets) == 3 * (len(STATES) - 2), "of every member but the one that is closed"
    assert not [text for text in (ran.printed, ran.said, *files.values()) if any(secret in text for secret in secrets)]
    [advice] = accounts(files["json"])[TWO]["advice"]
    assert advice["why"] == f"The answer to sts:AssumeRoot in account {TWO} cannot be understood: its body could not be parsed."


def test_inventory_in_every_format(inventory: tuple[Ran, dict[str, str]]) -> None:
    ran, files = inventory
    assert files["txt"] == ran.printed
    lines = csv.DictReader(io.StringIO(files["csv"], newline=""))
    assert [line["account_id"] for line in lines] == list(accounts(files["json"]))
    assert set(accounts(files["json"])) == set(STATES)
    assert NAME not in files["html"]
    assert files["html"].count("data-account=") == len(STATES)


def test_inventory_while_root_access_is_off_says_so_once(auditor: Auditor) -> None:
    iam = boto3_client(auditor.aws, "iam", MANAGEMENT)
    iam.disable_organizations_root_credentials_management()
    try:
        ran = auditor.run("inventory")
    finally:
        iam.enable_organizations_root_credentials_management()
    assert ran.code == 1
    assert ran.printed.count("aws iam enable-organizations-root-credentials-management") == 1
    assert "2 COMPLIANT" not in ran.printed
    assert "1 COMPLIANT" in ran.printed, "the management account"


@needs_chromium
def test_pages_filter_and_sort_in_a_browser_and_load_nothing(
    checked: tuple[Ran, dict[str, str]], inventory: tuple[Ran, dict[str, str]], tmp_path: Path
) -> None:
    pages = {tmp_path / "check.html": checked[1]["html"], tmp_path / "inventory.html": inventory[1]["html"]}
    with chromium(tmp_path) as browser:
        browser.get("about:blank")
        browser.get_log("performance")  # type: ignore[no-untyped-call]  # Selenium's; takes what the browser's start page asked for
        for (page, html), word, shown in zip(pages.items(), ("duty-phone", "passkey-"), ([CENTRAL], [PASSKEY]), strict=True):
            page.write_text(html, encoding="utf-8")
            browser.get(page.as_uri())
            browser.find_element(By.CSS_SELECTOR, "#accounts thead button").click()
            rows = browser.find_elements(By.CSS_SELECTOR, "#accounts tbody tr")
            names = [row.find_element(By.TAG_NAME, "th").text.partition("\n")[0] for row in rows]
            assert names == sorted(str(each["name"]) for each in STATES.values())
            browser.find_element(By.ID, "filter").send_keys(word)
            assert [row.get_attribute("data-account") for row in rows if row.is_displayed()] == shown
            assert browser.execute_script("return [document.images.length, document.scripts.length]") == [0, 1]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        browser.execute_script("dispatchEvent(new Event('beforeprint'))")
        titles = browser.find_elements(By.CSS_SELECTOR, "[aria-labelledby=lists] details > summary")
        assert [title.is_displayed() for title in titles] == [True] * 4, "a list without its title says nothing"
        entries = browser.find_elements(By.CSS_SELECTOR, "[data-list] li")
        assert {each.is_displayed() for each in entries} == {True}
        assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]  # Selenium's
        events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]  # type: ignore[no-untyped-call]  # Selenium's
        asked = [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]
        assert asked == [page.as_uri() for page in pages]
