"""SIGTERM: what is held is finished or handed over, and clients are sent elsewhere."""

import asyncio
import os
import signal
import socket
from datetime import timedelta
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from redis.exceptions import ResponseError

from orders.broker import GROUP
from orders.queue import STREAM
from tests.chaos.proxy import Proxy
from tests.e2e.engine import (
    SHORT_LEASES,
    STORY,
    Engine,
    Service,
    statuses,
    story,
)
from tests.eventually import eventually


async def consumers(engine: Engine) -> list[bytes]:
    found: Any = await engine.redis.xinfo_consumers(STREAM, GROUP)
    return [each["name"] for each in found]


def listens(service: Service) -> bool:
    """Whether its port takes connections."""
    host, port = service.url.removeprefix("http://").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


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
    slow = {"PAPER_EXECUTION_LATENCY_MS": "9000", "DRAIN_SECONDS": "0.3"}
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
    assert first.told("leases.handed_over", count=5)
    assert "Traceback" not in first.log
    await engine.queue_empty()
    assert second.exit_code() is None
    await engine.prove()


async def test_a_worker_that_is_stopped_under_load_hands_over_by_the_queue_alone(
    engine: Engine,
) -> None:
    # No lease runs out and no sweep comes round while this test lasts.
    asleep = {"LEASE_SECONDS": "90", "HEARTBEAT_SECONDS": "30", "SWEEP_SECONDS": "90"}
    slow = {"PAPER_EXECUTION_LATENCY_MS": "4000", "WORKER_CONCURRENCY": "40"}
    _, first = await engine.whole(**asleep, **slow)
    second = await engine.worker(**asleep, **slow)
    placing = [asyncio.create_task(engine.place()) for _ in range(100)]

    async def both_hold_some() -> bool:
        return (await engine.statuses()).get("submitted", 0) > 40

    await eventually(both_hold_some)
    first.child.ask_to_stop()

    assert await first.ended(timedelta(seconds=5)) == 0
    await asyncio.gather(*placing)
    await engine.all_confirmed(100, within=timedelta(seconds=30))
    assert second.exit_code() is None
    assert first.told("leases.handed_over")
    await engine.queue_empty()
    await engine.prove()


async def test_a_worker_whose_database_hangs_ends_in_time_and_loses_nothing(
    engine: Engine,
) -> None:
    slow = {"PAPER_EXECUTION_LATENCY_MS": "1000"} | SHORT_LEASES
    _, worker = await engine.whole(**slow, DRAIN_SECONDS="0.1", SHUTDOWN_SECONDS="0.5")
    await asyncio.gather(*(engine.place() for _ in range(5)))

    async def held() -> bool:
        return bool(await engine.one("SELECT count(*) = 5 FROM orders WHERE held"))

    await eventually(held)
    async with engine.locked():
        worker.child.ask_to_stop()
        assert await worker.ended(timedelta(seconds=5)) == 0  # a statement may take 10 s
    assert worker.told("process.left_in_haste", after_seconds=0.6)
    assert "Traceback" not in worker.log

    await engine.worker(**slow)
    await engine.all_confirmed(5)
    await engine.queue_empty()
    await engine.prove()


@pytest.mark.parametrize(("kind", "within"), [("api", 6.0), ("worker", 0.6)])
async def test_a_process_that_is_cut_off_from_its_database_ends_in_time(
    engine: Engine, kind: str, within: float
) -> None:
    slow = {"PAPER_QUOTE_LATENCY_MS": "50"} | SHORT_LEASES
    ending = {"DRAIN_SECONDS": "0.1", "SHUTDOWN_SECONDS": "0.5"}
    near = urlsplit(engine.database_url)
    assert near.port, "a server that listens on a port"
    async with Proxy(near.port) as proxy:
        far = near._replace(netloc=near.netloc.replace(f":{near.port}", f":{proxy.port}")).geturl()
        cut_off = engine.start(kind, DATABASE_URL=far, **slow, **ending)
        other = await engine.api() if kind == "worker" else cut_off
        await cut_off.ready()
        engine.client.base_url = httpx.URL(other.url)
        first = [asyncio.create_task(engine.place()) for _ in range(20)]

        async def begun() -> bool:
            return sum((await engine.statuses()).values()) >= 5

        await eventually(begun)
        proxy.cut()  # with statements under way, which nothing will answer
        cut_off.child.ask_to_stop()

        assert await cut_off.ended(timedelta(seconds=within + 4)) == 0  # a statement may take 10 s
        assert cut_off.told("process.left_in_haste", after_seconds=within)
    await asyncio.gather(*first, return_exceptions=True)
    await engine.worker(**slow)
    await engine.all_confirmed(await engine.one("SELECT count(*)::int FROM orders"))
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


async def test_an_api_that_is_stopped_under_load_answers_nothing_wrong(engine: Engine) -> None:
    other = await engine.api()
    stopped, _ = await engine.whole()
    accepted: dict[str, str] = {}
    unknown: list[str] = []

    async def client(name: int) -> None:
        for n in count():
            key = f"{name}-{n}"
            try:
                answer = await engine.ask(stopped, key)
            except httpx.TransportError:  # broken off, or nobody listens any more
                return unknown.append(key)
            if answer.status_code == 503:
                assert answer.headers["Retry-After"] == "1"
                return unknown.append(key)
            assert answer.status_code == 201, answer.text
            accepted[key] = answer.json()["orderId"]

    clients = [asyncio.create_task(client(name)) for name in range(32)]
    await eventually(lambda: len(accepted) > 200)
    stopped.child.ask_to_stop()
    await asyncio.gather(*clients)

    assert await stopped.ended(timedelta(seconds=10)) == 0
    assert "Traceback" not in stopped.log
    for key, order_id in accepted.items():
        again = await engine.ask(other, key)
        assert (again.status_code, again.json()["orderId"]) == (201, order_id)
    for key in unknown:
        assert (await engine.ask(other, key)).status_code == 201
    await engine.all_confirmed(len(accepted) + len(unknown))
    await engine.prove()


async def test_accepts_under_way_are_finished_by_an_api_that_stops(engine: Engine) -> None:
    api = await engine.api(MAX_WAITING_ACCEPTS="32")

    async with engine.locked():
        asking = {asyncio.create_task(engine.ask(api, str(n))) for n in range(33)}
        refused, under_way = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        assert [each.result().status_code for each in refused] == [503]  # 32 are under way
        api.child.ask_to_stop()
        await eventually(lambda: not listens(api))
    answers = await asyncio.gather(*under_way)

    assert [answer.status_code for answer in answers] == [201] * 32
    assert await api.ended(timedelta(seconds=10)) == 0
    assert await engine.statuses() == {"received": 32}


@pytest.mark.parametrize("kind", ["api", "worker"])
async def test_a_process_that_waits_for_its_tables_stops_when_it_is_told_to(
    unmigrated: Engine, kind: str
) -> None:
    service = unmigrated.start(kind)
    await eventually(lambda: service.told("start.waiting"), timedelta(seconds=20))

    service.child.ask_to_stop()

    assert await service.ended(timedelta(seconds=5)) == 0
    assert "Traceback" not in service.log


@pytest.mark.parametrize("kind", ["api", "worker"])
async def test_a_second_signal_does_no_harm(engine: Engine, kind: str) -> None:
    service = await (engine.api() if kind == "api" else engine.worker())

    for _ in range(2):
        os.kill(service.child.pid, signal.SIGTERM)

    assert await service.ended(timedelta(seconds=10)) == 0
