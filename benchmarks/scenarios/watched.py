"""Watched: every order has a WebSocket, and a thousand orders are executed a second."""

import time
from datetime import timedelta
from typing import Any

from benchmarks import backlog
from benchmarks.client import client
from benchmarks.cpu import Meter
from benchmarks.figures import Case, Figures, percentiles
from benchmarks.measuring import STEPS, Lap
from benchmarks.options import Options
from benchmarks.stage import Stage, staged
from benchmarks.told import listening

ORDERS, RATE = 5000, 1000
SETTLING = timedelta(seconds=1)
"""Steps of the first second after the release count for nothing: the worker has just started."""


async def run(options: Options) -> list[Case]:
    """Sockets are attached to a backlog whose hints are held back, which are then released."""
    orders, rate = options.sockets or ORDERS, (options.rates or (RATE,))[0]
    async with staged(backlog.PATIENT, workers=0) as stage:
        runs = [await watched(stage, orders, rate) for _ in range(options.runs)]
    return [Case(f"{rate} orders/s, {orders} sockets", runs)]


async def watched(stage: Stage, orders: int, rate: float) -> Figures:
    """From when a step was stored, by PostgreSQL's clock, to when its frame reached the client."""
    ids = await backlog.place(stage, orders)
    hints = await backlog.held_back(stage)
    async with client("sockets", port=stage.api_port) as sockets:
        connecting = await _connected(stage, sockets, ids)
        await stage.start_workers()
        async with listening(stage.redis.port) as told:
            lap = Lap(stage)
            sockets.tell(steps=orders * STEPS)
            await backlog.release(stage, hints, rate)
            figures = lap.end(orders, await told.final(orders))
        heard = await sockets.answer()
        await stage.stop_workers()
    return {
        **figures,
        **connecting,
        "client_cpu_us": heard["cpu_seconds"] * 1e6 / orders,
        **percentiles("socket", await _delays(stage, ids, heard["heard"]), scale=1000),
    }


async def _connected(stage: Stage, sockets: Any, ids: list[str]) -> Figures:
    """What it cost to attach a socket to each order, until its first step was replayed."""
    meter, start = Meter(stage.pids()), time.perf_counter()
    before = meter.read()
    await sockets.ask(ids=ids)
    seconds, after = time.perf_counter() - start, meter.read()
    return {
        "connects_per_second": len(ids) / seconds,
        "connect_cpu_us.api": (after["api"] - before["api"]) * 1e6 / len(ids),
        "connect_cpu_us.postgres": (after["postgres"] - before["postgres"]) * 1e6 / len(ids),
    }


async def _delays(stage: Stage, ids: list[str], heard: list[tuple[int, int, int]]) -> list[int]:
    """Microseconds, of every step but the first, which was replayed."""
    async with stage.database() as database:
        found = await database.fetch(
            "SELECT order_id::text AS id, seq, (extract(epoch FROM at) * 1e6)::bigint AS at"
            " FROM order_events WHERE seq > 1 AND order_id = ANY ($1::uuid[])",
            ids,
        )
    stored = {(row["id"], row["seq"]): row["at"] for row in found}
    begin = min(stored.values()) + SETTLING // timedelta(microseconds=1)
    pairs = ((at, stored.get((ids[n], seq), 0)) for n, seq, at in heard)
    return [at - was for at, was in pairs if was >= begin]
