"""A real API server inside a test, and a hand that steps orders as a worker would."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import msgspec
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from orders.domain.amounts import Amount
from orders.domain.errors import FailureCode
from orders.domain.order import Order
from orders.feed import RedisFeed
from orders.settings import Settings
from orders.store import PostgresStore
from services.api.app import App, create_app
from tests.eventually import eventually
from tests.factories import a_route, a_transaction

HOST = "127.0.0.1"
SELL_SOL = {"inputMint": "SOL", "outputMint": "USDC", "amountIn": 1_000_000_000}
"""A body that is accepted."""
BROKEN = 1006
"""What stands for a code when there was no close frame."""
PATIENCE = timedelta(seconds=10)


@dataclass
class Server:
    """An API that listens. `stop` may be called early; leaving `serving` calls it too."""

    app: App
    port: int
    client: httpx.AsyncClient
    _server: Any
    _parts: list[str] = field(default_factory=lambda: ["before", "close", "after"])

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def stream(self, order_id: object, query: str = "", **options: Any) -> connect:
        """A WebSocket to an order's stream."""
        url = f"ws://{HOST}:{self.port}/api/orders/stream/{order_id}{query}"
        return connect(url, proxy=None, **options)

    async def place(self, **fields: Any) -> UUID:
        """The id of a new order."""
        answer = await self.client.post("/api/orders/execute", json=SELL_SOL | fields)
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["orderId"])

    async def drain(self) -> None:
        """Do what comes before the port is closed."""
        if "before" in self._parts:
            self._parts.remove("before")
            await self._server.before_stop()

    async def stop(self) -> None:
        """Stop as Sanic does on SIGTERM."""
        await self.drain()
        if "close" in self._parts:
            self._parts.remove("close")
            closed = self._server.close()
            for connection in list(self._server.connections):
                connection.close_if_idle()
            with suppress(AssertionError):
                await eventually(lambda: not self._server.connections, timedelta(seconds=1))
            for connection in list(self._server.connections):
                connection.abort()
            await closed
        if "after" in self._parts:
            self._parts.remove("after")
            await self._server.after_stop()


@asynccontextmanager
async def serving(environment: Mapping[str, str], app: App | None = None) -> AsyncIterator[Server]:
    """An API process in this loop, configured by `environment` unless it is made already."""
    app = app or create_app(Settings.read(environment))
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        running: Any = await app.create_server(sock=listener)
        await running.startup()
        await running.before_start()
        await running.after_start()
        await running.start_serving()
        port = listener.getsockname()[1]
        url = f"http://{HOST}:{port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
            server = Server(app, port, client, running)
            try:
                yield server
            finally:
                await client.aclose()
                await server.stop()


class Hand:
    """Steps orders in the store and tells the feed, as a worker does."""

    def __init__(self, store: PostgresStore, feed: RedisFeed) -> None:
        self._store = store
        self._feed = feed

    async def get(self, order_id: UUID) -> Order:
        """The order as it stands."""
        order = await self._store.get(order_id)
        assert order is not None
        return order

    async def save(self, order: Order, *, claim: bool = False, told: bool = True) -> Order:
        """The step as stored; `told` says whether the feed hears of it."""
        stored = await self._store.save(order, claim=claim)
        if told:
            self._feed.publish(stored)
        return stored

    async def route(self, order_id: UUID, *, told: bool = True) -> Order:
        """Take up a new order: step 2."""
        return await self.save((await self.get(order_id)).resume(), claim=True, told=told)

    async def build(self, order: Order, *, told: bool = True) -> Order:
        return await self.save(order.build(a_route()), told=told)

    async def submit(self, order: Order, *, told: bool = True) -> Order:
        return await self.save(order.submit(a_transaction()), told=told)

    async def confirm(self, order: Order, *, told: bool = True) -> Order:
        return await self.save(order.confirm(Amount(999_900)), told=told)

    async def fail(self, order: Order, *, told: bool = True) -> Order:
        return await self.save(order.fail(FailureCode.NO_ROUTE, "no venue trades this"), told=told)

    async def repeat(self, order: Order, *, told: bool = True) -> Order:
        """A step back that is not waited for: the order stays in this hand."""
        return await self.save(order.reroute("asked anew"), told=told)

    async def finish(self, order_id: UUID, *, told: bool = True) -> Order:
        """Take a new order through to `confirmed`: step 5."""
        order = await self.route(order_id, told=told)
        order = await self.build(order, told=told)
        order = await self.submit(order, told=told)
        return await self.confirm(order, told=told)


@asynccontextmanager
async def a_hand(database_url: str, redis_url: str) -> AsyncIterator[Hand]:
    """A worker's hand, without a worker."""
    store = PostgresStore(database_url, lease=timedelta(minutes=5))
    await store.open()
    redis = Redis.from_url(redis_url)
    feed = RedisFeed(redis)
    try:
        yield Hand(store, feed)
    finally:
        await feed.drain()
        await redis.aclose()
        await store.close()


async def told(socket: ClientConnection) -> dict[str, Any]:
    """The next step that a stream tells; heartbeats are passed over."""
    async with asyncio.timeout(PATIENCE.total_seconds()):
        while True:
            frame: dict[str, Any] = msgspec.json.decode(await socket.recv())
            if frame.get("type") != "heartbeat":
                return frame


async def story(socket: ClientConnection) -> tuple[list[dict[str, Any]], int]:
    """Every step that a stream tells until it is closed, and the code it is closed with."""
    steps = []
    try:
        while True:
            steps.append(await told(socket))
    except ConnectionClosed as closed:
        return steps, closed.rcvd.code if closed.rcvd else BROKEN


def seqs(steps: list[dict[str, Any]]) -> list[int]:
    """The steps' numbers."""
    return [step["seq"] for step in steps]
