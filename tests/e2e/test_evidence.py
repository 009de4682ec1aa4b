"""The evidence of an organization whose history of 91 days was made by advancing the clock: see evidence_history.py.

What the evidence must say is worked out here from the raw lines and from what happened, without the command's code.
"""

import base64
import csv
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.config import Config
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.print_page_options import PrintOptions

from demo.clients import boto3_client
from local_aws.client import REGION
from organization.aws import Caller
from organization.deployment import Deployment
from organization.evidence.control_days import ControlDays
from organization.evidence.days import History as Days
from organization.evidence.days import Member, Period, Scope
from organization.evidence.lines import Ownership
from organization.evidence.page import as_html
from organization.evidence.sources import Sources
from organization.evidence.tables import Findings, evidence_of
from tests.browser import chromium, needs_chromium
from tests.e2e.evidence_history import (
    DAY,
    EXCLUDED,
    FAILS,
    FORGES,
    HARDWARE,
    HOSTILE,
    JOINS,
    LEAVES,
    SECOND_VERSION,
    SILENT,
    STEADY,
    History,
    history,
)
from tests.e2e.organization import CENTRAL, MANAGEMENT, run
from tests.local_aws.scene import allow, trust

if TYPE_CHECKING:
    import boto3


@dataclass(frozen=True)
class Made:
    """The history, the evidence of its days after the first one, and the days on which HARDWARE's failure is accepted."""

    history: History
    folder: Path
    first: date
    last: date
    accepted_since: date
    accepted_until: date
    printed: str
    said: str
    code: int

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "evidence.json").read_text(encoding="utf-8"))
        return found

    @property
    def days(self) -> list[date]:
        return [self.first + DAY * number for number in range((self.last - self.first).days + 1)]

    def calendar(self, account_id: str) -> dict[date, str]:
        [account] = [each for each in self.document["accounts"] if each["account_id"] == account_id]
        return dict(zip(self.days, account["calendar"], strict=True))

    @property
    def period(self) -> tuple[str, ...]:
        return ("--from", str(self.first), "--to", str(self.last))

    def make(self, folder: Path, *arguments: str) -> tuple[int, str, str]:
        ran = run(self.history.aws, CENTRAL, "evidence", *self.period, "--output", str(folder), *arguments)
        return ran.code, ran.printed, ran.said


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    directory = tmp_path_factory.mktemp("evidence")
    with history(directory) as it:
        since, until = it.day(10), it.day(45)
        exceptions = directory / "exceptions.yaml"
        exceptions.write_text(
            f'"{EXCLUDED}": {{reason: A sandbox., owner: platform, until: {it.day(80)}}}\n'
            f'accepted:\n  "{HARDWARE}": {{reason: A key., control: Two people hold it., owner: security, '
            f"since: {since}, until: {until}}}\n",
            encoding="utf-8",
        )
        first, last, folder = it.day(1), it.today - DAY, directory / "out"
        empty = Made(it, folder, first, last, since, until, "", "", 0)
        code, printed, said = empty.make(folder, "--exceptions", str(exceptions), "--framework", "cis-aws-5.0")
        yield Made(it, folder, first, last, since, until, printed, said, code)


def expected(made: Made) -> dict[str, dict[date, str]]:
    """Work out what each day of each account is, from the raw lines and from what happened.

    Since the rule goes to organizational units, the central account alone does not know in which an account was.
    """
    it = made.history
    last: dict[tuple[str, date], str] = {}
    for time, line in it.raw():
        if it.is_own(line):
            last[line["account"], time.date()] = line["verdict"]
    letters = {"COMPLIANT": "C", "NON_COMPLIANT": "N"}
    found: dict[str, dict[date, str]] = {}
    for account_id in (MANAGEMENT, CENTRAL, STEADY, FAILS, SILENT, HARDWARE, EXCLUDED, LEAVES, FORGES, JOINS):
        found[account_id] = {}
        for day in made.days:
            nobody_knows = day >= it.turns["switches"] and account_id != MANAGEMENT
            letter = letters.get(last.get((account_id, day), ""), "G" if nobody_knows else "U")
            if account_id == EXCLUDED and day <= it.day(80):
                letter = "X"
            if account_id == HARDWARE and letter == "N" and made.accepted_since <= day <= made.accepted_until:
                letter = "A"
            if account_id == JOINS and day <= it.turns["joins"]:
                letter = "."
            if account_id == LEAVES and day > it.turns["leaves"]:
                letter = "."
            found[account_id][day] = letter
    return found


def test_every_day_of_every_account_is_what_the_raw_lines_say(made: Made) -> None:
    assert made.code == 1, made.said
    for account_id, days in expected(made).items():
        assert made.calendar(account_id) == days, account_id


def test_the_history_has_what_it_is_meant_to_have(made: Made) -> None:
    turns, known = made.history.turns, expected(made)
    assert {letter for day, letter in known[STEADY].items() if day <= turns["moves"]} == {"C"}
    assert [day for day, letter in known[FAILS].items() if letter == "N"] == between(turns["fails"], turns["recovers"] - DAY)
    assert [day for day, letter in known[SILENT].items() if letter == "U"] == between(
        turns["silent"] + DAY, turns["speaks"] - DAY
    )
    assert Counter(known[HARDWARE].values()).keys() == {"A", "N", "C"}
    assert known[FORGES][turns["parameters"] - DAY] == "N"
    assert known[FORGES][turns["parameters"] + DAY] == "C"
    assert set(known[MANAGEMENT].values()) == {"U"}, "nothing evaluates it here"
    assert known[EXCLUDED][made.last] == "G"
    assert known[LEAVES][turns["leaves"]] == "C"
    assert known[LEAVES][turns["leaves"] + DAY] == "."


def between(first: date, last: date) -> list[date]:
    return [first + DAY * number for number in range((last - first).days + 1)]


def test_the_figures_are_those_of_the_raw_lines(made: Made) -> None:
    counts = Counter(letter for days in expected(made).values() for letter in days.values())
    scope = sum(counts.values()) - counts["X"] - counts["."]
    figures = made.document["figures"]
    assert figures["account_days_in_scope"] == scope
    assert figures["account_days_compliant"] == counts["C"]
    assert figures["account_days_known"] == counts["C"] + counts["N"] + counts["A"]
    assert figures["share_compliant"] == f"{counts['C'] * 10_000 // scope / 100:.2f} %"
    assert f"{counts['C']} of {scope} account-days" in made.printed


def test_the_files_of_days_have_the_facts_of_the_raw_lines(made: Made) -> None:
    last: dict[tuple[str, str], Any] = {}
    for time, line in made.history.raw():
        if made.history.is_own(line):
            last[line["account"], time.date().isoformat()] = line
    rows = [
        row
        for file in sorted((made.folder / "days").glob("*.csv"))
        for row in csv.DictReader(file.read_text("utf-8").splitlines())
    ]
    for row in rows:
        wrote = last.get((row["account_id"], row["day"]))
        if wrote is None:
            assert (row["verdict"], row["mfa_enabled"]) == ("", "")
            assert row["status"] in {"UNKNOWN", "EXCLUDED", "NO_SOURCE"}
        else:
            facts = {name: {True: "true", False: "false", None: ""}[value] for name, value in wrote["facts"].items()}
            assert facts.items() <= row.items()
            assert (row["root_virtual_mfa_devices"], row["version"]) == (str(wrote["rootVirtualMfaDevices"]), wrote["version"])
            assert (row["verdict"], row["annotation"]) == (wrote["verdict"], wrote["annotation"])
    days = {account_id: [day for day, letter in days.items() if letter != "."] for account_id, days in expected(made).items()}
    assert Counter(row["account_id"] for row in rows) == {account_id: len(each) for account_id, each in days.items()}


def test_failures_last_as_long_as_the_raw_lines_say(made: Made) -> None:
    times: dict[str, list[tuple[datetime, str]]] = {STEADY: [], FAILS: [], HARDWARE: []}
    for time, line in made.history.raw():
        if made.history.is_own(line) and line["account"] in times and time.date() >= made.first:
            times[line["account"]].append((time, line["verdict"]))
    failures = {each["account_id"]: each for each in made.document["failures"]}
    assert STEADY not in failures
    for account_id in (FAILS, HARDWARE):
        bad = [time for time, verdict in times[account_id] if verdict == "NON_COMPLIANT"]
        good = next(time for time, verdict in times[account_id] if verdict == "COMPLIANT" and time > bad[-1])
        hours = (good - bad[0]) / timedelta(hours=1)
        assert failures[account_id]["hours"] == pytest.approx(hours, abs=0.01)
        assert failures[account_id]["began_earlier"] is (account_id == HARDWARE)
    lengths = [each["hours"] for each in made.document["failures"]]
    assert lengths == sorted(lengths, reverse=True)


def test_lines_of_the_member_that_forges_are_listed_apart_and_change_nothing(made: Made) -> None:
    turns = made.history.turns
    forged = [each for each in made.document["other_lines"] if each["account_id"] == FORGES]
    assert {each["why"] for each in forged} == {"another rule", "other parameters"}
    assert {each["last_verdict_or_error"] for each in forged} == {"COMPLIANT"}
    for day in between(turns["forges"], turns["leaves"]):
        assert made.calendar(FORGES)[day] == "N"
    assert [each["account_id"] for each in made.document["other_lines"]] == [FORGES] * len(forged)


def test_parameters_versions_deployments_and_failures_of_evaluations_are_told(made: Made) -> None:
    document, turns = made.document, made.history.turns
    first, second, third = document["parameters"]
    assert ("nonVirtualMfa=NON_COMPLIANT" in first["parameters"], "nonVirtualMfa=COMPLIANT" in second["parameters"]) == (
        True,
        True,
    )
    assert second["since"].startswith(str(turns["parameters"]))
    assert third["parameters"] == second["parameters"]
    assert (second["rule_deployment"], third["rule_deployment"]) == ("ConformancePack", "StackSet")
    assert third["since"].startswith(str(turns["switches"]))
    versions = {each["version"]: each for each in document["versions"]}
    assert versions.keys() == {"0.1.0", SECOND_VERSION}
    assert versions[SECOND_VERSION]["code_sha256"]
    events = [(each["time"][:10], each["event"]) for each in document["deployments"]]
    assert {(str(turns["parameters"]), "ExecuteChangeSet"), (str(turns["version"]), "ExecuteChangeSet")} <= set(events)
    assert {each["by"] for each in document["deployments"]} == {
        f"arn:aws:sts::{CENTRAL}:assumed-role/Administrator/administrator"
    }
    [failed] = [each for each in document["failed_evaluations"] if each["account_id"] == SILENT]
    assert (failed["error"], failed["last_message"].startswith("ReadError: iam:GetAccountSummary failed")) == (
        "ReadError",
        True,
    )


def test_with_the_management_account_an_account_that_moved_out_is_not_in_scope(made: Made, tmp_path: Path) -> None:
    """CloudTrail there knows who moved it and when; the operations of the StackSet know the targets."""
    it, turns = made.history, made.history.turns
    keys = it.aws.environment(MANAGEMENT)
    lines = [f"{name.lower()} = {value}" for name, value in keys.items() if "KEY" in name or "TOKEN" in name]
    config = tmp_path / "aws-configuration"
    config.write_text("\n".join(["[profile management]", *lines, ""]), encoding="utf-8")
    ran = run(
        it.aws,
        CENTRAL,
        "evidence",
        *made.period,
        "--output",
        str(tmp_path / "out"),
        "--management-profile",
        "management",
        AWS_CONFIG_FILE=str(config),
    )
    document = json.loads((tmp_path / "out/evidence.json").read_text(encoding="utf-8"))
    assert (ran.code, "NOT_IN_SCOPE" in ran.printed) == (1, True), ran.said
    calendars = {each["account_id"]: dict(zip(made.days, each["calendar"], strict=True)) for each in document["accounts"]}
    after = between(turns["moves"] + DAY, made.last)
    assert {calendars[STEADY][day] for day in after} == {"O"}
    assert calendars[STEADY][turns["moves"]] == "C"
    known = expected(made)
    for account_id in (CENTRAL, FAILS, HARDWARE, FORGES, JOINS, MANAGEMENT):
        days = {day: "U" if letter == "G" else letter for day, letter in known[account_id].items()}
        assert calendars[account_id] == {day: "N" if letter == "A" else letter for day, letter in days.items()}, account_id
    [move] = document["moves"]
    assert (move["account_id"], move["source"], move["destination"]) == (STEADY, "Root/Workloads", "Root/Elsewhere")
    assert move["time"].startswith(str(turns["moves"]))
    targets = {(each["ou_path"], str(each["since"])[:10], str(each["until"])[:10]) for each in document["targets"]}
    switched = str(turns["switches"])
    assert targets == {
        ("Root", str(it.first), switched),
        ("Root/Security", switched, "None"),
        ("Root/Workloads", switched, "None"),
    }
    assert not [each for each in document["gaps"] if each["source"] == "Scope"]


def test_exceptions_and_gaps_are_told(made: Made) -> None:
    exceptions = {each["account_id"]: each for each in made.document["exceptions"]}
    assert (exceptions[EXCLUDED]["kind"], exceptions[EXCLUDED]["owner"]) == ("excluded", "platform")
    assert (exceptions[HARDWARE]["kind"], exceptions[HARDWARE]["compensating_control"]) == ("accepted", "Two people hold it.")
    gaps = " ".join(each["what"] for each in made.document["gaps"])
    assert "CloudTrail's event history keeps 90 days" in gaps
    assert "An account that is gone counts until its last evaluation." in gaps


def test_the_management_accounts_cloudtrail_tells_when_an_account_left(made: Made) -> None:
    """The evidence of this history is made in the central account, which does not see that."""
    aws = made.history.aws

    class Session:
        def client(self, service: str, config: Config, region_name: str = REGION) -> Any:  # noqa: ANN401 - as boto3's
            return boto3_client(aws, service, MANAGEMENT, config, region=region_name)

    caller = Caller(MANAGEMENT, REGION, "aws", made.history.now())
    sources = Sources(cast("boto3.Session", Session()), caller, lambda *_: None)
    [event] = sources.departures(Period(made.first, made.last))
    assert (event.name, event.about, event.error) == ("RemoveAccountFromOrganization", LEAVES, "")
    left = sources.members([], [event])[LEAVES].left
    assert left is not None
    assert left.date() == made.history.turns["leaves"]


def test_controls_are_counted_from_the_facts_of_the_raw_lines(made: Made) -> None:
    """A hardware key satisfies CIS 1.4 (any MFA) and 1.5 (hardware) from the first day on, whatever the rule says about it."""
    last: dict[tuple[str, date], bool] = {}
    for time, line in made.history.raw():
        if made.history.is_own(line):
            last[line["account"], time.date()] = line["facts"]["mfa_enabled"]
    satisfied: Counter[str] = Counter()
    for account_id, days in expected(made).items():
        for day, letter in days.items():
            has_mfa = last.get((account_id, day), False) and letter not in {".", "X"}
            satisfied["1.4"] += has_mfa
            satisfied["1.5"] += has_mfa and account_id in {HARDWARE, FORGES}
    controls = {each["control"]: each for each in made.document["controls"]}
    assert {name: each["satisfied_days"] for name, each in controls.items()} == satisfied
    assert controls["1.4"]["not_satisfied_days"] == sum(letter == "N" for letter in expected(made)[FAILS].values())
    accounts = {each["account_id"]: each for each in made.document["accounts"]}
    assert accounts[FORGES]["cis-aws-5.0 1.4 satisfied_days"] == len(made.days)
    assert accounts[STEADY]["cis-aws-5.0 1.5 satisfied_days"] == 0
    [row] = [
        row
        for row in csv.DictReader((made.folder / f"days/{made.last:%Y-%m}.csv").read_text("utf-8").splitlines())
        if (row["account_id"], row["day"]) == (FAILS, str(made.last))
    ]
    assert row["cis-aws-5.0"] == "satisfied: 1.4; not satisfied: 1.5"


def test_the_folder_verifies_and_the_same_inputs_give_the_same_bytes(made: Made, tmp_path: Path) -> None:
    aws = made.history.aws
    assert run(aws, CENTRAL, "evidence", "--verify", str(made.folder)).code == 0
    for name in ("one", "two"):
        made.make(tmp_path / name)
    one, two = (
        {file.relative_to(root): file.read_bytes() for file in root.rglob("*") if file.is_file()}
        for root in (tmp_path / "one", tmp_path / "two")
    )
    assert {str(name) for name in one if one[name] != two.get(name)} <= {"manifest.json"}
    (tmp_path / "two/index.html").write_bytes(one[Path("index.html")].replace(b"UNKNOWN", b"KNOWN"))
    ran = run(aws, CENTRAL, "evidence", "--verify", str(tmp_path / "two"))
    assert (ran.code, ran.printed) == (1, "changed: index.html\n")


def test_with_a_role_the_notices_of_every_account_are_listed_and_where_it_is_missing_is_a_gap(
    made: Made, tmp_path: Path
) -> None:
    iam = made.history.client("iam", FAILS)
    iam.create_role(RoleName="auditor", AssumeRolePolicyDocument=trust({"AWS": f"arn:aws:iam::{CENTRAL}:root"}))
    reads = allow("ssm:DescribeAutomationExecutions", "ssm:GetAutomationExecution")
    iam.put_role_policy(RoleName="auditor", PolicyName="reads", PolicyDocument=reads)
    made.make(tmp_path / "out", "--role-name", "auditor")
    document = json.loads((tmp_path / "out/evidence.json").read_text(encoding="utf-8"))
    [notice] = [each for each in document["runbooks"] if each["notice_sent"]]
    assert (notice["account_id"], notice["runbook"], notice["status"]) == (FAILS, "RootVirtualMfa-Notify", "Success")
    assert "Sent message" in notice["said"]
    assert notice["started"].startswith(str(made.history.turns["fails"]))
    told = [each["what"] for each in document["gaps"] if each["source"] == "Automation"]
    assert any(each.startswith(f"Account {STEADY} could not be read: AssumeRole failed with ") for each in told)
    assert not any(each.startswith(f"Account {FAILS} ") for each in told)


# --- The page, in a real browser ---


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


def opened(browser: webdriver.Chrome, page: Path) -> list[str]:
    """Open a page, and return what it requested; it may complain of nothing."""
    browser.get("about:blank")
    for log in ("browser", "performance"):
        browser.get_log(log)  # type: ignore[no-untyped-call]  # Selenium's
    browser.get(page.as_uri())
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]  # Selenium's
    events = [json.loads(each["message"])["message"] for each in browser.get_log("performance")]  # type: ignore[no-untyped-call]  # Selenium's
    return [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]


def shown(browser: webdriver.Chrome) -> list[str]:
    rows = "[...document.querySelectorAll('#accounts tbody tr')]"
    found: list[str] = browser.execute_script(f"return {rows}.filter((row) => !row.hidden).map((row) => row.dataset.account)")
    return found


@needs_chromium
def test_the_page_loads_nothing_and_says_the_figures_of_the_raw_lines(browser: webdriver.Chrome, made: Made) -> None:
    page = made.folder / "index.html"
    assert opened(browser, page) == [page.as_uri()]
    counts = Counter(letter for days in expected(made).values() for letter in days.values())
    scope = sum(counts.values()) - counts["X"] - counts["."]
    known = counts["C"] + counts["N"] + counts["A"]
    outcome = browser.find_element(By.CSS_SELECTOR, ".outcome").text
    assert f"{counts['C']} of {scope} account-days" in outcome
    for name, part in (("compliant", counts["C"]), ("known", known)):
        assert browser.find_element(By.ID, name).text == f"{part * 10_000 // scope / 100:.2f} %"
    names = {"C": "COMPLIANT", "N": "NON_COMPLIANT", "A": "ACCEPTED", "U": "UNKNOWN", "X": "EXCLUDED", "G": "NO_SOURCE"}
    for letter, status in names.items():
        assert browser.find_element(By.CSS_SELECTOR, f".count[data-status={status}]").text == str(counts[letter])


@needs_chromium
def test_each_calendar_is_drawn_as_the_raw_lines_say(browser: webdriver.Chrome, made: Made) -> None:
    opened(browser, made.folder / "index.html")
    drawn: dict[str, list[str]] = browser.execute_script(
        """
        const hex = (data) => "#" + [...data.slice(0, 3)].map((each) => each.toString(16).padStart(2, "0")).join("");
        return Object.fromEntries([...document.querySelectorAll("#accounts tbody tr")].map((row) => {
          const canvas = row.querySelector("canvas"), drawing = canvas.getContext("2d");
          const days = [...Array(canvas.width).keys()].map((x) => drawing.getImageData(x, 0, 1, 1).data);
          return [row.dataset.account, days.map((data) => data[3] ? hex(data) : "")];
        }));
        """
    )
    colours = browser.execute_script(
        "return Object.fromEntries([...'CNAUXG'].map((letter) => "
        "[letter, getComputedStyle(document.documentElement).getPropertyValue(`--day-${letter}`)]))"
    )
    assert len(set(colours.values())) == len(colours)
    for account_id, days in expected(made).items():
        assert drawn[account_id] == [colours.get(letter, "") for letter in days.values()], account_id


@needs_chromium
def test_filters_and_columns_narrow_and_sort_the_accounts(browser: webdriver.Chrome, made: Made) -> None:
    opened(browser, made.folder / "index.html")
    known = expected(made)
    assert set(shown(browser)) == known.keys()
    failing, unknown, exceptions = browser.find_elements(By.CSS_SELECTOR, ".tools button")
    failing.click()
    assert set(shown(browser)) == {who for who, days in known.items() if {"N", "A"} & set(days.values())}
    exceptions.click()
    assert shown(browser) == [HARDWARE]
    failing.click()
    assert set(shown(browser)) == {HARDWARE, EXCLUDED}
    exceptions.click()
    unknown.click()
    assert set(shown(browser)) == {who for who, days in known.items() if {"U", "G"} & set(days.values())}
    unknown.click()
    browser.find_element(By.ID, "filter").send_keys("script")
    assert shown(browser) == [JOINS]
    row = browser.find_element(By.CSS_SELECTOR, f"[data-account='{JOINS}']")
    assert HOSTILE in row.text
    browser.find_element(By.ID, "filter").clear()
    browser.find_element(By.ID, "filter").send_keys(" ")
    column = browser.find_elements(By.CSS_SELECTOR, "#accounts thead button")[5]
    column.click()
    column.click()
    longest = {each["account_id"]: each["longest_failure_hours"] for each in made.document["accounts"]}
    hours = [longest[account_id] for account_id in shown(browser)]
    assert hours == sorted(hours, reverse=True)


@needs_chromium
def test_failures_come_longest_first_and_everything_prints(browser: webdriver.Chrome, made: Made) -> None:
    opened(browser, made.folder / "index.html")
    rows = browser.find_elements(By.CSS_SELECTOR, "table[data-table=failures] tbody tr")
    assert [row.find_element(By.TAG_NAME, "td").text for row in rows] == [
        each["account_id"] for each in made.document["failures"]
    ]
    assert base64.b64decode(browser.print_page(PrintOptions())).startswith(b"%PDF-")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        displayed = {
            selector: browser.find_element(By.CSS_SELECTOR, selector).is_displayed()
            for selector in (".tools", "#accounts canvas", "table[data-table=failures]", "#gap-list", "#method")
        }
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert displayed == dict.fromkeys(displayed, True) | {".tools": False}


@needs_chromium
def test_without_its_script_the_page_has_the_numbers_of_every_account(browser: webdriver.Chrome, made: Made) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get((made.folder / "index.html").as_uri())
        rows = browser.find_elements(By.CSS_SELECTOR, "#accounts tbody tr")
        said = {str(row.get_attribute("data-account")): row.find_elements(By.CSS_SELECTOR, "td.number") for row in rows}
        for account_id, days in expected(made).items():
            counts = Counter(days.values())
            failing, unknown = (cell.text for cell in said[account_id][2:4])
            assert (failing, unknown) == (str(counts["N"] + counts["A"]), str(counts["U"] + counts["G"])), account_id
        assert "Without it, the table has the numbers" in browser.find_element(By.TAG_NAME, "noscript").text
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@needs_chromium
def test_the_page_of_two_thousand_accounts_over_a_year_is_small_and_works(browser: webdriver.Chrome, tmp_path: Path) -> None:
    accounts = 2000
    deployment = Deployment("s", "CREATE_COMPLETE", "100000000000", "us-east-1", "aws", "o-a1b2c3d4e5")
    members = {each: Member(each, f"name of {each}", "Root/Workloads") for each in map(str, range(10**11, 10**11 + accounts))}
    period = Period(date(2026, 1, 1), date(2026, 12, 31))
    past = Days(period, Scope(members), Ownership(deployment), list)
    for number, calendar in enumerate(past.calendars.values()):
        calendar[:] = bytes(b"CNU"[(number + day) % 3] for day in range(period.days))
    fewer, more = "100000001001", "100000000002"
    past.calendars[fewer][:] = b"C" * 72 + b"N" * 293
    past.calendars[more][:] = b"C" * 73 + b"N" * 292  # 0.2 of the days exactly
    page = tmp_path / "index.html"
    page.write_text(as_html(evidence_of(past, Findings(deployment), ControlDays())), encoding="utf-8")
    assert page.stat().st_size < 4 * 2**20
    assert opened(browser, page) == [page.as_uri()]
    assert len(shown(browser)) == accounts
    browser.find_elements(By.CSS_SELECTOR, "#accounts thead button")[1].click()
    assert shown(browser)[:2] == [fewer, more]
    browser.find_element(By.ID, "filter").send_keys("100000001999")
    assert shown(browser) == ["100000001999"]
    assert browser.execute_script("return document.querySelectorAll('canvas').length") == accounts
