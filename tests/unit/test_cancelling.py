"""Tasks end even where a cancellation is lost."""

import asyncio

import pytest

from orders import cancelling
from orders.cancelling import end


class Deaf:
    """Loses its first `times` cancellations, as redis-py does with one that meets it at work."""

    def __init__(self, times: int) -> None:
        self.lost = 0
        self._times = times

    async def work(self) -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if self.lost == self._times:
                    raise
                self.lost += 1


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling, "CANCEL_AGAIN", cancelling.CANCEL_AGAIN / 100)


@pytest.mark.parametrize("times", [0, 1, 2])
async def test_a_task_that_loses_cancellations_ends_all_the_same(times: int) -> None:
    deaf = Deaf(times)
    task = asyncio.create_task(deaf.work())
    await asyncio.sleep(0)

    await end([task])

    assert (task.cancelled(), deaf.lost) == (True, times)


async def test_a_task_that_has_ended_is_left_alone() -> None:
    task = asyncio.create_task(asyncio.sleep(0, "result"))
    await task

    await end([task])

    assert task.result() == "result"


async def test_no_tasks_end_at_once() -> None:
    await end([])
