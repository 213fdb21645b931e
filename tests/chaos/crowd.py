"""Many who each go about their own business, and whose bugs are not lost."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from orders import cancelling


class Crowd:
    """Tasks that are begun one by one and ended together."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._bugs: list[Exception] = []

    def __len__(self) -> int:
        return len(self._tasks)

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Let `work` go on by itself."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def settle(self, within: timedelta) -> None:
        """Wait for all, and for those whom they begin; end who is not done `within`."""
        end = asyncio.get_running_loop().time() + within.total_seconds()
        while self._tasks and (left := end - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(self._tasks, timeout=left)
        await self.end()
        self.check()

    async def end(self) -> None:
        """End all, now."""
        await cancelling.end(self._tasks)

    def check(self) -> None:
        """Raise what went wrong in any of them."""
        if self._bugs:
            raise ExceptionGroup("clients failed", self._bugs)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(bug := task.exception(), Exception):
            self._bugs.append(bug)
