"""What several tests of the operator's commands need."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.organization import deploy_scene


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[deploy_scene.Scene]:
    """Answer for an organization in which nothing is missing, to a delegated administrator; no stack is there before."""
    with deploy_scene.in_place(tmp_path, monkeypatch) as scene:
        yield scene
