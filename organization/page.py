"""Renders a page: one HTML file that needs no other file and no network, and shows as text what other people wrote."""

import hashlib
import re
from base64 import b64encode
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from organization.visible import visible

_FOLDER = Path(__file__).parent

_TEMPLATES = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=True,  # other people write names and annotations
    finalize=lambda value: visible(value) if isinstance(value, str) else value,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(name: str, **values: Any) -> str:  # noqa: ANN401 - whatever the template shows
    """Render a template that extends page.html.jinja, with these values; `name` is its path in this package."""
    return _TEMPLATES.get_template(name).render(script_hash=_script_hash(name), **values)


def _script_hash(name: str) -> str:
    """Return the hash of the page's script for its Content-Security-Policy, which lets no other script run; empty if none.

    The script is the template's own, or that of a template that it extends.
    """
    source = (_FOLDER / name).read_text(encoding="utf-8")
    script = re.search("<script>(.*)</script>", source, re.DOTALL)
    if script:
        return f"sha256-{b64encode(hashlib.sha256(script[1].encode()).digest()).decode('ascii')}"
    extended = re.match(r'{% extends "(.+)" %}', source)
    return _script_hash(extended[1]) if extended else ""
