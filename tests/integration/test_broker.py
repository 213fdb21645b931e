"""The stream broker on a real Redis, and what taskiq makes of its messages."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis
from taskiq import AckableMessage, BrokerMessage, TaskiqEvents, TaskiqState
from taskiq.receiver import Receiver

from orders.broker import GROUP, StreamBroker
from orders.cancelling import end
from orders.clock import SystemClock
from orders.ports import Hint, Horizon
from orders.queue import EPOCH, STREAM, TASK, RedisQueue, encode
from orders.redis import TIMEOUT
from services.cli.redis import Redis as Server
from services.worker.tasks import register
from tests.backing import Backing
from tests.eventually import eventually
from tests.factories import AT
from tests.fakes.clock import FakeClock

TICK = timedelta(milliseconds=50)
SOON = timedelta(milliseconds=200)
NEVER = timedelta(hours=1)

Opened = Callable[..., StreamBroker]
Listening = AsyncGenerator[AckableMessage, None]


@pytest.fixture
async def opened(redis_url: str) -> AsyncIterator[Opened]:
    """Opens a worker's broker, which leaves when the test ends."""
    async with AsyncExitStack() as stack:

        def open_broker(*, slots: int = 10, reclaim_after: timedelta = SOON) -> StreamBroker:
            broker = StreamBroker(
                redis_url,
                clock=SystemClock(),
                slots=slots,
                reclaim_after=reclaim_after,
                tick=TICK,
            )
            broker.is_worker_process = True
            stack.push_async_callback(broker.shutdown)
            return broker

        yield open_broker


@pytest.fixture
def server(servers: Backing) -> Server:
    """A Redis that the test may restart."""
    if servers.embedded is None:
        pytest.skip("only embedded servers can be restarted")
    return servers.embedded.redis


@asynccontextmanager
async def listening(broker: StreamBroker) -> AsyncIterator[Listening]:
    await broker.startup()
    messages = broker.listen()
    try:
        yield messages
    finally:
        await messages.aclose()


@asynccontextmanager
async def working(broker: StreamBroker) -> AsyncIterator[list[UUID]]:
    """A worker's receiver. Answers the orders that it ran, as they come."""
    ran: list[UUID] = []

    async def run(order_id: UUID, _: str | None) -> None:
        ran.append(order_id)

    register(broker, run=run, clock=SystemClock())
    enough = asyncio.Event()
    receiving = asyncio.create_task(Receiver(broker, max_async_tasks=10).listen(enough))
    try:
        yield ran
    finally:
        enough.set()
        await receiving


async def taken(messages: Listening, count: int = 1) -> list[AckableMessage]:
    """The next messages, unless they do not come."""
    got: list[AckableMessage] = []
    async with asyncio.timeout(10):
        while len(got) < count:
            got.append(await anext(messages))
    return got


async def acknowledge(message: AckableMessage) -> None:
    done = message.ack()
    assert done is not None
    await done


def a_hint(number: int = 1) -> Hint:
    return Hint(UUID(int=number), AT + timedelta(seconds=number))


def bodies(*hints: Hint) -> list[bytes]:
    return [encode(hint) for hint in hints]


async def pending(redis: Redis) -> int:
    """How many entries are delivered and not acknowledged."""
    summary: Any = await redis.xpending(STREAM, GROUP)
    return int(summary["pending"])


async def send(queue: RedisQueue, *hints: Hint) -> None:
    queue.enqueue(hints)
    await queue.drain()


# The message


async def test_a_hint_is_written_in_taskiqs_own_format(opened: Opened) -> None:
    at = datetime(2026, 11, 22, 12, 0, 0, 7, tzinfo=UTC)
    order_id = UUID(int=5)

    message = opened().formatter.loads(encode(Hint(order_id, at)))

    assert (message.task_name, message.task_id) == (TASK, order_id.hex)
    # 1,795,348,800 s from 1970-01-01 to 2026-11-22 12:00 UTC, and 7 us
    assert message.args == [str(order_id), 1_795_348_800_000_007]
    assert (message.kwargs, message.labels) == ({}, {})


async def test_a_hint_runs_its_order(opened: Opened, queue: RedisQueue) -> None:
    async with working(opened()) as ran:
        queue.enqueue([a_hint(1), a_hint(2)])

        await eventually(lambda: len(ran) == 2)

    assert sorted(ran) == [UUID(int=1), UUID(int=2)]


async def test_a_task_that_is_sent_by_taskiq_itself_runs(opened: Opened, redis: Redis) -> None:
    broker = opened()
    async with working(broker) as ran:
        task = broker.find_task(TASK)
        assert task is not None
        await task.kiq(str(UUID(int=3)), 0)

        await eventually(lambda: ran == [UUID(int=3)])
        await eventually(lambda: _is_empty(redis))


async def test_what_makes_no_sense_is_dropped_and_blocks_nothing(
    opened: Opened, queue: RedisQueue, redis: Redis
) -> None:
    unknown = BrokerMessage(task_id="1", task_name="no.such.task", message=b"", labels={})
    async with working(opened()) as ran:
        await redis.xadd(STREAM, {b"data": b"garbage"})
        await redis.xadd(STREAM, {b"other": b"field"})
        await redis.xadd(STREAM, {b"data": encode(a_hint(9)).replace(b"orders", b"nobodys")})
        await opened().kick(unknown)
        await redis.xadd(STREAM, {b"data": encode(a_hint(8)).replace(b"-0000-", b"-zero-")})

        await send(queue, a_hint(1))

        await eventually(lambda: ran == [UUID(int=1)])
        await eventually(lambda: _is_empty(redis))
    assert await pending(redis) == 0


async def _is_empty(redis: Redis) -> bool:
    return await redis.xlen(STREAM) == 0


# Fetching


async def test_what_was_sent_before_there_was_a_group_is_delivered(
    opened: Opened, queue: RedisQueue
) -> None:
    await send(queue, a_hint(1))

    async with listening(opened()) as messages:
        (message,) = await taken(messages)

    assert message.data == encode(a_hint(1))


async def test_no_more_is_fetched_than_there_are_free_slots(
    opened: Opened, queue: RedisQueue, redis: Redis
) -> None:
    await send(queue, *(a_hint(n) for n in range(10)))
    async with listening(opened(slots=3)) as messages:
        first = await taken(messages)
        after_first = await pending(redis)
        rest = await taken(messages, 2)
        await acknowledge(first[0])
        await acknowledge(rest[0])
        await eventually(lambda: _pending_is(redis, 1))
        await taken(messages)

        after_acks = await pending(redis)

    assert (after_first, after_acks) == (3, 3)


async def _pending_is(redis: Redis, count: int) -> bool:
    return await pending(redis) == count


async def test_the_length_of_the_stream_is_the_backlog(
    opened: Opened, queue: RedisQueue, redis: Redis
) -> None:
    await send(queue, *(a_hint(n) for n in range(3)))
    async with listening(opened()) as messages:
        three = await taken(messages, 3)
        worked_on = await redis.xlen(STREAM)
        for message in three:
            await acknowledge(message)
        await eventually(lambda: _is_empty(redis))

    assert worked_on == 3
    assert await pending(redis) == 0
    statistics = await redis.info("commandstats")
    assert statistics["cmdstat_exec"]["calls"] >= 1  # acknowledged and deleted in one MULTI


async def test_an_entry_is_acknowledged_and_deleted_at_one_stroke(
    opened: Opened, queue: RedisQueue, redis: Redis
) -> None:
    await send(queue, a_hint(1))
    async with listening(opened()) as messages, redis.monitor() as monitor:
        (message,) = await taken(messages)
        await acknowledge(message)
        seen = await _commands_until(monitor, "EXEC")

    ours = [command for command in seen if command in {"MULTI", "XACK", "XDEL", "EXEC"}]
    assert ours == ["MULTI", "XACK", "XDEL", "EXEC"]


async def _commands_until(monitor: Any, last: str) -> list[str]:
    """The names of the commands that Redis was given, up to the first `last`."""
    seen: list[str] = []
    async with asyncio.timeout(10):
        while last not in seen:
            told = await monitor.next_command()
            seen.append(told["command"].split()[0].upper())
    return seen


async def test_a_worker_may_idle_for_longer_than_a_read_blocks(
    opened: Opened, queue: RedisQueue
) -> None:
    async with listening(opened()) as messages:
        waiting = asyncio.ensure_future(anext(messages))
        done, _ = await asyncio.wait([waiting], timeout=10 * TICK.total_seconds())

        await send(queue, a_hint(1))

        assert not done
        assert (await asyncio.wait_for(waiting, 10)).data == encode(a_hint(1))


async def test_a_blocking_read_never_outlasts_its_socket(opened: Opened) -> None:
    broker = opened()

    assert broker.block == 50  # milliseconds
    assert broker.connection_pool.connection_kwargs["socket_timeout"] == (
        TIMEOUT.total_seconds() + TICK.total_seconds()
    )


def test_a_broker_that_does_not_listen_yet_is_not_stuck(redis_url: str) -> None:
    clock = FakeClock()
    broker = StreamBroker(redis_url, clock=clock, slots=1)

    clock.advance(timedelta(hours=1))

    assert not broker.is_stuck()


async def test_a_broker_that_listens_and_asks_for_nothing_though_it_could_is_stuck(
    opened: Opened,
) -> None:
    broker = opened(slots=1)
    async with listening(broker) as messages:
        waiting = asyncio.ensure_future(anext(messages))
        await eventually(lambda: broker.is_stuck(patience=TICK / 5))  # one read lasts a tick

        assert not broker.is_stuck()

        await end([waiting])


async def test_a_broker_with_all_hands_full_is_not_stuck(opened: Opened, queue: RedisQueue) -> None:
    await send(queue, a_hint(1))
    broker = opened(slots=1)
    async with listening(broker) as messages:
        await taken(messages)

        assert not broker.is_stuck(patience=timedelta(0))


# Other workers' messages


async def test_what_a_dead_worker_held_is_reclaimed_without_any_new_message(
    opened: Opened, queue: RedisQueue, redis: Redis
) -> None:
    hints = [a_hint(n) for n in range(3)]
    await send(queue, *hints)
    await redis.xgroup_create(STREAM, GROUP, id="0")
    await redis.xreadgroup(GROUP, "dead", {STREAM: ">"})

    async with listening(opened()) as messages:
        got = await taken(messages, 3)

    assert [message.data for message in got] == bodies(*hints)


async def test_a_slow_task_of_a_living_worker_is_not_reclaimed(
    opened: Opened, queue: RedisQueue
) -> None:
    await send(queue, a_hint(1))
    async with listening(opened()) as busy, listening(opened()) as other:
        await taken(busy)

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5 * SOON.total_seconds()):
                await anext(other)


async def test_a_task_that_goes_on_after_listening_has_ended_is_not_reclaimed(
    opened: Opened, queue: RedisQueue
) -> None:
    await send(queue, a_hint(1))
    async with listening(opened()) as stopping:
        await taken(stopping)

    async with listening(opened()) as other:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5 * SOON.total_seconds()):
                await anext(other)


async def test_what_was_fetched_and_not_started_is_handed_back(
    opened: Opened, queue: RedisQueue
) -> None:
    await send(queue, *(a_hint(n) for n in range(3)))
    async with listening(opened(reclaim_after=NEVER)) as stopping:
        await taken(stopping)

    async with listening(opened(reclaim_after=NEVER)) as other:
        got = await taken(other, 2)

    assert [message.data for message in got] == bodies(a_hint(1), a_hint(2))


async def test_what_was_not_finished_is_handed_back_at_shutdown(
    opened: Opened, queue: RedisQueue, redis: Redis
) -> None:
    await send(queue, a_hint(1), a_hint(2))
    stopping = opened(reclaim_after=NEVER)
    async with listening(stopping) as messages:
        done, _ = await taken(messages, 2)
    await acknowledge(done)
    await stopping.shutdown()

    async with listening(opened(reclaim_after=NEVER)) as other:
        got = await taken(other)
        consumers: Any = await redis.xinfo_consumers(STREAM, GROUP)

    assert [message.data for message in got] == bodies(a_hint(2))
    assert len(consumers) == 1


async def test_orders_are_let_go_of_before_their_hints_are(
    queue: RedisQueue, redis: Redis, opened: Opened
) -> None:
    await send(queue, a_hint(1))
    broker = opened()
    seen: list[int] = []

    async def hand_over(_: TaskiqState) -> None:
        seen.append(await pending(redis))

    broker.add_event_handler(TaskiqEvents.WORKER_SHUTDOWN, hand_over)
    async with listening(broker) as messages:
        await taken(messages)
    await broker.shutdown()

    assert seen == [1]
    assert await pending(redis) == 0


# Losses


async def test_a_worker_outlives_a_redis_that_forgets_everything(
    opened: Opened, queue: RedisQueue, redis: Redis
) -> None:
    await queue.mark()
    async with listening(opened()) as messages:
        waiting = asyncio.ensure_future(anext(messages))
        await eventually(lambda: _is_read(redis))

        await redis.flushall()
        lost = await queue.horizon()
        await send(queue, a_hint(1))
        message = await asyncio.wait_for(waiting, 10)

    assert lost == Horizon(oldest=None, lost=True)
    assert message.data == encode(a_hint(1))


async def test_a_worker_that_finds_its_stream_gone_lets_the_sweep_know(
    opened: Opened, queue: RedisQueue, redis: Redis
) -> None:
    await queue.mark()
    async with listening(opened()) as messages:
        waiting = asyncio.ensure_future(anext(messages))
        await eventually(lambda: _is_read(redis))

        await redis.delete(STREAM)

        await eventually(lambda: _is_lost(queue))
        await send(queue, a_hint(1))
        assert (await asyncio.wait_for(waiting, 10)).data == encode(a_hint(1))


async def test_what_runs_while_redis_forgets_still_takes_its_slot(
    opened: Opened, queue: RedisQueue, redis: Redis
) -> None:
    await send(queue, a_hint(1))
    async with listening(opened(slots=2)) as messages:
        await taken(messages)
        await redis.flushall()

        await send(queue, *(a_hint(n) for n in range(2, 6)))
        await taken(messages)

        assert await pending(redis) == 1


async def _is_read(redis: Redis) -> bool:
    clients: Any = await redis.client_list()
    return any(client["cmd"] == "xreadgroup" and "b" in client["flags"] for client in clients)


async def _is_lost(queue: RedisQueue) -> bool:
    horizon = await queue.horizon()
    return horizon is not None and horizon.lost


async def test_an_error_that_is_no_loss_leaves_the_mark(
    opened: Opened, queue: RedisQueue, redis: Redis
) -> None:
    await queue.mark()
    await redis.set(STREAM, "not a stream")
    async with listening(opened()) as messages:
        waiting = asyncio.ensure_future(anext(messages))
        done, _ = await asyncio.wait([waiting], timeout=5 * TICK.total_seconds())
        marked = await redis.exists(EPOCH)

        await redis.delete(STREAM)
        await send(queue, a_hint(1))

        assert (await asyncio.wait_for(waiting, 10)).data == encode(a_hint(1))
    assert (done, marked) == (set(), 1)


async def test_a_worker_outlives_a_crash_of_redis(
    opened: Opened, queue: RedisQueue, server: Server
) -> None:
    await queue.mark()
    async with working(opened()) as ran:
        await send(queue, a_hint(1))
        await eventually(lambda: ran == [UUID(int=1)])

        await asyncio.to_thread(server.restart, kill=True)

        await eventually(lambda: _is_lost(queue))
        await eventually(lambda: _runs(queue, ran))


async def _runs(queue: RedisQueue, ran: list[UUID]) -> bool:
    """Whether a hint runs by now; the first ones may meet a connection that is gone."""
    await send(queue, a_hint(2))
    return UUID(int=2) in ran


async def test_a_worker_may_start_before_redis_does(
    opened: Opened, queue: RedisQueue, server: Server
) -> None:
    await asyncio.to_thread(server.stop)
    try:
        async with working(opened()) as ran:
            unreachable = await queue.horizon()
            await asyncio.to_thread(server.start)

            await eventually(lambda: _runs(queue, ran))
    finally:
        await asyncio.to_thread(server.start)

    assert unreachable is None


async def test_a_failure_of_the_workers_own_start_is_not_taken_for_one_of_redis(
    opened: Opened,
) -> None:
    broker = opened()

    async def port_is_taken(_: TaskiqState) -> None:
        raise OSError("the port is taken")

    broker.add_event_handler(TaskiqEvents.WORKER_STARTUP, port_is_taken)

    with pytest.raises(OSError, match="the port is taken"):
        await broker.startup()


# The horizon


async def test_the_oldest_work_is_what_was_hinted_at_first_even_while_it_is_worked_on(
    opened: Opened, queue: RedisQueue
) -> None:
    await queue.mark()
    await send(queue, a_hint(1), a_hint(2))
    async with listening(opened()) as messages:
        first, _ = await taken(messages, 2)
        before = await queue.horizon()
        await acknowledge(first)

        async def moved_on() -> bool:
            return await queue.horizon() == Horizon(a_hint(2).at, lost=False)

        await eventually(moved_on)

    assert before == Horizon(a_hint(1).at, lost=False)


@pytest.mark.parametrize(
    "body", [b"garbage", b'{"args": []}', encode(a_hint()).replace(b"1795", b"917953488000")]
)
async def test_a_message_that_is_not_ours_hides_no_loss_and_makes_none(
    queue: RedisQueue, redis: Redis, body: bytes
) -> None:
    await redis.xadd(STREAM, {b"data": body})

    horizon = await queue.horizon()

    assert horizon is not None
    assert horizon.oldest == datetime(1970, 1, 1, tzinfo=UTC)


async def test_a_stop_that_redis_py_does_not_hear_of_ends_the_listening(
    redis_url: str, queue: RedisQueue
) -> None:
    class Deaf(StreamBroker):
        """Loses the cancellation of a fetch, as redis-py does while it connects."""

        async def _fetch(self) -> list[Any]:
            try:
                return await super()._fetch()
            except asyncio.CancelledError:
                return []

    broker = Deaf(redis_url, clock=SystemClock(), slots=10, tick=NEVER)
    broker.is_worker_process = True
    async with asyncio.timeout(10):
        async with working(broker) as ran:
            queue.enqueue([a_hint()])
            await eventually(lambda: len(ran) == 1)
        await broker.shutdown()
