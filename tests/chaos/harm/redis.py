"""Harm to Redis: emptied, restarted, paused, full, and cut off from either side."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random

from tests.chaos.fleet import send
from tests.chaos.harm import Caught, Faults
from tests.chaos.stage import Stage
from tests.eventually import eventually

FOUND_WITHIN = timedelta(seconds=20)
"""How long what was lost is waited for before the next fault."""


class Redis:
    """Harms the Redis of `stage`."""

    def __init__(self, stage: Stage, dice: Random) -> None:
        self._stage = stage
        self._dice = dice
        self.caught: list[Caught] = []
        """What it held a hint for when it last forgot everything."""

    def faults(self) -> Faults:
        """Every fault by name."""
        return {
            "redis flushall": self._flush,
            "redis killed": partial(self._restart, kill=True),
            "redis restarted": partial(self._restart, kill=False),
            "redis paused": self._pause,
            "redis out of memory": self._fill,
            "redis cut off from workers": partial(self._cut, "worker"),
            "redis cut off from apis": partial(self._cut, "api"),
        }

    async def _flush(self) -> None:
        """While no worker takes hints, so that some are lost."""
        async with self._idle_workers(), self._stage.redis() as redis:
            self.caught = await self._waiting()
            await redis.flushall()
        await self._found_again()

    async def _restart(self, *, kill: bool) -> None:
        async with self._idle_workers():
            self.caught = await self._waiting()
            server = self._stage.servers.redis
            await asyncio.to_thread(server.kill if kill else server.stop)
            await asyncio.sleep(self._dice.uniform(0, 1))
            await asyncio.to_thread(server.start)
        await self._found_again()

    @asynccontextmanager
    async def _idle_workers(self) -> AsyncIterator[None]:
        """Workers stand still for less than half a lease, while the queue fills."""
        workers = [*self._stage.fleet.of("worker"), *self._stage.fleet.of("taskiq")]
        pids = [pid for each in workers for pid in (each.pid, *each.children())]
        send(signal.SIGSTOP, *pids)
        try:
            await asyncio.sleep(1)
            yield
        finally:
            send(signal.SIGCONT, *pids)

    async def _waiting(self) -> list[Caught]:
        async with self._stage.postgres() as connection:
            rows = await connection.fetch(
                "SELECT order_id, seq FROM orders WHERE wake_at IS NOT NULL AND NOT held"
                " AND hints > 0"
            )
        now = datetime.now(UTC)
        return [(now, row["order_id"], row["seq"]) for row in rows]

    async def _found_again(self) -> None:
        """Wait until every order whose hint was lost was taken up: the figure is this fault's
        alone. If that takes too long, the figure shows it."""

        async def moved() -> bool:
            seqs = {order_id: seq for _, order_id, seq in self.caught}
            async with self._stage.postgres() as connection:
                rows = await connection.fetch(
                    "SELECT order_id, seq FROM orders WHERE order_id = ANY ($1)", list(seqs)
                )
            return all(row["seq"] > seqs[row["order_id"]] for row in rows)

        with suppress(AssertionError):
            await eventually(moved, FOUND_WITHIN)

    async def _pause(self) -> None:
        async with self._stage.redis() as redis:
            seconds = self._dice.uniform(1, 6)
            await redis.client_pause(int(seconds * 1000), all=True)
        await asyncio.sleep(seconds)

    async def _fill(self) -> None:
        """It refuses every write."""
        async with self._stage.redis() as redis:
            await redis.config_set("maxmemory", 1)
            try:
                await asyncio.sleep(self._dice.uniform(2, 5))
            finally:
                await redis.config_set("maxmemory", 0)

    async def _cut(self, kind: str) -> None:
        proxy = self._stage.proxies[kind]
        proxy.cut()
        try:
            await asyncio.sleep(self._dice.uniform(2, 8))
        finally:
            proxy.heal(broken=self._dice.random() < 0.5)
