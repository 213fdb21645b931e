"""The stream: every step once, in order, without a gap, whenever one connects and whatever Redis
does meanwhile."""

import asyncio
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest
from redis.asyncio import Redis
from websockets.asyncio.client import connect

from orders.feed import CHANNEL
from orders.store import PostgresStore
from orders.wire import frame
from tests.backing import Backing
from tests.eventually import eventually
from tests.integration.api.serving import (
    HOST,
    SELL_SOL,
    Hand,
    Server,
    seqs,
    serving,
    story,
    told,
)

NO_ORDER = "019ab000-0000-7000-8000-000000000000"


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


async def test_who_comes_late_is_told_the_whole_story_and_then_1000(
    api: Server, hand: Hand
) -> None:
    order_id = await api.place()
    await hand.finish(order_id)

    async with api.stream(order_id) as stream:
        steps, code = await story(stream)

    statuses = [step["status"] for step in steps]
    assert statuses == ["received", "routing", "building", "submitted", "confirmed"]
    assert seqs(steps) == [1, 2, 3, 4, 5]
    assert steps[-1]["final"] is True
    assert not any("final" in step for step in steps[:-1])
    assert code == 1000


async def test_steps_are_told_as_they_are_taken(api: Server, hand: Hand) -> None:
    order_id = await api.place()

    async with api.stream(order_id) as stream:
        received = await told(stream)
        order = await hand.route(order_id)
        routing = await told(stream)
        order = await hand.build(order)
        building = await told(stream)
        await hand.fail(order)
        rest, code = await story(stream)

    statuses = [step["status"] for step in (received, routing, building, *rest)]
    assert statuses == ["received", "routing", "building", "failed"]
    assert seqs([received, routing, building, *rest]) == [1, 2, 3, 4]
    assert rest[-1]["error"] == {"code": "no_route", "detail": "no venue trades this"}
    assert rest[-1]["final"] is True
    assert code == 1000


async def test_a_live_step_and_the_same_replayed_are_the_same_to_the_letter(
    api: Server, hand: Hand
) -> None:
    order_id = await api.place()
    async with api.stream(order_id) as stream:
        live = [await stream.recv()]
        await hand.finish(order_id)
        live += [await stream.recv() for _ in range(4)]

    async with api.stream(order_id) as stream:
        replayed = [await stream.recv() for _ in range(5)]

    assert replayed == live


@pytest.mark.parametrize(("first", "expected"), [(1, [1, 2, 3, 4, 5]), (3, [3, 4, 5]), (5, [5])])
async def test_a_story_can_begin_later(
    api: Server, hand: Hand, first: int, expected: list[int]
) -> None:
    order_id = await api.place()
    await hand.finish(order_id)

    async with api.stream(order_id, f"?fromSeq={first}") as stream:
        steps, code = await story(stream)

    assert (seqs(steps), code) == (expected, 1000)


@pytest.mark.parametrize("first", [6, 2_147_483_647])
async def test_beyond_a_finished_order_there_is_no_more_to_say(
    api: Server, hand: Hand, first: int
) -> None:
    order_id = await api.place()
    await hand.finish(order_id)

    async with api.stream(order_id, f"?fromSeq={first}") as stream:
        steps, code = await story(stream)

    assert (steps, code) == ([], 1000)


async def test_who_waits_for_a_later_step_is_told_that_and_those_after_it(
    api: Server, hand: Hand
) -> None:
    order_id = await api.place()

    async with api.stream(order_id, "?fromSeq=4") as stream:
        await hand.finish(order_id)
        steps, code = await story(stream)

    assert (seqs(steps), code) == ([4, 5], 1000)


async def test_who_waits_for_a_step_that_never_comes_is_closed_with_the_order(
    api: Server, hand: Hand
) -> None:
    order_id = await api.place()

    async with api.stream(order_id, "?fromSeq=9") as stream:
        await hand.finish(order_id)
        steps, code = await story(stream)

    assert (steps, code) == ([], 1000)


async def test_an_unknown_order_closes_with_4404(api: Server) -> None:
    async with api.stream(NO_ORDER) as stream:
        steps, code = await story(stream)

    assert (steps, code) == ([], 4404)


@pytest.mark.parametrize(
    "order_id", ["1", NO_ORDER.replace("-", ""), f"%7B{NO_ORDER}%7D", "x" * 300, "%F0%9F%A6%80"]
)
async def test_a_malformed_id_closes_with_4400(api: Server, order_id: str) -> None:
    async with api.stream(order_id) as stream:
        assert await story(stream) == ([], 4400)

    assert stream.close_reason is not None
    assert "is not a UUID with hyphens" in stream.close_reason or len(order_id) > 60


@pytest.mark.parametrize(
    "first", ["0", "-1", "1.0", "x", "%201", "+1", "2147483648", "9" * 11, "9" * 5_000, "%D9%A3"]
)
async def test_a_bad_first_step_closes_with_4400_and_says_what_is_good(
    api: Server, first: str
) -> None:
    order_id = await api.place()

    async with api.stream(order_id, f"?fromSeq={first}") as stream:
        assert await story(stream) == ([], 4400)

    assert stream.close_reason is not None
    assert stream.close_reason.startswith("fromSeq must be an integer from 1 to 2147483647")


async def test_a_reason_of_wide_characters_fits_into_a_close_frame(api: Server) -> None:
    async with api.stream(NO_ORDER, "?fromSeq=" + "%F0%9F%A6%80" * 40) as stream:
        assert await story(stream) == ([], 4400)


async def test_a_story_that_meets_a_bug_ends_with_1011_and_can_be_gone_on_with(
    api: Server, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = await api.place()
    async with api.stream(order_id) as stream:
        first = await told(stream)
        with monkeypatch.context() as broken:
            broken.setattr(PostgresStore, "history", _bug)
            await hand.finish(order_id, told=False)
            steps, code = await story(stream)
    async with api.stream(order_id, f"?fromSeq={first['seq'] + 1}") as again:
        rest, end = await story(again)

    assert (steps, code) == ([], 1011)  # 1000 would say that all was told
    assert (seqs(rest), end) == ([2, 3, 4, 5], 1000)


async def test_a_lost_last_step_is_told_within_seconds(api: Server, hand: Hand) -> None:
    order_id = await api.place()
    async with api.stream(order_id) as stream:
        await told(stream)
        order = await hand.route(order_id)
        await told(stream)

        await hand.fail(order, told=False)
        rest, code = await story(stream)

    assert (seqs(rest), code) == ([3], 1000)


async def test_a_step_lost_in_the_middle_is_told_with_the_next(api: Server, hand: Hand) -> None:
    order_id = await api.place()
    async with api.stream(order_id) as stream:
        await told(stream)
        order = await hand.route(order_id)
        await told(stream)

        order = await hand.build(order, told=False)
        await hand.submit(order)
        steps = [await told(stream), await told(stream)]

    assert seqs(steps) == [3, 4]


async def test_repeated_and_reordered_tidings_are_told_once_and_in_order(
    api: Server, hand: Hand, redis: Redis
) -> None:
    order_id = await api.place()
    async with api.stream(order_id) as stream:
        await told(stream)
        routing = await hand.route(order_id, told=False)
        building = await hand.build(routing, told=False)
        submitted = await hand.submit(building, told=False)
        confirmed = await hand.confirm(submitted, told=False)
        bodies = [frame(each).body for each in (routing, building, submitted, confirmed)]
        tidings = [bodies[0], bodies[0], bodies[2], bodies[1], bodies[0], bodies[3], bodies[3]]

        for body in tidings:
            await redis.publish(CHANNEL, b"[" + body + b"]")
        rest, code = await story(stream)

    assert (seqs(rest), code) == ([2, 3, 4, 5], 1000)


NONSENSE = [
    b"",
    b"{}",
    b"[1]",
    b"[{}]",
    b'[{"orderId":1}]',
    b"\xff",
    b'[{"orderId":"\xff"}]',
    b"[" * 99_999,
]


@pytest.mark.parametrize("nonsense", NONSENSE, ids=range(len(NONSENSE)))
async def test_nonsense_on_the_channel_costs_no_step(
    api: Server, hand: Hand, redis: Redis, nonsense: bytes
) -> None:
    order_id = await api.place()
    async with api.stream(order_id) as stream:
        await told(stream)
        before = await _subscriptions(redis)
        await redis.publish(CHANNEL, nonsense)

        await hand.finish(order_id)
        rest, code = await story(stream)

    assert (seqs(rest), code) == ([2, 3, 4, 5], 1000)
    assert len(before) == 1
    assert await _subscriptions(redis) == before


async def test_a_cut_subscription_costs_no_step_and_repeats_none(
    api: Server, hand: Hand, redis: Redis
) -> None:
    order_id = await api.place()
    async with api.stream(order_id) as stream:
        await told(stream)
        order = await hand.route(order_id)
        await told(stream)

        await redis.flushall()
        await redis.client_kill_filter(_type="pubsub")
        order = await hand.build(order)
        order = await hand.submit(order)
        await hand.confirm(order)
        rest, code = await story(stream)

    assert (seqs(rest), code) == ([3, 4, 5], 1000)


async def test_a_restart_of_redis_costs_no_step_and_repeats_none(
    servers: Backing, api: Server, hand: Hand
) -> None:
    if servers.embedded is None:
        pytest.skip("only an embedded Redis can be stopped by a test")
    order_id = await api.place()
    async with api.stream(order_id) as stream:
        await told(stream)
        order = await hand.route(order_id)
        await told(stream)

        await asyncio.to_thread(servers.embedded.redis.kill)
        order = await hand.build(order)
        while_away = await told(stream)
        await asyncio.to_thread(servers.embedded.redis.start)
        order = await hand.submit(order)
        await hand.confirm(order)
        rest, code = await story(stream)

    assert (seqs([while_away, *rest]), code) == ([3, 4, 5], 1000)


async def test_a_quiet_client_hears_the_last_step_that_is_stored(
    environment: dict[str, str], hand: Hand
) -> None:
    async with serving(environment | {"HEARTBEAT_SOCKET_SECONDS": "0.2"}) as api:
        order_id = await api.place()
        async with api.stream(order_id) as stream:
            await told(stream)
            first = msgspec.json.decode(await stream.recv())
            await hand.route(order_id)
            await told(stream)
            second = msgspec.json.decode(await stream.recv())

    assert first == {"type": "heartbeat", "seq": 1}
    assert second == {"type": "heartbeat", "seq": 2}


async def test_what_a_client_says_is_ignored(api: Server, hand: Hand) -> None:
    order_id = await api.place()
    async with api.stream(order_id) as stream:
        for _ in range(20):
            await stream.send("are you there?")
        await stream.send(b"\0\xff")

        async with asyncio.timeout(5):
            await (await stream.ping())
        await hand.finish(order_id)
        steps, code = await story(stream)

    assert (seqs(steps), code) == ([1, 2, 3, 4, 5], 1000)


@pytest.mark.parametrize("talks", [False, True])
async def test_a_client_that_goes_is_forgotten_at_once(api: Server, talks: bool) -> None:
    order_id = await api.place()

    async with api.stream(order_id) as stream:
        if talks:
            await stream.send("good-bye")
        await told(stream)
        assert await _sockets(api) == 1
    await eventually(lambda: _none_open(api), within=timedelta(seconds=2))


async def test_a_client_that_breaks_off_is_forgotten_at_once(api: Server) -> None:
    order_id = await api.place()

    async with api.stream(order_id) as stream:
        await told(stream)
        stream.transport.abort()

        await eventually(lambda: _none_open(api), within=timedelta(seconds=2))


async def test_a_client_too_slow_to_keep_up_is_closed_with_4408_and_can_come_back(
    environment: dict[str, str], hand: Hand, database_url: str
) -> None:
    async with serving(environment | {"SLOW_CONSUMER_SECONDS": "0.3"}) as api:
        order_id = await api.place()
        await _make_long(database_url, order_id, steps=40)
        with _narrow_socket(api.port) as narrow:
            async with api.stream(order_id, sock=narrow, max_queue=1) as slow:
                slow.transport.pause_reading()
                await eventually(lambda: _is_blocked(api))
                await eventually(lambda: _none_open(api), within=timedelta(seconds=5))
                slow.transport.resume_reading()
                steps, code = await story(slow)
        await eventually(lambda: _none_open(api))

        async with api.stream(order_id, f"?fromSeq={len(steps) + 1}") as again:
            rest = [await told(again) for _ in range(41 - len(steps))]

    assert code == 4408
    assert 0 < len(steps) < 41
    assert seqs([*steps, *rest]) == list(range(1, 42))


async def test_a_client_that_never_reads_again_is_let_go_of(
    environment: dict[str, str], database_url: str
) -> None:
    async with serving(environment | {"SLOW_CONSUMER_SECONDS": "0.3"}) as api:
        order_id = await api.place()
        await _make_long(database_url, order_id, steps=40)
        with _narrow_socket(api.port) as narrow:
            async with api.stream(order_id, sock=narrow, max_queue=1) as slow:
                slow.transport.pause_reading()
                await eventually(lambda: _is_blocked(api))
                await eventually(lambda: _none_open(api), within=timedelta(seconds=5))
                slow.transport.abort()


async def test_who_answers_no_ping_is_let_go_of_and_who_does_is_kept(
    environment: dict[str, str], hand: Hand
) -> None:
    async with serving(environment | {"HEARTBEAT_SOCKET_SECONDS": "0.05"}) as api:
        order_id = await api.place()
        async with api.stream(order_id) as lively, api.stream(order_id) as frozen:
            await told(lively)
            await told(frozen)
            frozen.transport.pause_reading()
            reading = asyncio.create_task(told(lively))

            await eventually(lambda: _one_open(api), within=timedelta(seconds=5))
            await hand.route(order_id)
            step = await reading
            frozen.transport.abort()

    assert step["seq"] == 2


async def test_a_draining_server_asks_its_clients_to_come_back(api: Server, hand: Hand) -> None:
    order_id = await api.place()
    async with api.stream(order_id) as stream:
        await told(stream)

        await api.drain()
        rest, code = await story(stream)
        async with api.stream(order_id) as late:
            after, late_code = await story(late)

    assert (rest, code) == ([], 1012)
    assert (after, late_code) == ([], 1012)


async def test_a_client_that_does_not_read_holds_up_no_drain(
    environment: dict[str, str], database_url: str
) -> None:
    async with serving(environment) as api:
        order_id = await api.place()
        await _make_long(database_url, order_id, steps=40)
        with _narrow_socket(api.port) as narrow:
            async with api.stream(order_id, sock=narrow, max_queue=1) as slow:
                slow.transport.pause_reading()
                await eventually(lambda: _is_blocked(api))

                async with asyncio.timeout(3):
                    await api.drain()
                slow.transport.resume_reading()
                _, code = await story(slow)

    assert code == 1012


async def test_a_process_that_is_told_to_stop_says_1012_and_ends(
    environment: dict[str, str], hand: Hand
) -> None:
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.api",
        env=os.environ
        | environment
        | {"API_HOST": HOST, "API_PORT": str(port), "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        await eventually(lambda: _listens(port), within=timedelta(seconds=20))
        order_id = await _place_at(port)
        url = f"ws://{HOST}:{port}/api/orders/stream/{order_id}"
        async with connect(url, proxy=None) as first, connect(url, proxy=None) as second:
            await told(first)
            await told(second)

            process.send_signal(signal.SIGTERM)
            ends = [await story(first), await story(second)]
        status = await asyncio.wait_for(process.wait(), 10)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert ends == [([], 1012), ([], 1012)]
    assert status == 0


async def test_whoever_subscribes_whenever_is_told_the_same_story(
    api: Server, hand: Hand, redis: Redis
) -> None:
    dice = random.Random(7)
    order_id = await api.place()
    moments = sorted(dice.uniform(0, 1) for _ in range(200))

    async def subscribe() -> tuple[list[dict[str, Any]], int]:
        async with api.stream(order_id, open_timeout=30) as stream:
            return await story(stream)

    async def live() -> None:
        order = await hand.route(order_id)
        for n in range(30):
            order = await hand.repeat(order, told=n % 7 != 3)
            if n == 15:
                await redis.client_kill_filter(_type="pubsub")
            await _turns(20)
        await hand.fail(order)

    async def arrive() -> list[tuple[list[dict[str, Any]], int]]:
        arriving = []
        for before, moment in pairwise([0.0, *moments]):
            await _turns(int((moment - before) * 5_000))
            arriving.append(asyncio.create_task(subscribe()))
        return await asyncio.gather(*arriving)

    _, stories = await asyncio.gather(live(), arrive())

    late, _ = await subscribe()
    assert seqs(late) == list(range(1, 34))
    assert {code for _, code in stories} == {1000}
    assert all(steps == late for steps, _ in stories)


async def _turns(count: int) -> None:
    """Let everybody else run that many turns of the loop."""
    for _ in range(count):
        await asyncio.sleep(0)


def _narrow_socket(port: int) -> socket.socket:
    """A connected socket that holds little, so that who does not read it soon blocks its peer."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect((HOST, port))
    narrow.setblocking(False)
    return narrow


async def _make_long(database_url: str, order_id: UUID, *, steps: int) -> None:
    """Give an order that many more steps, of 256 KiB each: more than sockets hold."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            "INSERT INTO order_events (order_id, seq, status, attempt, data, at) "
            "SELECT $1, seq, 'routing', 1, jsonb_build_object('pad', repeat('x', 262144)), now() "
            "FROM generate_series(2, $2) AS seq",
            order_id,
            steps + 1,
        )
        await connection.execute(
            "UPDATE orders SET status = 'routing', seq = $2 WHERE order_id = $1",
            order_id,
            steps + 1,
        )
    finally:
        await connection.close()


async def _sockets(api: Server) -> float:
    text = (await api.client.get("/metrics")).text
    (line,) = [line for line in text.splitlines() if line.startswith("order_engine_sockets ")]
    return float(line.split()[1])


async def _bug(*_: object) -> None:
    raise RuntimeError("a bug")


async def _subscriptions(redis: Redis) -> list[str]:
    """Who is subscribed, by the numbers that Redis gives to connections."""
    return [client["id"] for client in await redis.client_list("pubsub")]


async def _none_open(api: Server) -> bool:
    return await _sockets(api) == 0


async def _one_open(api: Server) -> bool:
    return await _sockets(api) == 1


async def _is_blocked(api: Server) -> bool:
    """Whether a connection's writes have to wait."""
    return any(not each._can_write.is_set() for each in api._server.connections)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def _place_at(port: int) -> str:
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", trust_env=False) as client:
        answer = await client.post("/api/orders/execute", json=SELL_SOL)
    order_id: str = answer.json()["orderId"]
    return order_id
