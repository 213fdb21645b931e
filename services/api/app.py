"""The API's composition root: its parts are made and joined here, and nowhere else."""

import asyncio
import random
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter
from typing import Any, TypeAlias

from redis.asyncio import Redis
from sanic import HTTPResponse, Request, Sanic

from orders import VERSION, logs, memory, observe
from orders.clock import SystemClock
from orders.domain.errors import StoreUnavailable
from orders.feed import RedisFeed, RedisWatching
from orders.periodic import Periodic
from orders.placement import Placement
from orders.ports import Clock
from orders.probes import probes
from orders.queue import RedisQueue
from orders.redis import pool
from orders.settings import Settings
from orders.store import PostgresStore
from orders.tracing import Traces, traced
from orders.waiting import until_reachable
from services.api.admission import Admission
from services.api.docs import docs
from services.api.errors import respond
from services.api.orders import orders
from services.api.stream import Streams

LOOK_EVERY = timedelta(seconds=1)
REFILL_EVERY = timedelta(seconds=3)
GRACE = timedelta(seconds=5)
"""How long requests under way may take when the process is told to stop."""
MAX_BODY_BYTES = 64 * 1024
HUNG_UP = 499  # nginx's code for a client that did not wait; Sanic would have it count as 500

App: TypeAlias = Sanic[Any, Any]


@dataclass(frozen=True)
class Parts:
    """What an API is made of. Any of it may be wrapped before it is joined."""

    clock: Clock
    store: PostgresStore
    redis: Redis
    queue: RedisQueue
    feed: RedisFeed
    watching: RedisWatching
    traces: Traces


def create_app(settings: object = None) -> App:
    """One API process, configured by the environment unless given `Settings`.

    Sanic's command line gives a factory its own arguments. Raises `BadSetting`.
    """
    settings = settings if isinstance(settings, Settings) else Settings.read()
    return join(settings, make(settings))


def make(settings: Settings) -> Parts:
    """The parts, not yet connected to anything. Raises `BadSetting`."""
    clock = SystemClock()
    redis = Redis.from_pool(pool(settings.redis_url))
    return Parts(
        clock=clock,
        store=PostgresStore(
            settings.database_url,
            pool_size=settings.database_pool_size,
            lease=settings.lease_seconds,
        ),
        redis=redis,
        queue=RedisQueue(redis),
        feed=RedisFeed(redis),
        watching=RedisWatching(redis, clock=clock),
        traces=traced(settings, "order-engine-api"),
    )


def join(settings: Settings, parts: Parts) -> App:
    """An API of these parts."""
    logs.configure(settings.log_level, settings.log_format)
    observe.running(VERSION)
    observe.serving()
    app = Sanic("order-engine-api", configure_logging=False)
    app.config.update(
        REQUEST_MAX_SIZE=MAX_BODY_BYTES,
        ACCESS_LOG=False,
        AUTO_EXTEND=False,
        MOTD=False,
        KEEP_ALIVE_TIMEOUT=75,
        GRACEFUL_SHUTDOWN_TIMEOUT=GRACE.total_seconds(),
        WEBSOCKET_MAX_SIZE=4096,
        WEBSOCKET_PING_INTERVAL=0,  # see `line.BEATS_A_PING`
    )
    app.error_handler.add(Exception, respond)
    _measure(app, parts.traces)

    clock, store, watching = parts.clock, parts.store, parts.watching
    periodic = Periodic(clock=clock)
    streams = Streams(
        store=store,
        watching=watching,
        clock=clock,
        heartbeat=settings.heartbeat_socket_seconds,
        patience=settings.slow_consumer_seconds,
        traces=parts.traces,
    )
    placement = Placement(
        store=parts.traces.store(store),
        queue=parts.traces.queue(parts.queue),
        feed=parts.feed,
        clock=clock,
        random_bits=random.getrandbits,
    )
    admission = Admission(
        store=store,
        max_waiting=settings.max_waiting_accepts,
        max_age=settings.max_backlog_age_seconds,
    )
    draining = asyncio.Event()
    tokens = settings.known_tokens

    async def missing() -> list[str]:
        """An accept is durable without Redis, so only PostgreSQL counts."""
        if draining.is_set():
            return ["draining"]
        try:
            await store.ping()
        except StoreUnavailable:
            return ["postgresql"]
        return []

    app.blueprint(orders(placement=placement, store=store, tokens=tokens, admission=admission))
    app.blueprint(streams.routes())
    app.blueprint(docs())
    app.blueprint(probes(stuck=periodic.stuck, missing=missing))

    @app.before_server_start
    async def start(_: App) -> None:
        await store.open()
        await until_reachable("PostgreSQL", store.check, clock=clock)
        periodic.keep("listen", timedelta(seconds=0.5), watching.listen)
        periodic.start("look", LOOK_EVERY, admission.look)
        periodic.start("backlog", LOOK_EVERY, parts.queue.horizon)
        periodic.start("refill", REFILL_EVERY, streams.refill)
        periodic.start("pulse", streams.pulse.every, streams.pulse.tick)
        memory.settle()

    @app.before_server_stop
    async def stop(_: App) -> None:
        draining.set()
        await streams.close()

    @app.after_server_stop
    async def close(_: App) -> None:
        await periodic.stop()
        await store.close()
        await parts.queue.drain()
        await parts.feed.drain()
        await parts.redis.aclose()
        await asyncio.to_thread(parts.traces.close)

    return app


def _measure(app: App, traces: Traces) -> None:
    @app.on_response  # type: ignore[untyped-decorator]
    async def end(request: Request, response: HTTPResponse) -> None:
        route = request.route.path if request.route else "none"
        begun = getattr(request.stream, "perft0", None)  # not if the head made no sense
        took = timedelta(seconds=perf_counter() - begun if begun else 0)
        code = HUNG_UP if _is_gone(request) else response.status
        order_id = getattr(request.ctx, "order_id", None)
        observe.responded(route, code, took, order_id)
        if order_id:
            traces.placed(
                order_id,
                took,
                code,
                request.headers.get("traceparent"),
                replayed=request.ctx.is_replay,
            )


def _is_gone(request: Request) -> bool:
    """Whether the client hung up, be it in the middle of its headers."""
    stream = request.stream
    connection = request.conn_info or (stream.protocol.conn_info if stream else None)
    return connection is not None and connection.lost
