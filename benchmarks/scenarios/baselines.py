"""Baselines: the engine against itself without group commit, and against a plain one."""

from collections.abc import Mapping

from benchmarks.figures import Case, Figures
from benchmarks.options import Options
from benchmarks.scenarios.end_to_end import loaded
from benchmarks.stage import ENGINE, staged

ORDERS, CONNECTIONS = 10_000, 64
SHARE = {"engine": 1.0, "ungrouped": 0.4, "plain": 0.2}
"""Of the orders, so that the slow ones take no longer."""


async def run(options: Options) -> list[Case]:
    """End to end over 64 connections, the three in turn, again and again. The ratios are within a
    round, so that a machine that slows down slows all."""
    rounds = [await _round(options.orders or ORDERS) for _ in range(options.runs)]
    for each in rounds:
        for figures in each.values():
            figures["of_engine_rate"] = (
                figures["orders_per_second"] / each["engine"]["orders_per_second"]
            )
            figures["of_engine_cpu"] = figures["cpu_us"] / each["engine"]["cpu_us"]
    return [Case(name, [each[name] for each in rounds]) for name in SHARE]


async def _round(orders: int) -> Mapping[str, Figures]:
    return {name: await baseline(name, int(orders * share)) for name, share in SHARE.items()}


async def baseline(name: str, orders: int) -> Figures:
    """One measurement of a baseline, or of the engine, after a warm-up."""
    modules: Mapping[str, tuple[str, ...]] = ENGINE
    if name != "engine":
        modules = {each: ("benchmarks.baselines", each, name) for each in ENGINE}
    async with staged(modules=modules) as stage:
        await loaded(stage, max(500, orders // 4), CONNECTIONS)
        return await loaded(stage, orders, CONNECTIONS)
