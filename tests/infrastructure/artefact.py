"""Builds the artefact for the tests of it. Only `make build` may need a network: it fetches what pip installs into it."""

import subprocess
from pathlib import Path

PROJECT = Path(__file__).parents[2]
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": (PROJECT / ".cache/wheels").as_uri()}
"""Variables with which pip finds what `make build` fetched, and asks nobody."""


def make_build() -> None:
    """Build the artefact, and fetch what is in it, unless that is there already."""
    subprocess.run(["make", "build"], cwd=PROJECT, check=True, capture_output=True)  # noqa: S607 - make is where it is
