"""Forks behave like processes that were started, so that tests may use them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_aws.client import LocalAwsClient, LocalAwsError, listen
from tests.forks import Fork, Forks
from tests.local_aws.process_scene import runs
from tests.local_aws.scene import PATIENCE


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    forks = Forks()
    yield forks
    forks.close()


def serve(forks: Forks, tmp_path: Path) -> tuple[int, Fork]:
    """Start one, and return its port."""
    with listen(0) as listening:
        port = listening.getsockname()[1]
        accounts = tmp_path / f"accounts-{port}.yaml"
        accounts.write_text(f'accounts: {{"111111111111": {{name: on {port}}}}}', encoding="utf-8")
        arguments = ["serve", "--accounts", str(accounts), "--until-stdin-ends"]
        return port, forks.start(arguments, listening, tmp_path / f"log-{port}")


def is_serving(port: int) -> bool:
    try:
        return LocalAwsClient(port).accounts() == {"111111111111": f"on {port}"}
    except LocalAwsError:
        return False


def test_they_know_nothing_of_each_other_and_end_by_a_signal(forks: Forks, tmp_path: Path) -> None:
    ports, (first, second) = zip(*[serve(forks, tmp_path) for _ in range(2)], strict=True)
    assert all(map(is_serving, ports))
    first.terminate()
    assert first.wait(PATIENCE) == 0
    assert not runs(first.pid)
    assert [is_serving(port) for port in ports] == [False, True]
    assert second.poll() is None
    for port in ports:
        log = (tmp_path / f"log-{port}").read_text(encoding="utf-8")
        assert log.startswith(f"The local AWS serves on http://127.0.0.1:{port}.")
        assert "Traceback" not in log


def test_they_end_with_the_process_that_forks(tmp_path: Path) -> None:
    forks = Forks()
    port, fork = serve(forks, tmp_path)
    assert is_serving(port)
    forks.close()
    assert fork.wait(PATIENCE) == 0


def test_one_that_cannot_start_says_why(forks: Forks, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with listen(0) as listening:
        fork = forks.start(["serve", "--accounts", str(tmp_path / "missing.yaml")], listening, log)
    fork.wait(PATIENCE)
    assert log.read_text(encoding="utf-8").startswith("local-aws: ")
