"""What the API says of itself, and what it does while a server that it needs is away."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest

from services.cli.servers import Servers
from tests.backing import Backing
from tests.eventually import eventually
from tests.integration.api.conftest import Counts
from tests.integration.api.serving import HOST, SELL_SOL, Hand, Server, serving, story, told

EXECUTE = "/api/orders/execute"
BACK_WITHIN = timedelta(seconds=5)


@pytest.fixture
def embedded(servers: Backing) -> Servers:
    if servers.embedded is None:
        pytest.skip("only embedded servers can be stopped by a test")
    return servers.embedded


@asynccontextmanager
async def postgres_away(embedded: Servers) -> AsyncIterator[None]:
    await asyncio.to_thread(embedded.postgres.stop)
    try:
        yield
    finally:
        await asyncio.to_thread(embedded.postgres.start)


@asynccontextmanager
async def redis_away(embedded: Servers) -> AsyncIterator[None]:
    await asyncio.to_thread(embedded.redis.stop)
    try:
        yield
    finally:
        await asyncio.to_thread(embedded.redis.start)


async def test_a_process_at_work_is_alive_and_ready(api: Server) -> None:
    alive, ready = await api.client.get("/livez"), await api.client.get("/readyz")

    assert (alive.status_code, alive.json()) == (200, {"ok": True, "stuck": []})
    assert (ready.status_code, ready.json()) == (200, {"ok": True, "missing": []})


async def test_metrics_are_told_as_prometheus_reads_them(api: Server) -> None:
    await api.place()
    await api.client.post(EXECUTE, json={})

    answer = await api.client.get("/metrics")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    for line in (
        'order_engine_requests_total{code="201",route="api/orders/execute"}',
        'order_engine_requests_total{code="422",route="api/orders/execute"}',
        'order_engine_steps_total{status="received"}',
        "order_engine_sockets",
    ):
        assert line in answer.text


async def test_whoever_reads_openmetrics_is_told_which_order_an_accept_was_for(
    api: Server,
) -> None:
    await api.client.get("/metrics")  # of what is told at once, the slowest is named
    order_id = await api.place()

    answer = await api.client.get(
        "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
    )

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    assert f'# {{trace_id="{order_id.hex}"}}' in answer.text


async def test_an_api_tells_what_is_open_and_what_waits(api: Server) -> None:
    await api.place()

    async def told() -> dict[str, float]:
        text = (await api.client.get("/metrics")).text
        return {
            name: float(value)
            for name, _, value in (line.partition(" ") for line in text.splitlines())
            if name.startswith(("order_engine_queue_backlog", "order_engine_oldest"))
        }

    async def is_told() -> bool:
        now = await told()
        return (
            now.get("order_engine_queue_backlog") == 1
            and now.get("order_engine_oldest_order_seconds", 0) > 0
        )

    await eventually(is_told, timedelta(seconds=10))


async def test_a_request_s_latency_is_told(api: Server) -> None:
    before = await _seconds_of_accepts(api)

    await api.place()

    assert 0 < await _seconds_of_accepts(api) - before < 60


async def _seconds_of_accepts(api: Server) -> float:
    """How long all accepts of this process took together."""
    name = 'order_engine_request_seconds_sum{route="api/orders/execute"} '
    lines = (await api.client.get("/metrics")).text.splitlines()
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


async def test_an_order_s_id_is_no_label(api: Server) -> None:
    order_id = await api.place()
    await api.client.get(f"/api/orders/{order_id}")
    await api.client.get(f"/nothing/at/{order_id}")

    answer = await api.client.get("/metrics")

    assert str(order_id) not in answer.text
    assert 'order_engine_requests_total{code="404",route="none"}' in answer.text


async def test_a_draining_server_is_not_ready_but_alive_and_at_work(api: Server) -> None:
    await api.drain()

    ready = await api.client.get("/readyz")

    assert (ready.status_code, ready.json()) == (503, {"ok": False, "missing": ["draining"]})
    assert (await api.client.get("/livez")).status_code == 200
    await api.place()


async def test_without_postgresql_a_server_is_not_ready_but_alive(
    embedded: Servers, api: Server
) -> None:
    async with postgres_away(embedded):
        ready = await api.client.get("/readyz")
        alive = await api.client.get("/livez")

    assert (ready.status_code, ready.json()) == (503, {"ok": False, "missing": ["postgresql"]})
    assert alive.status_code == 200
    await eventually(lambda: _is_ready(api), within=BACK_WITHIN)


async def test_without_postgresql_orders_are_refused_and_soon_after_taken_again(
    embedded: Servers, api: Server, counts: Counts, database_url: str
) -> None:
    await api.place()

    async with postgres_away(embedded):
        placed = await api.client.post(EXECUTE, json=SELL_SOL, headers={"Idempotency-Key": "k"})
        read = await api.client.get("/api/orders")

    for answer in (placed, read):
        _is_retryable(answer, "unavailable")
    assert placed.json()["instance"] == EXECUTE
    assert placed.json()["detail"] == (
        "the outcome is unknown: ask again. With the same key, one order is placed at most"
    )
    again = await eventually(lambda: _accepted(api, key="k"), within=BACK_WITHIN)
    assert "idempotency-replayed" not in again.headers
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT count(*) FROM orders") == 2
    await connection.close()


async def test_a_crash_of_postgresql_gives_nothing_but_503_and_loses_no_answer(
    embedded: Servers, api: Server, database_url: str
) -> None:
    answers: list[httpx.Response] = []
    crashed = asyncio.Event()

    async def client(number: int) -> None:
        for n in range(1_000):
            name = f"{number}-{n}"
            body = SELL_SOL | {"clientOrderId": name}
            answers.append(await api.client.post(EXECUTE, json=body))
            if crashed.is_set() and answers[-1].status_code == 201:
                return

    async def crash() -> None:
        await eventually(lambda: len(answers) > 50)
        await asyncio.to_thread(embedded.postgres.restart, kill=True)
        crashed.set()

    await asyncio.gather(crash(), *(client(number) for number in range(8)))

    assert {answer.status_code for answer in answers} == {201, 503}
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch("SELECT order_id::text AS id FROM orders")
    await connection.close()
    accepted = {answer.json()["orderId"] for answer in answers if answer.status_code == 201}
    assert accepted <= {row["id"] for row in rows}


async def test_a_stream_goes_on_when_postgresql_is_back(
    embedded: Servers, api: Server, hand: Hand
) -> None:
    order_id = await api.place()
    async with api.stream(order_id) as stream:
        await told(stream)
        async with postgres_away(embedded):
            async with api.stream(order_id):
                pass  # who gives up meanwhile is no trouble
            patient = await api.stream(order_id)
        await eventually(lambda: _is_ready(api), within=BACK_WITHIN)
        await hand.finish(order_id)
        rest, code = await story(stream)
        whole, whole_code = await story(patient)
        await patient.close()

    assert ([step["seq"] for step in rest], code) == ([2, 3, 4, 5], 1000)
    assert ([step["seq"] for step in whole], whole_code) == ([1, 2, 3, 4, 5], 1000)


async def test_without_redis_orders_are_accepted_and_read_and_the_server_is_ready(
    embedded: Servers, api: Server, counts: Counts
) -> None:
    async with redis_away(embedded):
        answer = await api.client.post(EXECUTE, json=SELL_SOL)
        ready = await api.client.get("/readyz")
        alive = await api.client.get("/livez")
        read = await api.client.get(f"/api/orders/{answer.json()['orderId']}")

    assert answer.status_code == 201
    assert (ready.status_code, alive.status_code) == (200, 200)
    assert read.json()["status"] == "received"
    assert await counts() == {"orders": 1, "order_events": 1, "idempotency_keys": 0}


async def test_a_server_starts_without_redis_and_tells_a_whole_story(
    embedded: Servers, environment: dict[str, str], hand: Hand
) -> None:
    async with redis_away(embedded), serving(environment) as api:
        order_id = await api.place()
        async with api.stream(order_id) as stream:
            await told(stream)
            await hand.finish(order_id)
            rest, code = await story(stream)

    assert ([step["seq"] for step in rest], code) == ([2, 3, 4, 5], 1000)


async def test_a_server_waits_for_postgresql_and_then_starts(
    embedded: Servers, environment: dict[str, str]
) -> None:
    async def start() -> int:
        async with serving(environment) as api:
            return (await api.client.get("/readyz")).status_code

    async with postgres_away(embedded):
        starting = asyncio.create_task(start())
        await asyncio.wait([starting], timeout=0.2)
        waits = not starting.done()

    assert waits
    assert await asyncio.wait_for(starting, 10) == 200


async def test_an_old_backlog_is_an_overload_that_stores_nothing(
    environment: dict[str, str], counts: Counts
) -> None:
    async with serving(environment | {"MAX_BACKLOG_AGE_SECONDS": "0.1"}) as api:
        await api.place()
        answer = await eventually(lambda: _refused(api))
        before = await counts()
        await api.client.post(EXECUTE, json=SELL_SOL, headers={"Idempotency-Key": "k"})
        after = await counts()

    _is_retryable(answer, "overloaded")
    assert "has waited" in answer.json()["detail"]
    assert before == after
    assert after["idempotency_keys"] == 0


async def test_an_overload_ends_when_the_backlog_is_taken_up(
    environment: dict[str, str], hand: Hand
) -> None:
    async with serving(environment | {"MAX_BACKLOG_AGE_SECONDS": "0.5"}) as api:
        await api.place()
        await eventually(lambda: _refused(api))

        page = (await api.client.get("/api/orders?limit=500")).json()
        for order in page["orders"]:
            await hand.route(UUID(order["orderId"]))
        await eventually(lambda: _accepted(api))


async def test_too_many_waiting_accepts_are_an_overload_that_stores_nothing(
    environment: dict[str, str], counts: Counts, database_url: str
) -> None:
    async with serving(environment | {"MAX_WAITING_ACCEPTS": "2"}) as api:
        await api.place()  # so that a connection is open
        locker = await asyncpg.connect(database_url)
        transaction = locker.transaction()
        await transaction.start()
        await locker.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        committing = asyncio.create_task(api.place())
        await eventually(lambda: _is_locked_out(locker))

        asking = {asyncio.create_task(api.client.post(EXECUTE, json=SELL_SOL)) for _ in range(3)}
        await eventually(lambda: sum(each.done() for each in asking) == 2)
        refused = [each.result() for each in asking if each.done()]

        await transaction.rollback()
        await locker.close()
        await committing
        answers = await asyncio.gather(*asking)
    for answer in refused:
        _is_retryable(answer, "overloaded")
        assert answer.json()["detail"] == "2 accepts are waiting already"
    assert sorted(answer.status_code for answer in answers) == [201, 503, 503]
    assert (await counts())["orders"] == 3


async def test_a_client_that_hangs_up_leaves_no_half_order(api: Server, counts: Counts) -> None:
    body = json.dumps(SELL_SOL).encode()
    request = (
        b"POST /api/orders/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Idempotency-Key: %d\r\nContent-Length: %d\r\n\r\n%b"
    )
    errors = await _answers_of_500(api)

    async def hang_up(number: int) -> None:
        _, writer = await asyncio.open_connection(HOST, api.port)
        writer.write(request % (number, len(body), body))
        await writer.drain()
        for _ in range(number % 20):
            await asyncio.sleep(0)
        writer.transport.abort()

    for burst in range(10):
        await asyncio.gather(*(hang_up(burst * 20 + n) for n in range(20)))

    async def settled() -> dict[str, int]:
        before = await counts()
        await api.place()
        after = await counts()
        assert after["orders"] == before["orders"] + 1
        return after

    rows = await eventually(settled)
    assert rows["order_events"] == rows["orders"]
    assert 0 < rows["idempotency_keys"] < rows["orders"]
    assert await _answers_of_500(api) == errors
    async with asyncio.timeout(5):
        keyed = [await _accepted(api, key=str(n)) for n in range(200)]
    assert len({answer.json()["orderId"] for answer in keyed if answer}) == 200
    assert (await counts())["idempotency_keys"] == 200


async def _is_ready(api: Server) -> bool:
    return (await api.client.get("/readyz")).status_code == 200


async def _accepted(api: Server, key: str | None = None) -> httpx.Response | None:
    """The answer to an order, once it is accepted."""
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = await api.client.post(EXECUTE, json=SELL_SOL, headers=headers)
    return answer if answer.status_code == 201 else None


async def _refused(api: Server) -> httpx.Response | None:
    """The answer to an order, once it is refused."""
    answer = await api.client.post(EXECUTE, json=SELL_SOL)
    return answer if answer.status_code != 201 else None


async def _is_locked_out(connection: asyncpg.Connection) -> bool:
    """Whether a statement waits for a lock."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    return bool(await connection.fetchval(waiting))


async def _answers_of_500(api: Server) -> list[str]:
    text = (await api.client.get("/metrics")).text
    return [line for line in text.splitlines() if "requests_total" in line and '"500"' in line]


def _is_retryable(answer: httpx.Response, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (503, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["retryable"] is True
