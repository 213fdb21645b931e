"""Does harm to a running engine, one fault at a time, and notes what it did and when.

Faults are drawn like cards: each once before any comes again, in an order that the seed sets.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from redis.asyncio import Redis

from orders.ports import Hint
from orders.queue import STREAM, encode
from tests.chaos import points
from tests.chaos.evidence import Outcome, Post
from tests.chaos.fleet import Service
from tests.chaos.history import History
from tests.chaos.points import API_POINTS, WORKER_POINTS, Action, Point
from tests.chaos.stage import Stage
from tests.eventually import eventually
from tests.exhaustion import no_connection_left

SPRINGS_WITHIN = timedelta(seconds=15)
"""How long a trap waits for a process to pass; after that the fault is drawn again later."""
AGAIN_WITHIN = timedelta(seconds=60)
"""How long the engine may take to come back before the run is given up."""
FOUND_WITHIN = timedelta(seconds=20)
"""How long what Redis has lost is waited for before the next fault."""
AN_ORDER = {"inputMint": "SOL", "outputMint": "USDC", "amountIn": "1000000"}
LEASE = timedelta(seconds=5)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Struck:
    """One fault, from its first harm to the end of it, in Unix time."""

    name: str
    begun: float
    healed: float
    caught: tuple[tuple[UUID, int], ...] = ()
    """Orders that the queue held a hint for when Redis forgot it, and their last steps."""


@dataclass
class Nemesis:
    """Strikes at `stage`. `patience` bounds how long a process stays frozen."""

    stage: Stage
    random: Random
    tell: Callable[[str], None]
    history: History
    """Where it notes the orders that it has placed itself."""
    longest_freeze: timedelta
    only: Collection[str] = ()
    """The faults to draw from; all when empty."""
    struck: list[Struck] = field(default_factory=list)
    accepting_after: list[timedelta] = field(default_factory=list)
    """From PostgreSQL's return to the next accept."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.only if name not in self.faults()]
        if unknown:
            sys.exit(f"no fault is called {unknown[0]!r}; there are: {', '.join(self.faults())}")
        self._deck: list[str] = []
        self._caught: tuple[tuple[UUID, int], ...] = ()

    def faults(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """Every fault by name."""
        at_points: dict[str, Callable[[], Awaitable[None]]] = {
            f"{action} {kind} at {point}": partial(self._trap, kind, point, action)
            for kind, where in (("api", API_POINTS), ("worker", WORKER_POINTS))
            for point in where
            for action in (Action.KILL, Action.FREEZE)
        }
        return at_points | {
            "kill worker": partial(self._kill, "worker"),
            "kill api": partial(self._kill, "api"),
            "kill venue": partial(self._kill, "venue"),
            "freeze worker": self._freeze,
            "kill taskiq manager": self._kill_manager,
            "kill taskiq child": self._kill_child,
            "stop worker": partial(self._trap, "worker", Point.ANY, Action.STOP),
            "rolling restart": self._roll,
            "redis flushall": self._flush,
            "redis killed": partial(self._restart_redis, kill=True),
            "redis restarted": partial(self._restart_redis, kill=False),
            "redis paused": self._pause_redis,
            "redis out of memory": self._fill_redis,
            "redis cut off from workers": partial(self._cut, "worker"),
            "redis cut off from apis": partial(self._cut, "api"),
            "postgresql restarted": partial(self._restart_postgres, kill=False),
            "postgresql stopped at once": partial(self._restart_postgres, kill=True),
            "postgresql out of connections": self._exhaust_postgres,
            "orders table locked": self._lock,
            "hints duplicated and reordered": self._repeat_hints,
            "queue poisoned": self._poison_queue,
            "venues out of order": self._storm,
        }

    async def strike(self) -> None:
        """Draw the next fault, do it, and see it healed."""
        faults = self.faults()
        if not self._deck:
            drawn = sorted(self.only or faults)
            self._deck = self.random.sample(drawn, len(drawn))
        name = self._deck.pop()
        begun = time.time()
        self._caught = ()
        try:
            await faults[name]()
        except NotSprung:
            self._deck.insert(0, name)
            return self.tell(f"nobody passed: {name}")
        self.struck.append(Struck(name, begun, time.time(), self._caught))
        self.tell(f"{name}, for {time.time() - begun:.1f} s")

    def unstruck(self) -> set[str]:
        """The faults that are still to strike for the first time."""
        return set(self.only or self.faults()) - {each.name for each in self.struck}

    # processes

    async def _trap(self, kind: str, point: Point, action: Action) -> None:
        service = self._one(kind)
        folder, deaths = self.stage.folder, len(service.deaths)
        points.arm(folder, service.name, point, action)
        await self._until_sprung(service)
        if action is Action.FREEZE:
            await asyncio.sleep(self._freeze_for())
            service.signal(signal.SIGCONT)
            return
        service.asked += 1
        await self._died(service, deaths)
        await service.ready()

    async def _until_sprung(self, service: Service) -> None:
        trap = points.armed(self.stage.folder, service.name)
        with suppress(AssertionError):
            await eventually(lambda: not trap.exists(), SPRINGS_WITHIN)
            return
        if points.disarm(self.stage.folder, service.name):
            raise NotSprung

    async def _kill(self, kind: str) -> None:
        service = self._one(kind)
        deaths = len(service.deaths)
        service.asked += 1
        service.signal(signal.SIGKILL)
        await self._died(service, deaths)
        await service.ready()

    async def _freeze(self) -> None:
        service = self._one("worker")
        service.signal(signal.SIGSTOP)
        await asyncio.sleep(self._freeze_for())
        service.signal(signal.SIGCONT)

    def _freeze_for(self) -> float:
        """Longer than a lease and the sweep that finds it."""
        shortest = LEASE.total_seconds() + 1.5
        return self.random.uniform(shortest, max(shortest, self.longest_freeze.total_seconds()))

    async def _kill_manager(self) -> None:
        """What it leaves behind lives on, until it is killed as well."""
        service = self._one("taskiq")
        orphans = service.children()
        service.asked += 1
        service.signal(signal.SIGKILL)
        await asyncio.sleep(self.random.uniform(2, 5))
        for pid in orphans:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await service.ready()

    async def _kill_child(self) -> None:
        """taskiq starts it anew; of the processes that a manager has, one does the work."""
        service = self._one("taskiq")
        for pid in service.children():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await service.ready()

    async def _roll(self) -> None:
        """Every process of the engine is told to stop, one after the other, and started again."""
        for service in [each for each in self.stage.fleet if each.kind != "venue"]:
            deaths = len(service.deaths)
            service.asked += 1
            service.signal(signal.SIGTERM)
            await self._died(service, deaths)
            await service.ready()

    # Redis

    async def _flush(self) -> None:
        """While no worker takes hints, so that some are lost."""
        async with self._idle_workers(), self._redis() as redis:
            self._caught = await self._waiting()
            await redis.flushall()
        await self._found_again()

    async def _restart_redis(self, *, kill: bool) -> None:
        async with self._idle_workers():
            self._caught = await self._waiting()
            server = self.stage.servers.redis
            await asyncio.to_thread(server.kill if kill else server.stop)
            await asyncio.sleep(self.random.uniform(0, 1))
            await asyncio.to_thread(server.start)
        await self._found_again()

    @asynccontextmanager
    async def _idle_workers(self) -> AsyncIterator[None]:
        """Workers stand still for less than half a lease, while the queue fills."""
        workers = [*self.stage.fleet.of("worker"), *self.stage.fleet.of("taskiq")]
        pids = [pid for each in workers for pid in (each.pid, *each.children())]
        _signal(pids, signal.SIGSTOP)
        try:
            await asyncio.sleep(1)
            yield
        finally:
            _signal(pids, signal.SIGCONT)

    async def _waiting(self) -> tuple[tuple[UUID, int], ...]:
        async with self._postgres() as connection:
            rows = await connection.fetch(
                "SELECT order_id, seq FROM orders WHERE wake_at IS NOT NULL AND NOT held"
                " AND hints > 0"
            )
        return tuple((row["order_id"], row["seq"]) for row in rows)

    async def _found_again(self) -> None:
        """Wait until every order whose hint was lost was taken up: the figure is this fault's
        alone. If that takes too long, the figure shows it."""

        async def moved() -> bool:
            seqs = dict(self._caught)
            async with self._postgres() as connection:
                rows = await connection.fetch(
                    "SELECT order_id, seq FROM orders WHERE order_id = ANY ($1)", list(seqs)
                )
            return all(row["seq"] > seqs[row["order_id"]] for row in rows)

        with suppress(AssertionError):
            await eventually(moved, FOUND_WITHIN)

    async def _pause_redis(self) -> None:
        async with self._redis() as redis:
            seconds = self.random.uniform(1, 6)
            await redis.client_pause(int(seconds * 1000), all=True)
        await asyncio.sleep(seconds)

    async def _fill_redis(self) -> None:
        """It refuses every write."""
        async with self._redis() as redis:
            await redis.config_set("maxmemory", 1)
            try:
                await asyncio.sleep(self.random.uniform(2, 5))
            finally:
                await redis.config_set("maxmemory", 0)

    async def _cut(self, kind: str) -> None:
        proxy = self.stage.proxies[kind]
        proxy.cut()
        try:
            await asyncio.sleep(self.random.uniform(2, 8))
        finally:
            proxy.heal(broken=self.random.random() < 0.5)

    # PostgreSQL

    async def _restart_postgres(self, *, kill: bool) -> None:
        server = self.stage.servers.postgres
        await asyncio.to_thread(server.kill if kill else server.stop)
        await asyncio.sleep(self.random.uniform(0, 4))
        await asyncio.to_thread(server.start)
        await self._until_accepting()

    async def _until_accepting(self) -> None:
        """Wait for every API to accept an order again, and note how long that took."""
        back = time.monotonic()
        for url in self.stage.api_urls:
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=5) as client:
                await eventually(partial(self._accepts, client), AGAIN_WITHIN)
        self.accepting_after.append(timedelta(seconds=time.monotonic() - back))

    async def _accepts(self, client: httpx.AsyncClient) -> bool:
        """Whether an order is accepted. The first ones are as much evidence as any other."""
        try:
            answer = await client.post("/api/orders/execute", json=AN_ORDER)
        except httpx.TransportError:
            return False
        if answer.status_code != httpx.codes.CREATED:
            return False
        order_id = UUID(answer.json()["orderId"])
        now = datetime.now(UTC)
        self.history.append(Post(None, None, Outcome.OK, None, order_id, now, timedelta(0)))
        return True

    async def _exhaust_postgres(self) -> None:
        """Others take every connection, those that the engine had too."""
        async with no_connection_left(self.stage.servers.database_url) as free:
            await asyncio.sleep(self.random.uniform(1, 4))
            await free()
        await self._until_accepting()

    async def _lock(self) -> None:
        """Somebody else's long transaction."""
        async with self._postgres() as connection, connection.transaction():
            await connection.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
            await asyncio.sleep(self.random.uniform(1, 4))

    # deliveries and venues

    async def _repeat_hints(self) -> None:
        """Every open order, and as many finished ones, ten times over and shuffled."""
        async with self._postgres() as connection:
            rows = await connection.fetch(
                "(SELECT order_id, now() AS at FROM orders WHERE wake_at IS NOT NULL LIMIT 200)"
                " UNION ALL (SELECT order_id, created_at FROM orders WHERE wake_at IS NULL"
                " ORDER BY 1 DESC LIMIT 100)"
            )
        hints = [Hint(row["order_id"], row["at"]) for row in rows] * 10
        self.random.shuffle(hints)
        await self._add([{b"data": encode(hint)} for hint in hints])

    async def _poison_queue(self) -> None:
        unknown = Hint(UUID(int=self.random.getrandbits(128)), NOON)
        await self._add(
            [
                {b"data": b"\xff\x00garbage"},
                {b"other": b"field"},
                {b"data": b'{"task_id": 1}'},
                {b"data": encode(unknown)},
                {b"data": encode(unknown).replace(b"orders.execute", b"nobody.knows")},
            ]
            * 20
        )

    async def _add(self, entries: list[dict[bytes, bytes]]) -> None:
        async with self._redis() as redis, redis.pipeline(transaction=False) as pipe:
            for fields in entries:
                pipe.xadd(STREAM, fields)  # type: ignore[arg-type]
            await pipe.execute()

    async def _storm(self) -> None:
        """Everything that venues do wrong, ten times as often."""
        async with httpx.AsyncClient(base_url=self.stage.venue_url, trust_env=False) as client:
            rates = (await client.get("/control")).json()["rates"]
            await client.post("/control", json={mode: min(1, 10 * p) for mode, p in rates.items()})
            try:
                await asyncio.sleep(self.random.uniform(2, 6))
            finally:
                await client.post("/control", json=rates)

    # tools

    def _one(self, kind: str) -> Service:
        return self.random.choice(self.stage.fleet.of(kind))

    async def _died(self, service: Service, deaths: int) -> None:
        """Return once it has ended more than `deaths` times. Raises `AssertionError`."""
        await eventually(lambda: len(service.deaths) > deaths, AGAIN_WITHIN)

    @asynccontextmanager
    async def _redis(self) -> AsyncIterator[Redis]:
        async with Redis.from_url(self.stage.servers.redis_url) as redis:
            yield redis

    @asynccontextmanager
    async def _postgres(self) -> AsyncIterator[Any]:
        connection = await asyncpg.connect(self.stage.servers.database_url)
        try:
            yield connection
        finally:
            await connection.close()


class NotSprung(Exception):
    """No process passed the point in time."""


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
