"""The system's clock. Orders are never timed by it: their instants are PostgreSQL's."""

import asyncio
import time
from datetime import UTC, datetime, timedelta


class SystemClock:
    """Wall time in UTC, and waiting on the event loop."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> timedelta:
        return timedelta(seconds=time.monotonic())

    async def sleep(self, wait: timedelta) -> None:
        await asyncio.sleep(wait.total_seconds())
