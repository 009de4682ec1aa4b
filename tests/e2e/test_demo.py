"""`make demo`: it ends well only if everything was as expected, and leaves nothing running however it ends."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local_aws.client import PROJECT
from tests.e2e.application import wait_for

SECONDS = 600


class Demo:
    """A run of the demo as a shell starts it: in a process group of its own, so that Ctrl-C reaches it."""

    def __init__(self, project: Path, directory: Path) -> None:
        self._directory = directory
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [PROJECT / ".venvs/dev/bin/python", "-m", "demo"],
            cwd=project,
            env={**os.environ, "TMPDIR": str(directory)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=_heed_ctrl_c,  # noqa: PLW1509 - it takes no lock
        )
        self._lines: list[str] = []
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            self._lines.extend(output)

    @property
    def printed(self) -> str:
        return "".join(self._lines)

    def wait_until_printed(self, text: str) -> None:
        deadline = time.monotonic() + SECONDS
        while text not in self.printed:
            assert self._reading.is_alive(), self.printed
            assert time.monotonic() < deadline, self.printed
            time.sleep(0.05)

    def interrupt(self) -> None:
        os.killpg(self._process.pid, signal.SIGINT)

    def ended(self) -> int:
        """Wait for the end, and return the exit code."""
        code = self._process.wait(SECONDS)
        self._reading.join(SECONDS)
        return code

    def stop(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self.ended()

    def processes(self) -> set[int]:
        """Find the processes that were started by the demo, or by what it started, and are still there.

        Whose they are is told by their directory for temporary files or, where they run the function, of their code.
        """
        mark = str(self._directory).encode()
        return {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal() and mark in environ(entry)}


def _heed_ctrl_c() -> None:
    """Let SIGINT do what it does at a terminal: a shell lets what it starts in the background ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def environ(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""  # it has gone, or is another user's


StartDemo = Callable[..., Demo]


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator[StartDemo]:
    """Start the demo of the project, or of a copy of it. At the end no process and no file is left."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    demos = []

    def start(project: Path = PROJECT) -> Demo:
        demos.append(Demo(project, directory))
        return demos[-1]

    yield start
    for demo in demos:
        demo.stop()
    wait_for(lambda: not any(demo.processes() for demo in demos), "the end of what the demo started")
    assert list(directory.iterdir()) == []


def test_everything_is_as_expected(start_demo: StartDemo) -> None:
    demo = start_demo()
    code = demo.ended()
    assert code == 0, demo.printed
    for said in ("sam deploy", "NON_COMPLIANT", "COMPLIANT", "phone-in-the-safe", "Everything was as expected", "make deploy"):
        assert said in demo.printed
    assert "have a COMPLIANT verdict of that day" in " ".join(demo.printed.split())
    assert "files are as manifest.json says" in " ".join(demo.printed.split())


@pytest.mark.parametrize("after", ["The local AWS", "sam deploy", "NON_COMPLIANT"])
def test_ctrl_c_stops_everything(start_demo: StartDemo, after: str) -> None:
    demo = start_demo()
    demo.wait_until_printed(after)
    seen = demo.processes()
    demo.interrupt()
    assert demo.ended() == 130, demo.printed
    assert "Stopped." in demo.printed
    assert "Traceback" not in demo.printed
    assert seen  # the check at the end looks for something


def test_missing_sam_cli_is_said(start_demo: StartDemo, tmp_path: Path) -> None:
    copy = tmp_path / "project"
    (copy / ".venvs/dev/bin").mkdir(parents=True)
    for environment in ("local-aws", "lambda-runtime"):
        (copy / ".venvs" / environment).symlink_to(PROJECT / ".venvs" / environment)
    for entry in ("demo", "local_aws", "organization", "rules", "template.yaml", "account.yaml", "samconfig.toml", ".aws-sam"):
        (copy / entry).symlink_to(PROJECT / entry)
    demo = start_demo(copy)
    assert demo.ended() == 1
    assert "Not as expected:" in demo.printed
    assert "bin/sam is missing: run `make setup` first." in "".join(demo.printed.split("\n"))
    assert "Traceback" not in demo.printed
