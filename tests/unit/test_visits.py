"""Visits: whatever is being worked on can be ended, and is known until then."""

import asyncio
from uuid import UUID

import pytest

from services.worker.visits import Visits
from tests.eventually import eventually

ORDER_ID = UUID(int=7)


async def test_what_runs_is_ended_and_what_has_ended_is_forgotten() -> None:
    ended: list[UUID] = []

    async def run(order_id: UUID) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(order_id)

    visits = Visits(run)
    visiting = asyncio.create_task(visits(ORDER_ID))
    await eventually(lambda: visits._tasks)

    await visits.end()
    await visits.end()

    assert ended == [ORDER_ID]
    assert visiting.cancelled()


async def test_a_visit_s_failure_is_its_caller_s() -> None:
    async def run(_: UUID) -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        await Visits(run)(ORDER_ID)
