"""The built artefact, and the locks of the packages that build and test it."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.infrastructure.artefact import OFFLINE, PROJECT, make_build

FUNCTION = "RootVirtualMfaEnabledFunction"
LOCKS = [*sorted(PROJECT.glob("requirements/*.txt")), PROJECT / "rules/requirements.txt"]


@pytest.fixture(scope="module")
def artefact() -> Path:
    make_build()
    return PROJECT / ".aws-sam/build" / FUNCTION


def contents(folder: Path) -> dict[str, tuple[bytes, float]]:
    """Read the bytes and the time stamp of each file."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime) for path in files}


def test_artefact_holds_our_code_and_rdklib_with_its_licence(artefact: Path) -> None:
    found = set(contents(artefact))
    packages = ("periodic_rule", "root_virtual_mfa_enabled")
    modules = [path for package in packages for path in (PROJECT / "rules" / package).rglob("*.py")]
    ours = {path.relative_to(PROJECT / "rules").as_posix() for path in modules}
    rdklib = {path for path in found if re.fullmatch(r"rdklib/([a-z]+/)*\w+\.py", path)}
    licences = {path for path in found if re.fullmatch(r"rdklib-[0-9.]+\.dist-info/licenses/(LICENSE|NOTICE)", path)}
    assert "rdklib/__init__.py" in rdklib
    assert len(licences) == 2
    assert found == ours | rdklib | licences


def test_artefact_is_small(artefact: Path, tmp_path: Path) -> None:
    archive = tmp_path / "artefact.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path in artefact.rglob("*"):
            zipped.write(path, path.relative_to(artefact))
    assert archive.stat().st_size < 150 * 1024


def test_artefact_is_the_same_when_built_again(artefact: Path, tmp_path: Path) -> None:
    command = ["make", f"build-{FUNCTION}", f"ARTIFACTS_DIR={tmp_path}", f"PYTHON={sys.executable}"]
    environment = os.environ | OFFLINE | {"TZ": "Asia/Tokyo", "MAKEFLAGS": ""}  # bytes and time stamps depend on no time zone
    subprocess.run(command, cwd=PROJECT / "rules", env=environment, check=True, capture_output=True)  # noqa: S603 - a command of this file
    assert contents(tmp_path) == contents(artefact)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.relative_to(PROJECT).as_posix())
def test_lock_is_hashed_and_names_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert "--index-url" not in text
    requirements = [entry for entry in re.split(r"\n(?=\S)", text) if not entry.startswith("#")]
    assert requirements
    for entry in requirements:
        assert re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize("source", sorted(PROJECT.glob("requirements/*.in")), ids=lambda source: source.name)
def test_every_requirement_has_its_reason(source: Path) -> None:
    entries = [line for line in source.read_text().splitlines() if line and not line.startswith("#")]
    assert entries
    assert [line for line in entries if not re.search(r"\s# \w", line)] == []
