"""The file of exceptions: what may stand in it, what is refused, and in which words."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from organization import cli
from organization.aws import CommandError
from organization.exceptions import reading as exceptions_file
from organization.exceptions.judging import ENDS_SOON, Acceptance, Exceptions, Exclusion, begins_later, ends_soon, in_force
from organization.exceptions.reading import LONGEST
from tests.fake_aws import FakeAws

PROJECT = Path(__file__).parents[2]
FIRST, SECOND, THIRD = "111111111111", "222222222222", "333333333333"
EXCLUSION = "{reason: r, owner: o, until: 2027-06-30}"
ACCEPTANCE = "{reason: r, control: c, owner: o, until: 2027-06-30}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "excluded-accounts.yaml"


@pytest.fixture
def fake() -> Iterator[FakeAws]:
    fake = FakeAws()
    with fake.in_place():
        yield fake


def read(path: Path, text: str) -> Exceptions:
    path.write_text(text, encoding="utf-8")
    return exceptions_file.read(path)


def failure(fake: FakeAws, path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Report with the file, and return the one line that refuses it before AWS is asked."""
    assert cli.main(["report", "--exceptions", str(path)]) == 2
    printed = capsys.readouterr()
    assert (printed.out, fake.calls) == ("", [])
    (line,) = printed.err.splitlines()
    return line


# --- What may stand there ---


def test_old_form_mappings_and_accepted_failures_stand_side_by_side(path: Path) -> None:
    text = f"""
"{FIRST}": Sandbox.
"{SECOND}":
  reason: >
    Moves to another
    organization.
  owner: platform team
  since: 2026-07-01
  until: 2027-06-30
accepted:
  "{THIRD}":
    until: "2027-01-31"
    since: "2027-01-31"
    owner: 'security@example.com'
    control: Two hardware keys in two safes
    reason: No phones on the site
"""
    assert read(path, text) == Exceptions(
        {
            FIRST: Exclusion("Sandbox."),
            SECOND: Exclusion("Moves to another organization.", "platform team", date(2027, 6, 30), date(2026, 7, 1)),
        },
        {
            THIRD: Acceptance(
                "No phones on the site",
                "Two hardware keys in two safes",
                "security@example.com",
                until=date(2027, 1, 31),
                since=date(2027, 1, 31),
            )
        },
    )


def test_reasons_may_be_written_as_yaml_writes_text(path: Path) -> None:
    text = "\ufeff'111111111111': 'it''s'\n? \"222222222222\"\n: >\n  two\n  lines\n\"333333333333\": é 日本\n"
    expected = {FIRST: "it's", SECOND: "two lines", THIRD: "é 日本"}
    assert read(path, text).excluded == {account_id: Exclusion(reason) for account_id, reason in expected.items()}


@pytest.mark.parametrize("text", ["", "{}", "# nothing", "~", "---\n...\n", "accepted:", "accepted: {}"])
def test_no_exceptions(path: Path, text: str) -> None:
    assert read(path, text) == Exceptions({}, {})


def test_no_file(path: Path) -> None:
    assert exceptions_file.read(path) == Exceptions()


def test_file_of_the_project_can_be_read() -> None:
    assert exceptions_file.read(exceptions_file.default_file()) == Exceptions()


def test_examples_can_be_read(path: Path) -> None:
    text = (PROJECT / "docs/deploying.md").read_text(encoding="utf-8")
    [page] = re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    comments = re.findall(r"^# ?(.*)$", (PROJECT / "excluded-accounts.yaml").read_text(encoding="utf-8"), re.MULTILINE)
    ours = "\n".join(each for each in comments if re.match(r'"\d|accepted:|  ', each))
    for text in (page, ours):
        found = read(path, text)
        assert [len(found.excluded), len(found.accepted)] == [2, 1]


def test_reasons_for_10_000_accounts_fit(path: Path) -> None:
    reason = "Sandbox without data, emptied every night; approved by security on 2026-01-15."
    ids = [f"{number:012}" for number in range(10_000)]
    found = read(path, "".join(f'"{account_id}": {reason}\n' for account_id in ids))
    assert found == Exceptions(dict.fromkeys(ids, Exclusion(reason)))


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Co", "Cn"]), min_size=1, max_size=60).filter(
    lambda text: text.strip()
)
IDS = st.text("0123456789", min_size=12, max_size=12)
DAYS = st.dates(date(2000, 1, 1), date(2100, 1, 1))
EXCLUSIONS = st.builds(Exclusion, TEXTS) | st.builds(Exclusion, TEXTS, TEXTS, DAYS, st.none() | DAYS).filter(
    lambda each: each.since is None or (each.until is not None and each.since <= each.until)
)
ACCEPTANCES = st.builds(Acceptance, TEXTS, TEXTS, TEXTS, DAYS, st.none() | DAYS).filter(
    lambda each: each.since is None or each.since <= each.until
)


def fields(exception: Exclusion | Acceptance) -> Any:  # noqa: ANN401 - what stands in the file
    """Return what an operator writes for it."""
    if exception.until is None:
        return exception.reason
    control = {"control": exception.control} if isinstance(exception, Acceptance) else {}
    since = {"since": exception.since} if exception.since else {}
    return {"reason": exception.reason, **control, "owner": exception.owner, **since, "until": exception.until}


def on_one_line(exception: Exclusion | Acceptance) -> Exclusion | Acceptance:
    reason, owner = (" ".join(each.split()) for each in (exception.reason, exception.owner))
    if isinstance(exception, Acceptance):
        return replace(exception, reason=reason, owner=owner, control=" ".join(exception.control.split()))
    return replace(exception, reason=reason, owner=owner)


@given(st.dictionaries(IDS, EXCLUSIONS, max_size=4), st.dictionaries(IDS, ACCEPTANCES, max_size=4), st.booleans())
def test_what_was_written_is_read_whatever_style_yaml_gives_it(
    tmp_path_factory: pytest.TempPathFactory,
    excluded: dict[str, Exclusion],
    accepted: dict[str, Acceptance],
    flow: bool,  # noqa: FBT001 - drawn
) -> None:
    accepted = {account_id: each for account_id, each in accepted.items() if account_id not in excluded}
    document = {account_id: fields(each) for account_id, each in excluded.items()}
    document["accepted"] = {account_id: fields(each) for account_id, each in accepted.items()}
    text = yaml.safe_dump(document, allow_unicode=True, default_flow_style=flow, default_style=None, width=1000)
    found = read(tmp_path_factory.getbasetemp() / "written.yaml", text)
    assert found.excluded == {account_id: on_one_line(each) for account_id, each in excluded.items()}
    assert found.accepted == {account_id: on_one_line(each) for account_id, each in accepted.items()}


WORDS = st.sampled_from(
    [
        *(
            f'"{FIRST}"',
            f'"{SECOND}"',
            "accepted",
            "reason",
            "control",
            "owner",
            "since",
            "until",
            "2027-06-30",
            "2027-02-30",
            "text",
        ),
        *(": ", "{", "}", "[", "]", ", ", "\n", "\n  ", "\n    ", "- ", "? ", "&a ", "*a", "!!str ", "<<", "---\n", "''", "|"),
        *("5", "%", "\t", f'"{FIRST}": {EXCLUSION}\n', f"accepted: {{'{SECOND}': {ACCEPTANCE}}}\n"),
    ]
)


@given(st.lists(WORDS, max_size=25).map("".join) | st.text(max_size=40))
def test_whatever_stands_there_gives_exceptions_that_are_whole_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "whatever.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    found, said = Exceptions(), f"{path}."
    try:
        found = exceptions_file.read(path)
    except CommandError as error:
        said = str(error)
    assert said.startswith(str(path))
    assert said.endswith(".")
    assert len(said.splitlines()) == 1
    if found != Exceptions():
        assert not set(found.excluded) & set(found.accepted)
        assert all(each.reason and (not each.until or each.owner) for each in found.excluded.values())
        assert all(each.reason and each.control and each.owner for each in found.accepted.values())


# --- What is refused ---

ONE = f'"{FIRST}": '
MUST = "it must have reason, owner and until, and may have since"
MUST_ACCEPT = "it must have reason, control, owner and until, and may have since"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("111111111111: x", "the key is a whole number: it must be an account id of 12 digits, in quotes, or accepted"),
        ('"1111": x', "12 digits"),
        (f'{ONE}""', f"line 1: the reason of account {FIRST} is blank"),
        (f"\n{ONE}5", f"line 2: the reason of account {FIRST} is a whole number"),
        (f"{ONE}[x]", "is a list: it must be text that says why, or a mapping with reason, owner and until"),
        (ONE, "is nothing"),
        (f"{ONE}2026-01-01", "is a date"),
        (f"{ONE}yes", "is a yes or no"),
        (f"{ONE}1.5", "is a number"),
        (f"{ONE}=", "is a default value"),
        (f'{ONE}!!python/object/apply:os.system ["false"]', "is something with a tag"),
        (f"{ONE}!!str x", "is something with a tag"),
        ("!!python/dict {}", "the file is something with a tag"),
        (f"{ONE}&x y", "is something with an anchor"),
        ("&x {}", "the file is something with an anchor"),
        (f"{ONE}*x", "is an alias"),
        ("<<: {}", "the key is a merge key"),
        ("*x : y", "the key is an alias"),
        (f'{ONE}x\n"{SECOND}": y\n{ONE}z', f"line 3: account {FIRST} is there a second time"),
        ('"\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661": x', "12 digits"),
        ("[x]: y", "the key is a list"),
        ("{}\n---\n{}", "line 2: a second document begins"),
        ("- x", "a mapping"),
        ("x", "the file is text: it must be a mapping"),
        ("a: [", "12 digits"),
        (f"{{{ONE}x", ", line 1, cannot be read: expected"),
        (f"{ONE}\x1b[2J", "cannot be read: unacceptable character #x001b"),
        ("[" * 100_000, "the file is a list"),
        ("? " * 100_000, "the key is a mapping"),
        ("# " + "x" * 1024 * 1024, "has more than 1048576 bytes"),
        # The mapping of an exclusion
        (f"{ONE}{{}}", f"line 1: account {FIRST} has no reason and no owner and no until: {MUST}"),
        (f"{ONE}\n  reason: r\n  until: 2027-06-30", f"line 2: account {FIRST} has no owner: {MUST}"),
        (f"{ONE}{{reason: r, owner: o}}", f"has no until: {MUST}"),
        (f"{ONE}{ACCEPTANCE}", f'a key of account {FIRST} is "control": {MUST}, and no other'),
        (f"{ONE}{{{'x' * 41}: r}}", f"a key of account {FIRST} is text: {MUST}, and no other"),
        (f"{ONE}{{5: r}}", f"a key of account {FIRST} is a whole number: {MUST}, and no other"),
        (f"{ONE}{{reason: r, reason: r}}", f"reason of account {FIRST} is there a second time"),
        (f"{ONE}{{until: 2027-06-30, until: 2027-06-30}}", f"until of account {FIRST} is there a second time"),
        (f"{ONE}{{reason: [r]}}", f"reason of account {FIRST} is a list: it must be text"),
        (f"{ONE}{{reason: {{reason: r}}}}", f"reason of account {FIRST} is a mapping: it must be text"),
        (f"{ONE}{{reason: &a r}}", f"reason of account {FIRST} is something with an anchor: it must be text"),
        (f"{ONE}{{owner: ' '}}", f"owner of account {FIRST} is blank: it must be text"),
        (f"{ONE}{{owner: 5}}", f"owner of account {FIRST} is a whole number: it must be text"),
        (f"{ONE}\n  owner: {'o' * 201}", f"line 2: owner of account {FIRST} has 201 characters: it may have 200"),
        (f"{ONE}\n  reason: {'r' * 1001}", f"line 2: reason of account {FIRST} has 1001 characters: it may have 1000"),
        *(
            (f"{ONE}{{until: {until}}}", f"until of account {FIRST} is {what}: it must be a date such as 2027-06-30")
            for until, what in {
                "2027-02-30": "2027-02-30, which is no day",
                "'0000-01-01'": "0000-01-01, which is no day",
                "2027-6-30": "text",
                "30.06.2027": "text",
                "2027-06-30T12:00:00Z": "a date",
                "2027": "a whole number",
                "never": "text",
                "": "nothing",
                "[2027-06-30]": "a list",
                "!!timestamp 2027-06-30": "something with a tag",
                "'\u0662\u0660\u0662\u0667-06-30'": "text",
            }.items()
        ),
        (f"{ONE}{{since: never}}", f"since of account {FIRST} is text: it must be a date such as 2027-06-30"),
        (f"{ONE}{{since: 2027-06-30, since: 2027-06-30}}", f"since of account {FIRST} is there a second time"),
        (f"{ONE}{{reason: r, owner: o, since: 2027-06-30}}", f"has no until: {MUST}"),
        (
            f"{ONE}{{reason: r, owner: o, since: 2027-07-01, until: 2027-06-30}}",
            f"since of account {FIRST} is 2027-07-01: it must not be after until, 2027-06-30",
        ),
        # Accepted failures
        ("accepted: x", "accepted is text: it must be a mapping of account ids, in quotes, to mappings"),
        ("accepted: [x]", "accepted is a list"),
        ("accepted: {}\naccepted: {}", "line 2: accepted is there a second time"),
        ("accepted:\n  accepted: {}", "line 2: the key is text: it must be an account id of 12 digits, in quotes."),
        (f"accepted:\n  {ONE}Sandbox.", "the entry of account 111111111111 is text: it must be a mapping with reason, control"),
        (f"accepted:\n  {ONE}{EXCLUSION}", f"line 2: account {FIRST} has no control: {MUST_ACCEPT}"),
        (f"accepted:\n  {ONE}\n    control: {'c' * 1001}", f"line 3: control of account {FIRST} has 1001 characters"),
        (f"accepted:\n  {ONE}{ACCEPTANCE}\n  {ONE}{ACCEPTANCE}", f"line 3: account {FIRST} is there a second time"),
        (f"{ONE}Sandbox.\naccepted:\n  {ONE}{ACCEPTANCE}", "keep one entry, and no account both excluded and accepted"),
        (f"accepted:\n  {ONE}{ACCEPTANCE}\n{ONE}Sandbox.", f"line 3: account {FIRST} is there a second time"),
    ],
)
def test_what_is_no_exception_is_refused_in_one_sentence(
    fake: FakeAws, path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    path.write_text(text, encoding="utf-8")
    line = failure(fake, path, capsys)
    assert str(path) in line
    assert said in line


def test_texts_as_long_as_they_may_be_are_read(path: Path) -> None:
    longest: dict[str, Any] = {name: name[0] * length for name, length in LONGEST.items()}
    assert read(path, json.dumps({"accepted": {FIRST: {**longest, "until": "2027-06-30"}}})).accepted == {
        FIRST: Acceptance(**longest, until=date(2027, 6, 30))
    }
    assert read(path, f"{ONE}{'r' * 5000}").excluded[FIRST].reason == "r" * 5000, "the old form goes on working"


def bomb(depth: int, width: int) -> str:
    """Write some hundred characters that stand for width to the power of depth."""
    layers = ["&l0 x", *(f"&l{n} [{','.join([f'*l{n - 1}'] * width)}]" for n in range(1, depth))]
    return f'"111111111111": [{", ".join(layers)}]'


def test_bomb_ends_where_it_begins(path: Path) -> None:
    path.write_text(bomb(depth=12, width=9), encoding="utf-8")
    command = [sys.executable, "-m", "organization", "report", "--exceptions", str(path)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(path.parent)}
    ran = subprocess.run(  # noqa: S603 - our own module
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    said = (
        "line 1: the reason of account 111111111111 is a list: it must be text that says why, or a mapping with reason, owner "
        "and until."
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", f"root-virtual-mfa: {path}, {said}\n")


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "not UTF-8"])
def test_file_that_is_none(fake: FakeAws, path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    match kind:
        case "pipe":
            os.mkfifo(path)  # which nobody ever writes to
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case _:
            path.write_bytes(b"\xff")
    assert f"{path} cannot be read: " in failure(fake, path, capsys)


# --- When an exception is in force ---


@given(EXCLUSIONS | ACCEPTANCES, DAYS)
def test_an_exception_is_in_force_from_its_first_to_its_last_day(exception: Exclusion | Acceptance, day: date) -> None:
    begun = exception.since is None or (day - exception.since).days >= 0
    assert in_force(exception, day) == (begun and (exception.until is None or (exception.until - day).days >= 0))
    assert begins_later(exception, day) == (not begun)
    assert not ends_soon(exception, day) or in_force(exception, day)


@pytest.mark.parametrize(("days", "force", "soon"), [(-1, False, False), (0, True, True), (30, True, True), (31, True, False)])
def test_the_end_is_said_a_month_before(days: int, force: bool, soon: bool) -> None:  # noqa: FBT001 - parameters of the test
    today = date(2026, 3, 1)
    exception = Exclusion("r", "o", today + timedelta(days=days))
    assert (in_force(exception, today), ends_soon(exception, today)) == (force, soon)
    assert timedelta(days=30) == ENDS_SOON
    assert not ends_soon(Exclusion("r"), today)
    assert not ends_soon(replace(exception, since=today + timedelta(days=1)), today), "it has not begun"
