"""Redis or PostgreSQL lost in the middle of work, or away at the start."""

import asyncio
import signal
import time
from datetime import timedelta

import httpx
import pytest

from services.cli.servers import Servers
from tests.e2e.engine import SELL_SOL, SHORT_LEASES, Engine, story
from tests.eventually import eventually

BUSY = {"WORKER_CONCURRENCY": "10", "PAPER_EXECUTION_LATENCY_MS": "300"}
"""Fifty orders then take at least 1.5 s: some are done, some in flight, some queued."""


async def in_the_middle_of_fifty(engine: Engine) -> None:
    await asyncio.gather(*(engine.place() for _ in range(50)))

    async def under_way() -> bool:
        counts = await engine.statuses()
        return counts.get("confirmed", 0) >= 5 and counts.get("received", 0) >= 10

    await eventually(under_way)


async def test_no_order_is_lost_when_redis_forgets_everything(engine: Engine) -> None:
    await engine.whole(**SHORT_LEASES, **BUSY)
    await in_the_middle_of_fifty(engine)

    await engine.redis.flushall()

    await engine.all_confirmed(50)
    await engine.queue_empty()
    await engine.prove()


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
async def test_processes_outlive_a_restart_of_redis_and_finish_every_order(
    engine: Engine, embedded: Servers, kill: bool
) -> None:
    api, worker = await engine.whole(**SHORT_LEASES, **BUSY)
    await in_the_middle_of_fifty(engine)

    await asyncio.to_thread(embedded.redis.kill if kill else embedded.redis.stop)
    during = await engine.place()
    await asyncio.to_thread(embedded.redis.start)

    await engine.all_confirmed(51)
    await engine.queue_empty()
    assert len(await engine.events(during)) == 5
    assert (api.exit_code(), worker.exit_code()) == (None, None)
    await engine.prove()


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
async def test_what_was_accepted_round_a_restart_of_postgresql_is_there_and_finishes(
    engine: Engine, embedded: Servers, kill: bool
) -> None:
    api, worker = await engine.whole(**SHORT_LEASES, **BUSY)
    answers: list[httpx.Response] = []
    over = asyncio.Event()

    async def keep_placing() -> None:
        while not over.is_set():
            answers.append(await engine.client.post("/api/orders/execute", json=SELL_SOL))

    async def accepted(more: int) -> None:
        enough = sum(answer.status_code == 201 for answer in answers) + more
        await eventually(lambda: sum(each.status_code == 201 for each in answers) >= enough)

    placing = [asyncio.create_task(keep_placing()) for _ in range(2)]
    try:
        await accepted(20)
        await asyncio.to_thread(embedded.postgres.kill if kill else embedded.postgres.stop)
        before = len(answers)
        await eventually(lambda: len(answers) >= before + 20)
        await asyncio.to_thread(embedded.postgres.start)
        back = time.monotonic()
        await accepted(1)
        took = time.monotonic() - back
        await accepted(20)
    finally:
        over.set()
        await asyncio.gather(*placing)

    print(f"accepting again after PostgreSQL was back: {took:.3f} s")
    assert took < 5
    assert {answer.status_code for answer in answers} == {201, 503}
    refused = [answer for answer in answers if answer.status_code == 503]
    assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
    assert {answer.json()["code"] for answer in refused} == {"unavailable"}
    placed = {answer.json()["orderId"] for answer in answers if answer.status_code == 201}
    stored = {str(row[0]) for row in await engine.fetch("SELECT order_id FROM orders")}
    assert placed <= stored  # an order whose commit was cut off may be stored and not confirmed
    await engine.all_confirmed(len(stored))
    assert (api.exit_code(), worker.exit_code()) == (None, None)
    await engine.prove()


async def test_streams_go_on_through_a_restart_of_redis(engine: Engine, embedded: Servers) -> None:
    await engine.whole(**SHORT_LEASES, PAPER_EXECUTION_LATENCY_MS="1000")
    order_id = await engine.place()
    async with engine.stream(order_id) as socket:
        await engine.until(order_id, "submitted")
        await asyncio.to_thread(embedded.redis.stop)
        await engine.until(order_id, "confirmed")
        await asyncio.to_thread(embedded.redis.start)
        steps, code = await story(socket)

    assert (steps, code) == (await engine.events(order_id), 1000)


async def test_without_redis_orders_are_accepted_and_executed_once_it_is_there(
    engine: Engine, embedded: Servers
) -> None:
    await asyncio.to_thread(embedded.redis.stop)
    try:
        api = await engine.api()
        worker = engine.start("worker", **SHORT_LEASES)
        order_id = await engine.place()
        await eventually(lambda: worker.told("start.waiting", what="Redis"))
        assert api.told("redis.failed", call="enqueue")
    finally:
        await asyncio.to_thread(embedded.redis.start)

    await worker.ready()
    await engine.until(order_id, "confirmed")


async def test_without_postgresql_processes_say_what_they_wait_for_and_then_serve(
    engine: Engine, embedded: Servers
) -> None:
    await asyncio.to_thread(embedded.postgres.stop)
    try:
        api, worker = engine.start("api"), engine.start("worker")
        await eventually(
            lambda: all(each.told("start.waiting", what="PostgreSQL") for each in (api, worker))
        )
    finally:
        await asyncio.to_thread(embedded.postgres.start)

    engine.client.base_url = httpx.URL((await api.ready()).url)
    await worker.ready()
    order_id = await engine.place()
    await engine.until(order_id, "confirmed")


@pytest.mark.parametrize("kind", ["api", "worker"])
async def test_a_process_that_waits_for_postgresql_stops_when_told(
    engine: Engine, embedded: Servers, kind: str
) -> None:
    await asyncio.to_thread(embedded.postgres.stop)
    try:
        service = engine.start(kind)
        await eventually(lambda: service.told("start.waiting", what="PostgreSQL"))

        service.child.ask_to_stop()

        assert await service.ended(timedelta(seconds=5)) in (0, -signal.SIGTERM)
    finally:
        await asyncio.to_thread(embedded.postgres.start)
    assert "Traceback" not in service.log
