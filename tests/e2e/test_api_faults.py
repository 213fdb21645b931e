"""Accepting orders while clients, PostgreSQL, Redis or the backlog misbehave: a 201 is the truth,
and whoever got none asks again and has one order at most."""

import asyncio
import json
import os
import random
import re
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest

from services.cli.redis import Redis
from services.cli.servers import Servers
from tests.e2e.engine import SELL_SOL, SHORT_LEASES, Engine, Service, locked_out
from tests.eventually import eventually
from tests.exhaustion import no_connection_left

AGAIN = timedelta(seconds=5)
"""Within which an API accepts again, once what it needs is back."""
RST_ON_CLOSE = struct.pack("ii", 1, 0)  # linger for 0 s


def refused(answer: httpx.Response, code: str) -> None:
    """It is a 503 of that code, which says when to come back."""
    assert (answer.status_code, answer.json()["code"]) == (503, code), answer.text
    assert answer.headers["Retry-After"] == "1"


def ids(answers: Iterable[httpx.Response]) -> set[str]:
    """The orders that answers of 201 name."""
    return {answer.json()["orderId"] for answer in answers if answer.status_code == 201}


async def stored(engine: Engine) -> set[str]:
    return {str(row[0]) for row in await engine.fetch("SELECT order_id FROM orders")}


async def accepting_again(engine: Engine, api: Service, key: str = "again") -> float:
    """How many seconds it took until an order was accepted."""
    begun = time.monotonic()

    async def accepts() -> bool:
        return (await engine.ask(api, key)).status_code == 201

    await eventually(accepts, AGAIN)
    return time.monotonic() - begun


# Clients that hang up


class Rude:
    """A client that posts and breaks the connection at a random moment, in a random way."""

    def __init__(self, api: Service, number: int) -> None:
        self.key = f"rude-{number}"
        self._url = urlsplit(api.url)
        self._dice = random.Random(number)
        body = json.dumps(SELL_SOL).encode()
        self._request = (
            b"POST /api/orders/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Idempotency-Key: %b\r\nContent-Length: %d\r\n\r\n%b"
        ) % (self.key.encode(), len(body), body)

    async def post(self) -> None:
        _, writer = await asyncio.open_connection(self._url.hostname, self._url.port)
        whole = len(self._request)
        until = self._dice.choice([self._dice.randrange(whole), whole, whole])
        writer.write(self._request[:until])
        await writer.drain()
        await asyncio.sleep(self._dice.choice([0, self._dice.uniform(0, 0.02)]))
        if self._dice.random() < 0.5:
            raw: socket.socket = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
        writer.close()
        await writer.wait_closed()


async def test_whoever_hangs_up_and_asks_again_has_one_order(engine: Engine) -> None:
    api, _ = await engine.whole()
    rude = [Rude(api, number) for number in range(200)]

    await asyncio.gather(*(each.post() for each in rude))
    answers = await asyncio.gather(*(engine.ask(api, each.key) for each in rude))

    assert {answer.status_code for answer in answers} == {201}
    assert len(ids(answers)) == 200
    assert await stored(engine) == ids(answers)
    replayed = sum("Idempotency-Replayed" in answer.headers for answer in answers)
    print(f"hung up after it was accepted: {replayed} of 200")
    assert 0 < replayed < 200
    await engine.all_confirmed(200)
    counted = await api.metrics("order_engine_requests_total")
    codes = {labels.split('"')[1] for labels in counted}
    assert codes - {"200"} == {"201", "499"}  # the probes are 200
    assert "Traceback" not in api.log
    assert set(re.findall(r'"level":"(\w+)"', api.log)) <= {"info"}
    await engine.prove()


# PostgreSQL


async def test_who_meets_a_locked_table_waits_and_is_accepted(engine: Engine) -> None:
    api, _ = await engine.whole(**SHORT_LEASES)

    async with engine.locked() as connection:
        asking = [asyncio.create_task(engine.ask(api, f"k{n}")) for n in range(50)]
        await locked_out(connection)
        done, _ = await asyncio.wait(asking, timeout=1.5)  # longer than a lease

    answers = await asyncio.gather(*asking)
    assert not done
    assert {answer.status_code for answer in answers} == {201}
    assert len(ids(answers)) == 50
    await engine.all_confirmed(50)
    await engine.prove()


async def test_who_is_timed_out_is_told_503_and_has_no_order_until_it_asks_again(
    engine: Engine,
) -> None:
    name = urlsplit(engine.database_url).path[1:]
    await engine.fetch(f"ALTER DATABASE {name} SET statement_timeout = '300ms'")
    api, _ = await engine.whole(**SHORT_LEASES)

    async with engine.locked():
        during = await asyncio.gather(*(engine.ask(api, f"k{n}") for n in range(50)))
    nothing = await stored(engine)
    after = await asyncio.gather(*(engine.ask(api, f"k{n}") for n in range(50)))

    for answer in during:
        refused(answer, "unavailable")
    assert nothing == set()
    assert {answer.status_code for answer in after} == {201}
    await engine.all_confirmed(50)
    await engine.prove()


async def test_without_a_connection_orders_are_refused_and_soon_after_accepted(
    engine: Engine,
) -> None:
    api, worker = await engine.whole(**SHORT_LEASES)
    before = await engine.place()
    await engine.until(before, "confirmed")

    async with no_connection_left(engine.database_url) as free:
        during = await asyncio.gather(*(engine.ask(api, f"k{n}") for n in range(50)))
        await free()
        took = await accepting_again(engine, api)
    after = await asyncio.gather(*(engine.ask(api, f"k{n}") for n in range(50)))

    print(f"accepting again after connections were free: {took:.3f} s")
    for answer in during:
        refused(answer, "unavailable")
    assert {answer.status_code for answer in after} == {201}
    await engine.all_confirmed(52)
    assert (api.exit_code(), worker.exit_code()) == (None, None)
    await engine.prove()


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
async def test_a_stampede_round_a_restart_of_postgresql_makes_one_order_of_each_key(
    engine: Engine, embedded: Servers, kill: bool
) -> None:
    one, _ = await engine.whole(**SHORT_LEASES)
    other = await engine.api()
    answers: dict[str, list[httpx.Response]] = {}
    over = asyncio.Event()

    async def stampede(key: str) -> list[httpx.Response]:
        """A hundred ask with one key, at once, half of them each API."""
        asking = (engine.ask(api, key) for _ in range(50) for api in (one, other))
        answers[key] = await asyncio.gather(*asking)
        return answers[key]

    async def keep_on() -> None:
        while not over.is_set():
            await stampede(f"k{len(answers)}")

    async def stampedes(count: int) -> None:
        enough = len(answers) + count
        await eventually(lambda: len(answers) >= enough)

    running = asyncio.create_task(keep_on())
    try:
        await stampedes(1)
        await asyncio.to_thread(embedded.postgres.kill if kill else embedded.postgres.stop)
        await stampedes(1)
        await asyncio.to_thread(embedded.postgres.start)
        took = await accepting_again(engine, one)
        await stampedes(1)
    finally:
        over.set()
        await running
    first = {key: ids(told) for key, told in answers.items()}
    seen = [each for told in answers.values() for each in told]
    last = {key: ids(await stampede(key)) for key in list(answers)}

    print(f"accepting again after PostgreSQL was back: {took:.3f} s; keys: {len(last)}")
    for answer in seen:
        if answer.status_code != 201:
            refused(answer, "unavailable")
    assert {each.status_code for each in seen} == {201, 503}
    assert {len(orders) for orders in last.values()} == {1}
    assert all(first[key] <= last[key] for key in last)
    everything = set().union(*last.values(), ids([await engine.ask(one, "again")]))
    assert len(everything) == len(last) + 1
    assert await stored(engine) == everything
    await engine.all_confirmed(len(everything))
    await engine.prove()


# Redis


AWAY: dict[str, tuple[Callable[[Redis], None], Callable[[Redis], None]]] = {
    "killed": (Redis.kill, Redis.start),
    "frozen": (
        lambda redis: os.kill(redis.child.pid, signal.SIGSTOP),
        lambda redis: os.kill(redis.child.pid, signal.SIGCONT),
    ),
}
"""How Redis goes away, and how it comes back."""


@pytest.mark.parametrize("how", AWAY)
async def test_without_redis_orders_are_accepted_at_once_and_found_when_it_is_back(
    engine: Engine, embedded: Servers, how: str
) -> None:
    api, worker = await engine.whole(**SHORT_LEASES)
    before = await engine.place()
    await engine.until(before, "confirmed")

    go, come = AWAY[how]
    await asyncio.to_thread(go, embedded.redis)
    try:
        begun = time.monotonic()
        answers = await asyncio.gather(*(engine.ask(api, f"k{n}") for n in range(50)))
        took = time.monotonic() - begun
        durable = await stored(engine)
    finally:
        await asyncio.to_thread(come, embedded.redis)

    print(f"50 orders accepted without Redis, {how}: {took:.3f} s")
    assert {answer.status_code for answer in answers} == {201}
    assert took < 2  # not a call to Redis was waited for: each would take 5 s to time out
    assert durable == ids(answers) | {str(before)}
    await engine.all_confirmed(51)
    await engine.queue_empty()
    if how == "killed":
        swept = await worker.metrics("order_engine_swept_total")
        assert sum(swept.values()) >= 50
    await engine.prove()


# Overload


async def test_a_burst_of_more_than_may_wait_is_refused_and_leaves_nothing_behind(
    engine: Engine,
) -> None:
    api, _ = await engine.whole(**SHORT_LEASES, MAX_WAITING_ACCEPTS="5")

    async with engine.locked():
        asking = {asyncio.create_task(engine.ask(api, f"k{n}")) for n in range(100)}

        async def all_but_those_who_wait() -> bool:
            return sum(each.done() for each in asking) == 95

        await eventually(all_but_those_who_wait)
        overloaded = [each.result() for each in asking if each.done()]
    waited = ids(await asyncio.gather(*asking))

    for answer in overloaded:
        refused(answer, "overloaded")
    assert len(waited) == 5
    assert await stored(engine) == waited
    await eventually(lambda: accepted(engine, api, "again"))
    await engine.all_confirmed(6)


async def test_an_old_backlog_is_an_overload_until_it_is_worked_off(engine: Engine) -> None:
    api = await engine.api(MAX_BACKLOG_AGE_SECONDS="0.5")
    waiting = await asyncio.gather(*(engine.place() for _ in range(20)))

    async def overloaded() -> bool:
        answer = await engine.ask(api, "probe")
        return answer.status_code != 201

    await eventually(overloaded)
    before = await stored(engine)
    answers = await asyncio.gather(*(engine.ask(api, f"k{n}") for n in range(20)))
    after = await stored(engine)
    await engine.worker(**SHORT_LEASES)
    await eventually(lambda: accepted(engine, api, "k0"))

    for answer in answers:
        refused(answer, "overloaded")
    assert before == after
    assert {str(order_id) for order_id in waiting} <= after
    await engine.all_confirmed(len(after) + 1)


async def accepted(engine: Engine, api: Service, key: str) -> bool:
    return (await engine.ask(api, key)).status_code == 201
