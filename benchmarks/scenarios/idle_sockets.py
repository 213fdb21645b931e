"""Idle sockets: what five thousand WebSockets cost while nothing happens to their orders."""

import asyncio

from benchmarks import backlog
from benchmarks.client import client
from benchmarks.cpu import Meter, resident_kib
from benchmarks.figures import Case, Figures
from benchmarks.options import Options
from benchmarks.stage import staged

SOCKETS, SECONDS = 5000, 30.0
WARMING = 200
SETTLING = 3  # seconds


async def run(options: Options) -> list[Case]:
    """Each run on an API of its own, since a process keeps memory that it once took. No worker
    runs, so the orders stay as they are."""
    sockets, seconds = options.sockets or SOCKETS, options.seconds or SECONDS
    runs = [await idle(sockets, seconds) for _ in range(options.runs)]
    return [Case(f"{sockets} sockets", runs)]


async def idle(count: int, seconds: float) -> Figures:
    """Memory is measured after some sockets have come and gone, which leaves what is shared."""
    async with staged(workers=0) as stage:
        ids = await backlog.place(stage, count)
        async with client("sockets", port=stage.api_port) as sockets:
            await sockets.ask(ids=ids[:WARMING])
        await asyncio.sleep(SETTLING)
        assert stage.api
        empty = resident_kib(stage.api.pid)
        async with client("sockets", port=stage.api_port) as sockets:
            await sockets.ask(ids=ids)
            await asyncio.sleep(SETTLING)
            full = resident_kib(stage.api.pid)
            meter = Meter(stage.pids())
            before = meter.read()
            await asyncio.sleep(seconds)
            used = meter.read()["api"] - before["api"]
            await sockets.ask(steps=0)
    return {"kib_per_socket": (full - empty) / count, "core_percent.api": 100 * used / seconds}
