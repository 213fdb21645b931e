"""The engine as it runs: API and workers in processes of their own, on real servers."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from orders.queue import STREAM
from services.cli.child import Child
from services.cli.ports import free_port
from services.cli.scratch import Scratch
from tests.eventually import eventually
from tests.paths import PYTHONPATH, ROOT

HOST = "127.0.0.1"
SELL_SOL = {"inputMint": "SOL", "outputMint": "USDC", "amountIn": "1000000000"}
PATIENCE = timedelta(seconds=30)
STORY = ["received", "routing", "building", "submitted", "confirmed"]
"""The statuses of an order to which nothing happens."""

FAST = {
    "PAPER_QUOTE_LATENCY_MS": "0-20",
    "PAPER_EXECUTION_LATENCY_MS": "0-20",
    "SETTLE_POLL_SECONDS": "0.02",
}
SHORT_LEASES = {"LEASE_SECONDS": "1", "HEARTBEAT_SECONDS": "0.3", "SWEEP_SECONDS": "0.2"}
OURS = (
    "API_",
    "WORKER_",
    "PAPER_",
    "RETRY_",
    "MAX_",
    "LEASE_",
    "DRAIN_",
    "SHUTDOWN_",
    "SWEEP_",
    "HEARTBEAT_",
)

Step = dict[str, Any]
Told = dict[str, Any]


@dataclass(frozen=True)
class Service:
    """One process of the engine."""

    child: Child
    url: str

    @property
    def log(self) -> str:
        """All that it said so far."""
        return self.child.log.read_text(errors="replace")

    def told(self, event: str, **fields: object) -> list[Told]:
        """The lines that it wrote of `event`, with these fields among others."""
        lines = [msgspec.json.decode(line) for line in self.log.split("\n") if line[-1:] == "}"]
        return [line for line in lines if line["event"] == event and fields.items() <= line.items()]

    def pause(self) -> None:
        os.kill(self.child.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.child.pid, signal.SIGCONT)

    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return self.child.exit_code

    async def metrics(self, name: str) -> dict[str, float]:
        """The values of a metric, by its labels as Prometheus writes them."""
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=5) as client:
            told = (await client.get("/metrics")).text.splitlines()
        lines = [line.removeprefix(name).rsplit(" ", 1) for line in told if line.startswith(name)]
        return {labels: float(value) for labels, value in lines if labels[:1] in ("", "{")}

    async def ended(self, within: timedelta = PATIENCE) -> int:
        """Its exit code, once it has ended by itself."""
        await eventually(lambda: not self.child.is_running, within)
        code = self.exit_code()
        assert code is not None
        return code

    async def ready(self) -> "Service":
        """Itself, once it answers that it lacks nothing."""
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=5) as client:

            async def answers() -> bool:
                self.child.check()
                try:
                    return (await client.get("/readyz")).status_code == 200
                except httpx.TransportError:
                    return False

            await eventually(answers, PATIENCE)
        return self


class Engine:
    """Starts the processes, sends them orders, and reads what became of those."""

    def __init__(self, scratch: Scratch, database_url: str, redis_url: str) -> None:
        self._scratch = scratch
        self.database_url = database_url
        self.redis_url = redis_url
        self.services: list[Service] = []
        self.redis = Redis.from_url(redis_url)
        self.client = httpx.AsyncClient(
            trust_env=False, timeout=30, limits=httpx.Limits(max_connections=None)
        )

    async def whole(self, **settings: str) -> tuple[Service, Service]:
        """An API and a worker that are ready."""
        worker = self.start("worker", **settings)
        return await self.api(**settings), await worker.ready()

    async def api(self, **settings: str) -> Service:
        """An API that is ready."""
        service = await self.start("api", **settings).ready()
        self.client.base_url = httpx.URL(service.url)
        return service

    async def worker(self, **settings: str) -> Service:
        """A worker that is ready."""
        return await self.start("worker", **settings).ready()

    def start(self, kind: str, command: str = "", **settings: str) -> Service:
        """A process that was started just now, by `python -m` or by another `command`."""
        prefix = "API" if kind == "api" else "WORKER_PROBE"
        port = settings.get(f"{prefix}_PORT") or str(free_port())
        inherited = {name: value for name, value in os.environ.items() if not _is_ours(name)}
        child = self._scratch.spawn(
            f"{kind}-{len(self.services)}",
            [sys.executable, "-m", *(command or f"services.{kind}").split()],
            env=inherited
            | {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}
            | {f"{prefix}_HOST": HOST, f"{prefix}_PORT": port}
            | {"PYTHONPATH": PYTHONPATH}
            | FAST
            | settings,
            cwd=ROOT,
        )
        service = Service(child, f"http://{HOST}:{port}")
        self.services.append(service)
        return service

    async def place(self, **fields: object) -> UUID:
        """The id of a new order."""
        answer = await self.client.post("/api/orders/execute", json=SELL_SOL | fields)
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["orderId"])

    async def ask(self, api: Service, key: str, **fields: object) -> httpx.Response:
        """What that API answers to an order with an idempotency key."""
        headers = {"Idempotency-Key": key}
        url = f"{api.url}/api/orders/execute"
        return await self.client.post(url, json=SELL_SOL | fields, headers=headers)

    async def get(self, path: str) -> Any:
        """What the API answers."""
        answer = await self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def events(self, order_id: UUID) -> list[Step]:
        """The order's history, as the API tells it."""
        events: list[Step] = (await self.get(f"/api/orders/{order_id}/events"))["events"]
        return events

    def stream(
        self, order_id: object, query: str = "", *, api: Service | None = None, **options: Any
    ) -> connect:
        """A WebSocket to an order's stream, of the API that was started last unless told."""
        url = api.url if api else str(self.client.base_url).rstrip("/")
        path = f"/api/orders/stream/{order_id}{query}"
        return connect(url.replace("http", "ws", 1) + path, proxy=None, **options)

    async def fetch(self, query: str, *values: object) -> list[Any]:
        """Rows, over a connection of its own, since the server may have been restarted."""
        connection = await asyncpg.connect(self.database_url, timeout=5)
        try:
            return list(await connection.fetch(query, *values))
        finally:
            await connection.close()

    async def one(self, query: str, *values: object) -> Any:
        """The first column of the first row."""
        return (await self.fetch(query, *values))[0][0]

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[asyncpg.Connection]:
        """Nobody else can read or write an order."""
        connection = await asyncpg.connect(self.database_url)
        try:
            async with connection.transaction():
                await connection.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
                yield connection
        finally:
            await connection.close()

    async def statuses(self) -> dict[str, int]:
        """How many orders there are of each status."""
        rows = await self.fetch("SELECT status, count(*) FROM orders GROUP BY 1")
        return dict(map(tuple, rows))

    async def until(self, order_id: UUID, status: str, within: timedelta = PATIENCE) -> None:
        """Return once the order has that status."""

        async def has_it() -> bool:
            return bool(
                await self.one("SELECT status FROM orders WHERE order_id = $1", order_id) == status
            )

        await eventually(has_it, within)

    async def all_confirmed(self, count: int, within: timedelta = timedelta(seconds=60)) -> None:
        """Return once there are so many orders, all of them confirmed."""

        async def are() -> bool:
            found = await self.statuses()
            assert found == {"confirmed": count}
            return True

        await eventually(are, within)

    async def queue_empty(self, within: timedelta = PATIENCE) -> None:
        """Return once no message is waiting or being worked on."""

        async def is_it() -> bool:
            return bool(await self.redis.xlen(STREAM) == 0)

        await eventually(is_it, within)

    async def prove(self) -> None:
        """No order was executed twice, and no history has a gap, in all that was ever stored."""
        twice = """
            SELECT order_id FROM order_attempts WHERE state = 'landed'
            GROUP BY order_id HAVING count(*) > 1
        """
        wrong = """
            SELECT order_id FROM orders WHERE (status = 'confirmed') <> EXISTS (
                SELECT FROM order_attempts a
                WHERE a.order_id = orders.order_id AND state = 'landed'
            )
        """
        gaps = """
            SELECT order_id FROM order_events JOIN orders o USING (order_id)
            GROUP BY order_id, o.seq
            HAVING array_agg(order_events.seq ORDER BY order_events.seq)
                   <> ARRAY(SELECT generate_series(1, o.seq))
        """
        assert [await self.fetch(query) for query in (twice, wrong, gaps)] == [[], [], []]

    async def close(self) -> None:
        """End whatever still runs."""
        await self.client.aclose()
        await self.redis.aclose()
        for service in self.services:
            if service.child.is_running:
                service.resume()
                service.child.kill()
            print(service.child.name, service.child.tail())  # pytest shows it if the test failed


@asynccontextmanager
async def an_engine(database_url: str, redis_url: str) -> AsyncIterator[Engine]:
    """An engine without processes, to begin with."""
    with Scratch() as scratch:
        engine = Engine(scratch, database_url, redis_url)
        try:
            yield engine
        finally:
            await engine.close()


async def locked_out(connection: asyncpg.Connection) -> None:
    """Return once a statement waits for the lock."""

    async def waits() -> bool:
        waiting = """
            SELECT count(*) FROM pg_locks WHERE NOT granted AND database =
                (SELECT oid FROM pg_database WHERE datname = current_database())
        """
        return bool(await connection.fetchval(waiting))

    await eventually(waits)


async def story(socket: ClientConnection) -> tuple[list[Step], int]:
    """Every step that a stream tells until it is closed, and the code it is closed with."""
    steps: list[Step] = []
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            async for text in socket:
                frame = msgspec.json.decode(text)
                if frame.get("type") != "heartbeat":
                    steps.append(frame)
        closed = socket.protocol.close_rcvd
    except ConnectionClosed as failure:
        closed = failure.rcvd
    assert closed is not None, "the connection broke without a close frame"
    return steps, closed.code


def seqs(steps: Sequence[Step]) -> list[int]:
    """The steps' numbers."""
    return [step["seq"] for step in steps]


def statuses(steps: Sequence[Step]) -> list[str]:
    """The steps' statuses."""
    return [step["status"] for step in steps]


def transactions(steps: Sequence[Step]) -> set[str]:
    """Every transaction that the steps tell of."""
    told = [step.get("transaction") or step.get("result") for step in steps]
    return {each["txHash"] for each in told if each}


def _is_ours(name: str) -> bool:
    return name.startswith(OURS)
