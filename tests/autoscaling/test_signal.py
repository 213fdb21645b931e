"""The backlog is right where other signals are fooled: as workers come, work, die and leave.

In each case the length of a real stream, by our own broker, asks for the right workers. Beside it
stand what `lagCount` and `pendingEntriesCount` say then, so that nobody takes them up again.
"""

from redis.asyncio import Redis

from orders.broker import GROUP
from orders.queue import STREAM, RedisQueue
from tests.autoscaling.conftest import Hired
from tests.autoscaling.signals import ERROR, NULL, Readings, length, readings, readings_at
from tests.autoscaling.taking import send
from tests.autoscaling.wanting import wakes, workers


async def test_a_stream_that_never_was_asks_for_the_least(redis: Redis) -> None:
    read = await readings(redis)

    assert read == Readings(length=0, lag=0, pending=ERROR)
    assert (workers(read.length), wakes(read.length)) == (1, False)


async def test_a_stream_that_is_done_asks_for_the_least(
    redis: Redis, queue: RedisQueue, hired: Hired
) -> None:
    await send(queue, 10)
    worker = hired(10)

    await worker.finish(await worker.take(10))
    read = await readings_at(redis, 0)

    assert read == Readings(length=0, lag=0, pending=0)
    assert (workers(read.length, 4), wakes(read.length)) == (1, False)


async def test_orders_that_no_worker_has_ever_seen_wake_one(
    redis: Redis, queue: RedisQueue
) -> None:
    await send(queue, 35)

    read = await readings(redis)

    # KEDA reads the length itself while there is no group; XPENDING is an error, and wakes nobody.
    assert read == Readings(length=35, lag=35, pending=ERROR)
    assert (workers(read.length), wakes(read.length), wakes(read.pending)) == (4, True, False)


async def test_acknowledgements_out_of_order_hide_nothing(
    redis: Redis, queue: RedisQueue, hired: Hired
) -> None:
    await send(queue, 50)
    worker = hired(10)
    taken = await worker.take(10)

    await worker.finish(taken[-1:])  # the last one first: normal, with orders side by side
    read = await readings_at(redis, 49)

    # 40 wait and 9 are worked on. The lag is gone, and KEDA takes all workers away.
    assert read == Readings(length=49, lag=NULL, pending=9)
    assert [workers(read.length), workers(read.lag), workers(read.pending)] == [5, 1, 1]
    assert (wakes(read.length), wakes(read.lag)) == (True, False)


async def test_a_worker_that_takes_much_and_finishes_nothing_is_seen(
    redis: Redis, queue: RedisQueue, hired: Hired
) -> None:
    await send(queue, 30)
    hoarder = hired(30)

    await hoarder.take(30)
    read = await readings(redis)
    await send(queue, 20)
    later = await readings(redis)

    # The lag calls it idle, and would take away the worker that holds 30 orders.
    assert read == Readings(length=30, lag=0, pending=30)
    assert (workers(read.length), wakes(read.lag)) == (3, False)
    assert later == Readings(length=50, lag=20, pending=30)
    assert [workers(later.length), workers(later.lag), workers(later.pending)] == [5, 2, 3]


async def test_what_a_dead_worker_held_counts_until_another_has_finished_it(
    redis: Redis, queue: RedisQueue, hired: Hired
) -> None:
    await send(queue, 20)
    await redis.xgroup_create(STREAM, GROUP, id="0")
    await redis.xreadgroup(GROUP, "dead", {STREAM: ">"})

    dead = await readings(redis)
    heir = hired(20)
    inherited = await heir.take(20)
    reclaimed = await readings(redis)
    await heir.finish(inherited)
    done = await readings_at(redis, 0)

    # By the lag there is no work at all, so nobody would be left to reclaim it.
    assert dead == reclaimed == Readings(length=20, lag=0, pending=20)
    assert (workers(dead.length), wakes(dead.length), wakes(dead.lag)) == (2, True, False)
    assert done == Readings(length=0, lag=0, pending=0)


async def test_a_worker_that_leaves_takes_nothing_out_of_the_count(
    redis: Redis, queue: RedisQueue, hired: Hired
) -> None:
    await send(queue, 20)
    leaving = hired(20)
    await leaving.take(20)

    before = await readings(redis)
    await leaving.leave()
    after = await readings(redis)

    assert before == Readings(length=20, lag=0, pending=20)
    assert (after.length, after.pending) == (20, 0)
    assert workers(before.length) == workers(after.length) == 2


async def test_a_long_backlog_wants_the_most_and_then_fewer_as_it_drains(
    redis: Redis, queue: RedisQueue, hired: Hired
) -> None:
    await send(queue, 500)
    worker = hired(50)
    seen = [workers(await length(redis), 20)]
    for left in range(450, -50, -50):
        await worker.finish(await worker.take(50))
        seen.append(workers((await readings_at(redis, left)).length, seen[-1]))

    #        500 450 400 350 300 250 200 150 100 50 0, ten each; 20 are the most and 1 the least
    assert seen == [20, 20, 20, 20, 20, 20, 20, 15, 10, 5, 1]


async def test_a_burst_is_seen_whole_at_once(redis: Redis, queue: RedisQueue) -> None:
    await send(queue, 3)
    before = await length(redis)

    await send(queue, 170)

    assert (before, await length(redis)) == (3, 173)
    assert workers(173) == 18
