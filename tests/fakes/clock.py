"""A clock that stands still until everybody waits for it."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import count

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
REST = 10
"""How many quiet turns of the event loop pass before time does. asyncio cannot say whether
anything else is ready to run, so this lets a chain of that many awaits come to rest first."""


class FakeClock:
    """Its sleepers wake one by one in the order of their times, and time jumps to each."""

    def __init__(self, at: datetime = NOON) -> None:
        self._start = at
        self._now = at
        self._sleepers: dict[tuple[datetime, int], asyncio.Future[None]] = {}
        self._numbers = count()
        self._quiet = 0
        self._is_turning = False

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> timedelta:
        return self._now - self._start

    async def sleep(self, wait: timedelta) -> None:
        """Yield to everybody else, then return when `wait` has passed on this clock."""
        mine = (self._now + max(wait, timedelta(0)), next(self._numbers))
        self._sleepers[mine] = asyncio.get_running_loop().create_future()
        self._quiet = 0
        if not self._is_turning:
            self._turn()
        try:
            await self._sleepers[mine]
        finally:
            self._sleepers.pop(mine, None)

    def advance(self, by: timedelta) -> None:
        """Let time pass at once. Who sleeps until then wakes next, late and in order."""
        self._now += by

    def _turn(self) -> None:
        """Once all is quiet, wake who is due first; then wait for quiet again."""
        if self._quiet == REST and self._sleepers:
            due = min(self._sleepers)
            self._now = max(self._now, due[0])
            sleeper = self._sleepers.pop(due)
            if not sleeper.done():
                sleeper.set_result(None)
            self._quiet = 0
        self._quiet += 1
        self._is_turning = bool(self._sleepers)
        if self._is_turning:
            asyncio.get_running_loop().call_soon(self._turn)
