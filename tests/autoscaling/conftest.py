"""Workers' brokers that take from the queue."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from orders.broker import StreamBroker
from orders.clock import SystemClock
from tests.autoscaling.taking import Taker

TICK = timedelta(milliseconds=50)
SOON = timedelta(milliseconds=200)

Hired = Callable[[int], "Taker"]


@pytest.fixture
async def hired(redis_url: str) -> AsyncIterator[Hired]:
    """Makes a worker with so many slots, that leaves when the test ends."""
    async with AsyncExitStack() as stack:

        def hire(slots: int) -> Taker:
            broker = StreamBroker(
                redis_url, clock=SystemClock(), slots=slots, reclaim_after=SOON, tick=TICK
            )
            broker.is_worker_process = True
            taker = Taker(broker)
            stack.push_async_callback(taker.leave)
            return taker

        yield hire
