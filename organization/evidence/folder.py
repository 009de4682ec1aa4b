"""Writes a folder whole or not at all, with a manifest of its files, and verifies what has changed since.

Only the manifest says when, by whom and from what the folder was made.  So the same inputs give the same bytes in all other
files.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, NoReturn

from organization.aws import CommandError

MANIFEST = "manifest.json"
FORM = "root-virtual-mfa evidence 1"
"""What a manifest says that it is: the number rises if a key disappears or changes its meaning."""

_LARGEST = 16 * 1024 * 1024
"""Bytes of a manifest: it names a few dozen files."""
_SHA256 = re.compile("[0-9a-f]{64}")
_CHUNK = 1024 * 1024


class Folder:
    """A folder that is being written."""

    def __init__(self, path: Path) -> None:
        """Write into `path`, which exists."""
        self.path = path
        self._files: dict[str, dict[str, Any]] = {}

    @contextmanager
    def open(self, name: str) -> Iterator[IO[str]]:
        """Open a file to write; `name` may have folders, with "/" between them."""
        file = self.path / name
        file.parent.mkdir(exist_ok=True)
        with file.open("x", encoding="utf-8", newline="") as written:
            yield written
        self._files[name] = _digest(file)

    def finish(self, made: Mapping[str, Any]) -> str:
        """Write the manifest, and return its SHA-256."""
        manifest = {"form": FORM, **made, "files": dict(sorted(self._files.items()))}
        (self.path / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8", newline="")
        return str(_digest(self.path / MANIFEST)["sha256"])


def check(path: Path) -> None:
    """Raise CommandError if a folder cannot be written there: it has what this command did not write."""
    if not path.parent.is_dir():
        message = f"{path} cannot be written: there is no folder {path.parent}."
        raise CommandError(message)
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        message = f"{path} cannot be written: it is not a folder."
        raise CommandError(message)
    if path.is_dir() and any(path.iterdir()):
        try:
            added = verify(path).added
        except CommandError as error:
            message = f"{path} is not empty, and is no evidence that this command wrote: name a new folder. {error}"
            raise CommandError(message) from error
        if added:
            message = f"{path} has files that this command did not write, such as {added[0]}: name a new folder."
            raise CommandError(message)


def write(path: Path, fill: Callable[[Folder], str]) -> str:
    """Let `fill` write a folder, which takes the place of an older one only when it is complete; returns what `fill` returns.

    Raises CommandError if it cannot be written.
    """
    check(path)
    target = path.resolve()
    beside, replaced = (target.with_name(f".{target.name}.{kind}-{secrets.token_hex(8)}") for kind in ("written", "replaced"))
    try:
        beside.mkdir()
        said = fill(Folder(beside))
        check(path)  # somebody may have written there meanwhile
        if target.is_dir():
            target.rename(replaced)
        beside.rename(target)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror or error}."
        raise CommandError(message) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        if not target.exists() and replaced.exists():
            replaced.rename(target)
        shutil.rmtree(replaced, ignore_errors=True)
    return said


# --- Verifying ---


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs from the manifest: files by name, with "/" between folders.  `manifest_sha256` is that of the manifest."""

    changed: tuple[str, ...]
    removed: tuple[str, ...]
    added: tuple[str, ...]
    manifest_sha256: str
    files: int

    @property
    def is_any(self) -> bool:
        """Whether anything differs."""
        return bool(self.changed or self.removed or self.added)


def verify(path: Path) -> Difference:
    """Compare a folder with its manifest.  Raises CommandError if there is none, or if it is not one of this command's."""
    listed = _listed(path)
    try:
        there = {each.relative_to(path).as_posix(): each for each in _there(path)}
        there.pop(MANIFEST)
        changed = tuple(
            name for name, expected in sorted(listed.items()) if name in there and not _is_same(there[name], expected)
        )
        return Difference(
            changed,
            tuple(sorted(listed.keys() - there.keys())),
            tuple(sorted(there.keys() - listed.keys())),
            str(_digest(path / MANIFEST)["sha256"]),
            len(listed),
        )
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}."
        raise CommandError(message) from error


def _there(path: Path) -> Iterator[Path]:
    """Find everything in a folder except folders, including links to folders.  Raises OSError if one cannot be read."""

    def stop(error: OSError) -> NoReturn:
        raise error

    for place, folders, names in os.walk(path, onerror=stop):
        inside = Path(place)
        yield from (inside / name for name in names)
        yield from (inside / name for name in folders if (inside / name).is_symlink())


def _listed(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """Read what the manifest says about each file."""
    file = path / MANIFEST
    try:
        if not stat.S_ISREG(file.lstat().st_mode) or file.stat().st_size > _LARGEST:
            message = f"{file} is not a manifest: it must be a file of at most {_LARGEST} bytes."
            raise CommandError(message)
        manifest = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=_named_once)
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not JSON in which each key is there once"
        message = f"{file} cannot be read: {reason}."
        raise CommandError(message) from error
    files = manifest.get("files") if isinstance(manifest, dict) and manifest.get("form") == FORM else None
    if not isinstance(files, dict) or not all(_is_listed(name, each) for name, each in files.items()):
        message = f"{file} is not a manifest that this version of the command wrote."
        raise CommandError(message)
    return files


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object.  Raises ValueError if a key is there twice: readers of the manifest could take different ones."""
    if len(found := dict(pairs)) < len(pairs):
        message = "A key is there twice."
        raise ValueError(message)
    return found


def _is_listed(name: str, said: object) -> bool:
    """Tell whether a manifest may say this about a file: it names one inside the folder."""
    inside = PurePosixPath(name)
    return (
        name not in {"", MANIFEST}
        and not inside.is_absolute()
        and ".." not in inside.parts
        and isinstance(said, dict)
        and isinstance(said.get("bytes"), int)
        and bool(_SHA256.fullmatch(str(said.get("sha256"))))
    )


def _is_same(file: Path, expected: Mapping[str, Any]) -> bool:
    if not stat.S_ISREG(file.lstat().st_mode) or file.stat().st_size != expected["bytes"]:
        return False
    return _digest(file) == {"sha256": expected["sha256"], "bytes": expected["bytes"]}


def _digest(file: Path) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with file.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return {"sha256": digest.hexdigest(), "bytes": size}
