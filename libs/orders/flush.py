"""Telling Redis in batches: what comes while one is on its way goes into the next."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from orders.pace import Pace

T = TypeVar("T")


class Flush(Generic[T]):
    """Hands batches of at most `most` to `send`, one at a time, in order, and no closer than
    `pace` seconds.

    It never raises and never waits. What `send` fails to tell is given to `lose`, and so is
    what comes while `bound` items wait already.
    """

    def __init__(
        self,
        send: Callable[[Sequence[T]], Awaitable[None]],
        lose: Callable[[int, Exception | None], None],
        *,
        most: int = 500,
        bound: int = 100_000,
        pace: float = 0.001,
    ) -> None:
        self._send = send
        self._lose = lose
        self._most = most
        self._bound = bound
        self._pace = Pace(pace)
        self._waiting: list[T] = []
        self._running: asyncio.Task[None] | None = None

    def __call__(self, items: Sequence[T]) -> None:
        """Tell `items` soon."""
        if len(self._waiting) >= self._bound:
            return self._lose(len(items), None)
        self._waiting.extend(items)
        if self._running is None and self._waiting:
            self._running = asyncio.get_running_loop().create_task(self._run())

    async def drain(self) -> None:
        """Return when all that waits is told or lost."""
        while self._running is not None and not self._running.done():
            await asyncio.wait([self._running])

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._pace.wait()
                batch = self._waiting[: self._most]
                del self._waiting[: self._most]
                try:
                    await self._send(batch)
                except Exception as failure:
                    self._lose(len(batch), failure)
        finally:
            self._running = None
