"""Hears what the engine tells over Redis, without being what is measured.

The bytes are searched, not parsed: at thousands of orders a second a client library would take
more of the machine than Redis does.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from orders.feed import CHANNEL

PATIENCE_SECONDS = 10
STEP, FINAL = b'"seq":', b'"final":true'


class Told(asyncio.Protocol):
    """Counts the steps, and the final ones, that were published since it subscribed."""

    def __init__(self) -> None:
        self.steps = self.finals = 0
        self.subscribed = asyncio.Event()
        self._tail = b""
        self._wanted: list[tuple[int, asyncio.Future[float]]] = []

    def connection_made(self, transport: Any) -> None:
        transport.write(b"SUBSCRIBE %s\r\n" % CHANNEL.encode())

    def data_received(self, data: bytes) -> None:
        self.subscribed.set()
        data = self._tail + data
        self.finals += data.count(FINAL) - self._tail.count(FINAL)
        self.steps += data.count(STEP) - self._tail.count(STEP)
        self._tail = data[1 - len(FINAL) :]
        while self._wanted and self.finals >= self._wanted[0][0]:
            reached = self._wanted.pop(0)[1]
            if not reached.done():
                reached.set_result(time.perf_counter())

    async def final(self, count: int, patience: float = 300) -> float:
        """When the `count`th final step was heard, by `time.perf_counter`."""
        if self.finals >= count:
            return time.perf_counter()
        reached: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._wanted.append((count, reached))
        self._wanted.sort(key=lambda each: each[0])
        async with asyncio.timeout(patience):
            return await reached


@asynccontextmanager
async def listening(redis_port: int) -> AsyncIterator[Told]:
    """Subscribed to the feed."""
    loop = asyncio.get_running_loop()
    transport, told = await loop.create_connection(Told, "127.0.0.1", redis_port)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await told.subscribed.wait()
        yield told
    finally:
        transport.close()
