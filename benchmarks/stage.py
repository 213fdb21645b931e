"""An engine to measure: servers, tables, one API process and any number of workers.

Like `services.cli.local`, but each part can be started and stopped by itself, and the engine's
processes can be others than the engine's own.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import asyncpg

from services.cli.child import Child
from services.cli.migrate import apply
from services.cli.ports import free_port
from services.cli.postgres import Postgres
from services.cli.redis import Redis
from services.cli.scratch import Scratch

ROOT = Path(__file__).parents[1]
PATIENCE = timedelta(seconds=60)
SETTINGS = {
    "LOG_LEVEL": "info",
    "PAPER_QUOTE_LATENCY_MS": "0",
    "PAPER_EXECUTION_LATENCY_MS": "0",
    "MAX_BACKLOG_AGE_SECONDS": "86400",  # a scenario that builds a backlog means to
}
ENGINE = {"api": ("services.api",), "worker": ("services.worker",)}
"""The modules that are run, each with its arguments."""


@dataclass
class Stage:
    """What a scenario works with. Everything goes when it ends."""

    scratch: Scratch
    settings: Mapping[str, str]
    modules: Mapping[str, tuple[str, ...]]
    postgres: Postgres
    redis: Redis
    api: Child | None = None
    api_port: int = 0
    workers: list[Child] = field(default_factory=list)

    async def start_api(self) -> None:
        """Return when it is ready."""
        self.api_port = free_port()
        self.api = await self._start("api", "API", self.api_port)

    async def start_workers(self, count: int = 1) -> None:
        """Start `count` more, all at once; return when they are ready."""
        starts = (self._start("worker", "WORKER_PROBE", free_port()) for _ in range(count))
        self.workers += await asyncio.gather(*starts)

    async def stop_workers(self) -> None:
        """In their orderly way, which hands over what they hold."""
        for worker in self.workers:
            worker.ask_to_stop()
        await asyncio.gather(*(asyncio.to_thread(worker.stop) for worker in self.workers))
        self.workers = []

    def pids(self) -> dict[str, list[int]]:
        """The running processes of each component."""
        api = [self.api.pid] if self.api else []
        return {
            "api": api,
            "worker": [worker.pid for worker in self.workers],
            "redis": [self.redis.child.pid],
            "postgres": [self.postgres.child.pid],
        }

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Any]:
        """A connection of asyncpg's."""
        connection = await asyncpg.connect(self.postgres.url)
        try:
            yield connection
        finally:
            await connection.close()

    def check(self) -> None:
        """Raise `Died` if a process has ended."""
        for child in [self.postgres.child, self.redis.child, self.api, *self.workers]:
            if child:
                child.check()

    async def _start(self, name: str, prefix: str, port: int) -> Child:
        urls = {"DATABASE_URL": self.postgres.url, "REDIS_URL": self.redis.url}
        address = {f"{prefix}_HOST": "127.0.0.1", f"{prefix}_PORT": str(port)}
        child = self.scratch.spawn(
            f"{name}-{port}",
            [sys.executable, "-m", *self.modules[name]],
            env=dict(os.environ) | SETTINGS | dict(self.settings) | urls | address,
            cwd=ROOT,
        )
        await asyncio.to_thread(child.wait_until, lambda: _answers(port), PATIENCE)
        return child


@asynccontextmanager
async def staged(
    settings: Mapping[str, str] | None = None,
    *,
    api: bool = True,
    workers: int = 1,
    modules: Mapping[str, tuple[str, ...]] = ENGINE,
) -> AsyncIterator[Stage]:
    """A fresh engine with empty tables, ready. `settings` go before the benchmark's own."""
    with Scratch() as scratch:
        stage = Stage(scratch, settings or {}, modules, Postgres(scratch), Redis(scratch))
        await apply(stage.postgres.url)
        try:
            if api:
                await stage.start_api()
            await stage.start_workers(workers)
            yield stage
            stage.check()
        finally:
            await stage.stop_workers()


def _answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
