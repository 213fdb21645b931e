"""What a process does again and again, and whether it still does it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from orders import observe
from orders.cancelling import end
from orders.ports import Clock


@dataclass
class _Task:
    action: Callable[[], Awaitable[object]]
    every: timedelta
    last: timedelta
    endless: bool = False
    running: asyncio.Task[None] | None = None


class Periodic:
    """Runs named actions, each in turn with its wait. One that fails goes on at its next tick.

    An action that has not come round for `patience` beyond its wait is stuck: that is what
    liveness reports.
    """

    def __init__(self, *, clock: Clock, patience: timedelta = timedelta(seconds=30)) -> None:
        self._clock = clock
        self._patience = patience
        self._tasks: dict[str, _Task] = {}

    def start(self, name: str, every: timedelta, action: Callable[[], Awaitable[object]]) -> None:
        """Run `action` now, and again `every` so long after each end."""
        task = self._tasks[name] = _Task(action, every, self._clock.monotonic())
        task.running = asyncio.create_task(self._run(name, task))

    def keep(self, name: str, wait: timedelta, action: Callable[[], Awaitable[object]]) -> None:
        """Run `action`, which should not end, and again after `wait` whenever it does."""
        self.start(name, wait, action)
        self._tasks[name].endless = True

    def stuck(self) -> list[str]:
        """The names of actions that no longer come round."""
        now = self._clock.monotonic()
        return [
            name
            for name, task in self._tasks.items()
            if not task.endless and now - task.last > task.every + self._patience
        ]

    async def stop(self) -> None:
        """Cancel every action and wait until it is gone."""
        await end(task.running for task in self._tasks.values() if task.running)
        self._tasks.clear()

    async def _run(self, name: str, task: _Task) -> None:
        while True:
            try:
                await task.action()
            except Exception as failure:  # the loop must outlive whatever one turn meets
                observe.tick_failed(name, failure)
            task.last = self._clock.monotonic()
            await self._clock.sleep(task.every)
