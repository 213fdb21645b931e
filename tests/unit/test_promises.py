"""What an order is owed while it is executed, and what keeps the code from breaking it."""

import ast
import asyncio
from collections.abc import Iterator
from datetime import timedelta
from itertools import cycle
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from structlog.typing import EventDict

from orders.domain.errors import (
    Expired,
    FailureCode,
    Refused,
    StoreUnavailable,
    Transient,
    Unknown,
)
from orders.domain.order import Order
from orders.domain.quote import NotFound, Outcome, Reverted, Transaction
from orders.domain.retry import RetryPolicy
from orders.execution import Execution
from orders.leases import Leases
from orders.routing import Router
from orders.settings import Settings
from orders.venues import VENUES
from tests.unit.conftest import LEASE, POLL, World
from tests.unit.interrupted import Killed, pauses_in

ROOT = Path(__file__).parents[2]
PRODUCT = sorted(path for folder in ("libs", "services") for path in (ROOT / folder).rglob("*.py"))
SLIPPED = Reverted(FailureCode.SLIPPAGE_EXCEEDED, "the price moved")


# -- a step is stored, then told; and whoever lost the order tells nothing


async def test_a_worker_that_was_overtaken_tells_nobody_of_its_step(world: World) -> None:
    order_id = await world.placed()
    paused, resumed = pauses_in(world.alpha, "build")
    overtaken = asyncio.create_task(world.worker().execution.run(order_id))
    await paused.wait()
    world.clock.advance(LEASE)
    await world.worker().execution.run(order_id)

    resumed.set()
    await overtaken

    history = await world.store.history(order_id)
    assert [order.seq for order in world.feed.published] == [step.seq for step in history][1:]


# -- a claim's number


async def test_a_claim_that_never_arrived_frees_nobody_elses_hold(world: World) -> None:
    order_id = await world.placed()
    save = world.store.save

    async def lost(order: Order, *, claim: int = 0) -> Order:
        raise StoreUnavailable("the claim was lost on its way")

    world.store.save = lost  # type: ignore[method-assign]
    first, first_leases = _worker(world, fraction=0.25)
    await first.run(order_id)
    world.store.save = save  # type: ignore[method-assign]
    held: list[Order] = []
    build = world.alpha.build

    async def building(order: Order) -> Transaction:
        await first_leases.beat()  # hands over the claim that may stand
        held.append(await world.order(order_id))
        return await build(order)

    world.alpha.build = building  # type: ignore[method-assign]
    second, _ = _worker(world, fraction=0.5)

    await second.run(order_id)

    assert [order.status.value for order in held] == ["building"]
    assert (await world.order(order_id)).status == "confirmed"


async def test_a_claim_whose_answer_was_lost_is_handed_over_at_the_next_beat(
    world: World,
) -> None:
    order_id = await world.placed()
    world.store.lose_next_save()
    first = world.worker()
    await first.execution.run(order_id)

    await first.leases.beat()
    await world.worker().execution.run(order_id)

    assert (await world.order(order_id)).status == "confirmed"
    assert world.clock.monotonic() < LEASE


def _worker(world: World, fraction: float) -> tuple[Execution, Leases]:
    """A worker whose dice always show `fraction`."""
    leases = Leases(store=world.store)
    execution = Execution(
        store=world.store,
        feed=world.feed,
        router=Router(
            venues={"alpha": world.alpha}, clock=world.clock, timeout=timedelta(seconds=1)
        ),
        leases=leases,
        clock=world.clock,
        policy=world.policy,
        fraction=lambda: fraction,
        settle_for=LEASE,
        settle_poll=POLL,
    )
    return execution, leases


# -- from submitted on, only the venue's status decides


@pytest.mark.parametrize("call", ["send", "status"])
@pytest.mark.parametrize(
    "error",
    [
        Unknown("no answer"),
        Expired("blockhash not found"),
        Refused("already processed"),
        Transient("busy"),
        ValueError("a bug"),
        OSError("reset"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_no_error_after_signing_decides_anything(
    world: World, call: str, error: Exception
) -> None:
    world.alpha.takes_up_before_error = True
    getattr(world.alpha, f"{call}_errors").append(error)
    order_id = await world.placed()

    await world.worker().execution.run(order_id)

    order = await world.order(order_id)
    assert (order.status, order.attempt) == ("confirmed", 1)
    assert len(world.alpha.ledger.fills(order_id)) == 1
    assert world.alpha.ledger.builds == 1


async def test_an_outcome_is_asked_for_during_one_lease_and_then_left_to_the_sweep(
    world: World,
) -> None:
    world.alpha.status_errors.extend(Unknown("no answer") for _ in range(1000))
    order_id = await world.placed()

    await world.worker().execution.run(order_id)

    visit = world.clock.monotonic()
    assert LEASE <= visit <= LEASE + timedelta(seconds=2)  # the last pause may be that long
    assert len(world.alpha.sent) > 2
    assert len(set(world.alpha.sent)) == 1


async def test_an_order_that_could_not_be_settled_raises_an_alarm(
    world: World, told: list[EventDict]
) -> None:
    world.alpha.status_errors.extend(Unknown("no answer") for _ in range(1000))
    order_id = await world.placed()
    before = _unsettled()

    await world.worker().execution.run(order_id)

    assert _unsettled() == before + 1
    alarms = [line for line in told if line["event"] == "order.unsettled"]
    assert [(line["order_id"], line["log_level"]) for line in alarms] == [(order_id, "warning")]


def _unsettled() -> float:
    return REGISTRY.get_sample_value("order_engine_unsettled_total", {"dex": "alpha"}) or 0


async def test_what_is_pending_is_waited_for(world: World) -> None:
    world.alpha.finality = timedelta(seconds=2)
    order_id = await world.placed()

    await world.worker().execution.run(order_id)

    order = await world.order(order_id)
    assert (order.status, order.actual_out) == ("confirmed", 997_500_000)
    assert world.clock.monotonic() == timedelta(seconds=2)


# -- proof that a transaction can no longer land


@pytest.mark.parametrize(
    "past",
    [
        pytest.param((-1_000,), id="a node far behind"),
        pytest.param((0,), id="at its last height"),
        pytest.param((1, 0), id="past it once and then not"),
        pytest.param((1, None), id="past it once and then silent"),
    ],
)
async def test_without_two_answers_past_its_expiry_a_transaction_may_yet_land(
    world: World, past: tuple[int | None, ...]
) -> None:
    turns = cycle(past)

    async def status(transaction: Transaction) -> Outcome:
        world.clock.advance(timedelta(minutes=2))  # past 150 blocks of 0.4 s, by any other clock
        blocks = next(turns)
        if blocks is None:
            raise Unknown("no answer")
        return NotFound(transaction.last_valid_height + blocks)

    world.alpha.status = status  # type: ignore[method-assign]
    order_id = await world.placed()

    await world.worker().execution.run(order_id)

    order = await world.order(order_id)
    assert (order.status, order.attempt) == ("submitted", 1)
    assert world.alpha.ledger.builds == 1


async def test_the_second_answer_past_expiry_is_asked_for_after_a_margin(world: World) -> None:
    asked: list[timedelta] = []

    async def status(transaction: Transaction) -> Outcome:
        asked.append(world.clock.monotonic())
        if len(asked) == 3:
            raise Killed
        return NotFound(transaction.last_valid_height + 1)

    world.alpha.status = status  # type: ignore[method-assign]
    order_id = await world.placed()

    with pytest.raises(Killed):
        await world.worker().execution.run(order_id)

    assert asked[1] - asked[0] == POLL
    assert (await world.order(order_id)).attempt == 2  # and both together are the proof


# -- counters end an order each for its own reason


async def test_failed_tries_make_no_poison(world: World) -> None:
    for _ in range(4):  # one more than the crashes that make an order poison
        for venue in (world.alpha, world.beta):
            venue.quote_errors.append(Transient("busy"))
    order_id = await world.placed()

    order = await world.finish(world.worker(), order_id)

    assert (order.status, order.crashes) == ("confirmed", 0)


async def test_signed_transactions_make_no_poison(world: World) -> None:
    world.alpha.outcomes.extend([SLIPPED, SLIPPED])
    build = world.alpha.build

    async def dying_at_the_third(order: Order) -> Transaction:
        if order.attempt == 3:
            world.alpha.build = build  # type: ignore[method-assign]
            raise Killed
        return await build(order)

    world.alpha.build = dying_at_the_third  # type: ignore[method-assign]
    order_id = await world.placed()
    with pytest.raises(Killed):
        await world.worker().execution.run(order_id)
    world.clock.advance(LEASE)

    order = await world.finish(world.worker(), order_id)

    assert (order.status, order.attempt) == ("confirmed", 3)


# -- the times that are tuned together


def test_leases_heartbeats_sweeps_and_the_backstop_are_as_the_promises_need_them() -> None:
    settings = _defaults()

    assert (
        settings.lease_seconds,
        settings.heartbeat_seconds,
        settings.sweep_seconds,
        settings.backstop_seconds,
    ) == tuple(timedelta(seconds=length) for length in (5, 1.5, 1, 60))


def test_without_settings_a_step_is_tried_as_the_retry_policy_has_it() -> None:
    assert _defaults().policy == RetryPolicy()


def _defaults() -> Settings:
    return Settings.read({"DATABASE_URL": "postgresql://db/orders", "REDIS_URL": "redis://r"})


# -- what holds for every file


def test_no_file_outside_venues_names_a_venue() -> None:
    places = [path for path in PRODUCT if "venues" not in path.parts]

    named = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in places
        for name in VENUES
        if name in path.read_text().lower()
    ]

    assert len(places) > 50
    assert named == []


def test_only_the_clock_reads_a_clock() -> None:
    """Whatever else needs the time asks the clock that it was given, or PostgreSQL."""
    readers = {
        f"{path.relative_to(ROOT)}: {call}"
        for path in PRODUCT
        if "cli" not in path.parts
        for call in _calls(path)
        if call in {"datetime.now", "datetime.utcnow", "time.time", "time.monotonic", "date.today"}
    }

    assert readers == {
        "libs/orders/clock.py: datetime.now",
        "libs/orders/clock.py: time.monotonic",
    }


def test_only_the_door_steps_an_order() -> None:
    """A status is set where an order is made of a row, and by the door."""
    setters = {
        str(path.relative_to(ROOT))
        for path in PRODUCT
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("replace")
        if any(keyword.arg in {"status", "seq", "attempt"} for keyword in node.keywords)
    }

    assert setters == {"libs/orders/domain/order.py"}


def _calls(path: Path) -> Iterator[str]:
    """What is called of a module or class, and what is imported from `time` by name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield ast.unparse(node.func)
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (f"time.{alias.name}" for alias in node.names)
