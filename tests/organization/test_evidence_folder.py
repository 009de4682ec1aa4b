"""The folder of the evidence: written whole or not at all, and verified against everything that somebody may do to it."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from organization import cli
from organization.aws import CommandError
from organization.evidence import folder
from organization.evidence.folder import Folder


def fill(written: Folder, said: str = "first") -> str:
    with written.open("index.html") as file:
        file.write(said)
    with written.open("days/2026-01.csv") as file:
        file.write("a\r\n")
    return written.finish({"made": {"by": "somebody"}})


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    folder.write(tmp_path / "evidence", fill)
    return tmp_path / "evidence"


def test_a_folder_stands_with_its_manifest_and_nothing_beside_it(tmp_path: Path) -> None:
    sha256 = folder.write(tmp_path / "evidence", fill)
    assert [each.name for each in tmp_path.iterdir()] == ["evidence"]
    manifest = json.loads((tmp_path / "evidence/manifest.json").read_text(encoding="utf-8"))
    assert list(manifest["files"]) == ["days/2026-01.csv", "index.html"]
    assert manifest["made"] == {"by": "somebody"}
    found = folder.verify(tmp_path / "evidence")
    assert (found.is_any, found.files, found.manifest_sha256) == (False, 2, sha256)


def test_an_older_evidence_is_replaced_and_an_empty_folder_filled(evidence: Path, tmp_path: Path) -> None:
    folder.write(evidence, lambda written: fill(written, "second"))
    assert (evidence / "index.html").read_text(encoding="utf-8") == "second"
    (tmp_path / "empty").mkdir()
    folder.write(tmp_path / "empty", fill)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["empty", "evidence"]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, OSError(28, "No space left on device"), CommandError("AWS said no.")])
def test_what_is_interrupted_leaves_what_was_there(evidence: Path, tmp_path: Path, interrupt: BaseException) -> None:
    def stop(written: Folder) -> str:
        with written.open("index.html") as file:
            file.write("half")
            raise interrupt

    for path, before in ((evidence, ["evidence"]), (tmp_path / "new", ["evidence"])):
        with pytest.raises((KeyboardInterrupt, CommandError)):
            folder.write(path, stop)
        assert [each.name for each in tmp_path.iterdir()] == before
    assert not folder.verify(evidence).is_any


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda path: (path.mkdir(), (path / "mine.txt").touch()), "is no evidence"),
        (lambda path: path.touch(), "is not a folder"),
        (lambda path: path.symlink_to(path.parent), "is not a folder"),
        (lambda path: (folder.write(path, fill), (path / "notes.txt").touch()), "has files that this command did not write"),
        (lambda path: (path.mkdir(), (path / "manifest.json").write_text("{}")), "is no evidence"),
    ],
    ids=["another folder", "a file", "a link", "added to", "another manifest"],
)
def test_a_folder_of_somebody_else_is_refused_and_stays(tmp_path: Path, prepare: Callable[[Path], object], said: str) -> None:
    path = tmp_path / "out"
    prepare(path)
    before = sorted(each.name for each in tmp_path.rglob("*"))
    with pytest.raises(CommandError, match=said):
        folder.write(path, fill)
    assert sorted(each.name for each in tmp_path.rglob("*")) == before


def test_a_missing_parent_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="there is no folder"):
        folder.check(tmp_path / "no/out")


# --- Verifying ---


def verify(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = cli.main(["evidence", "--verify", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_what_was_changed_added_and_removed_is_said(evidence: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, _ = verify(capsys, evidence)
    assert code == 0
    assert "2 files are as manifest.json says" in printed
    (evidence / "index.html").write_text("FIRST", encoding="utf-8")  # as long as before
    (evidence / "days/2026-01.csv").unlink()
    (evidence / "days/2026-02.csv").touch()
    code, printed, _ = verify(capsys, evidence)
    assert (code, printed.splitlines()) == (1, ["changed: index.html", "removed: days/2026-01.csv", "added: days/2026-02.csv"])


def test_a_manifest_that_was_changed_with_the_files_is_told_by_its_hash(
    evidence: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sha256 = folder.verify(evidence).manifest_sha256
    assert verify(capsys, evidence, "--manifest-sha256", sha256.upper())[0] == 0
    folder.write(evidence, lambda written: fill(written, "forged"))
    assert verify(capsys, evidence)[0] == 0
    code, printed, _ = verify(capsys, evidence, "--manifest-sha256", sha256)
    assert (code, printed.splitlines()[0].startswith("manifest.json is another one")) == (1, True)


def test_a_link_in_the_place_of_a_file_is_a_change_even_if_it_leads_to_the_same_bytes(evidence: Path, tmp_path: Path) -> None:
    (evidence / "index.html").rename(tmp_path / "index.html")
    (evidence / "index.html").symlink_to(tmp_path / "index.html")
    (evidence / "pipe").symlink_to(os.devnull)
    found = folder.verify(evidence)
    assert (found.changed, found.added) == (("index.html",), ("pipe",))


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "manifest.json", "", "days/../../x"])
def test_a_manifest_names_nothing_outside_its_folder(evidence: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = json.loads((evidence / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"][name] = {"sha256": "0" * 64, "bytes": 1}
    (evidence / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    code, _, said = verify(capsys, evidence)
    assert code == 2
    assert "is not a manifest that this version of the command wrote" in said


@pytest.mark.parametrize("kind", ["a link", "a pipe", "a folder", "too long"])
def test_a_manifest_that_is_no_short_regular_file_is_refused(
    evidence: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = evidence / "manifest.json"
    manifest.rename(tmp_path / "manifest.json")
    match kind:
        case "a link":
            manifest.symlink_to(tmp_path / "manifest.json")
        case "a pipe":
            os.mkfifo(manifest)  # which nobody ever writes to
        case "a folder":
            manifest.mkdir()
        case _:
            with manifest.open("wb") as file:
                file.truncate(2**34)
    code, _, said = verify(capsys, evidence)
    assert code == 2
    assert "is not a manifest: it must be a file of at most" in said


def test_a_manifest_that_names_a_file_twice_is_refused(evidence: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (evidence / "manifest.json").read_text(encoding="utf-8")
    forged = '"index.html": {"sha256": "' + "0" * 64 + '", "bytes": 1}, "index.html"'
    (evidence / "manifest.json").write_text(text.replace('"index.html"', forged, 1), encoding="utf-8")
    code, _, said = verify(capsys, evidence)
    assert code == 2
    assert "it is not JSON in which each key is there once" in said


def test_a_folder_that_cannot_be_read_is_no_evidence_and_hides_nothing(
    evidence: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (evidence / "hidden").mkdir()
    scandir = os.scandir

    def refuse(path: str) -> object:
        if Path(path).name == "hidden":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)  # a test may run as root, whom no permission stops
    code, printed, said = verify(capsys, evidence)
    assert (code, printed) == (2, "")
    assert said.endswith("cannot be read: Permission denied.\n")


def test_a_link_in_the_place_of_a_folder_hides_nothing(evidence: Path, tmp_path: Path) -> None:
    (evidence / "days").rename(tmp_path / "days")
    (evidence / "days").symlink_to(tmp_path / "days")
    found = folder.verify(evidence)
    assert (found.removed, found.added) == (("days/2026-01.csv",), ("days",))


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"form": "root-virtual-mfa evidence 1", "files": {"a": 1}}'])
def test_what_is_no_manifest_is_refused(evidence: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (evidence / "manifest.json").write_text(text, encoding="utf-8")
    code, _, said = verify(capsys, evidence)
    assert code == 2
    assert "manifest" in said


def test_a_folder_without_a_manifest_is_no_evidence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, said = verify(capsys, tmp_path)
    assert code == 2
    assert "manifest.json cannot be read: No such file or directory." in said


def test_names_that_somebody_added_act_on_no_terminal(evidence: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (evidence / "a\x1b[2J\nremoved: b").touch()
    _, printed, _ = verify(capsys, evidence)
    assert printed.splitlines() == ["added: a\\x1b[2J\\nremoved: b"]
