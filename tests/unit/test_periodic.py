"""What a process does again and again, and how it notices that it no longer does."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from orders.periodic import Periodic
from tests.fakes.clock import FakeClock

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def periodic(clock: FakeClock) -> AsyncIterator[Periodic]:
    running = Periodic(clock=clock, patience=30 * SECOND)
    yield running
    await running.stop()


async def test_an_action_runs_at_once_and_again_after_each_wait(
    periodic: Periodic, clock: FakeClock
) -> None:
    times: list[timedelta] = []

    async def act() -> None:
        times.append(clock.monotonic())

    periodic.start("act", 2 * SECOND, act)
    await clock.sleep(5 * SECOND)

    assert times == [0 * SECOND, 2 * SECOND, 4 * SECOND]


async def test_the_wait_begins_when_the_action_ends(periodic: Periodic, clock: FakeClock) -> None:
    times: list[timedelta] = []

    async def act() -> None:
        times.append(clock.monotonic())
        await clock.sleep(3 * SECOND)

    periodic.start("act", SECOND, act)
    await clock.sleep(9 * SECOND)

    assert times == [0 * SECOND, 4 * SECOND, 8 * SECOND]


async def test_an_action_that_fails_goes_on_at_its_next_turn(
    periodic: Periodic, clock: FakeClock
) -> None:
    turns: list[int] = []

    async def act() -> None:
        turns.append(len(turns))
        raise ValueError("a bug")

    periodic.start("act", SECOND, act)
    await clock.sleep(2.5 * SECOND)

    assert turns == [0, 1, 2]
    assert periodic.stuck() == []


async def test_one_action_does_not_wait_for_another(periodic: Periodic, clock: FakeClock) -> None:
    turns: list[int] = []

    async def hang() -> None:
        await asyncio.Event().wait()

    async def act() -> None:
        turns.append(len(turns))

    periodic.start("hang", SECOND, hang)
    periodic.start("act", SECOND, act)
    await clock.sleep(1.5 * SECOND)

    assert turns == [0, 1]


async def test_an_action_that_hangs_beyond_patience_is_stuck(
    periodic: Periodic, clock: FakeClock
) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    async def act() -> None:
        pass

    periodic.start("hang", SECOND, hang)
    periodic.start("act", SECOND, act)

    await clock.sleep(31 * SECOND)
    assert periodic.stuck() == []
    await clock.sleep(SECOND)
    assert periodic.stuck() == ["hang"]


async def test_a_long_wait_is_not_being_stuck(periodic: Periodic, clock: FakeClock) -> None:
    async def act() -> None:
        pass

    periodic.start("act", HOUR, act)
    await clock.sleep(HOUR + 29 * SECOND)

    assert periodic.stuck() == []


async def test_an_action_that_should_not_end_is_never_stuck(
    periodic: Periodic, clock: FakeClock
) -> None:
    async def listen() -> None:
        await asyncio.Event().wait()

    periodic.keep("listen", SECOND, listen)
    await clock.sleep(HOUR)

    assert periodic.stuck() == []


async def test_an_action_that_should_not_end_begins_anew_when_it_does(
    periodic: Periodic, clock: FakeClock
) -> None:
    times: list[timedelta] = []

    async def listen() -> None:
        times.append(clock.monotonic())
        await clock.sleep(10 * SECOND)
        raise ConnectionError("lost")

    periodic.keep("listen", SECOND, listen)
    await clock.sleep(23 * SECOND)

    assert times == [0 * SECOND, 11 * SECOND, 22 * SECOND]


async def test_stopping_ends_every_action(clock: FakeClock) -> None:
    periodic, ended = Periodic(clock=clock), []

    async def act() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("act")

    periodic.start("one", SECOND, act)
    periodic.keep("two", SECOND, act)
    await clock.sleep(SECOND)
    await periodic.stop()

    assert ended == ["act", "act"]
    assert periodic.stuck() == []


async def test_an_action_that_loses_its_cancellation_is_ended_all_the_same(
    clock: FakeClock,
) -> None:
    periodic, cancelled = Periodic(clock=clock), 0

    async def act() -> None:
        nonlocal cancelled
        while cancelled < 2:  # as redis-py 8.1 does while it connects
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled += 1
        await asyncio.Event().wait()

    periodic.start("act", SECOND, act)
    await clock.sleep(SECOND)
    async with asyncio.timeout(10):
        await periodic.stop()

    assert cancelled == 2


async def test_stopping_before_anything_started_is_no_trouble(clock: FakeClock) -> None:
    await Periodic(clock=clock).stop()
