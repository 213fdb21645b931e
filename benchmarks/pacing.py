"""Arrivals at a fixed rate, whatever becomes of them.

Event loops wake to the millisecond at best, so the waiting is done by a thread. Above 1,000 a
second, several arrive together each millisecond.
"""

import asyncio
import sys
import threading
import time
from collections.abc import Callable

TICK = 0.001  # seconds
SWITCH = 0.0002  # seconds; else the thread may wait 5 ms for its turn


async def pace(due: Callable[[float, int], None], *, rate: float, count: int) -> None:
    """Call `due` with each instant, by `time.perf_counter`, and how many arrive then.

    Returns when `count` have arrived. What is late is told late, with the time it should have been.
    """
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    stopped = threading.Event()

    def over() -> None:
        if not done.done():
            done.set_result(None)

    def run() -> None:
        tick = max(TICK, 1 / rate)
        start, arrived, turn = time.perf_counter(), 0, 0
        while arrived < count and not stopped.is_set():
            at = start + turn * tick
            wait = at - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            turn += 1
            now = min(count, round(turn * tick * rate)) - arrived
            if now:
                arrived += now
                loop.call_soon_threadsafe(due, at, now)
        loop.call_soon_threadsafe(over)

    sys.setswitchinterval(SWITCH)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        await done
    finally:
        stopped.set()
        await asyncio.to_thread(thread.join)
