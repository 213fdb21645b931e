"""What a stretch of work cost: time, and CPU by component."""

import time
from datetime import datetime
from typing import Any

from benchmarks.cpu import Meter
from benchmarks.figures import Figures, percentiles
from benchmarks.stage import Stage

STEPS = 5  # received, routing, building, submitted, confirmed


class Lap:
    """Measures from when it is made."""

    def __init__(self, stage: Stage) -> None:
        self._meter = Meter(stage.pids())
        self._before = self._meter.read()
        self._own = time.process_time()
        self.start = time.perf_counter()

    def end(self, orders: int, end: float | None = None) -> Figures:
        """The rate, up to `end` if that was earlier, and the CPU microseconds of each order."""
        seconds = (end or time.perf_counter()) - self.start
        own = time.process_time() - self._own
        after = self._meter.read()
        cpu = {
            f"cpu_us.{name}": (after[name] - self._before[name]) * 1e6 / orders for name in after
        }
        return {
            "orders_per_second": orders / seconds,
            "cpu_us": sum(cpu.values()),
            **cpu,
            "listener_cpu_us": own * 1e6 / orders,
        }


async def confirmed(database: Any, since: datetime, orders: int) -> Figures:
    """From accept to confirmed, by the database's clock. Raises `LostOrder`."""
    found = await database.fetch(
        "SELECT extract(epoch FROM updated_at - created_at) AS took FROM orders"
        " WHERE created_at > $1 AND status = 'confirmed'",
        since,
    )
    if len(found) != orders:
        raise LostOrder(f"of {orders} orders {len(found)} are confirmed")
    return percentiles("confirmed", [float(row["took"]) for row in found], scale=0.001)


class LostOrder(Exception):
    """An order was not executed, or a step not told: nothing that was measured counts."""
