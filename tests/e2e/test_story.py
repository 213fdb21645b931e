"""An order's whole way: over HTTP in, through the queue, out over the WebSocket."""

import asyncio
from functools import partial
from uuid import uuid4

import httpx

from orders.store.migrate import migrate
from tests.e2e.engine import PATIENCE, STORY, Engine, seqs, statuses, story
from tests.eventually import eventually


async def test_a_subscriber_is_told_every_step_from_receipt_to_fill(engine: Engine) -> None:
    await engine.whole(PAPER_EXECUTION_LATENCY_MS="100")

    order_id = await engine.place()
    async with engine.stream(order_id) as socket:
        steps, code = await story(socket)

    assert (seqs(steps), statuses(steps), code) == ([1, 2, 3, 4, 5], STORY, 1000)
    assert {step["orderId"] for step in steps} == {str(order_id)}
    assert [step.get("final", False) for step in steps] == [False] * 4 + [True]
    route, result = steps[2]["route"], steps[4]["result"]
    assert [quote["dex"] for quote in route["quotes"]] == ["meteora", "raydium"]
    outs = {quote["dex"]: int(quote["out"]) for quote in route["quotes"]}
    assert int(route["expectedOut"]) == outs[route["dex"]] == max(outs.values())
    assert result["dex"] == route["dex"]
    assert result["txHash"] == steps[3]["transaction"]["txHash"]
    assert (result["expectedOut"], result["minOut"]) == (route["expectedOut"], route["minOut"])
    assert int(result["actualOut"]) >= int(result["minOut"])


async def test_stream_order_and_history_tell_the_same(engine: Engine) -> None:
    await engine.whole()

    order_id = await engine.place()
    async with engine.stream(order_id) as socket:
        steps, _ = await story(socket)
    order = await engine.get(f"/api/orders/{order_id}")

    assert await engine.events(order_id) == steps
    last = steps[-1]
    assert (order["status"], order["seq"], order["result"]) == ("confirmed", 5, last["result"])
    (row,) = await engine.fetch(
        "SELECT status, dex, tx_hash, expected_out, actual_out, failure_reason FROM orders"
    )
    assert tuple(row) == (
        "confirmed",
        last["result"]["dex"],
        last["result"]["txHash"],
        int(last["result"]["expectedOut"]),
        int(last["result"]["actualOut"]),
        None,
    )
    await engine.prove()


async def test_a_late_subscriber_gets_the_whole_story(engine: Engine) -> None:
    await engine.whole()
    order_id = await engine.place()
    await engine.until(order_id, "confirmed")

    async with engine.stream(order_id) as socket:
        steps, code = await story(socket)
    async with engine.stream(order_id, "?fromSeq=4") as socket:
        rest, rest_code = await story(socket)

    assert (steps, code) == (await engine.events(order_id), 1000)
    assert (rest, rest_code) == (steps[3:], 1000)


async def test_a_subscriber_without_an_order_is_turned_away(engine: Engine) -> None:
    await engine.api()

    async with engine.stream(uuid4()) as early:
        unknown = await story(early)
    async with engine.stream("not-an-id") as wrong:
        malformed = await story(wrong)

    assert (unknown, malformed) == (([], 4404), ([], 4400))


async def test_fifty_subscribers_of_fifty_orders_each_hear_their_own(engine: Engine) -> None:
    await engine.whole()

    async def follow() -> tuple[set[str], list[int], int]:
        order_id = await engine.place()
        async with engine.stream(order_id) as socket:
            steps, code = await story(socket)
        assert {step["orderId"] for step in steps} == {str(order_id)}
        return {str(order_id)}, seqs(steps), code

    heard = await asyncio.gather(*(follow() for _ in range(50)))

    assert [each[1:] for each in heard] == [([1, 2, 3, 4, 5], 1000)] * 50
    await engine.prove()


async def test_processes_wait_for_their_tables_and_then_work(unmigrated: Engine) -> None:
    api, worker = unmigrated.start("api"), unmigrated.start("worker")
    for each in (api, worker):
        await eventually(partial(each.told, "start.waiting", what="PostgreSQL"), PATIENCE)
        assert ": migrations are missing, apply them: 0001_orders" in each.log
    async with httpx.AsyncClient(base_url=worker.url, trust_env=False) as probe:
        alive, ready = await probe.get("/livez"), await probe.get("/readyz")
    assert (alive.status_code, ready.status_code) == (200, 503)
    assert ready.json()["missing"] == ["reconciliation", "postgresql"]

    await migrate(unmigrated.database_url)

    await asyncio.gather(api.ready(), worker.ready())
    unmigrated.client.base_url = httpx.URL(api.url)
    await unmigrated.until(await unmigrated.place(), "confirmed")
