"""Those who trade while the stage is played, and those who follow orders to their end."""

import asyncio
from collections import Counter
from itertools import cycle
from uuid import UUID

import httpx

from tests.e2e.engine import Engine, story
from tests.observability.faults import Fault

A_SECOND = 12
"""New orders."""
FOLLOWED = 4
"""One order in so many is followed by a socket; the others are read."""
PAIRS = (
    {"inputMint": "SOL", "outputMint": "USDC", "amountIn": "1000000000"},
    {"inputMint": "USDC", "outputMint": "SOL", "amountIn": "150000000"},
    {"inputMint": "JUP", "outputMint": "USDC", "amountIn": "500000000"},
    {"inputMint": "USDC", "outputMint": "JUP", "amountIn": "400000000"},
    {"inputMint": "SOL", "outputMint": "JUP", "amountIn": "2000000000"},
    {"inputMint": "mSOL", "outputMint": "USDT", "amountIn": "3000000000"},
)
EXECUTE = "/api/orders/execute"


class Clients:
    """They take every refusal as it comes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._following: set[asyncio.Task[None]] = set()
        self._pairs = cycle(PAIRS)
        self.codes: Counter[int] = Counter()
        """How sockets were closed."""

    async def trade(self) -> None:
        """Place orders at a steady pace until cancelled."""
        async with asyncio.TaskGroup() as clients:
            for number, pair in enumerate(self._pairs):
                clients.create_task(self._place(pair, is_followed=number % FOLLOWED == 0))
                await asyncio.sleep(1 / A_SECOND)

    async def post(self, body: object, **headers: str) -> httpx.Response:
        """What is answered to a request for an order."""
        return await self._engine.client.post(EXECUTE, json=body, headers=headers)

    async def sell(self, fault: Fault) -> UUID:
        """A new order that is to meet the fault."""
        return await self._engine.place(amountIn=str(int(fault)))

    def follow(self, order_id: object) -> asyncio.Event:
        """Hear the order's story, from now on. The event is that the socket is open."""
        is_open = asyncio.Event()
        self._following.add(asyncio.create_task(self.hear(order_id, is_open)))
        return is_open

    async def hear(self, order_id: object, is_open: asyncio.Event | None = None) -> None:
        """Hear the order's story until its socket is closed."""
        async with self._engine.stream(order_id, open_timeout=30) as socket:
            if is_open:
                is_open.set()
            _, code = await story(socket)
        self.codes[code] += 1

    async def all_told(self) -> None:
        """Return once every story is heard."""
        await asyncio.gather(*self._following)

    async def _place(self, order: object, *, is_followed: bool) -> None:
        answer = await self.post(order)
        if answer.status_code != httpx.codes.CREATED:
            return
        order_id = answer.json()["orderId"]
        if is_followed:
            self.follow(order_id)
        else:
            await self._engine.client.get(f"/api/orders/{order_id}")
