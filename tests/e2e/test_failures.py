"""Venues that fail a third of the time."""

import asyncio
from collections import Counter

from orders.domain.errors import FailureCode
from tests.e2e.engine import Engine
from tests.eventually import eventually

FAILING = {
    "PAPER_FAILURE_RATE": "0.3",
    "PAPER_SEED": "7",
    "RETRY_BASE_SECONDS": "0.05",
    "RETRY_CAP_SECONDS": "0.2",
    "SWEEP_SECONDS": "0.2",
}


async def test_with_venues_that_fail_each_order_ends_in_one_fill_or_in_a_reason(
    engine: Engine,
) -> None:
    await engine.whole(**FAILING)
    await asyncio.gather(*(engine.place() for _ in range(40)))

    async def all_ended() -> bool:
        return not set(await engine.statuses()) - {"confirmed", "failed"}

    await eventually(all_ended)

    ended = await engine.fetch("""
        SELECT status, failure_code, failure_reason,
               (SELECT count(*) FROM order_attempts a
                WHERE a.order_id = o.order_id AND a.state = 'landed') AS landed,
               (SELECT count(*) FROM order_attempts a
                WHERE a.order_id = o.order_id AND a.state = 'live') AS live
          FROM orders o
    """)
    assert len(ended) == 40
    counts = Counter((row["status"], row["landed"], row["live"]) for row in ended)
    assert set(counts) <= {("confirmed", 1, 0), ("failed", 0, 0)}
    assert counts["confirmed", 1, 0] > 20  # 97 % are expected: three attempts at 0.3 each
    failed = [row for row in ended if row["status"] == "failed"]
    assert {row["failure_code"] for row in failed} <= set(FailureCode)
    assert all(row["failure_reason"] for row in failed)
    assert await engine.one("SELECT count(*) FROM order_events WHERE data ? 'retry'") > 0
    await engine.prove()


async def test_venues_that_never_quote_fail_the_order_for_want_of_a_route(engine: Engine) -> None:
    await engine.whole(**FAILING | {"PAPER_FAILURE_RATE": "1", "RETRY_TRIES": "3"})
    order_id = await engine.place()
    await engine.until(order_id, "failed")

    order = await engine.get(f"/api/orders/{order_id}")

    assert order["error"]["code"] == FailureCode.NO_ROUTE
    assert await engine.one("SELECT count(*) FROM order_attempts") == 0
    await engine.prove()
