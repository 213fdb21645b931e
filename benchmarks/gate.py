"""The gate: fails when an order costs more CPU than it may.

CPU time, not a rate: where other work takes most of the machine, the rate falls to a third while
an order costs half as much again. And one run within the limit is enough, since noise only ever
adds to a run, while a regression is in every one.

A whole machine may be slow, because others use the caches and the clock that it shares. Then the
plain baseline is the yardstick, measured in the same minute: it is slowed as the engine is.
"""

import sys
import time

from benchmarks.figures import Figures
from benchmarks.options import Options
from benchmarks.scenarios.baselines import baseline
from benchmarks.scenarios.end_to_end import loaded
from benchmarks.stage import staged

LIMIT = 550.0
"""CPU microseconds an order over API, worker, Redis and PostgreSQL, over 64 connections.

An order costs 340 to 370 on two cores that are quiet, and half as much again on busy ones.
"""
TIMES = 7.0
"""How many times as much an order of the plain baseline must cost, where the limit is missed.

It was 9.0 to 12.2 times, on four machines that differed by three in speed. Without group commit it
would be 1.8.
"""
ORDERS, PLAIN_ORDERS, CONNECTIONS = 5000, 1000, 64
RUNS = 8
SECONDS = 45.0  # no further run is begun after so long


async def gate(options: Options) -> bool:
    """Whether an order costs no more than the limit. Says so on stderr."""
    limit = options.limit or LIMIT
    runs = await _runs(limit, options.orders or ORDERS)
    best = min(runs, key=lambda run: run["cpu_us"])
    is_open = best["cpu_us"] <= limit
    yardstick = ""
    if not is_open and not options.limit:
        plain = (await baseline("plain", PLAIN_ORDERS))["cpu_us"]
        is_open = best["cpu_us"] * TIMES <= plain
        yardstick = (
            f"; on this machine a plain engine costs {plain:.0f}, × {plain / best['cpu_us']:.1f},"
            f" and × {TIMES:g} will do"
        )
    costs = ", ".join(f"{run['cpu_us']:.0f}" for run in runs)
    parts = ", ".join(
        f"{name.partition('.')[2]} {used:.0f}" for name, used in best.items() if "." in name
    )
    print(
        f"gate: {'passed' if is_open else 'FAILED'}: {best['cpu_us']:.0f} µs CPU an order at best"
        f" (runs: {costs}), of it {parts}; the limit is {limit:.0f}{yardstick}",
        file=sys.stderr,
    )
    return is_open


async def _runs(limit: float, orders: int) -> list[Figures]:
    """After a warm-up, up to the first that is within the limit."""
    runs: list[Figures] = []
    start = time.monotonic()
    async with staged({"WORKER_CONCURRENCY": "250"}) as stage:
        await loaded(stage, orders // 2, CONNECTIONS)
        while len(runs) < RUNS and time.monotonic() - start < SECONDS:
            runs.append(await loaded(stage, orders, CONNECTIONS))
            if runs[-1]["cpu_us"] <= limit:
                break
    return runs
