"""The clock of the local AWS: what happens when, and what work it waits for."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest

from local_aws.core.clock import Clock, NotSettledError

HOUR = timedelta(hours=1)
PATIENCE = 600.0


@pytest.fixture
def clock() -> Iterator[Clock]:
    clock = Clock()
    yield clock
    clock.stop()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def test_it_tells_the_machines_time_until_it_is_advanced(clock: Clock) -> None:
    before = datetime.now(UTC)
    assert before <= clock.now() <= datetime.now(UTC)
    clock.advance(HOUR)
    assert before + HOUR <= clock.now() <= datetime.now(UTC) + HOUR


def test_what_is_due_happens_in_its_order_before_advancing_ends(clock: Clock) -> None:
    happened: list[str] = []
    now = clock.now()
    for name, hours in (("third", 3), ("first", 1), ("second", 1), ("later", 5)):
        clock.at(now + hours * HOUR, lambda name=name: happened.append(name))  # type: ignore[misc]  # the name of this round
    clock.advance(4 * HOUR)
    assert happened == ["first", "second", "third"]


def test_what_is_due_by_the_machines_time_happens_by_itself(clock: Clock) -> None:
    happened = Event()
    clock.at(clock.now() + timedelta(milliseconds=1), happened.set)
    assert happened.wait(PATIENCE)


def test_what_fails_when_it_is_due_is_logged_and_keeps_nothing_else(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    happened = Event()
    now = clock.now()

    def fail() -> None:
        message = "as expected"
        raise LookupError(message)

    clock.at(now + HOUR, fail)
    clock.at(now + HOUR, happened.set)
    clock.advance(HOUR)
    assert happened.is_set()
    assert "LookupError: as expected" in caplog.text


def test_listeners_know_of_an_advance_before_it_moves_the_clock(clock: Clock) -> None:
    told: list[tuple[timedelta, bool]] = []
    limit = datetime.now(UTC) + HOUR
    clock.before_advance.append(lambda ahead: told.append((ahead, clock.now() < limit)))
    clock.advance(HOUR)
    clock.advance(HOUR)
    assert told == [(HOUR, True), (2 * HOUR, False)]


def test_work_that_goes_on_registers_its_instant_before_the_clock_passes_it(clock: Clock, pool: ThreadPoolExecutor) -> None:
    """Work that is still to find out that it waits for an hour finds the hour over, as if it had waited all along."""
    going_on, happened = Event(), Event()

    def work() -> None:
        going_on.wait(PATIENCE)
        clock.at(clock.now() + HOUR, happened.set)

    clock.submit(pool, "work", work)
    advancing = pool.submit(clock.advance, HOUR)
    assert not advancing.done()
    going_on.set()
    advancing.result(PATIENCE)
    assert happened.is_set()


def test_settling_waits_for_work_that_work_begins(clock: Clock, pool: ThreadPoolExecutor) -> None:
    going_on, done = Event(), Event()

    def first() -> None:
        clock.submit(pool, "second", second)

    def second() -> None:
        going_on.wait(PATIENCE)
        done.set()

    clock.submit(pool, "first", first)
    settling = pool.submit(clock.settle)
    assert not settling.done()
    going_on.set()
    settling.result(PATIENCE)
    assert done.is_set()


def test_work_that_was_started_when_it_was_due_counts_as_work(clock: Clock, pool: ThreadPoolExecutor) -> None:
    going_on, done = Event(), Event()

    def work() -> None:
        going_on.wait(PATIENCE)
        done.set()

    clock.at(clock.now() + HOUR, lambda: clock.submit(pool, "work", work))
    clock.advance(HOUR)
    assert not done.is_set()
    settling = pool.submit(clock.settle)
    going_on.set()
    settling.result(PATIENCE)
    assert done.is_set()


def test_work_that_does_not_settle_is_named_and_the_clock_stays() -> None:
    clock = Clock(patience=0.01)
    end = clock.begin("the endless work")
    limit = datetime.now(UTC) + HOUR
    with pytest.raises(NotSettledError, match="the endless work"):
        clock.advance(HOUR)
    assert clock.now() < limit
    end()
    end()
    clock.advance(HOUR)
    assert clock.now() >= limit
    clock.stop()


def test_work_for_a_pool_that_is_shut_down_is_none(clock: Clock) -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(RuntimeError):
        clock.submit(pool, "work", lambda: None)
    clock.settle()


def test_a_clock_that_is_stopped_lets_nobody_wait(clock: Clock, pool: ThreadPoolExecutor) -> None:
    clock.begin("the endless work")
    settling = pool.submit(clock.settle)
    clock.stop()
    settling.result(PATIENCE)
