"""Forks behave like processes that were started, so that tests may use them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_aws.client import LocalAwsClient, LocalAwsError, free_port
from tests.forks import Fork, Forks
from tests.local_aws.process_scene import runs
from tests.local_aws.scene import eventually


@pytest.fixture
def forks() -> Iterator[Forks]:
    forks = Forks()
    yield forks
    forks.close()


def serve(forks: Forks, tmp_path: Path, port: int) -> Fork:
    accounts = tmp_path / f"accounts-{port}.yaml"
    accounts.write_text(f'accounts: {{"111111111111": {{name: on {port}}}}}', encoding="utf-8")
    arguments = ["serve", "--port", str(port), "--accounts", str(accounts), "--until-stdin-ends"]
    return forks.start(arguments, tmp_path / f"log-{port}")


def is_serving(port: int) -> bool:
    try:
        return LocalAwsClient(port).accounts() == {"111111111111": f"on {port}"}
    except LocalAwsError:
        return False


def test_they_know_nothing_of_each_other_and_end_by_a_signal(forks: Forks, tmp_path: Path) -> None:
    ports = [free_port(), free_port()]
    first, second = (serve(forks, tmp_path, port) for port in ports)
    assert eventually(lambda: all(map(is_serving, ports)))
    first.terminate()
    assert first.wait(60) == 0
    assert not runs(first.pid)
    assert [is_serving(port) for port in ports] == [False, True]
    assert second.poll() is None
    for port in ports:
        log = (tmp_path / f"log-{port}").read_text(encoding="utf-8")
        assert log.startswith(f"The local AWS serves on http://127.0.0.1:{port}.")
        assert "Traceback" not in log


def test_they_end_with_the_process_that_forks(forks: Forks, tmp_path: Path) -> None:
    port = free_port()
    fork = serve(forks, tmp_path, port)
    assert eventually(lambda: is_serving(port))
    forks.close()
    assert fork.wait(60) == 0


def test_one_that_cannot_start_says_why(forks: Forks, tmp_path: Path) -> None:
    log = tmp_path / "log"
    fork = forks.start(["serve", "--port", "1234", "--accounts", str(tmp_path / "missing.yaml")], log)
    fork.wait(60)
    assert log.read_text(encoding="utf-8").startswith("local-aws: ")
