"""`python -m benchmarks`: orders a second through the whole engine, and what each costs in CPU.

Starts an engine with paper venues that take no time, posts orders over HTTP until all are
confirmed in the database and every step was published, and says what that took. The last line
is JSON.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import msgspec
from redis.asyncio import Redis

from benchmarks.cpu import Meter
from benchmarks.load import REQUEST
from orders.feed import CHANNEL
from services.cli.local import Engine, engine

STEPS = 5  # received, routing, building, submitted, confirmed
PATIENCE_SECONDS = 120
INSTANT = {"PAPER_QUOTE_LATENCY_MS": "0", "PAPER_EXECUTION_LATENCY_MS": "0"}


@dataclass
class Published:
    """Counts steps and final steps that are told over Redis."""

    url: str
    steps: int = 0
    finals: int = 0
    final: asyncio.Event = field(default_factory=asyncio.Event)

    async def watch(self, ready: asyncio.Event) -> None:
        """Count until cancelled."""
        async with Redis.from_url(self.url) as redis, redis.pubsub() as subscription:
            await subscription.subscribe(CHANNEL)
            while True:
                message = await subscription.get_message(timeout=1)
                if message and message["type"] == "message":
                    self.steps += len(msgspec.json.decode(message["data"], type=list[msgspec.Raw]))
                    finals = message["data"].count(b'"final":true')
                    self.finals += finals
                    if finals:
                        self.final.set()
                elif message:
                    ready.set()


def main() -> None:
    """Measure, print, and exit 1 if an order was lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--orders", type=int, default=20_000, help="a run (%(default)s)")
    parser.add_argument("--connections", type=int, default=64, help="(%(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="after a warm-up (%(default)s)")
    parser.add_argument("--concurrency", type=int, default=250, help="(%(default)s)")
    parser.add_argument("--unloaded", type=int, default=500, help="orders, one at a time")
    arguments = parser.parse_args()
    os.environ |= INSTANT | {
        "WORKER_CONCURRENCY": str(arguments.concurrency),
        "MAX_BACKLOG_AGE_SECONDS": "3600",
    }
    with engine(tell=lambda line: print(line, file=sys.stderr)) as running:
        print(json.dumps(asyncio.run(measure(running, arguments))))


async def measure(running: Engine, arguments: argparse.Namespace) -> dict[str, Any]:
    """All runs against one engine: a warm-up, the loaded ones, and one at a time."""
    await run(running, orders=max(1000, arguments.orders // 4), connections=arguments.connections)
    runs = [
        await run(running, orders=arguments.orders, connections=arguments.connections)
        for _ in range(arguments.runs)
    ]
    for each in runs:
        print(_sentence(each), file=sys.stderr)
    unloaded = await run(running, orders=arguments.unloaded, one_at_a_time=True)
    print("one at a time: " + _sentence(unloaded), file=sys.stderr)
    middle = sorted(runs, key=lambda each: each["orders_per_second"])[len(runs) // 2]
    return {
        "orders": arguments.orders,
        "connections": arguments.connections,
        "cores": os.cpu_count(),
        "python": sys.version.split()[0],
        "median_run": middle,
        "orders_per_second_of_runs": [each["orders_per_second"] for each in runs],
        "unloaded": unloaded,
    }


async def run(
    running: Engine, *, orders: int, connections: int = 1, one_at_a_time: bool = False
) -> dict[str, Any]:
    """Post `orders` and wait until all are confirmed and every step was published."""
    published, ready = Published(running.redis_url), asyncio.Event()
    watching = asyncio.create_task(published.watch(ready))
    await ready.wait()
    database = await asyncpg.connect(running.database_url)
    since = await database.fetchval("SELECT now()")
    meter = Meter({child.name: child.pid for child in running.children})
    before, start = meter.read(), time.perf_counter()
    if one_at_a_time:
        posted = await _one_at_a_time(running, orders, published)
    else:
        posted = await _load(running, orders, connections)
    while published.finals < orders:
        if time.perf_counter() - start > PATIENCE_SECONDS:
            break
        await asyncio.sleep(0.002)
    seconds = time.perf_counter() - start
    after = meter.read()
    confirmed, p50, p99 = await database.fetchrow(
        "SELECT count(*), percentile_disc(0.5) WITHIN GROUP (ORDER BY updated_at - created_at),"
        " percentile_disc(0.99) WITHIN GROUP (ORDER BY updated_at - created_at)"
        " FROM orders WHERE created_at > $1 AND status = 'confirmed'",
        since,
    )
    await database.close()
    watching.cancel()
    if confirmed != orders or published.steps < orders * STEPS:
        sys.exit(f"of {orders} orders {confirmed} were confirmed, {published.steps} steps told")
    cpu = {name: (after[name] - before[name]) * 1e6 / orders for name in after}
    latencies = posted["latencies_us"]
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "orders_per_second": round(orders / seconds),
        "cpu_us_per_order": {name: round(used) for name, used in cpu.items()},
        "cpu_us_per_order_sum": round(sum(cpu.values())),
        "client_cpu_us_per_order": round(posted["cpu_seconds"] * 1e6 / orders),
        "post_ms": _percentiles(latencies),
        "accept_to_confirmed_ms": {
            "p50": round(p50.total_seconds() * 1000, 2),
            "p99": round(p99.total_seconds() * 1000, 2),
        },
    }


async def _one_at_a_time(running: Engine, orders: int, published: Published) -> dict[str, Any]:
    """Post the next order only when the last one is confirmed."""
    address = urlsplit(running.api_url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    latencies = []
    cpu = time.process_time()
    for _ in range(orders):
        published.final.clear()
        sent = time.perf_counter()
        writer.write(REQUEST)
        await reader.readuntil(b"}")
        latencies.append(int((time.perf_counter() - sent) * 1e6))
        await published.final.wait()
    writer.close()
    return {"latencies_us": latencies, "cpu_seconds": time.process_time() - cpu}


async def _load(running: Engine, orders: int, connections: int) -> dict[str, Any]:
    address = urlsplit(running.api_url)
    client = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "benchmarks.load", address.hostname or "", str(address.port)),
        *(str(orders), str(connections)),
        stdout=subprocess.PIPE,
    )
    output, _ = await client.communicate()
    if client.returncode:
        sys.exit("the load client failed")
    posted: dict[str, Any] = json.loads(output)
    return posted


def _percentiles(latencies: list[int]) -> dict[str, float]:
    hundredths = statistics.quantiles(latencies, n=100)
    return {"p50": round(hundredths[49] / 1000, 2), "p99": round(hundredths[98] / 1000, 2)}


def _sentence(figures: dict[str, Any]) -> str:
    cpu = ", ".join(f"{name} {used}" for name, used in figures["cpu_us_per_order"].items())
    return (
        f"{figures['orders_per_second']} orders/s, {figures['cpu_us_per_order_sum']} µs CPU an "
        f"order ({cpu}; client {figures['client_cpu_us_per_order']}), POST {figures['post_ms']} ms,"
        f" accept to confirmed {figures['accept_to_confirmed_ms']} ms"
    )


if __name__ == "__main__":
    main()
