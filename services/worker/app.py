"""The worker's composition root: its parts are made and joined here, and nowhere else."""

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from redis.asyncio import Redis
from taskiq import TaskiqEvents, TaskiqState

from orders import VERSION, logs, memory, observe
from orders.broker import StreamBroker
from orders.clock import SystemClock
from orders.domain.errors import StoreUnavailable
from orders.execution import Execution
from orders.feed import RedisFeed
from orders.leases import Leases
from orders.periodic import Periodic
from orders.ports import Clock, Venue
from orders.probes import probes
from orders.queue import RedisQueue
from orders.recovery import Recovery
from orders.redis import pool
from orders.routing import Router
from orders.settings import BadSetting, Settings
from orders.store import PostgresStore
from orders.tracing import Traces, traced
from orders.venues import create
from orders.venues.paper import PaperOptions
from orders.waiting import until_reachable
from services.worker.probing import ProbeServer
from services.worker.tasks import register
from services.worker.visits import Visits


@dataclass(frozen=True)
class Parts:
    """What a worker is made of. Any of it may be wrapped before it is joined."""

    clock: Clock
    broker: StreamBroker
    store: PostgresStore
    redis: Redis
    queue: RedisQueue
    feed: RedisFeed
    venues: Mapping[str, Venue]
    traces: Traces


def create_broker(settings: Settings | None = None) -> StreamBroker:
    """A broker whose startup makes it a whole worker, and whose shutdown unmakes it.

    Configured by the environment unless told otherwise. Raises `BadSetting`.
    """
    settings = settings or Settings.read()
    return join(settings, make(settings))


def make(settings: Settings) -> Parts:
    """The parts, not yet connected to anything. Raises `BadSetting`."""
    clock = SystemClock()
    redis = Redis.from_pool(pool(settings.redis_url))
    return Parts(
        clock=clock,
        broker=StreamBroker(
            settings.redis_url,
            clock=clock,
            slots=settings.worker_concurrency,
            reclaim_after=settings.lease_seconds,
            tick=min(timedelta(seconds=1), settings.lease_seconds / 5),
        ),
        store=PostgresStore(
            settings.database_url,
            pool_size=settings.database_pool_size,
            lease=settings.lease_seconds,
            backstop=settings.backstop_seconds,
        ),
        redis=redis,
        queue=RedisQueue(redis),
        feed=RedisFeed(redis),
        venues=_venues(settings, clock),
        traces=traced(settings, "order-engine-worker"),
    )


def join(settings: Settings, parts: Parts) -> StreamBroker:
    """The broker of a worker of these parts."""
    logs.configure(settings.log_level, settings.log_format)
    observe.running(VERSION)
    clock, store, queue, traces = parts.clock, parts.store, parts.queue, parts.traces
    periodic = Periodic(clock=clock)
    leases = Leases(store=store)
    recovery = Recovery(store=store, queue=traces.queue(queue), clock=clock)
    execution = Execution(
        store=traces.store(store),
        feed=parts.feed,
        router=Router(
            venues=traces.venues(parts.venues), clock=clock, timeout=settings.quote_timeout_seconds
        ),
        leases=leases,
        clock=clock,
        policy=settings.policy,
        fraction=random.random,
        settle_for=settings.lease_seconds,
        settle_poll=settings.settle_poll_seconds,
        venue_timeout=settings.venue_timeout_seconds,
    )
    visits = Visits(execution.run)
    observe.working(settings.worker_concurrency, visits.__len__, parts.venues)

    async def run(order_id: UUID, traceparent: str | None = None) -> None:
        with traces.visit(order_id, traceparent):
            await visits(order_id)

    register(parts.broker, run=run, clock=clock)
    serving = asyncio.Event()

    async def missing() -> list[str]:
        names = [] if serving.is_set() else ["reconciliation"]
        try:
            await store.ping()
        except StoreUnavailable:
            names.append("postgresql")
        if await queue.horizon() is None:
            names.append("redis")
        return names

    def stuck() -> list[str]:
        return [*periodic.stuck(), *(["fetch"] if parts.broker.is_stuck() else [])]

    prober = ProbeServer(
        probes(stuck=stuck, missing=missing),
        host=settings.worker_probe_host,
        port=settings.worker_probe_port,
    )

    async def start(_: TaskiqState) -> None:
        await store.open()
        await prober.start()
        await until_reachable("PostgreSQL", store.check, clock=clock)
        await until_reachable("Redis", parts.redis.ping, clock=clock)
        periodic.start("heartbeat", settings.heartbeat_seconds, leases.beat)
        with suppress(StoreUnavailable):  # gone again: what is left is the sweep's
            await recovery.reconcile(run, settings.worker_concurrency)
        serving.set()
        periodic.start("sweep", settings.sweep_seconds, recovery.sweep)
        memory.settle()

    async def stop(_: TaskiqState) -> None:
        await prober.stop()
        await periodic.stop()
        await visits.end()
        await store.flush()  # a claim that was cut off may yet be stored
        await leases.hand_over()
        await store.close()
        await queue.drain()
        await parts.feed.drain()
        await parts.redis.aclose()
        await asyncio.to_thread(traces.close)

    parts.broker.add_event_handler(TaskiqEvents.WORKER_STARTUP, start)
    parts.broker.add_event_handler(TaskiqEvents.WORKER_SHUTDOWN, stop)
    return parts.broker


def _venues(settings: Settings, clock: Clock) -> dict[str, Venue]:
    """Raises `BadSetting` for a venue that there is not."""
    try:
        return create(
            settings.venues,
            tokens=settings.known_tokens,
            clock=clock,
            options=PaperOptions(
                quote_latency=settings.paper_quote_latency_ms,
                execution_latency=settings.paper_execution_latency_ms,
                variance_bps=settings.paper_variance_bps,
                failure_rate=settings.paper_failure_rate,
                seed=settings.paper_seed,
            ),
        )
    except ValueError as wrong:
        raise BadSetting(f"VENUES: expects names of venues; {wrong}") from wrong
