"""What every clock owes the engine."""

from datetime import timedelta

import pytest

from orders.clock import SystemClock
from orders.ports import Clock
from tests.fakes.clock import FakeClock


@pytest.fixture(params=[FakeClock, SystemClock])
def clock(request: pytest.FixtureRequest) -> Clock:
    made: Clock = request.param()
    return made


def test_now_is_in_utc(clock: Clock) -> None:
    assert clock.now().utcoffset() == timedelta(0)


@pytest.mark.parametrize("wait", [timedelta(0), timedelta(milliseconds=20)])
async def test_a_sleep_lasts_as_long_as_it_was_asked_to(clock: Clock, wait: timedelta) -> None:
    before, now = clock.monotonic(), clock.now()

    await clock.sleep(wait)

    assert clock.monotonic() - before >= wait
    assert clock.now() >= now


async def test_a_wait_below_nothing_returns(clock: Clock) -> None:
    before = clock.monotonic()

    await clock.sleep(timedelta(seconds=-1))

    assert clock.monotonic() >= before
