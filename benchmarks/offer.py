"""Open loop: orders arrive at a fixed rate, however slowly they are answered.

A POST's latency counts from when the order arrived, so one that had to wait for a connection was
slow: else a slow engine would be asked less, and look better. `benchmarks.client` runs it with
`port`, `connections` and `keys`, tells it `rate`, `seconds` and `every`, and is answered every
`every` seconds and at the end, with what came since the last answer.
"""

import asyncio
import time
from collections import deque

import uvloop

from benchmarks import client
from benchmarks.pacing import pace
from benchmarks.posting import ACCEPTED, Connection, requests


class Offer:
    """Posts what arrives over the first connection that is free."""

    def __init__(self, keys: bool) -> None:
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._next_request = requests(keys)
        self._free: deque[Connection] = deque()
        self._waiting: deque[float] = deque()
        self._under_way = 0
        self._idle = asyncio.Event()
        self._latencies: list[int] = []
        self._refused = 0
        self._cpu = 0.0

    async def open(self, port: int, connections: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _, connection = await loop.create_connection(
                lambda: Connection(self._answered, self._fail), "127.0.0.1", port
            )
            self._free.append(connection)
        self._cpu = time.process_time()

    def due(self, at: float, count: int) -> None:
        """Post `count` orders that arrive at `at`."""
        self._under_way += count
        self._idle.clear()
        self._waiting.extend([at] * count)
        while self._waiting and self._free:
            self._post(self._free.popleft())  # in turn, since the API closes idle ones

    async def drain(self) -> None:
        """Return when all are answered."""
        await self._idle.wait()

    def answer(self) -> None:
        """Tell what came since the last answer."""
        cpu, self._cpu = self._cpu, time.process_time()
        client.answer(
            cpu_seconds=self._cpu - cpu, latencies_us=self._latencies, refused=self._refused
        )
        self._latencies, self._refused = [], 0

    def _post(self, connection: Connection) -> None:
        connection.sent_at = self._waiting.popleft()
        connection.post(self._next_request())

    def _answered(self, connection: Connection, status: bytes) -> None:
        self._under_way -= 1
        if status == ACCEPTED:
            self._latencies.append(int((time.perf_counter() - connection.sent_at) * 1e6))
        else:
            self._refused += 1
        if self._waiting:
            self._post(connection)
        else:
            self._free.append(connection)
        if not self._under_way:
            self._idle.set()

    def _fail(self, failure: Exception | None) -> None:
        if not self.failed.done():
            self.failed.set_exception(failure or ConnectionError("the API hung up"))


async def main(port: int, connections: int, keys: bool) -> None:
    """Offer what is wanted. Fails if a connection is lost."""
    offer = Offer(keys)
    await offer.open(port, connections)
    wanted = await client.begin()
    work = asyncio.create_task(_offered(offer, **wanted))
    await asyncio.wait({work, offer.failed}, return_when=asyncio.FIRST_COMPLETED)
    if offer.failed.done():
        offer.failed.result()
    work.result()


async def _offered(offer: Offer, rate: float, seconds: float, every: float) -> None:
    async def tell() -> None:
        while True:
            await asyncio.sleep(every)
            offer.answer()

    telling = asyncio.create_task(tell())
    await pace(offer.due, rate=rate, count=int(rate * seconds))
    await offer.drain()
    telling.cancel()
    offer.answer()


if __name__ == "__main__":
    uvloop.run(main(**client.told()))
