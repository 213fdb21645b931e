"""Traffic and trouble: whatever an operator may have to see happens here once, and is waited for
until Prometheus has seen it."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from uuid import UUID, uuid4

import httpx

from orders.clock import SystemClock
from orders.domain.errors import FailureCode
from orders.ports import Hint
from orders.queue import STREAM, RedisQueue
from tests.e2e.engine import SELL_SOL, Engine, story
from tests.e2e.test_stream_faults import narrow_socket
from tests.eventually import eventually
from tests.observability.clients import EXECUTE, Clients
from tests.observability.faults import Fault
from tests.observability.stage import Stage

MANY = 16
"""Of slow orders: each worker holds some of them."""
BURST = 36
"""Of slow orders: more than twice what both workers can hold."""
SOON = timedelta(seconds=60)
POLL = timedelta(milliseconds=100)
FREEZES, LOST_WITHIN = 5, timedelta(seconds=6)
ORDERS = "SELECT order_id FROM orders"
DONE, MALFORMED_ID, NO_SUCH_ORDER = 1000, 4400, 4404


async def play(stage: Stage, engine: Engine, minutes: float = 0) -> None:
    """All of it, spread over `minutes` if told, and the end of every order."""
    await Load(stage, engine).play(minutes * 60)


class Load:
    """What clients do, and what befalls the engine meanwhile."""

    def __init__(self, stage: Stage, engine: Engine) -> None:
        self._stage = stage
        self._engine = engine
        self._clients = Clients(engine)

    async def play(self, seconds: float) -> None:
        """Every act in its turn, under traffic that goes on."""
        self._stage.start = time.time()
        # An increase is seen only from what Prometheus knew before.
        await self._seen(f"min(up) == 1 and min(timestamp(up)) > {self._stage.start}")
        acts: list[Callable[[], Awaitable[None]]] = [
            self._ask_wrongly,
            self._fail_orders,
            self._suspect,
            self._follow_slowly,
            self._confuse_the_queue,
            self._burst,
            self._stop_a_worker,
            self._kill_a_worker,
            self._freeze_a_worker,
            self._lose_redis,
            self._lose_postgresql,
        ]
        traffic = asyncio.create_task(self._clients.trade())
        try:
            for number, act in enumerate(acts, 1):
                begun = time.monotonic()
                await act()
                print(f"{act.__name__.strip('_')}: {time.monotonic() - begun:.1f} s")
                await self._until(self._stage.start + seconds * number / len(acts))
        finally:
            traffic.cancel()
            with suppress(asyncio.CancelledError):
                await traffic
        await self._end()

    async def _end(self) -> None:
        """Every order is final, every story is told, and Prometheus knows."""
        await self._all_final([row[0] for row in await self._engine.fetch(ORDERS)])
        await self._clients.all_told()
        assert set(self._clients.codes) == {DONE, NO_SUCH_ORDER, MALFORMED_ID}
        await self._engine.queue_empty()
        stored = await self._engine.fetch(ORDERS)
        self._stage.orders = frozenset(row[0].hex for row in stored)
        over = time.time()
        await self._seen(f"min(timestamp(up)) > {over + 2}")
        self._stage.end = time.time()

    # What befalls it

    async def _ask_wrongly(self) -> None:
        """Requests that repeat themselves, make no sense, or name nothing."""
        client = self._engine.client
        key = {"Idempotency-Key": str(uuid4())}
        for _ in range(3):
            await self._clients.post(SELL_SOL, **key)
        for body in ({}, SELL_SOL | {"inputMint": "NOPE"}, SELL_SOL | {"slippageBps": 9999}):
            await self._clients.post(body)
        await client.post(EXECUTE, content=b"{")
        for path in ("", f"/{uuid4()}", f"/{uuid4()}/events", "/nonsense"):
            await client.get(f"/api/orders{path}")
        await client.get("/nowhere")
        for order_id in (uuid4(), "nonsense"):
            await self._clients.hear(order_id)
        await self._seen('order_engine_sockets_closed_total{code="4404"} > 0')

    async def _fail_orders(self) -> None:
        """An order for each way in which one fails, and for each answer of a venue."""
        for fault in Fault:
            self._clients.follow(await self._clients.sell(fault))
        await self._engine.place(amountIn="1")  # buys nothing
        await self._engine.place(minOut="999999999999")  # more than anybody would pay
        for code in FailureCode:
            await self._seen(f'order_engine_failures_total{{code="{code}"}} > 0')
        for outcome in ("quote", "refused", "error", "late"):
            await self._seen(f'order_engine_quotes_total{{outcome="{outcome}"}} > 0')
        await self._seen("order_engine_unsettled_total > 0")

    async def _suspect(self) -> None:
        """An order over which three workers died. That they did is only written down: for real
        it would take three starts of a worker."""
        order_id = await self._clients.sell(Fault.UNSURE)
        await self._engine.until(order_id, "submitted")
        died = "UPDATE orders SET crashes = 3 WHERE order_id = $1 AND NOT held RETURNING seq"
        await eventually(lambda: self._engine.fetch(died, order_id), SOON)
        await self._seen("order_engine_suspects_total > 0")

    async def _follow_slowly(self) -> None:
        """A client that does not read what it is told."""
        order_id = await self._engine.place()
        await self._all_final([order_id])
        longer = """
            UPDATE order_events SET data = data || jsonb_build_object('pad', repeat('x', 2097152))
            WHERE order_id = $1
        """  # 2 MiB each: more than sockets hold
        await self._engine.fetch(longer, order_id)
        with narrow_socket(self._stage.api) as narrow:
            stream = self._engine.stream(order_id, sock=narrow, max_queue=1, max_size=None)
            async with stream as slow:
                slow.transport.pause_reading()
                await self._seen('order_engine_sockets_closed_total{code="4408"} > 0')
                slow.transport.resume_reading()
                await story(slow)

    async def _confuse_the_queue(self) -> None:
        """Hints at what is finished, held or unknown, and what is no hint."""
        finished, held = await self._engine.place(), await self._clients.sell(Fault.SLOW)
        await self._all_final([finished])
        await self._engine.until(held, "submitted")
        queue = RedisQueue(self._engine.redis)
        queue.enqueue([Hint(each, SystemClock().now()) for each in (finished, held, uuid4())])
        await queue.drain()
        await self._engine.redis.xadd(STREAM, {"data": json.dumps({"not": "a task"})})
        for reason in ("finished", "held", "unknown", "malformed"):
            await self._seen(f'order_engine_deliveries_dropped_total{{reason="{reason}"}} > 0')

    async def _burst(self) -> None:
        """More orders than the workers can take up at once."""
        await asyncio.gather(*(self._clients.sell(Fault.SLOW) for _ in range(BURST)))
        await self._seen('order_engine_swept_total{reason="overlooked"} > 0')
        await self._seen(f"max(order_engine_queue_backlog) < {MANY}")

    async def _stop_a_worker(self) -> None:
        """One worker is told to stop in the middle of work, and another takes its place."""
        await self._sell_slowly()
        await self._replace(0, lambda: self._stage.workers[0].child.ask_to_stop())

    async def _kill_a_worker(self) -> None:
        """The same without warning: what it held is found when its leases have run out."""
        await self._sell_slowly()
        await self._replace(1, lambda: self._stage.workers[1].child.kill())
        await self._seen('order_engine_swept_total{reason="due"} > 0')

    async def _replace(self, place: int, end: Callable[[], None]) -> None:
        gone = self._stage.workers[place]
        await asyncio.to_thread(end)
        await gone.ended()
        await self._seen("count(order_engine_worker_slots) < 2")
        await self._seen('kube_deployment_status_replicas{deployment=~".*-worker"} < 2')
        worker = self._stage.workers[place] = self._stage.worker(self._engine, place)
        await worker.ready()
        await self._seen("count(order_engine_worker_slots) == 2")

    async def _freeze_a_worker(self) -> None:
        """One worker hangs for longer than its leases, and wakes to find its orders gone."""
        worker, lost = self._stage.workers[0], "order_engine_leases_lost_total > 0"
        for _ in range(FREEZES):  # where each save is refused before the heartbeat looks, again
            placed = await self._sell_slowly()
            worker.pause()
            try:
                await self._all_final(placed)
            finally:
                worker.resume()
            with suppress(AssertionError):
                await self._seen(lost, LOST_WITHIN)
                break
        await self._seen(lost)
        await self._seen('order_engine_orders_dropped_total{reason="stale"} > 0')

    async def _lose_redis(self) -> None:
        """Redis dies with all that it knows while orders are followed, and comes back when some
        of them have ended untold."""
        placed = await self._sell_slowly()
        await asyncio.gather(*(self._clients.follow(order_id).wait() for order_id in placed))
        redis = self._stage.servers.redis
        await asyncio.to_thread(redis.kill)
        ended = await self._count_final(placed)

        async def have_more_ended() -> bool:
            return await self._count_final(placed) > ended

        await eventually(have_more_ended, SOON, poll=POLL)
        await self._seen("order_engine_hints_dropped_total > 0")
        await self._seen("order_engine_feed_dropped_total > 0")
        await asyncio.to_thread(redis.start)
        await self._engine.redis.connection_pool.disconnect()  # what is left of the old one
        await self._seen("order_engine_gaps_refilled_total > 0")
        await self._seen("order_engine_queue_lost_total > 0")

    async def _lose_postgresql(self) -> None:
        """PostgreSQL stops in the middle of work, and comes back."""
        await self._sell_slowly()
        postgres = self._stage.servers.postgres
        await asyncio.to_thread(postgres.stop)
        try:
            await self._seen('order_engine_requests_total{code="503"} > 0')
            await self._seen("order_engine_ticks_failed_total > 0")
            await self._seen('order_engine_orders_dropped_total{reason="unavailable"} > 0')
        finally:
            await asyncio.to_thread(postgres.start)

        async def accepts() -> bool:
            return (await self._clients.post(SELL_SOL)).status_code == httpx.codes.CREATED

        await eventually(accepts, SOON, poll=POLL)

    # What has happened

    async def _sell_slowly(self) -> list[UUID]:
        """Orders of which the workers hold a good part for a while, sent."""
        placed = await asyncio.gather(*(self._clients.sell(Fault.SLOW) for _ in range(MANY)))
        sent = "SELECT count(*) FROM orders WHERE order_id = ANY ($1) AND status = 'submitted'"

        async def are_sent() -> bool:
            return bool(await self._engine.one(sent, placed) >= MANY // 2)

        await eventually(are_sent, SOON, poll=POLL)
        return list(placed)

    async def _all_final(self, placed: list[UUID]) -> None:
        async def are_final() -> bool:
            return await self._count_final(placed) == len(placed)

        await eventually(are_final, SOON, poll=POLL)

    async def _count_final(self, placed: list[UUID]) -> int:
        final = "SELECT count(*) FROM orders WHERE order_id = ANY ($1) AND wake_at IS NULL"
        return int(await self._engine.one(final, placed))

    async def _seen(self, expression: str, within: timedelta = SOON) -> None:
        """Return once the expression has a value in Prometheus."""

        def is_true() -> bool:
            found = self._stage.prometheus.instant(expression)
            assert found, f"Prometheus has not seen {expression}"
            return True

        await eventually(lambda: asyncio.to_thread(is_true), within, poll=POLL)

    async def _until(self, at: float) -> None:
        """Let traffic flow until then."""
        await asyncio.sleep(max(0.0, at - time.time()))
