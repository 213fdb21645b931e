"""Workers that are killed or frozen: another finishes their orders, and sends nothing twice."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tests.e2e.engine import SHORT_LEASES, Engine, Service, seqs, statuses, transactions
from tests.eventually import eventually

SLOW = {
    "routing": {"PAPER_QUOTE_LATENCY_MS": "60000", "QUOTE_TIMEOUT_SECONDS": "60"},
    "submitted": {"PAPER_EXECUTION_LATENCY_MS": "1500"},
}
"""What keeps an order at a step for long enough to be caught there."""


async def caught_at(engine: Engine, status: str, **settings: str) -> tuple[UUID, Service]:
    """An order at that step, and the worker that holds it."""
    _, worker = await engine.whole(**SLOW[status] | settings)
    order_id = await engine.place()
    await engine.until(order_id, status)
    return order_id, worker


async def assert_executed_once(engine: Engine, order_id: UUID) -> None:
    """One attempt, which landed; one transaction in the whole history, which has no gap."""
    events = await engine.events(order_id)
    attempts = await engine.fetch("SELECT attempt, state, tx_hash FROM order_attempts")
    assert seqs(events) == list(range(1, len(events) + 1))
    assert [tuple(row)[:2] for row in attempts] == [(1, "landed")]
    assert transactions(events) == {attempts[0]["tx_hash"]}
    await engine.prove()


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("routing", ["received", "routing", "routing", "building", "submitted", "confirmed"]),
        ("submitted", ["received", "routing", "building", "submitted", "submitted", "confirmed"]),
    ],
)
async def test_a_worker_killed_in_the_middle_is_followed_by_another(
    engine: Engine, status: str, told: list[str]
) -> None:
    order_id, first = await caught_at(engine, status, **SHORT_LEASES)

    first.child.kill()
    await engine.worker(**SHORT_LEASES)
    await engine.until(order_id, "confirmed")

    assert statuses(await engine.events(order_id)) == told
    await assert_executed_once(engine, order_id)


async def test_a_worker_that_starts_asks_about_what_was_sent_before_it_serves(
    engine: Engine,
) -> None:
    order_id, first = await caught_at(engine, "submitted", **SHORT_LEASES)
    first.child.kill()

    async def abandoned() -> bool:
        return bool(await engine.one("SELECT wake_at < now() FROM orders"))

    await eventually(abandoned)
    never = {"SWEEP_SECONDS": "3600"}  # nor does a sweep help
    second = engine.start("worker", **SHORT_LEASES | never, WORKER_CONCURRENCY="1")
    await second.ready()

    assert (await engine.get(f"/api/orders/{order_id}"))["status"] == "confirmed"
    await eventually(lambda: second.told("start.reconciled", count=1))
    await assert_executed_once(engine, order_id)


async def test_a_worker_that_is_stopped_while_it_starts_hands_over_what_it_asks_about(
    engine: Engine,
) -> None:
    unhurried = {"LEASE_SECONDS": "2", "HEARTBEAT_SECONDS": "0.5", "SWEEP_SECONDS": "0.2"}
    endless = {"PAPER_EXECUTION_LATENCY_MS": "600000"}
    order_id, first = await caught_at(engine, "submitted", **unhurried, **endless)
    first.child.kill()

    async def is_held(held: bool) -> bool:
        rows = await engine.fetch("SELECT held AND wake_at > now() AS held FROM orders")
        return rows == [(held,)]

    await eventually(lambda: is_held(False))
    second = engine.start("worker", **unhurried, **endless)
    await eventually(lambda: is_held(True))
    second.child.ask_to_stop()

    assert await second.ended(timedelta(seconds=5)) == 0
    assert await engine.fetch("SELECT held, crashes FROM orders") == [(False, 1)]
    assert (await engine.get(f"/api/orders/{order_id}"))["status"] == "submitted"
    assert "Traceback" not in second.log


async def test_with_the_default_leases_a_crash_is_made_up_for_within_ten_seconds(
    engine: Engine,
) -> None:
    order_id, first = await caught_at(engine, "submitted", PAPER_EXECUTION_LATENCY_MS="3000")
    await engine.worker()

    first.child.kill()

    await engine.until(order_id, "confirmed", within=timedelta(seconds=10))
    await assert_executed_once(engine, order_id)


@pytest.mark.parametrize("status", ["routing", "submitted"])
async def test_a_worker_frozen_past_its_lease_changes_nothing_when_it_wakes(
    engine: Engine, status: str
) -> None:
    slow = {"PAPER_QUOTE_LATENCY_MS": "800", "PAPER_EXECUTION_LATENCY_MS": "800"}
    order_id, frozen = await caught_at(engine, status, **SHORT_LEASES, **slow)
    frozen.pause()
    await engine.worker(**SHORT_LEASES)
    await engine.until(order_id, "confirmed")
    finished = await engine.events(order_id)

    frozen.resume()
    await eventually(lambda: frozen.told("order.dropped", order_id=str(order_id), reason="stale"))

    assert await engine.events(order_id) == finished
    await assert_executed_once(engine, order_id)


async def test_a_wait_for_the_next_try_survives_a_crash(engine: Engine) -> None:
    retry = {"RETRY_TRIES": "100", "RETRY_BASE_SECONDS": "4", "RETRY_CAP_SECONDS": "4"}
    _, first = await engine.whole(PAPER_FAILURE_RATE="1", **SHORT_LEASES, **retry)
    order_id = await engine.place()

    async def long_wait() -> datetime | None:
        rows = await engine.fetch(
            "SELECT wake_at FROM orders WHERE NOT held AND tries > 0"
            " AND wake_at > now() + interval '1.5 seconds'"
        )
        return rows[0]["wake_at"] if rows else None

    wake_at: datetime = await eventually(long_wait, timedelta(seconds=60))
    first.child.kill()
    waiting = await engine.events(order_id)

    await engine.worker(**SHORT_LEASES)
    await engine.until(order_id, "confirmed")

    events = await engine.events(order_id)
    resumed = events[len(waiting)]
    assert events[: len(waiting)] == waiting
    assert waiting[-1]["retry"]["waitMs"] > 1500
    late = datetime.fromisoformat(resumed["at"]).astimezone(UTC) - wake_at
    assert timedelta(seconds=-0.001) < late < timedelta(seconds=2)
    await assert_executed_once(engine, order_id)
