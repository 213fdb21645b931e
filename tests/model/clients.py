"""A client that wants an order placed, whatever becomes of the answers."""

import asyncio
from collections.abc import Callable

import msgspec

from orders.domain.errors import KeyReused, StoreUnavailable
from orders.placement import Request
from tests.factories import SOL, USDC
from tests.model.fate import LONGEST_TRIP
from tests.model.processes import Api
from tests.model.world import World

ANSWER_TIMEOUT = 3.0
"""Seconds."""
LINGERING = 3.0 * LONGEST_TRIP
"""Seconds after which a request that was not answered has arrived, or never will: its process
may stand still for a while before it sends anything."""


class Client:
    """Asks until it is answered, if it has a key; and sometimes again, or for something else.

    Without a key it asks once, since it could not tell one order from two.
    """

    def __init__(self, world: World, pick_api: Callable[[], Api]) -> None:
        self._last_unanswered = -LINGERING
        self._is_through = False
        self._world = world
        self._pick_api = pick_api
        self._process = world.process("client")
        random = world.random
        kind = random.choice(("idempotency", "client-order-id", "both", "none"))
        self._key = self._process.name if kind in ("idempotency", "both") else None
        self._request = Request(
            owner="public",
            input_mint=SOL,
            output_mint=USDC,
            amount_in=random.randint(10_000, 10**12),
            slippage_bps=random.choice((0, 10, 50, 1_000)),
            client_order_id=self._process.name if kind in ("client-order-id", "both") else None,
        )
        self._is_impatient = random.random() < 0.3
        world.loop.spawn(self._process, self._want(random.uniform(0, 15)))

    async def _want(self, wait: float) -> None:
        await asyncio.sleep(wait)
        asks = [self._place(self._request) for _ in range(1 + self._is_impatient)]
        await asyncio.gather(*asks if self._is_named else asks[:1])
        for ask in asks:
            ask.close()
        if self._is_named and self._world.random.random() < 0.2:
            await self._place_another()
        self._is_through = True

    @property
    def is_done(self) -> bool:
        """Whether nothing of it can be on its way any more."""
        quiet = self._world.loop.time() - self._last_unanswered
        return self._is_through and quiet >= LINGERING

    @property
    def _is_named(self) -> bool:
        return bool(self._key or self._request.client_order_id)

    async def _place(self, request: Request) -> None:
        """Until it is known."""
        while True:
            if await self._ask(request) or not self._is_named:
                return
            await asyncio.sleep(self._world.random.uniform(0, 2))

    async def _place_another(self) -> None:
        """The same key for another wish must be refused."""
        other = msgspec.structs.replace(self._request, amount_in=self._request.amount_in + 1)
        await self._place(other)

    async def _ask(self, request: Request) -> bool:
        """Whether there was an answer."""
        judge, api = self._world.judge, self._pick_api()
        placing = self._world.loop.spawn(api.process, api.placement.place(request, self._key))
        done, _ = await asyncio.wait({placing}, timeout=ANSWER_TIMEOUT)
        if not done:
            self._last_unanswered = self._world.loop.time()
            return False
        try:
            added = placing.result()
        except StoreUnavailable:
            return False
        except KeyReused:
            if request == self._request:
                judge.blame("I9", None, f"the first wish of {self._process.name} was refused")
            return True
        if request != self._request:
            judge.blame("I9", added.order.id, "one key was given to two wishes")
        judge.answered(
            self._process.name if self._is_named else str(added.order.id), added.order.id
        )
        return True
