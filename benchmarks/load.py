"""The load client, in a process of its own so that its cost is known apart.

`python -m benchmarks.load HOST PORT ORDERS CONNECTIONS` prints one JSON line: the seconds it
took, its own CPU seconds, and every POST's latency in microseconds.
"""

import asyncio
import json
import sys
import time
from typing import Any

import uvloop

BODY = b'{"inputMint":"SOL","outputMint":"USDC","amountIn":1000000000}'
REQUEST = (
    b"POST /api/orders/execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
)


class Client(asyncio.Protocol):
    """One connection that posts again as soon as it is answered, while `budget` lasts."""

    def __init__(self, budget: list[int], latencies: list[int], done: asyncio.Event) -> None:
        self._budget = budget
        self._latencies = latencies
        self._done = done
        self._answer = b""
        self._sent = 0.0
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._post()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not self._answer.endswith(b"}"):
            return
        if not self._answer.startswith(b"HTTP/1.1 201"):
            sys.exit(f"not accepted: {self._answer.decode()}")
        self._answer = b""
        self._latencies.append(int((time.perf_counter() - self._sent) * 1e6))
        self._post()

    def connection_lost(self, failure: Exception | None) -> None:
        if not self._done.is_set():
            sys.exit(f"connection lost: {failure}")

    def _post(self) -> None:
        if self._budget[0] == 0:
            if self._budget[1] == len(self._latencies):
                self._done.set()
            return
        self._budget[0] -= 1
        self._sent = time.perf_counter()
        self._transport.write(REQUEST)


async def load(host: str, port: int, orders: int, connections: int) -> dict[str, Any]:
    """Post `orders` orders over `connections` connections."""
    budget, latencies, done = [orders, orders], list[int](), asyncio.Event()
    start, cpu = time.perf_counter(), time.process_time()
    loop = asyncio.get_running_loop()
    for _ in range(min(connections, orders)):
        await loop.create_connection(lambda: Client(budget, latencies, done), host, port)
    await done.wait()
    return {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu,
        "latencies_us": latencies,
    }


if __name__ == "__main__":
    host, port, orders, connections = sys.argv[1], *map(int, sys.argv[2:])
    print(json.dumps(uvloop.run(load(host, port, orders, connections))))
