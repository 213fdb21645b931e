import asyncio

import pytest

from orders.deadline import Deadline
from tests.eventually import eventually

SOON, NEVER = 0.001, 3600.0


async def test_what_ends_in_time_is_left_alone() -> None:
    with Deadline(NEVER):
        await asyncio.sleep(0)

    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


async def test_what_takes_too_long_is_given_up() -> None:
    with pytest.raises(TimeoutError), Deadline(SOON):
        await asyncio.Event().wait()

    await asyncio.sleep(0)  # nothing of the cancellation is left
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


async def test_an_error_is_raised_as_it_is() -> None:
    with pytest.raises(ValueError, match="a bug"), Deadline(NEVER):
        raise ValueError("a bug")


async def test_a_cancellation_from_elsewhere_is_no_timeout() -> None:
    inside = asyncio.Event()

    async def wait() -> None:
        with Deadline(NEVER):
            inside.set()
            await asyncio.Event().wait()

    waiting = asyncio.create_task(wait())
    await inside.wait()
    waiting.cancel()
    await eventually(waiting.done)

    assert waiting.cancelled()


async def test_a_cancellation_that_meets_the_end_of_the_time_is_not_lost() -> None:
    """Both at once: whoever asked for the task's end gets it."""
    waiting: asyncio.Task[None]

    async def wait() -> None:
        with Deadline(NEVER) as deadline:
            deadline._end()
            waiting.cancel()
            await asyncio.Event().wait()

    waiting = asyncio.create_task(wait())
    await eventually(waiting.done)

    assert waiting.cancelled()
