"""What comes through the queue: the same again, and what is not ours."""

import asyncio
import json
from uuid import uuid4

from orders.clock import SystemClock
from orders.ports import Hint
from orders.queue import STREAM, RedisQueue, encode
from tests.e2e.engine import SHORT_LEASES, STORY, Engine, statuses


async def test_an_order_that_is_delivered_ten_times_is_executed_once(engine: Engine) -> None:
    await engine.api()
    order_id = await engine.place()
    queue = RedisQueue(engine.redis)
    queue.enqueue([Hint(order_id, SystemClock().now())] * 10)
    await queue.drain()
    assert await engine.redis.xlen(STREAM) == 11

    workers = [engine.start("worker", PAPER_EXECUTION_LATENCY_MS="300") for _ in range(2)]
    await asyncio.gather(*(worker.ready() for worker in workers))
    await engine.until(order_id, "confirmed")
    await engine.queue_empty()

    assert statuses(await engine.events(order_id)) == STORY
    assert await engine.one("SELECT count(*) FROM order_attempts") == 1
    await engine.prove()


def a_message(*args: object, **fields: object) -> bytes:
    """A task as taskiq writes it."""
    usual = {"task_id": "1", "task_name": "orders.execute", "labels": {}, "kwargs": {}}
    return json.dumps(usual | {"args": args} | fields).encode()


A_HINT = encode(Hint(uuid4(), SystemClock().now()))
UNKNOWN: dict[str, dict[bytes, bytes]] = {
    "an unknown order": {b"data": A_HINT},
    "an unknown order, from taskiq": {b"data": a_message(str(uuid4()), 1)},
}
MALFORMED: dict[str, dict[bytes, bytes]] = {
    "garbage": {b"data": b"\xff\x00garbage"},
    "no data": {b"other": b"field"},
    "text that is not UTF-8": {b"data": A_HINT.replace(b"orders.", b"orders\xff")},
    "not a task": {b"data": b'{"task_id": 1}'},
    "too deep": {b"data": A_HINT.replace(b'"labels":{}', b'"labels":{"a":%s}' % (b"[" * 99_999))},
    "an unknown task": {b"data": a_message(task_name="nobody.knows")},
    "an unknown acknowledgement": {b"data": a_message(str(uuid4()), 1, labels={"ack_type": "no"})},
    "a malformed id": {b"data": a_message("not-an-id", 1)},
    "an id that is a number": {b"data": a_message(7, 1)},
    "a time that is text": {b"data": a_message(str(uuid4()), "noon")},
    "a time beyond all": {b"data": a_message(str(uuid4()), 10**30)},
    "too few arguments": {b"data": a_message()},
    "too many arguments": {b"data": a_message(str(uuid4()), 1, 2)},
}


async def test_messages_that_are_not_ours_are_counted_and_block_nothing(engine: Engine) -> None:
    for fields in (*UNKNOWN.values(), *MALFORMED.values()):
        await engine.redis.xadd(STREAM, fields)  # type: ignore[arg-type]
    slots = {"WORKER_CONCURRENCY": "2"}  # fewer than there are strange messages
    _, worker = await engine.whole(**SHORT_LEASES, **slots)

    placed = await asyncio.gather(*(engine.place() for _ in range(5)))

    await engine.all_confirmed(len(placed))
    await engine.queue_empty()
    assert await engine.redis.xpending(STREAM, "workers") == {
        "pending": 0,
        "min": None,
        "max": None,
        "consumers": [],
    }
    counted = await worker.metrics("order_engine_deliveries_dropped_total")
    assert counted['{reason="malformed"}'] == len(MALFORMED)
    assert counted['{reason="unknown"}'] == len(UNKNOWN)
