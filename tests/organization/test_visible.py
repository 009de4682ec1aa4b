"""What others wrote, on the way to a screen and into a command: nothing in it acts, and everything in it is seen."""

import io
import shlex
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from organization.screen import WIDTH, Screen, complain, text
from organization.visible import quoted, visible

ANY = st.text(st.characters() | st.characters(categories=["Cc", "Cf", "Cs", "Co", "Zl", "Zp"]))
HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b[31mred\x1b]0;title\x07", r"\x1b[31mred\x1b]0;title\x07"),
        ("\x00\x7f\x85\x9b2J", r"\x00\x7f\x85\x9b2J"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\u202egnp.exe\u2066", r"\u202egnp.exe\u2066"),
        ("zero\u200bwidth\ufeff\u00ad", r"zero\u200bwidth\ufeff\xad"),
        ("\ud800\ue000\U000e0041", r"\ud800\ue000\U000e0041"),
        ("\u3164\u2800\u115f", r"\u3164\u2800\u115f"),
        ("\ufe01\U000e0100", r"\ufe01\U000e0100"),
    ],
)
def test_what_cannot_be_seen_is_written_out(hidden: str, shown: str) -> None:
    assert visible(hidden) == shown


@pytest.mark.parametrize(
    "kept", ["", "phone", r"C:\new", "Zoë's phone", "電話", "📱 phone", "❤️", "👍🏽", "🇩🇪", "a\u0301", "a\u00a0b"]
)
def test_what_can_be_seen_stays(kept: str) -> None:
    assert visible(kept) == kept


@given(ANY)
def test_nothing_hidden_is_left_and_nothing_is_done_twice(anything: str) -> None:
    shown = visible(anything)
    assert not {unicodedata.category(character) for character in shown} & HIDDEN
    assert len(shown.splitlines()) <= 1
    assert visible(shown) == shown
    shown.encode("utf-8")


@given(ANY)
def test_quoted_value_is_one_word_of_one_line(anything: str) -> None:
    assert shlex.split(quoted(anything)) == [visible(anything)]
    assert len(quoted(anything).splitlines()) == 1


@given(st.lists(ANY, min_size=1, max_size=3), st.integers(0, 8))
def test_each_line_is_one_line_and_means_no_markup(parts: list[str], indent: int) -> None:
    file = io.StringIO()
    Screen(file).say(*parts, indent=indent, whole=True)
    assert file.getvalue() == " " * indent + visible("".join(parts)) + "\n"


@given(ANY)
def test_line_that_is_wrapped_says_the_same(anything: str) -> None:
    file = io.StringIO()
    Screen(file).say(f"{anything} {'word ' * 60}", indent=2)
    lines = file.getvalue().splitlines()
    assert all(line.startswith("  ") for line in lines)
    assert "".join("".join(lines).split()) == "".join(visible(f"{anything}{'word' * 60}").split())


@pytest.mark.parametrize(
    "markup", ["[red]x[/red]", "[link=https://evil.example]x[/link]", "[/]", "\\[bold]", "x\\", ":skull:", "[@click=x]"]
)
def test_markup_and_names_of_emoji_are_text(markup: str) -> None:
    file = io.StringIO()
    screen = Screen(file)
    screen.say((markup, "bold"), markup)
    screen.print(text(markup))
    assert file.getvalue() == f"{markup}{markup}\n{markup}\n"


def test_wrapped_line_does_not_begin_where_a_command_does() -> None:
    """Commands are indented by four."""
    file = io.StringIO()
    Screen(file).say("x" * (WIDTH - 10), " " * 12, "aws iam delete-user --user-name me", indent=2)
    assert file.getvalue().splitlines()[1] == "  aws iam delete-user --user-name me"


def test_what_goes_to_stderr_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    complain("first\n\x1b[2Jsecond\ud800")
    assert capsys.readouterr().err == "root-virtual-mfa: first\\n\\x1b[2Jsecond\\ud800\n"
