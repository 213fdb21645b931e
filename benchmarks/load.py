"""Closed loop: every connection posts again as soon as it is answered.

`benchmarks.client` runs it with `port`, `orders`, `connections` and `keys`; it answers its own
CPU seconds and every POST's latency in microseconds.
"""

import asyncio
import time

import uvloop

from benchmarks import client
from benchmarks.posting import ACCEPTED, Connection, requests


async def main(port: int, orders: int, connections: int, keys: bool) -> None:
    """Post `orders` orders. Fails if one is not accepted."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    next_request, clock = requests(keys), time.perf_counter
    latencies: list[int] = []
    left = orders

    def post(connection: Connection) -> None:
        nonlocal left
        left -= 1
        connection.sent_at = clock()
        connection.post(next_request())

    def answered(connection: Connection, status: bytes) -> None:
        latencies.append(int((clock() - connection.sent_at) * 1e6))
        if status != ACCEPTED:
            fail(RuntimeError(f"an order was answered {status.decode()}"))
        elif left:
            post(connection)
        elif len(latencies) == orders:
            done.set_result(None)

    def fail(failure: Exception | None) -> None:
        if not done.done():
            done.set_exception(failure or ConnectionError("the API hung up"))

    opened = [
        (await loop.create_connection(lambda: Connection(answered, fail), "127.0.0.1", port))[1]
        for _ in range(min(connections, orders))
    ]
    await client.begin()
    cpu = time.process_time()
    for connection in opened:
        post(connection)
    await done
    client.answer(cpu_seconds=time.process_time() - cpu, latencies_us=latencies)


if __name__ == "__main__":
    uvloop.run(main(**client.told()))
