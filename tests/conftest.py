"""What all tests share: the settings of hypothesis, and quick starts of the local AWS."""

import gc
import random
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import settings

from local_aws import client
from tests.forks import Forks

# No deadline: a busy machine may interrupt an example that is not slow.
settings.register_profile("project", deadline=None, max_examples=150)
settings.load_profile("project")


def pytest_configure() -> None:
    """Heed Ctrl-C, and let what tests start heed it: a shell lets what it starts in the background ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over all that was imported and collected: thousands of tests, which stay."""
    gc.freeze()


@pytest.fixture
def free_port() -> int:
    """Give a port of 127.0.0.1 that is free now, and none of those that an operating system gives to whoever wants any."""
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    pytest.fail("None of a hundred ports is free.")


@pytest.fixture(scope="session", autouse=True)
def _forks() -> Iterator[None]:
    """Fork the local AWSs of the tests."""
    forks = Forks()
    client.start = forks.start
    yield
    client.start = client.start_process
    forks.close()
