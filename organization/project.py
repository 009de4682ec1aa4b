"""The version of the command, and the checkout with the templates that it deploys."""

import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path

from organization.commands import PROGRAM

_SOURCE = Path(__file__).parents[1]
"""The checkout, unless the command was installed from it as a copy."""


@cache
def version() -> str:
    """Return the version, such as "0.1.0".

    In a checkout pyproject.toml has it, even if an older version was installed; elsewhere the installed distribution has it.
    """
    try:
        project = tomllib.loads((_SOURCE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    except (FileNotFoundError, KeyError):
        return metadata.version(PROGRAM)
    return str(project["version"]) if project["name"] == PROGRAM else metadata.version(PROGRAM)


def checkout() -> Path | None:
    """Find the folder with the templates: the current one, or the one that the command runs from. None: neither."""
    return next((folder for folder in (Path.cwd(), _SOURCE) if is_checkout(folder)), None)


def is_checkout(folder: Path) -> bool:
    """Tell whether a folder has what `deploy` needs."""
    return all((folder / name).is_file() for name in ("template.yaml", "account.yaml", "samconfig.toml"))
