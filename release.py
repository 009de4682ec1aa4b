"""Build the release of a commit: a zip file and its checksum in dist/.

The same commit gives the same bytes, in every directory and time zone: everything comes from the commit, entries are sorted,
times and permissions are fixed, and nothing is compressed, since releases of zlib compress differently.

Exit code 0: the release is built.
Exit code 1: the release was refused; the message says why.
"""

import argparse
import datetime as dt
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

PROJECT = Path(__file__).parent
NAME = "root-virtual-mfa"
FUNCTION = "RootVirtualMfaEnabledFunction"
ARTEFACT = "function.zip"
"""The artefact in the release: the built code of the function, which the release's template.yaml deploys."""
DIST = "dist"
NOTES = "release-notes.md"
SUMS = "SHA256SUMS"

PACKED = (
    "template.yaml",
    "account.yaml",
    "root-credentials.yaml",
    "region-forwarder.yaml",
    "samconfig.toml",
    "excluded-accounts.yaml",
    "conformance_packs/",
    "service_control_policies/",
    "docs/",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "SECURITY.md",
)
"""The parts of the tree in the release, beside the artefact; a folder ends with a slash."""

_ARTEFACT_TIME = (
    1980,
    1,
    1,
    0,
    0,
    0,
)  # the earliest time in a zip file: unchanged code gives the same bytes in the next commit
_SOURCE = "\n    Metadata:\n      BuildMethod: makefile"
_CODE = "\n      CodeUri: rules/\n"


class ReleaseError(Exception):
    """There is no release of this commit; the message says why and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="release", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--tag", help="the tag of the commit: refuse it unless it is v and the version")
    options = parser.parse_args(arguments)
    try:
        path = release(PROJECT, options.tag)
    except ReleaseError as error:
        print(f"No release: {error}", file=sys.stderr)
        return 1
    print(f"{path.relative_to(PROJECT)} is built. Its checksum is in {DIST}/{SUMS}, the changelog's section in {DIST}/{NOTES}.")
    return 0


def release(project: Path, tag: str | None = None) -> Path:
    """Build the release of the commit that `project` has checked out, and return its zip file in dist/.

    Raises ReleaseError if a file differs from the commit, if the changelog has no section for the version, if `tag` is the
    tag of another version, or if the artefact cannot be built.
    """
    changed = _git(project, "status", "--porcelain").decode().splitlines()
    if changed:
        message = f"the working tree differs from the commit: {', '.join(changed)}. Commit it or put it away."
        raise ReleaseError(message)
    files = _commit(project)
    version = _version(files)
    if tag is not None and tag != f"v{version}":
        message = f"the tag {tag} is not v{version}, the version in pyproject.toml."
        raise ReleaseError(message)
    notes = changelog_section(files["CHANGELOG.md"].decode(), version)
    time = dt.datetime.fromtimestamp(int(_git(project, "show", "--no-patch", "--format=%ct", "HEAD")), dt.UTC)
    content = {path: data for path, data in files.items() if path.startswith(PACKED)}
    content["template.yaml"] = _deployable(files["template.yaml"].decode()).encode()
    content[ARTEFACT] = _zip(_artefact(files), _ARTEFACT_TIME)
    content[SUMS] = _sums(content)
    folder = f"{NAME}-{version}"
    archive = _zip({f"{folder}/{path}": data for path, data in content.items()}, time.timetuple()[:6])
    dist = project / DIST
    dist.mkdir(exist_ok=True)
    path = dist / f"{folder}.zip"
    path.write_bytes(archive)
    (dist / SUMS).write_bytes(_sums({path.name: archive}))
    (dist / NOTES).write_text(notes, encoding="utf-8")
    return path


def changelog_section(changelog: str, version: str) -> str:
    """Return the text of a version's section in a changelog of the format of Keep a Changelog.

    Raises ReleaseError if there is no such section, if it has no date, or if nothing is in it.
    """
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n"
    found = re.search(rf"{heading}(.*?)(?=^## |\Z)", changelog, re.DOTALL | re.MULTILINE)
    if found is None or not found[1].strip():
        message = f"CHANGELOG.md has no section '## [{version}] - YYYY-MM-DD' with entries. Write it."
        raise ReleaseError(message)
    return f"{found[1].strip()}\n"


def _version(files: Mapping[str, bytes]) -> str:
    return str(tomllib.loads(files["pyproject.toml"].decode())["project"]["version"])


def _git(project: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], cwd=project, check=True, capture_output=True)  # noqa: S603, S607 - of this file; the user's git
    except FileNotFoundError:
        message = "git is missing. Install it."
        raise ReleaseError(message) from None
    except subprocess.CalledProcessError as error:
        message = f"git {arguments[0]} failed: {error.stderr.decode(errors='replace').strip()}"
        raise ReleaseError(message) from error
    return done.stdout


def _commit(project: Path) -> dict[str, bytes]:
    """Read the files of the commit; path to content."""
    with tarfile.open(fileobj=io.BytesIO(_git(project, "archive", "--format=tar", "HEAD"))) as archive:
        return {entry.name: file.read() for entry in archive if (file := archive.extractfile(entry)) is not None}


def _artefact(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Build the artefact from the commit, with the commands that `sam build` runs; path to content."""
    with TemporaryDirectory() as directory:
        source, built = Path(directory, "rules"), Path(directory, "built")
        built.mkdir()
        for name, data in files.items():
            if name.startswith("rules/"):
                path = Path(directory, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        command = ["make", f"build-{FUNCTION}", f"ARTIFACTS_DIR={built}", f"PYTHON={sys.executable}"]
        environment = {**os.environ, "MAKEFLAGS": ""}
        done = subprocess.run(  # noqa: S603 - a command of this file
            command, cwd=source, env=environment, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if done.returncode:
            message = f"the artefact cannot be built:\n{done.stdout.decode(errors='replace')}"
            raise ReleaseError(message)
        return {path.relative_to(built).as_posix(): path.read_bytes() for path in built.rglob("*") if path.is_file()}


def _deployable(template: str) -> str:
    """Let the template deploy the artefact of the release, which needs no build."""
    without_build = re.sub(rf"{_SOURCE}[^\n]*", "", template)
    if without_build.count(_CODE) != 1 or without_build == template:
        message = f"template.yaml has not exactly one function with{_SOURCE}{_CODE}"
        raise ReleaseError(message)
    return without_build.replace(_CODE, f"\n      CodeUri: {ARTEFACT}\n")


def _sums(files: Mapping[str, bytes]) -> bytes:
    """Write checksums as `sha256sum --check` and `shasum --algorithm 256 --check` read them."""
    return "".join(f"{hashlib.sha256(files[path]).hexdigest()}  {path}\n" for path in sorted(files)).encode()


def _zip(files: Mapping[str, bytes], time: tuple[int, ...]) -> bytes:
    """Zip files, with one time (UTC: year, month, day, hour, minute, second) and one permission for all."""
    year, month, day, hour, minute, second = time
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path, (year, month, day, hour, minute, second))
            entry.create_system = 3  # Unix, on Windows too
            entry.external_attr = 0o100644 << 16  # a file that its owner may write and everybody may read
            archive.writestr(entry, files[path])
    return written.getvalue()


if __name__ == "__main__":
    sys.exit(main())
