"""Soak: a steady load for a long time, and whether memory and tables stay as they are."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from benchmarks.client import Client, client
from benchmarks.cpu import resident_kib
from benchmarks.figures import Case, Figures, percentiles, rounded
from benchmarks.measuring import Lap
from benchmarks.options import Options
from benchmarks.scenarios.end_to_end import loaded
from benchmarks.stage import Stage, staged
from benchmarks.told import listening
from orders.queue import STREAM

RATE, EVERY, CONNECTIONS = 1000, 10.0, 128
WARM_UP = 5000  # orders
WARMING = 0.2  # of the run: memory that is taken while caches fill is no leak
TABLES = """
SELECT relname AS name, pg_total_relation_size(relid) / 1048576.0 AS mib,
       n_live_tup AS live, n_dead_tup AS dead,
       n_tup_upd AS updates, n_tup_hot_upd AS hot, autovacuum_count AS vacuums
FROM pg_stat_user_tables WHERE relname LIKE 'order%' OR relname = 'idempotency_keys'
"""


async def run(options: Options) -> list[Case]:
    """A sample every ten seconds; with `--samples FILE` each is written there at once."""
    rate = (options.rates or (RATE,))[0]
    async with staged() as stage:
        await loaded(stage, WARM_UP, 64)
        samples, spent = await _soaked(stage, rate, options)
    times = [sample["second"] for sample in samples]
    orders = [sample["orders"] for sample in samples]
    warm = next(n for n, second in enumerate(times) if second >= times[-1] * WARMING)
    figures = spent | {
        "post_p99_ms": max(sample["post_p99_ms"] for sample in samples[warm:]),
        "queue": max(sample["queue"] for sample in samples[warm:]),
        "hot_percent": samples[-1]["hot_percent"],
        "vacuums": samples[-1]["vacuums"],
        "dead_percent": max(sample["dead_percent"] for sample in samples[warm:]),
    }
    for name in ("api", "worker"):
        memory = [sample[f"rss_kib.{name}"] for sample in samples]
        figures[f"rss_mib.{name}"] = memory[-1] / 1024
        figures[f"kib_per_100k_orders.{name}"] = 1e5 * _slope(orders[warm:], memory[warm:])
    series = {name: [rounded(sample[name]) for sample in samples] for name in samples[0]}
    return [Case(f"{rate} orders/s for {times[-1] / 60:.0f} min", [figures], series)]


async def _soaked(stage: Stage, rate: int, options: Options) -> tuple[list[Figures], Figures]:
    """The samples, and what the whole run cost."""
    seconds, samples = options.minutes * 60, list[Figures]()
    lap, arrived = Lap(stage), 0
    async with (
        listening(stage.redis.port) as told,
        client(
            "offer", port=stage.api_port, connections=CONNECTIONS, keys=bool(options.keys)
        ) as offer,
    ):
        offer.tell(rate=rate, seconds=seconds, every=EVERY)
        while arrived < int(rate * seconds):
            sample, more = await _sample(stage, offer, lap)
            arrived += more
            samples.append(sample | {"orders": WARM_UP + arrived})
            if options.samples:
                _write(Path(options.samples), samples[-1])
        await told.final(arrived - sum(int(sample["refused"]) for sample in samples))
    return samples, lap.end(arrived)


async def _sample(stage: Stage, offer: Client, lap: Lap) -> tuple[Figures, int]:
    """How things stand at the client's next answer, and how many orders arrived since its last."""
    posted = await offer.answer()
    stage.check()
    async with stage.database() as database, Redis(port=stage.redis.port) as redis:
        tables = await database.fetch(TABLES)
        waiting = await redis.xlen(STREAM)
    assert stage.api
    sample = {
        "second": time.perf_counter() - lap.start,
        "refused": float(posted["refused"]),
        "queue": float(waiting),
        "rss_kib.api": resident_kib(stage.api.pid),
        "rss_kib.worker": resident_kib(stage.workers[0].pid),
        **{f"mib.{table['name']}": float(table["mib"]) for table in tables},
        **_orders(next(table for table in tables if table["name"] == "orders")),
        "vacuums": float(sum(table["vacuums"] for table in tables)),
        "post_p99_ms": 0.0,
    } | percentiles("post", posted["latencies_us"], scale=1000, wanted=(99,))
    return sample, len(posted["latencies_us"]) + posted["refused"]


def _write(samples: Path, sample: Figures) -> None:
    with samples.open("a") as out:
        out.write(json.dumps(sample) + "\n")


def _orders(table: Any) -> Figures:
    """Of the table that every step updates."""
    return {
        "hot_percent": 100 * table["hot"] / max(1, table["updates"]),
        "dead_percent": 100 * table["dead"] / max(1, table["live"]),
    }


def _slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Of the straight line that fits best."""
    middle_x, middle_y = sum(x) / len(x), sum(y) / len(y)
    spread = sum((each - middle_x) ** 2 for each in x)
    both = sum((a - middle_x) * (b - middle_y) for a, b in zip(x, y, strict=True))
    return both / spread if spread else 0.0
