"""The backlog is right where other signals are fooled: as entries, groups or all are lost.

In each case the length of a real stream, by our own broker, asks for the right workers. Beside it
stand what `lagCount` and `pendingEntriesCount` say then, so that nobody takes them up again.
"""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from orders.broker import GROUP
from orders.clock import SystemClock
from orders.domain.ids import uuid7
from orders.ports import Hint
from orders.queue import STREAM, RedisQueue
from orders.recovery import Recovery
from orders.store import PostgresStore
from tests.autoscaling.conftest import Hired
from tests.autoscaling.signals import ERROR, NULL, Readings, entries, length, readings, readings_at
from tests.autoscaling.taking import send
from tests.autoscaling.wanting import wakes, workers
from tests.factories import AT, an_order


async def test_a_hint_that_is_deleted_before_it_is_delivered_leaves_the_rest_counted(
    redis: Redis, queue: RedisQueue, hired: Hired
) -> None:
    await send(queue, 50)
    await hired(10).take(10)
    ids = await entries(redis)

    await redis.xdel(STREAM, ids[30])
    read = await readings(redis)

    assert read == Readings(length=49, lag=NULL, pending=10)
    assert [workers(read.length), workers(read.lag), workers(read.pending)] == [5, 1, 1]


async def test_a_group_that_is_made_late_hides_nothing_that_came_before(
    redis: Redis, queue: RedisQueue, hired: Hired
) -> None:
    await send(queue, 49)
    await redis.xgroup_create(STREAM, GROUP, id="$")  # as most clients do
    by_others = await readings(redis)
    await send(queue, 1)
    later = await readings(redis)
    await redis.xgroup_destroy(STREAM, GROUP)

    late = hired(10)
    await late.arrive()  # ours begins at 0
    by_ours = await readings(redis)

    # The lag says that nothing waits, and then that it does not know.
    assert by_others == Readings(length=49, lag=0, pending=0)
    assert (workers(by_others.length), wakes(by_others.lag)) == (5, False)
    assert later == Readings(length=50, lag=NULL, pending=0)
    assert by_ours == Readings(length=50, lag=50, pending=0)
    assert len(await late.take(10)) == 10


async def test_a_group_that_is_moved_makes_the_lag_unknown_and_not_the_length(
    redis: Redis, queue: RedisQueue, hired: Hired
) -> None:
    await send(queue, 50)
    await hired(10).take(10)
    ids = await entries(redis)

    await redis.xgroup_setid(STREAM, GROUP, ids[4])
    read = await readings(redis)

    assert read == Readings(length=50, lag=NULL, pending=10)
    assert (workers(read.length), wakes(read.lag)) == (5, False)


async def test_a_group_that_is_lost_is_made_anew_under_the_same_length(
    redis: Redis, queue: RedisQueue, hired: Hired
) -> None:
    await send(queue, 30)
    worker = hired(40)
    await worker.take(10)

    await redis.xgroup_destroy(STREAM, GROUP)
    lost = await readings(redis)
    await worker.take(20)  # what was fetched and not started yet
    await worker.take(10)  # and delivered again, by the group that it made
    found = await readings(redis)

    assert lost == Readings(length=30, lag=30, pending=ERROR)
    assert (found.length, workers(found.length)) == (30, 3)


async def test_a_consumer_that_is_deleted_by_hand_leaves_entries_that_count_for_ever(
    redis: Redis, queue: RedisQueue
) -> None:
    """Never do that: its orders are finished all the same, by the sweep, but the length stays
    too high by as many until the stream is made anew. Our workers give back, then leave."""
    await send(queue, 20)
    await redis.xgroup_create(STREAM, GROUP, id="0")
    await redis.xreadgroup(GROUP, "dead", {STREAM: ">"})

    await redis.xgroup_delconsumer(STREAM, GROUP, "dead")

    assert await readings(redis) == Readings(length=20, lag=0, pending=0)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(database_url)
    await store.open()
    yield store
    await store.close()


async def accept(store: PostgresStore, queue: RedisQueue, count: int) -> None:
    """Store orders and hint at them, as the API does."""
    for number in range(count):
        order = an_order(id=uuid7(AT, number))
        await store.add(order, (), "")
        queue.enqueue([Hint(order.id, AT)])
    await queue.drain()


async def test_after_redis_forgets_everything_the_sweep_brings_the_backlog_back(
    redis: Redis, queue: RedisQueue, store: PostgresStore
) -> None:
    recovery = Recovery(store=store, queue=queue, clock=SystemClock())
    await queue.mark()
    await accept(store, queue, 40)
    before = await readings(redis)

    await redis.flushall()
    lost = await readings(redis)
    await recovery.sweep()
    await queue.drain()
    swept = await readings(redis)

    assert before.length == 40
    # For one sweep, a second, the length says that nothing waits. That is right of what a worker
    # could take, so one more would not help, and wrong of what is left to do. A HPA that had
    # 4 workers keeps them: down goes only what was wanted for 300 s. KEDA would go to none only
    # after its cooldown.
    assert lost == Readings(length=0, lag=0, pending=ERROR)
    assert (swept.length, workers(swept.length)) == (40, 4)


async def test_an_order_that_is_hinted_again_counts_twice_until_both_hints_are_done(
    redis: Redis, queue: RedisQueue, hired: Hired, database_url: str
) -> None:
    store = PostgresStore(database_url, backstop=timedelta(microseconds=1))
    await store.open()
    await queue.mark()
    await accept(store, queue, 40)

    await Recovery(store=store, queue=queue, clock=SystemClock()).sweep()
    await queue.drain()
    doubled = await length(redis)
    await store.close()
    worker = hired(80)
    await worker.finish(await worker.take(80))

    assert (doubled, workers(doubled)) == (80, 8)  # four would do
    assert (await readings_at(redis, 0)).length == 0


async def test_where_no_worker_is_left_nobody_brings_a_lost_backlog_back(
    redis: Redis, queue: RedisQueue
) -> None:
    """Why `minReplicas` is 1: workers sweep. A later order wakes one, and it finds the others."""
    await send(queue, 40)

    await redis.flushall()

    assert not wakes(await length(redis))
    await send(queue, 1)
    assert wakes(await length(redis))
