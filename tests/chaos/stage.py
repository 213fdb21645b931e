"""Everything that a run stands on: servers, the venue, proxies, and the engine's processes."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import httpx
from redis.asyncio import Redis

from orders.store.migrate import migrate
from services.cli.scratch import Scratch
from services.cli.servers import Servers, servers
from tests.chaos.fleet import Fleet
from tests.chaos.mutants import MUTANT
from tests.chaos.proxy import Proxy
from tests.chaos.skewed import SKEW
from tests.chaos.venue.faults import Fault
from tests.chaos.worker import VENUE_URL

LEDGER = "ledger.sqlite"
SETTINGS = {
    "VENUE_TIMEOUT_SECONDS": "3",
    "QUOTE_TIMEOUT_SECONDS": "1",
    "WORKER_CONCURRENCY": "100",
    "MAX_BACKLOG_AGE_SECONDS": "30",
    "LOG_LEVEL": "INFO",
}
"""Leases, heartbeats, sweeps, retries and drains are the defaults: those are what is judged."""


MOST_SKEW = 300
"""Seconds by which a process's clock may be ahead or behind."""


@dataclass(frozen=True)
class Stage:
    """What a nemesis may lay hands on."""

    folder: Path
    fleet: Fleet
    servers: Servers
    proxies: dict[str, Proxy]
    """Between Redis and every API, and between Redis and every worker."""
    venue_url: str

    @asynccontextmanager
    async def redis(self) -> AsyncIterator[Redis]:
        """A connection to Redis itself, past the proxies."""
        async with Redis.from_url(self.servers.redis_url) as redis:
            yield redis

    @asynccontextmanager
    async def postgres(self) -> AsyncIterator[Any]:
        """A connection to PostgreSQL, of asyncpg's."""
        connection = await asyncpg.connect(self.servers.database_url)
        try:
            yield connection
        finally:
            await connection.close()

    async def trouble(self, rates: Mapping[Fault, float]) -> dict[Fault, float]:
        """Let the venues make each of these troubles so often from now on. Answers all rates."""
        async with httpx.AsyncClient(base_url=self.venue_url, trust_env=False) as client:
            answer = (await client.post("/control", json=rates)).raise_for_status()
            told: dict[Fault, float] = answer.json()["rates"]
            return told

    @asynccontextmanager
    async def troubled(self, change: Callable[[Fault, float], float]) -> AsyncIterator[None]:
        """For a while, let the venues make each trouble as often as `change` says."""
        usual = await self.trouble({})
        await self.trouble({mode: change(mode, rate) for mode, rate in usual.items()})
        try:
            yield
        finally:
            await self.trouble(usual)

    @property
    def ledger(self) -> Path:
        """The venue's own account of what it did."""
        return self.folder / LEDGER

    @property
    def api_urls(self) -> list[str]:
        """Where orders are posted."""
        return [each.url for each in self.fleet.of("api")]


@asynccontextmanager
async def staged(
    *,
    seed: int,
    apis: int,
    workers: int,
    managers: int,
    mutant: str | None,
    tell: Callable[[str], None],
) -> AsyncIterator[Stage]:
    """A whole engine, ready, of `workers` worker processes and `managers` of taskiq's own."""
    async with AsyncExitStack() as stack:
        running = stack.enter_context(
            await asyncio.to_thread(servers, postgres_settings={"max_connections": "150"})
        )
        scratch = stack.enter_context(Scratch())
        await migrate(running.database_url)
        proxies = {
            kind: await stack.enter_async_context(Proxy(running.redis.port))
            for kind in ("api", "worker")
        }
        fleet = Fleet(scratch, tell)
        stack.push_async_callback(fleet.close)
        venue = fleet.add(
            *("venue", "venue", "tests.chaos.venue", "--port", "{port}", "--seed", str(seed)),
            *("--ledger", str(scratch.folder / LEDGER)),
            port=None,
        )
        await venue.ready()
        environment = SETTINGS | {
            "DATABASE_URL": running.database_url,
            VENUE_URL: venue.url,
            MUTANT: mutant or "",
        }

        dice = Random(seed)

        def through(kind: str) -> dict[str, str]:
            return environment | {
                "REDIS_URL": f"redis://127.0.0.1:{proxies[kind].port}/0",
                SKEW: str(dice.randint(-MOST_SKEW, MOST_SKEW)),
            }

        for n in range(apis):
            fleet.add(f"api-{n}", "api", "tests.chaos.api", port="API_PORT", **through("api"))
        for n in range(workers):
            fleet.add(
                *(f"worker-{n}", "worker", "tests.chaos.worker"),
                port="WORKER_PROBE_PORT",
                **through("worker"),
            )
        for n in range(managers):
            fleet.add(
                *(f"taskiq-{n}", "taskiq", "taskiq", "worker", "tests.chaos.worker:create_broker"),
                *("--workers", "1", "--wait-tasks-timeout", "0.5", "--log-level", "WARNING"),
                port="WORKER_PROBE_PORT",
                **through("worker"),
            )
        await fleet.ready()
        yield Stage(scratch.folder, fleet, running, proxies, venue.url)


def keep(stage: Stage, folder: Path) -> None:
    """Copy every log and the ledger to where they outlast the run."""
    folder.mkdir(parents=True, exist_ok=True)
    for each in stage.folder.iterdir():
        if each.is_file():
            (folder / each.name).write_bytes(each.read_bytes())
    os.sync()
