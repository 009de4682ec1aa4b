"""The report's HTML page as its readers have it: a file, opened in a real browser."""

import base64
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.common.print_page_options import PrintOptions
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from organization.controls.judging import RootFacts
from organization.controls.reading import frameworks
from organization.deployment import Deployment
from organization.exceptions.judging import Acceptance
from organization.report.formats import as_html
from organization.report.judging import Report, Row
from organization.statuses import Account, Advice, Status
from root_virtual_mfa_enabled.decision import AccountSummary
from tests.browser import chromium, needs_chromium
from tests.e2e.conftest import BARE, EXCLUDED, HARDWARE, UNREADABLE, VIRTUAL
from tests.e2e.organization import CENTRAL, Organization, run

COLUMNS = ["Account", "OU", "Status", "Age of the result", "Finding"]
NAME = "<script>alert(1)</script>"

pytestmark = needs_chromium


@dataclass(frozen=True)
class Files:
    """One report, written as a page and as JSON: its accounts, in their order there."""

    page: Path
    accounts: list[dict[str, Any]]

    @property
    def totals(self) -> Counter[str]:
        return Counter(account["status"] for account in self.accounts)


@pytest.fixture(scope="module")
def files(organization: Organization, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Report an organization that has an account of every kind."""
    directory = tmp_path_factory.mktemp("report")
    page, document = directory / "report.html", directory / "report.json"
    run(organization.aws, CENTRAL, "report", "--output", str(page), "--output", str(document))
    files = Files(page, json.loads(document.read_text(encoding="utf-8"))["accounts"])
    assert {"COMPLIANT", "NON_COMPLIANT", "UNKNOWN", "EXCLUDED"} <= files.totals.keys()
    return files


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@dataclass(frozen=True)
class Page:
    """The page as a reader sees and uses it."""

    browser: webdriver.Chrome

    def shown(self) -> list[str]:
        """Return the ids of the accounts whose rows are shown, from top to bottom."""
        rows = self.browser.find_elements(By.CSS_SELECTOR, "#accounts tbody tr")
        return [str(row.get_attribute("data-account")) for row in rows if row.is_displayed()]

    def count(self) -> str:
        return self.browser.find_element(By.ID, "shown").text

    def filter(self, text: str) -> None:
        field = self.browser.find_element(By.ID, "filter")
        field.clear()
        field.send_keys(text)

    def press(self, status: str) -> None:
        self.browser.find_element(By.CSS_SELECTOR, f".totals button[data-status={status}]").click()

    def header(self, column: str) -> WebElement:
        return self.browser.find_elements(By.CSS_SELECTOR, "#accounts thead th")[COLUMNS.index(column)]

    def sort(self, column: str) -> str:
        """Click a column's header, and return the order that it says then."""
        self.header(column).find_element(By.TAG_NAME, "button").click()
        return str(self.header(column).get_attribute("aria-sort"))

    def cells(self, column: str) -> list[str]:
        rows = self.browser.find_elements(By.CSS_SELECTOR, "#accounts tbody tr")
        return [row.find_elements(By.CSS_SELECTOR, "th, td")[COLUMNS.index(column)].text for row in rows]


@pytest.fixture
def page(browser: webdriver.Chrome, files: Files) -> Page:
    browser.get(files.page.as_uri())
    return Page(browser)


def with_status(files: Files, *statuses: str) -> set[str]:
    return {account["account_id"] for account in files.accounts if account["status"] in statuses}


def logged(browser: webdriver.Chrome, log: str) -> list[dict[str, Any]]:
    """Return what was logged since this was last asked."""
    entries: list[dict[str, Any]] = browser.get_log(log)  # type: ignore[no-untyped-call]  # Selenium's
    return entries


def test_page_loads_nothing_else_and_reports_no_error(browser: webdriver.Chrome, files: Files) -> None:
    browser.get("about:blank")
    for log in ("browser", "performance"):
        logged(browser, log)  # takes what was logged before
    browser.get(files.page.as_uri())
    page = Page(browser)
    page.filter("phone")
    page.sort("Status")
    assert logged(browser, "browser") == []
    events = [json.loads(entry["message"])["message"] for entry in logged(browser, "performance")]
    requested = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert requested == [files.page.as_uri()]


def test_name_that_is_a_script_is_text(page: Page) -> None:
    with pytest.raises(NoAlertPresentException):
        _ = page.browser.switch_to.alert.text
    row = page.browser.find_element(By.CSS_SELECTOR, f"[data-account='{VIRTUAL}']")
    assert row.find_element(By.TAG_NAME, "th").text == f"{NAME}\n{VIRTUAL}"
    page.filter("alert(1)")
    assert page.shown() == [VIRTUAL]


def test_page_shows_every_account_and_the_totals(page: Page, files: Files) -> None:
    assert page.shown() == [account["account_id"] for account in files.accounts]
    assert page.count() == f"{len(files.accounts)} of {len(files.accounts)} accounts shown"
    buttons = page.browser.find_elements(By.CSS_SELECTOR, ".totals button")
    totals = {button.get_attribute("data-status"): button.text.split("\n") for button in buttons}
    assert totals == {status: [str(files.totals[str(status)]), status] for status in totals}
    assert files.totals.keys() <= totals.keys()
    failures = files.totals["NON_COMPLIANT"] + files.totals["UNKNOWN"]
    outcome = page.browser.find_element(By.CSS_SELECTOR, ".outcome").text
    assert outcome == f"{failures} of {len(files.accounts)} accounts fail or are unknown."


def test_rows_say_what_the_report_says(page: Page, files: Files) -> None:
    for account in files.accounts:
        row = page.browser.find_element(By.CSS_SELECTOR, f"[data-account='{account['account_id']}']")
        assert account["status"] in row.text
        assert account["ou_path"] in row.text
        assert (account["annotation"] or account["reason"] or account["advice"][0]["why"]) in row.text
    row = page.browser.find_element(By.CSS_SELECTOR, f"[data-account='{UNREADABLE}']")
    [unreadable] = [account for account in files.accounts if account["account_id"] == UNREADABLE]
    [advice] = unreadable["advice"]
    assert advice["action"] not in row.text
    row.find_element(By.TAG_NAME, "summary").click()
    assert advice["action"] in row.text
    assert [command.text for command in row.find_elements(By.TAG_NAME, "pre")] == advice["commands"]


def test_filter_finds_names_ids_units_and_findings(page: Page, files: Files) -> None:
    for text, found in {
        "HARDWARE": {HARDWARE},
        BARE: {BARE},
        "sandbox": set(EXCLUDED),
        "duty-phone": {CENTRAL},
        "production console": {BARE},
        "nothing has this": set[str](),
    }.items():
        page.filter(text)
        assert set(page.shown()) == found, text
        assert page.count() == f"{len(found)} of {len(files.accounts)} accounts shown"
    page.browser.find_element(By.ID, "filter").clear()
    page.filter(" ")
    assert len(page.shown()) == len(files.accounts)


def test_buttons_show_statuses_together_with_the_filter(page: Page, files: Files) -> None:
    page.press("UNKNOWN")
    assert set(page.shown()) == with_status(files, "UNKNOWN")
    page.press("EXCLUDED")
    assert set(page.shown()) == with_status(files, "UNKNOWN", "EXCLUDED")
    page.filter("sandbox")
    assert set(page.shown()) == set(EXCLUDED)
    page.press("EXCLUDED")
    assert page.shown() == []
    page.press("UNKNOWN")
    assert set(page.shown()) == set(EXCLUDED)


@pytest.mark.parametrize("key", [Keys.SPACE, Keys.ENTER])
def test_a_click_on_a_number_or_a_key_on_it_narrows_the_table(page: Page, files: Files, key: str) -> None:
    number = page.browser.find_element(By.CSS_SELECTOR, ".totals button[data-status=NON_COMPLIANT] strong")
    assert number.text == str(files.totals["NON_COMPLIANT"])
    number.click()
    assert set(page.shown()) == with_status(files, "NON_COMPLIANT")
    button = page.browser.switch_to.active_element
    assert (button.get_attribute("data-status"), button.get_attribute("aria-pressed")) == ("NON_COMPLIANT", "true")
    button.send_keys(key)
    assert button.get_attribute("aria-pressed") == "false"
    assert len(page.shown()) == len(files.accounts)
    button.send_keys(Keys.TAB)
    following = page.browser.switch_to.active_element
    assert following.get_attribute("data-status") == "UNKNOWN"
    following.send_keys(key)
    assert following.get_attribute("aria-pressed") == "true"
    assert set(page.shown()) == with_status(files, "UNKNOWN")


def test_what_fails_comes_first(page: Page) -> None:
    worst_first = [str(status) for status in Status]
    statuses = page.cells("Status")
    assert statuses == sorted(statuses, key=worst_first.index)


def test_page_of_one_status_offers_no_other(browser: webdriver.Chrome, organization: Organization, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    run(organization.aws, CENTRAL, "report", "--status", "UNKNOWN", "--output", str(path))
    browser.get(path.as_uri())
    page = Page(browser)
    assert UNREADABLE in page.shown()
    assert set(page.cells("Status")) == {"UNKNOWN"}
    enabled = browser.find_elements(By.CSS_SELECTOR, ".totals button:enabled")
    assert [button.get_attribute("data-status") for button in enabled] == ["UNKNOWN"]
    assert "Only accounts with the status UNKNOWN are listed." in browser.find_element(By.TAG_NAME, "main").text


def test_columns_sort_both_ways(page: Page, files: Files) -> None:
    names = sorted(account["account_name"].lower() for account in files.accounts)
    assert page.sort("Account") == "ascending"
    assert [cell.split("\n")[0].lower() for cell in page.cells("Account")] == names
    assert page.sort("Account") == "descending"
    assert [cell.split("\n")[0].lower() for cell in page.cells("Account")] == names[::-1]

    assert page.sort("Status") == "ascending"
    assert page.header("Account").get_attribute("aria-sort") == "none"
    worst_first = [
        "NON_COMPLIANT",
        "UNKNOWN",
        "ACCEPTED",
        "COMPLIANT",
        "NOT_APPLICABLE",
        "NOT_IN_SCOPE",
        "EXCLUDED",
        "SUSPENDED",
    ]
    statuses = page.cells("Status")
    assert statuses == sorted(statuses, key=worst_first.index)
    assert Counter(statuses) == files.totals

    ages = {account["account_id"]: account["age_hours"] for account in files.accounts}
    for order in ("ascending", "descending"):
        assert page.sort("Age of the result") == order
        sorted_ages = [ages[account_id] for account_id in page.shown()]
        known = [age for age in sorted_ages if age is not None]
        assert known == sorted(known, reverse=order == "descending")
        assert sorted_ages == known + [None] * (len(sorted_ages) - len(known))  # Rows without a result come last.


def test_print_has_everything_open_and_no_tools(page: Page) -> None:
    page.browser.execute_script(
        """
        addEventListener("beforeprint", () => {
          const isShown = (selector) => document.querySelector(selector).checkVisibility();
          window.printed = {
            open: [...document.querySelectorAll("details")].map((each) => each.open),
            tools: isShown(".tools"), totals: isShown(".totals"), summary: isShown("summary"), table: isShown("#accounts"),
          };
        });
        """
    )
    pdf = base64.b64decode(page.browser.print_page(PrintOptions()))
    assert pdf.startswith(b"%PDF-")
    opened = page.browser.execute_script("return window.printed.open")
    assert opened
    assert all(opened)
    assert not any(page.browser.execute_script("return [...document.querySelectorAll('details')].map((each) => each.open)"))

    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        displayed = {
            selector: page.browser.find_element(By.CSS_SELECTOR, selector).is_displayed()
            for selector in (".tools", "summary", ".totals", "#accounts thead", ".legend")
        }
        sorting = page.header("Account").find_element(By.TAG_NAME, "button").value_of_css_property("display")
        background = page.browser.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
    finally:
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert displayed == {".tools": False, "summary": False, ".totals": True, "#accounts thead": True, ".legend": True}
    assert sorting == "contents"  # as a button it would be printed on the first sheet only
    assert background == "rgba(255, 255, 255, 1)"


# --- Frameworks ---


def test_column_of_a_framework_sorts_and_is_found_by_words(browser: webdriver.Chrome, tmp_path: Path) -> None:
    summary = AccountSummary(
        mfa_enabled=True, password_present=True, access_keys_present=False, signing_certificates_present=False
    )
    deployed = Deployment("root-virtual-mfa", "CREATE_COMPLETE", CENTRAL, "eu-central-1", "aws")
    roots = {"1": RootFacts(summary, 1), "2": RootFacts(summary, 0), "3": None}
    rows = [Row(Account(each, "", ""), Status.COMPLIANT, root=root) for each, root in roots.items()]
    frameworks_asked = [frameworks()["cis-aws-6.0"], frameworks()["soc-2"]]
    report = Report(deployed, datetime(2026, 3, 1, tzinfo=UTC), rows, [], frameworks=frameworks_asked)
    assert open_page(browser, tmp_path / "page.html", as_html(report)) == []
    page = Page(browser)
    [header, other] = browser.find_elements(By.CSS_SELECTOR, "#accounts thead th.controls")
    assert [header.text[:28], other.text[:5]] == ["CIS AWS Foundations Benchmark"[:28], "SOC 2"]
    header.find_element(By.TAG_NAME, "button").click()
    assert page.shown() == ["2", "1", "3"], "both satisfied; one; unknown"
    header.find_element(By.TAG_NAME, "button").click()
    assert page.shown() == ["3", "1", "2"]
    page.filter("not satisfied: 2.5")
    assert page.shown() == ["1"]
    colours = {
        each.get_attribute("data-assessment"): each.value_of_css_property("color")
        for each in browser.find_elements(By.CSS_SELECTOR, "td.controls p")
    }
    assert len(set(colours.values())) == 3
    assert "Unverified" not in browser.find_element(By.CSS_SELECTOR, "[aria-labelledby=frameworks]").text


# --- What others wrote ---

HOSTILE = "<img src=x onerror=alert(1)> \"'><script>alert(2)</script> {{ 7 * 7 }} \u202egnp.exe\u2066 \x1b[2J\r\n 📱 [red]"
SEEN = "<img src=x onerror=alert(1)> \"'><script>alert(2)</script> {{ 7 * 7 }} \\u202egnp.exe\\u2066 \\x1b[2J\\r\\n 📱 [red]"


def hostile_page() -> str:
    """Write a page. Whatever is not the package's own text is hostile."""
    deployed = Deployment(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    deployed = replace(deployed, organizational_unit_ids=frozenset({HOSTILE}))
    advice = Advice(HOSTILE, HOSTILE, (HOSTILE,))
    accepted = Acceptance(HOSTILE, HOSTILE, HOSTILE, date(2026, 3, 1))
    rows = [
        Row(Account(f"1{HOSTILE}", HOSTILE, HOSTILE), Status.NON_COMPLIANT, HOSTILE, HOSTILE, (advice,)),
        Row(Account("222222222222", "b", "Root"), Status.ACCEPTED, "a", exception=accepted),
        Row(Account("333333333333", "c", "Root"), Status.NOT_IN_SCOPE, reason="outside"),
    ]
    return as_html(Report(deployed, datetime(2026, 3, 1, tzinfo=UTC), rows, [HOSTILE]))


def open_page(browser: webdriver.Chrome, path: Path, html: str) -> list[str]:
    """Open a page, and return what the browser complains of."""
    path.write_text(html, encoding="utf-8")
    browser.get("about:blank")
    logged(browser, "browser")
    browser.get(path.as_uri())
    with pytest.raises(NoAlertPresentException):
        _ = browser.switch_to.alert.text
    return [entry["message"] for entry in logged(browser, "browser")]


def test_whatever_is_on_the_page_is_text_that_can_be_seen(browser: webdriver.Chrome, tmp_path: Path) -> None:
    assert open_page(browser, tmp_path / "page.html", hostile_page()) == []
    assert browser.execute_script("return [document.images.length, document.scripts.length]") == [0, 1]
    attributes = browser.execute_script(
        "return [...document.querySelectorAll('*')].flatMap((each) => [...each.attributes]).map((each) => each.name)"
    )
    assert not [name for name in attributes if name.startswith("on") or name in {"src", "href", "style"}]
    page = Page(browser)
    row = browser.find_elements(By.CSS_SELECTOR, "#accounts tbody tr")[0]
    assert row.get_attribute("data-account") == f"1{SEEN}"
    assert row.find_element(By.TAG_NAME, "th").text == f"{SEEN}\n1{SEEN}"
    assert SEEN in browser.title
    assert browser.find_element(By.CSS_SELECTOR, "[aria-labelledby=notes] li").text == SEEN
    row.find_element(By.TAG_NAME, "summary").click()
    assert row.find_element(By.TAG_NAME, "pre").text == SEEN
    for column in ("Account", "OU", "Finding"):
        page.sort(column)
    page.filter("gnp.exe root")
    assert page.shown() == ["222222222222"]
    page.press("ACCEPTED")
    page.filter("gnp.exe")
    assert page.shown() == ["222222222222"]
    outcomes = [each.text for each in browser.find_elements(By.CSS_SELECTOR, ".outcome")]
    assert outcomes == ["1 of 3 accounts fail or are unknown.", "1 of 3 accounts fail, and that is accepted."]
    page.filter("")
    page.press("ACCEPTED")
    page.press("NOT_IN_SCOPE")
    assert (page.shown(), page.count()) == (["333333333333"], "1 of 3 accounts shown")


@pytest.mark.parametrize(
    "inserted",
    [
        "<img src=x onerror=alert(1)>",
        "<script>alert(1)</script>",
        "<a id=evil href='javascript:alert(1)'>x</a><script>document.querySelector('#evil').click()</script>",
        "<base href='https://evil.example/'>",
        "<form action='https://evil.example/'><button id=evil>x</button></form>",
        "<iframe srcdoc='<script>parent.alert(1)</script>'></iframe>",
        "<link rel=stylesheet href='https://evil.example/x.css'>",
    ],
)
def test_if_a_name_were_taken_for_html_the_page_still_lets_it_do_nothing(
    browser: webdriver.Chrome, tmp_path: Path, inserted: str
) -> None:
    html = hostile_page()
    assert html.count("</h1>") == 1
    said = open_page(browser, tmp_path / "page.html", html.replace("</h1>", f"</h1>{inserted}"))
    if "form" in inserted:
        browser.find_element(By.ID, "evil").click()
    if not said:  # the log may come after the page
        said = WebDriverWait(browser, 600).until(lambda _: [entry["message"] for entry in logged(browser, "browser")])
    assert all("Content Security Policy" in each for each in said), said
    assert browser.current_url == (tmp_path / "page.html").as_uri()
    assert Page(browser).count() == "3 of 3 accounts shown", "the page's own script runs"
