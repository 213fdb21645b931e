"""Harm to PostgreSQL: restarted, stopped at once, out of connections, locked."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from uuid import UUID

import httpx

from tests.chaos.evidence import Outcome, Post
from tests.chaos.harm import Faults
from tests.chaos.history import History
from tests.chaos.stage import Stage
from tests.eventually import eventually
from tests.exhaustion import no_connection_left

AGAIN_WITHIN = timedelta(seconds=60)
"""How long an API may take to accept again before the run is given up."""
AN_ORDER = {"inputMint": "SOL", "outputMint": "USDC", "amountIn": "1000000"}


class Postgres:
    """Harms the PostgreSQL of `stage`, and notes in `history` the orders that it tries it with."""

    def __init__(self, stage: Stage, dice: Random, history: History) -> None:
        self._stage = stage
        self._dice = dice
        self._history = history
        self.accepting_after: list[timedelta] = []
        """From each return to the next accept of every API."""

    def faults(self) -> Faults:
        """Every fault by name."""
        return {
            "postgresql restarted": partial(self._restart, kill=False),
            "postgresql stopped at once": partial(self._restart, kill=True),
            "postgresql out of connections": self._exhaust,
            "orders table locked": self._lock,
        }

    async def _restart(self, *, kill: bool) -> None:
        server = self._stage.servers.postgres
        await asyncio.to_thread(server.kill if kill else server.stop)
        await asyncio.sleep(self._dice.uniform(0, 4))
        await asyncio.to_thread(server.start)
        await self._until_accepting()

    async def _until_accepting(self) -> None:
        """Wait for every API to accept an order again, and note how long that took."""
        back = time.monotonic()
        for url in self._stage.api_urls:
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
        self._history.append(Post(None, None, Outcome.OK, None, order_id, now, timedelta(0)))
        return True

    async def _exhaust(self) -> None:
        """Others take every connection, those that the engine had too."""
        async with no_connection_left(self._stage.servers.database_url) as free:
            await asyncio.sleep(self._dice.uniform(1, 4))
            await free()
        await self._until_accepting()

    async def _lock(self) -> None:
        """Somebody else's long transaction."""
        async with self._stage.postgres() as connection, connection.transaction():
            await connection.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
            await asyncio.sleep(self._dice.uniform(1, 4))
