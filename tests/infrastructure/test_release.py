"""`make release`: what it packs, that the same commit gives the same bytes, and what it refuses."""

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.infrastructure.artefact import OFFLINE, PROJECT, make_build

VERSION = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
NAME = f"root-virtual-mfa-{VERSION}"
NOTES = "### Added\n\n- Something.\n"
CHANGELOG = (
    f"# Changelog\n\n## [Unreleased]\n\n- More.\n\n## [{VERSION}] - 2026-01-15\n\n{NOTES}\n## [0.0.9] - 2026-01-14\n\n- Less.\n"
)
GIT = ["git", "-c", "user.name=Tester", "-c", "user.email=tester@example.com", "-c", "commit.gpgsign=false"]
TIME = "2026-01-15T06:30:08+00:00"


def git(directory: Path, *arguments: str) -> str:
    environment = os.environ | {"GIT_AUTHOR_DATE": TIME, "GIT_COMMITTER_DATE": TIME}
    done = subprocess.run([*GIT, *arguments], cwd=directory, env=environment, check=True, capture_output=True, text=True)  # noqa: S603 - of this file
    return done.stdout


def build(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "release", *arguments]
    variables = os.environ | OFFLINE | environment
    return subprocess.run(command, cwd=directory, env=variables, check=False, capture_output=True, text=True)  # noqa: S603 - our module


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Commit the project to a repository of its own, with a changelog that has the version, as before a release."""
    make_build()
    directory = tmp_path_factory.mktemp("release") / "checkout"
    for name in git(PROJECT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
        if name and (PROJECT / name).is_file():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PROJECT / name, directory / name)
    (directory / "CHANGELOG.md").write_text(CHANGELOG, encoding="utf-8")
    git(directory, "init", "--quiet")
    git(directory, "add", "--all", "--force")
    git(directory, "commit", "--quiet", "--message", "All")
    return directory


@pytest.fixture(scope="module")
def built(checkout: Path) -> bytes:
    done = build(checkout, "--tag", f"v{VERSION}")
    assert done.returncode == 0, done.stderr
    return (checkout / f"dist/{NAME}.zip").read_bytes()


def clone(checkout: Path, directory: Path) -> Path:
    git(checkout, "clone", "--quiet", str(checkout), str(directory))
    return directory


def test_it_has_artefact_templates_packs_policies_and_pages(built: bytes) -> None:
    names = zipfile.ZipFile(io.BytesIO(built)).namelist()
    assert names == sorted(names)
    assert {name.split("/")[0] for name in names} == {NAME}
    packed = {name.removeprefix(f"{NAME}/") for name in names}
    assert {
        "function.zip",
        "template.yaml",
        "account.yaml",
        "root-credentials.yaml",
        "region-forwarder.yaml",
        "conformance_packs/root-virtual-mfa.yaml",
        "service_control_policies/root-virtual-mfa.json",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "SHA256SUMS",
    } <= packed
    assert not [name for name in packed if name.startswith(("rules/", "tests/", "local_aws/", "demo/", "organization/"))]


def test_its_template_deploys_the_artefact_in_it(built: bytes, tmp_path: Path) -> None:
    zipfile.ZipFile(io.BytesIO(built)).extractall(tmp_path)
    template = (tmp_path / NAME / "template.yaml").read_text(encoding="utf-8")
    source = (PROJECT / "template.yaml").read_text(encoding="utf-8")
    differing = {line.strip() for line in set(template.splitlines()) ^ set(source.splitlines())}
    assert {re.sub(r" #.*", "", line) for line in differing} <= {
        "Metadata:",
        "BuildMethod: makefile",
        "CodeUri: rules/",
        "CodeUri: function.zip",
    }
    assert "CodeUri: function.zip" in differing
    artefact = zipfile.ZipFile(tmp_path / NAME / "function.zip").namelist()
    rule = "root_virtual_mfa_enabled/rule.py"
    assert rule in artefact
    assert "rdklib/__init__.py" in artefact
    assert "rules/" not in "".join(artefact)


def test_checksums_are_of_what_is_there(checkout: Path, built: bytes) -> None:
    archive = zipfile.ZipFile(io.BytesIO(built))
    content = {name.removeprefix(f"{NAME}/"): archive.read(name) for name in archive.namelist()}
    sums = dict(line.split("  ")[::-1] for line in content.pop("SHA256SUMS").decode().splitlines())
    assert sums == {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    assert (checkout / "dist/SHA256SUMS").read_text() == f"{hashlib.sha256(built).hexdigest()}  {NAME}.zip\n"


def test_notes_are_the_section_of_the_changelog(checkout: Path, built: bytes) -> None:
    assert built
    assert (checkout / "dist/release-notes.md").read_text(encoding="utf-8") == NOTES


def test_same_commit_gives_the_same_bytes(checkout: Path, built: bytes, tmp_path: Path) -> None:
    assert build(checkout, TZ="Asia/Tokyo").returncode == 0
    assert (checkout / f"dist/{NAME}.zip").read_bytes() == built
    another = clone(checkout, tmp_path / "another/place")
    previous = os.umask(0o077)
    try:
        assert build(another, TZ="America/Lima").returncode == 0
    finally:
        os.umask(previous)
    assert (another / f"dist/{NAME}.zip").read_bytes() == built


def test_entries_have_the_time_of_the_commit_and_those_of_the_artefact_a_fixed_one(built: bytes) -> None:
    archive = zipfile.ZipFile(io.BytesIO(built))
    assert {entry.date_time for entry in archive.infolist()} == {(2026, 1, 15, 6, 30, 8)}
    artefact = zipfile.ZipFile(io.BytesIO(archive.read(f"{NAME}/function.zip")))
    assert {entry.date_time for entry in artefact.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    everything = [*archive.infolist(), *artefact.infolist()]
    assert {entry.external_attr >> 16 for entry in everything} == {0o100644}
    assert {entry.compress_type for entry in everything} == {zipfile.ZIP_STORED}


@pytest.mark.parametrize("name", ["README.md", "new-file"])
def test_tree_that_differs_from_the_commit_is_refused(checkout: Path, tmp_path: Path, name: str) -> None:
    copy = clone(checkout, tmp_path / "copy")
    (copy / name).write_text("Something else", encoding="utf-8")
    done = build(copy)
    assert done.returncode == 1
    assert "No release: the working tree differs from the commit: " in done.stderr
    assert name in done.stderr
    assert not (copy / "dist").exists()


@pytest.mark.parametrize(
    ("heading", "entry"),
    [
        ("## [Unreleased]\n", "- Something.\n"),
        (f"## [{VERSION}]\n", "- Something.\n"),
        (f"## [{VERSION.replace('.', 'x')}] - 2026-01-15\n", "- Something.\n"),
        (f"## [{VERSION}] - 2026-01-15\n", ""),
        (f"## [{VERSION}] - 2026-01-15\n", "\n## [0.0.9] - 2026-01-14\n\n- Something.\n"),
    ],
    ids=["unreleased", "without a date", "another version", "empty", "empty before another"],
)
def test_changelog_without_a_section_for_the_version_is_refused(
    checkout: Path, tmp_path: Path, heading: str, entry: str
) -> None:
    copy = clone(checkout, tmp_path / "copy")
    (copy / "CHANGELOG.md").write_text(f"# Changelog\n\n{heading}\n{entry}", encoding="utf-8")
    git(copy, "commit", "--quiet", "--all", "--message", "Changelog")
    done = build(copy)
    assert done.returncode == 1
    assert f"CHANGELOG.md has no section '## [{VERSION}] - YYYY-MM-DD'" in done.stderr
    assert not (copy / "dist").exists()


def test_tag_of_another_version_is_refused(checkout: Path, tmp_path: Path) -> None:
    done = build(clone(checkout, tmp_path / "copy"), "--tag", f"v{VERSION}1")
    assert done.returncode == 1
    assert f"the tag v{VERSION}1 is not v{VERSION}" in done.stderr


def test_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    shutil.copyfile(PROJECT / "release.py", tmp_path / "release.py")
    done = build(tmp_path, GIT_CEILING_DIRECTORIES=str(tmp_path.parent))
    assert done.returncode == 1
    assert "No release: git status failed: " in done.stderr
