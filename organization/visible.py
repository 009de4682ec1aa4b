"""Makes text from AWS or from a file safe to show and to put into a command: pure, without input or output."""

import shlex
import unicodedata

# Control, format (zero-width, bidirectional), surrogate, private use and unassigned characters, line and paragraph separators.
# Source: Unicode Standard, table 4-4, General_Category.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

# Letters, marks and a symbol that look like nothing or like a space.  Emoji keep their variation selectors (U+FE0E, U+FE0F).
# Source: Unicode Character Database, Default_Ignorable_Code_Point; U+2800 is the Braille pattern without dots.
_BLANK = frozenset(
    {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0}
    | {*range(0x180B, 0x1810)}
    | {*range(0xFE00, 0xFE0E)}
    | {*range(0xE0100, 0xE01F0)}
)


class _Shown(dict[int, str]):
    """How to show each character, worked out at its first use."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        hidden = unicodedata.category(character) in _HIDDEN_CATEGORIES or code in _BLANK
        self[code] = shown = character.encode("unicode_escape").decode("ascii") if hidden else character
        return shown


_SHOWN = _Shown()


def visible(text: str) -> str:
    r"""Return the text on one line, without anything that a terminal acts on or a reader cannot see.

    It writes such characters as Python does: `\n`, `\x1b`, `\u202e`.  All others stay, a backslash too.
    """
    return text.translate(_SHOWN)


def quoted(value: str) -> str:
    """Quote a value as one word of a shell command, on one line whatever the value holds."""
    return shlex.quote(visible(value))
