"""SIGTERM: what is held is finished or handed over, and clients are sent elsewhere."""

import asyncio
import os
import signal
from datetime import timedelta
from typing import Any

import pytest
from redis.exceptions import ResponseError

from orders.broker import GROUP
from orders.queue import STREAM
from tests.e2e.engine import STORY, Engine, statuses, story
from tests.eventually import eventually


async def consumers(engine: Engine) -> list[bytes]:
    found: Any = await engine.redis.xinfo_consumers(STREAM, GROUP)
    return [each["name"] for each in found]


async def test_a_worker_that_is_stopped_under_load_finishes_what_it_holds(engine: Engine) -> None:
    busy = {"WORKER_CONCURRENCY": "10", "PAPER_EXECUTION_LATENCY_MS": "300"}
    _, worker = await engine.whole(**busy, DRAIN_SECONDS="5")
    await asyncio.gather(*(engine.place() for _ in range(50)))

    async def under_way() -> bool:
        return (await engine.statuses()).get("confirmed", 0) >= 5

    await eventually(under_way)
    worker.child.ask_to_stop()
    assert await worker.ended(timedelta(seconds=7)) == 0

    left = await engine.statuses()
    assert set(left) == {"received", "confirmed"}  # nothing is left in between
    assert await consumers(engine) == []
    assert await engine.redis.xlen(STREAM) == left["received"]
    assert "Traceback" not in worker.log
    await engine.worker()
    await engine.all_confirmed(50)
    await engine.queue_empty()
    assert await engine.one("SELECT count(*) FROM order_events") == 50 * len(STORY)
    await engine.prove()


async def test_orders_longer_than_the_drain_are_handed_over_at_once(engine: Engine) -> None:
    slow = {"PAPER_EXECUTION_LATENCY_MS": "3000", "DRAIN_SECONDS": "0.3"}
    long_leases = {"LEASE_SECONDS": "60", "HEARTBEAT_SECONDS": "20", "SWEEP_SECONDS": "0.2"}
    _, first = await engine.whole(**slow, **long_leases)
    order_ids = await asyncio.gather(*(engine.place() for _ in range(5)))

    async def submitted() -> bool:
        return await engine.statuses() == {"submitted": 5}

    await eventually(submitted)
    second = await engine.worker(**long_leases)
    first.child.ask_to_stop()

    assert await first.ended(timedelta(seconds=3)) == 0
    await engine.all_confirmed(5, within=timedelta(seconds=10))  # a lease would take 60 s
    told = [statuses(await engine.events(order_id)) for order_id in order_ids]
    assert told == [["received", "routing", "building", "submitted", "submitted", "confirmed"]] * 5
    assert len(await consumers(engine)) == 1
    assert "leases.handed_over count=5" in first.log
    assert "Traceback" not in first.log
    await engine.queue_empty()
    assert second.exit_code() is None
    await engine.prove()


async def test_an_idle_worker_stops_at_once_and_leaves_the_group(engine: Engine) -> None:
    worker = await engine.worker()

    async def has_joined() -> bool:
        try:
            return len(await consumers(engine)) == 1
        except ResponseError:
            return False

    await eventually(has_joined)
    worker.child.ask_to_stop()

    assert await worker.ended(timedelta(seconds=3)) == 0
    assert await consumers(engine) == []
    assert "Traceback" not in worker.log


async def test_an_api_that_is_stopped_sends_its_streams_elsewhere(engine: Engine) -> None:
    api = await engine.api()
    order_ids = [await engine.place() for _ in range(3)]

    async def follow(order_id: object) -> tuple[list[str], int]:
        async with engine.stream(order_id) as socket:
            steps, code = await story(socket)
        return statuses(steps), code

    following = [asyncio.create_task(follow(order_id)) for order_id in order_ids]

    async def all_follow() -> bool:
        return "order_engine_sockets 3.0" in (await engine.client.get("/metrics")).text

    await eventually(all_follow)
    api.child.ask_to_stop()

    assert await asyncio.gather(*following) == [(["received"], 1012)] * 3
    assert await api.ended(timedelta(seconds=10)) == 0
    assert "Traceback" not in api.log


@pytest.mark.parametrize("kind", ["api", "worker"])
async def test_a_second_signal_does_no_harm(engine: Engine, kind: str) -> None:
    service = await (engine.api() if kind == "api" else engine.worker())

    for _ in range(2):
        os.kill(service.child.pid, signal.SIGTERM)

    assert await service.ended(timedelta(seconds=10)) == 0
