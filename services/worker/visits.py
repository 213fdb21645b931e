"""The orders that are being worked on, so that a worker that stops can let go of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from orders.cancelling import end


class Visits:
    """Runs `run`, in the caller's task, and knows which tasks do so."""

    def __init__(self, run: Callable[[UUID], Awaitable[None]]) -> None:
        self._run = run
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    async def __call__(self, order_id: UUID) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._run(order_id)
        finally:
            self._tasks.discard(task)

    async def end(self) -> None:
        """Cancel all that run. What they hold can be handed over then, and nothing else."""
        await end(list(self._tasks))
