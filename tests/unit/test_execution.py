"""Execution: step, save, tell; and what becomes of an order wherever that is cut off."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise

import pytest
from structlog.typing import EventDict

from orders.domain.amounts import Amount
from orders.domain.errors import (
    Expired,
    FailureCode,
    Refused,
    StaleOrder,
    Transient,
    Unknown,
)
from orders.domain.order import Failure, Order
from orders.domain.quote import Landed, Outcome, Reverted, Transaction
from orders.domain.retry import RetryPolicy
from orders.execution import Execution
from tests.unit.conftest import LEASE, World
from tests.unit.interrupted import Killed, dies_in, pauses_in

SLIPPED = Reverted(FailureCode.SLIPPAGE_EXCEEDED, "the price moved")


async def test_an_order_goes_all_the_way_in_one_run(world: World) -> None:
    order_id = await world.placed()

    await world.worker().execution.run(order_id)

    order = await world.order(order_id)
    assert await world.statuses(order_id) == [
        *("received", "routing", "building", "submitted", "confirmed")
    ]
    assert (order.dex, order.expected_out, order.min_out, order.actual_out) == (
        "alpha",
        997_500_000,
        992_512_500,  # 997,500,000 less 50 bps
        997_500_000,
    )


async def test_every_stored_step_is_told_in_order(world: World) -> None:
    order_id = await world.placed()

    await world.worker().execution.run(order_id)

    assert [order.seq for order in world.feed.published] == [2, 3, 4, 5]


async def test_the_signed_bytes_are_stored_before_they_are_sent(world: World) -> None:
    order_id = await world.placed()
    stored_when_sent: list[tuple[str, bytes]] = []
    venue = world.alpha
    send = venue.send

    async def spying(transaction: Transaction) -> None:
        order = await world.order(order_id)
        assert order.transaction is not None
        stored_when_sent.append((order.status.value, order.transaction.raw))
        await send(transaction)

    venue.send = spying  # type: ignore[method-assign]

    await world.worker().execution.run(order_id)

    assert stored_when_sent == [("submitted", venue.sent[0])]


async def test_two_workers_on_one_order_send_one_transaction(world: World) -> None:
    world.alpha.latency = timedelta(milliseconds=100)
    order_id = await world.placed()

    await asyncio.gather(*(world.worker().execution.run(order_id) for _ in range(2)))

    assert len(set(world.alpha.sent)) == 1
    assert await world.statuses(order_id) == [
        *("received", "routing", "building", "submitted", "confirmed")
    ]


async def test_a_delivery_of_a_finished_or_unknown_order_does_nothing(world: World) -> None:
    order_id = await world.placed()
    worker = world.worker()
    await worker.execution.run(order_id)

    await worker.execution.run(order_id)
    await worker.execution.run(type(order_id)(int=0))

    assert len(await world.statuses(order_id)) == 5


async def test_a_delivery_of_an_order_that_another_holds_does_nothing(world: World) -> None:
    order_id = await world.placed()
    order = await world.store.save((await world.order(order_id)).resume(), claim=True)

    await world.worker().execution.run(order_id)

    assert (await world.order(order_id)).seq == order.seq


# -- a crash after each step, and a paused worker


@pytest.mark.parametrize(
    ("method", "after"),
    [("build", False), ("build", True), ("send", False), ("send", True), ("status", False)],
)
async def test_an_order_whose_worker_dies_is_finished_by_another_with_one_fill(
    world: World, method: str, after: bool
) -> None:
    order_id = await world.placed()
    dies_in(world.alpha, method, after=after)
    with pytest.raises(Killed):
        await world.worker().execution.run(order_id)

    order = await world.finish(world.worker(), order_id)

    assert order.status == "confirmed"
    assert len(world.alpha.ledger.fills(order_id)) == 1
    assert order.attempt == 1


async def test_after_a_crash_the_same_bytes_are_sent_again_and_nothing_is_signed(
    world: World,
) -> None:
    order_id = await world.placed()
    dies_in(world.alpha, "send", after=True)
    with pytest.raises(Killed):
        await world.worker().execution.run(order_id)

    await world.finish(world.worker(), order_id)

    assert len(world.alpha.sent) == 2
    assert len(set(world.alpha.sent)) == 1
    assert world.alpha.ledger.builds == 1


async def test_a_dead_workers_order_is_taken_up_once_its_lease_ran_out(world: World) -> None:
    order_id = await world.placed()
    dies_in(world.alpha, "build", after=False)
    with pytest.raises(Killed):
        await world.worker().execution.run(order_id)
    heir = world.worker()

    world.clock.advance(LEASE - timedelta(milliseconds=1))
    await heir.execution.run(order_id)
    before = await world.statuses(order_id)
    world.clock.advance(timedelta(milliseconds=1))
    await heir.execution.run(order_id)

    assert before == ["received", "routing", "building"]
    assert (await world.order(order_id)).status == "confirmed"


async def test_a_worker_that_was_paused_past_its_lease_changes_nothing(world: World) -> None:
    order_id = await world.placed()
    paused, resumed = pauses_in(world.alpha, "build")
    first = asyncio.create_task(world.worker().execution.run(order_id))
    await paused.wait()
    world.clock.advance(LEASE)

    await world.worker().execution.run(order_id)
    history = await world.statuses(order_id)
    resumed.set()
    await first

    assert history[-1] == "confirmed"
    assert await world.statuses(order_id) == history
    assert len(world.alpha.sent) == 1


# -- failures before anything is signed


async def test_a_transient_failure_is_told_and_tried_again_after_a_wait(world: World) -> None:
    for venue in (world.alpha, world.beta):
        venue.quote_errors.append(Transient("busy"))
    order_id = await world.placed()
    worker = world.worker()

    await worker.execution.run(order_id)

    order = await world.order(order_id)
    (*_, step) = await world.store.history(order_id)
    assert (order.status, order.tries) == ("routing", 1)
    assert step.data["retry"]["waitMs"] == 500  # the base, at a full draw
    assert (await world.finish(worker, order_id)).status == "confirmed"


async def test_waits_double_and_survive_every_crash_between_them(world: World) -> None:
    for _ in range(4):
        world.alpha.quote_errors.append(Transient("busy"))
        world.beta.quote_errors.append(Transient("busy"))
    order_id = await world.placed()

    for _ in range(4):
        await world.worker().execution.run(order_id)
        world.clock.advance(timedelta(minutes=1))

    steps = await world.store.history(order_id)
    assert [step.data["retry"]["waitMs"] for step in steps if "retry" in step.data] == [
        *(500, 1000, 2000, 4000)
    ]


async def test_after_the_last_try_the_order_fails_with_the_reason(world: World) -> None:
    world.policy = RetryPolicy(tries=2)
    for _ in range(2):
        world.alpha.quote_errors.append(Transient("busy"))
        world.beta.quote_errors.append(Transient("busy"))
    order_id = await world.placed()

    order = await world.finish(world.worker(), order_id)

    assert order.failure is not None
    assert order.failure.code is FailureCode.NO_ROUTE
    assert order.failure.detail.startswith("given up after 2 tries: no venue gave a quote")


async def test_a_refused_order_fails_at_once(world: World) -> None:
    world.alpha.build_errors.append(Refused("blocked", FailureCode.INSUFFICIENT_FUNDS))
    order_id = await world.placed()

    await world.worker().execution.run(order_id)

    order = await world.order(order_id)
    assert order.failure is not None
    assert (order.failure.code, order.failure.detail) == ("insufficient_funds", "blocked")
    assert world.alpha.sent == []


async def test_a_failed_build_is_tried_again_on_the_same_route(world: World) -> None:
    world.alpha.build_errors.append(Transient("no blockhash"))
    order_id = await world.placed()

    order = await world.finish(world.worker(), order_id)

    assert order.status == "confirmed"
    assert await world.statuses(order_id) == [
        *("received", "routing", "building", "building", "building", "submitted", "confirmed")
    ]


async def test_a_stale_quote_is_asked_for_anew_and_the_floor_stays(world: World) -> None:
    world.alpha.build_errors.append(Expired("the quote is too old"))
    order_id = await world.placed()
    worker = world.worker()
    await worker.execution.run(order_id)
    world.alpha.price = 1_010

    order = await world.finish(worker, order_id)

    assert order.min_out == 992_512_500  # 997,500,000 less 50 bps: the first route's
    assert order.expected_out == 1_007_475_000  # 997,500,000 at 1,010 for 1,000
    assert order.attempt == 1


async def test_builds_that_never_succeed_end_the_order(world: World) -> None:
    world.alpha.build_errors.extend(Expired("too old") for _ in range(99))
    order_id = await world.placed()

    order = await world.finish(world.worker(), order_id)

    assert order.failure is not None
    assert order.failure.code is FailureCode.ATTEMPTS_EXHAUSTED


async def test_a_route_to_a_venue_that_is_gone_is_chosen_anew(world: World) -> None:
    order_id = await world.placed()
    dies_in(world.alpha, "build", after=False)
    with pytest.raises(Killed):
        await world.worker().execution.run(order_id)
    heir = world.worker(venues={"beta": world.beta})
    world.beta.price = 1_000

    order = await world.finish(heir, order_id)

    assert (order.status, order.dex) == ("confirmed", "beta")


# -- from submitted on, only the venue's status decides


@pytest.mark.parametrize(
    "error", [Unknown("no answer"), Refused("already processed"), ValueError("a bug"), OSError()]
)
async def test_no_error_of_send_fails_an_order(world: World, error: Exception) -> None:
    world.alpha.takes_up_before_error = True
    world.alpha.send_errors.append(error)
    order_id = await world.placed()

    await world.worker().execution.run(order_id)

    assert (await world.order(order_id)).status == "confirmed"
    assert len(world.alpha.ledger.fills(order_id)) == 1


async def test_bytes_that_got_lost_are_sent_again(world: World) -> None:
    world.alpha.send_errors.extend([Unknown("dropped"), Unknown("dropped")])
    order_id = await world.placed()

    await world.worker().execution.run(order_id)

    assert (await world.order(order_id)).status == "confirmed"
    assert len(world.alpha.sent) == 3
    assert len(set(world.alpha.sent)) == 1


async def test_bytes_that_the_venue_has_seen_are_not_sent_again(world: World) -> None:
    world.alpha.finality = timedelta(seconds=2)
    order_id = await world.placed()

    await world.worker().execution.run(order_id)

    assert (await world.order(order_id)).status == "confirmed"
    assert len(world.alpha.sent) == 1


async def test_an_order_of_unknown_outcome_stays_submitted_and_is_asked_for_later(
    world: World,
) -> None:
    world.alpha.status_errors.extend(Unknown("no answer") for _ in range(40))
    order_id = await world.placed()
    worker = world.worker()

    await worker.execution.run(order_id)

    order = await world.order(order_id)
    assert order.status == "submitted"
    assert await worker.recovery.sweep() == 0  # it is due a lease later
    world.clock.advance(LEASE)
    assert await worker.recovery.sweep() == 1
    assert (await world.finish(worker, order_id)).status == "confirmed"
    assert len(set(world.alpha.sent)) == 1


async def test_tries_and_crashes_never_fail_an_order_that_may_have_been_executed(
    world: World,
) -> None:
    world.policy = RetryPolicy(tries=1, attempts=1, crashes=1)
    order_id = await world.placed()
    healthy = world.alpha.status
    for _ in range(10):
        dies_in(world.alpha, "status", after=False)
        with suppress(Killed):
            await world.worker().execution.run(order_id)
        world.clock.advance(LEASE)
    world.alpha.status = healthy  # type: ignore[method-assign]

    assert (await world.finish(world.worker(), order_id)).status == "confirmed"
    assert len(world.alpha.ledger.fills(order_id)) == 1


async def test_a_trade_that_slipped_is_tried_again_with_the_same_floor(world: World) -> None:
    world.alpha.outcomes.append(SLIPPED)
    order_id = await world.placed()

    await world.worker().execution.run(order_id)

    order = await world.order(order_id)
    assert (order.status, order.attempt, order.min_out) == ("confirmed", 2, 992_512_500)
    assert len(set(world.alpha.sent)) == 2
    assert len(world.alpha.ledger.fills(order_id)) == 1


async def test_after_the_last_attempt_a_slipped_order_fails(world: World) -> None:
    world.policy = RetryPolicy(attempts=2)
    world.alpha.outcomes.extend([SLIPPED, SLIPPED])
    order_id = await world.placed()

    await world.worker().execution.run(order_id)

    order = await world.order(order_id)
    assert order.failure is not None
    assert (order.failure.code, order.attempt) == ("slippage_exceeded", 2)
    assert world.alpha.ledger.fills(order_id) == []


async def test_a_trade_that_was_refused_for_another_reason_fails_the_order(world: World) -> None:
    world.alpha.outcomes.append(Reverted(FailureCode.INSUFFICIENT_FUNDS, "no money"))
    order_id = await world.placed()

    await world.worker().execution.run(order_id)

    order = await world.order(order_id)
    assert order.failure is not None
    assert (order.failure.code, order.attempt) == ("insufficient_funds", 1)


async def test_a_transaction_that_expired_unseen_is_replaced(world: World) -> None:
    world.policy = RetryPolicy(attempts=2)
    order_id = await world.placed()
    send = world.alpha.send

    async def dropping_the_first(transaction: Transaction) -> None:
        if world.alpha.ledger.builds > 1:
            return await send(transaction)
        world.alpha.sent.append(transaction.raw)
        raise Unknown("dropped")

    world.alpha.send = dropping_the_first  # type: ignore[method-assign]
    worker = world.worker()

    order = await world.finish(worker, order_id)

    assert (order.status, order.attempt) == ("confirmed", 2)
    assert len(set(world.alpha.sent)) == 2
    assert len(world.alpha.ledger.fills(order_id)) == 1


async def test_one_null_answer_past_expiry_is_no_proof_yet(world: World) -> None:
    order_id = await world.placed()
    dies_in(world.alpha, "send", after=True)
    with pytest.raises(Killed):
        await world.worker().execution.run(order_id)
    world.clock.advance(timedelta(minutes=2))  # past 150 blocks of 0.4 s
    real = world.alpha.status
    lagging = iter([True, False])

    async def status(transaction: Transaction) -> Outcome:
        if next(lagging, False):
            known = world.alpha.ledger.executions.pop(transaction.tx_hash)
            answer = await real(transaction)
            world.alpha.ledger.executions[transaction.tx_hash] = known
            return answer
        return await real(transaction)

    world.alpha.status = status  # type: ignore[method-assign]

    order = await world.finish(world.worker(), order_id)

    assert (order.status, order.attempt) == ("confirmed", 1)
    assert len(world.alpha.ledger.fills(order_id)) == 1


async def test_a_fill_is_what_arrived_not_what_was_quoted(world: World) -> None:
    world.alpha.outcomes.append(Landed(Amount(995_000_000)))
    order_id = await world.placed()

    await world.worker().execution.run(order_id)

    assert (await world.order(order_id)).actual_out == 995_000_000


# -- poison, and a store that goes away


@pytest.mark.parametrize(("crashes", "status"), [(2, "confirmed"), (3, "failed")])
async def test_an_order_that_keeps_killing_its_worker_is_poison(
    world: World, crashes: int, status: str
) -> None:
    order_id = await world.placed()
    for _ in range(crashes):
        dies_in(world.alpha, "build", after=False)
        with pytest.raises(Killed):
            await world.worker().execution.run(order_id)
        world.clock.advance(LEASE)

    order = await world.finish(world.worker(), order_id)

    assert order.status == status
    assert (order.failure.code if order.failure else None) == (
        "poison" if status == "failed" else None
    )


async def test_a_clean_hand_over_is_no_crash(world: World) -> None:
    order_id = await world.placed()
    worker = world.worker()
    order = await world.store.save((await world.order(order_id)).resume(), claim=True)
    for _ in range(5):
        with worker.leases.hold(order):
            await worker.leases.hand_over()
        order = await world.store.save((await world.order(order_id)).resume(), claim=True)

    assert order.crashes == 0


async def test_a_save_whose_answer_is_lost_is_found_again_by_the_sweep(world: World) -> None:
    order_id = await world.placed()
    worker = world.worker()
    build = world.alpha.build

    async def building(order: Order) -> Transaction:
        world.store.lose_next_save()
        world.alpha.build = build  # type: ignore[method-assign]
        return await build(order)

    world.alpha.build = building  # type: ignore[method-assign]

    await worker.execution.run(order_id)
    unfinished = await world.statuses(order_id)
    await worker.leases.beat()  # hands the order over, now that the store answers again
    swept = await worker.recovery.sweep()

    assert unfinished == ["received", "routing", "building", "submitted"]
    assert world.alpha.sent == []
    assert swept == 1
    order = await world.finish(worker, order_id)
    assert (order.status, order.crashes, order.attempt) == ("confirmed", 0, 1)


async def test_a_bug_met_once_is_a_failed_try_that_tells_what_it_was(world: World) -> None:
    world.alpha.build_errors.append(KeyError("a bug"))
    order_id = await world.placed()
    worker = world.worker()

    await worker.execution.run(order_id)

    last = (await world.store.history(order_id))[-1]
    assert (last.status, last.data["retry"]["detail"]) == ("building", "KeyError: 'a bug'")
    assert (await world.finish(worker, order_id)).status == "confirmed"


async def test_a_bug_that_does_not_go_away_makes_the_order_poison_and_is_kept(
    world: World,
) -> None:
    world.alpha.build_errors.extend(KeyError("a bug") for _ in range(5))
    order_id = await world.placed()

    order = await world.finish(world.worker(), order_id, limit=100)

    assert order.failure == Failure(FailureCode.POISON, "given up after 5 tries: KeyError: 'a bug'")
    assert order.crashes == 0


async def test_a_step_that_cannot_be_stored_is_a_failed_try(world: World) -> None:
    build = world.alpha.build
    order_id = await world.placed()
    other_id = await world.placed()
    await world.worker().execution.run(other_id)
    taken = (await world.order(other_id)).transaction
    assert taken is not None

    async def signing_what_was_signed(order: Order) -> Transaction:
        world.alpha.build = build  # type: ignore[method-assign]
        return taken

    world.alpha.build = signing_what_was_signed  # type: ignore[method-assign]
    worker = world.worker()
    await worker.execution.run(order_id)

    assert (await world.statuses(order_id))[-1] == "building"
    assert (await world.order(order_id)).tries == 1
    assert (await world.finish(worker, order_id)).status == "confirmed"
    assert len(world.alpha.ledger.fills(order_id)) == 1


async def test_a_bug_never_fails_an_order_that_may_have_been_executed(
    world: World, told: list[EventDict]
) -> None:
    order_id = await world.placed()
    worker = world.worker()

    async def broken(self: Execution, order: Order) -> Order | None:
        raise KeyError("a bug")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Execution, "_settle", broken)
        for _ in range(10):
            await worker.execution.run(order_id)
            world.clock.advance(timedelta(minutes=2))
            await worker.recovery.sweep()
    assert [repr(line["exc_info"]) for line in told if line["event"] == "order.bug"] == [
        "KeyError('a bug')"
    ] * 10

    assert (await world.order(order_id)).status == "submitted"
    assert (await world.finish(worker, order_id)).status == "confirmed"


async def test_workers_die_ever_more_seldom_over_an_order_that_may_have_been_executed(
    world: World,
) -> None:
    order_id = await world.placed()
    died: list[timedelta] = []
    healthy = world.alpha.status
    dies_in(world.alpha, "status", after=False)
    while len(died) < 7:
        worker = world.worker()
        try:
            await worker.execution.run(order_id)
        except Killed:
            died.append(world.clock.monotonic())
            dies_in(world.alpha, "status", after=False)
        while not await worker.recovery.sweep():
            world.clock.advance(timedelta(seconds=1))

    gaps = [(later - sooner).total_seconds() for sooner, later in pairwise(died)]
    # A lease each; from the third death on, a rest before every visit: 5, 10, 20 s and so on.
    assert gaps == [5, 5, 10, 15, 25, 45]
    world.alpha.status = healthy  # type: ignore[method-assign]
    assert (await world.finish(world.worker(), order_id)).status == "confirmed"


async def test_what_cannot_be_stored_of_a_sent_trade_is_no_crash_and_ends_no_order(
    world: World,
) -> None:
    order_id = await world.placed()
    status = world.alpha.status

    async def impossible(transaction: Transaction) -> Outcome:
        await status(transaction)
        return Landed(Amount(2**64))

    world.alpha.status = impossible  # type: ignore[method-assign]
    for _ in range(5):
        await world.worker().execution.run(order_id)
        world.clock.advance(timedelta(minutes=2))
    order = await world.order(order_id)
    assert (order.status, order.crashes) == ("submitted", 0)

    world.alpha.status = status  # type: ignore[method-assign]
    assert (await world.finish(world.worker(), order_id)).status == "confirmed"


async def test_without_the_store_nothing_is_sent(world: World) -> None:
    order_id = await world.placed()
    world.store.unavailable = True

    await world.worker().execution.run(order_id)

    assert world.alpha.sent == []


async def test_a_step_that_lost_its_lease_is_not_told(world: World) -> None:
    order_id = await world.placed()
    order = await world.store.save((await world.order(order_id)).resume(), claim=True)
    world.clock.advance(LEASE)
    await world.worker().execution.run(order_id)
    told = len(world.feed.published)

    with pytest.raises(StaleOrder):
        await world.store.save(order.fail(FailureCode.POISON, "too late"))

    assert len(world.feed.published) == told


async def test_an_order_delivered_ten_times_at_once_is_executed_once(world: World) -> None:
    order_id = await world.placed()

    await asyncio.gather(*(world.worker().execution.run(order_id) for _ in range(10)))

    assert len(world.alpha.ledger.fills(order_id)) == 1
    assert len(await world.statuses(order_id)) == 5


# -- calls that hang, visits without an outcome, and claims whose answer is lost


@pytest.mark.parametrize("method", ["send", "status"])
async def test_a_call_that_hangs_is_given_up_and_the_order_let_go_of(
    world: World, method: str
) -> None:
    async def hanging(transaction: Transaction) -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError

    real = getattr(world.alpha, method)
    setattr(world.alpha, method, hanging)
    if method == "send":
        world.alpha.status_errors.extend(Unknown("no answer") for _ in range(40))
    order_id = await world.placed()

    await world.worker(venue_timeout=timedelta(milliseconds=1)).execution.run(order_id)

    assert (await world.order(order_id)).status == "submitted"
    setattr(world.alpha, method, real)
    world.alpha.status_errors.clear()
    world.clock.advance(LEASE)
    assert (await world.finish(world.worker(), order_id)).status == "confirmed"


async def test_a_build_that_hangs_is_a_failed_try(world: World) -> None:
    async def hanging(order: Order) -> Transaction:
        await asyncio.Event().wait()
        raise AssertionError

    world.alpha.build = hanging  # type: ignore[method-assign]
    order_id = await world.placed()

    await world.worker(venue_timeout=timedelta(milliseconds=1)).execution.run(order_id)

    order = await world.order(order_id)
    assert (order.status, order.tries) == ("building", 1)


async def test_an_order_of_unknown_outcome_is_asked_about_ever_more_seldom(world: World) -> None:
    world.alpha.status_errors.extend(Unknown("no answer") for _ in range(1000))
    order_id = await world.placed()
    worker = world.worker()
    waits = []

    for _ in range(5):
        await worker.execution.run(order_id)
        let_go = world.clock.now()
        while not await worker.recovery.sweep():
            world.clock.advance(timedelta(seconds=1))
        waits.append((world.clock.now() - let_go).total_seconds())

    assert waits == [5, 10, 20, 40, 60]
    assert len(world.alpha.sent) < 60


@pytest.mark.parametrize("rounds", [1, 5])
async def test_a_claim_whose_answer_is_lost_is_handed_over_and_is_no_crash(
    world: World, rounds: int
) -> None:
    order_id = await world.placed()
    worker = world.worker()
    for _ in range(rounds):
        world.store.lose_next_save()
        await worker.execution.run(order_id)
        await worker.leases.beat()

    order = await world.finish(worker, order_id)

    assert (order.status, order.crashes) == ("confirmed", 0)


async def test_an_outage_of_the_store_makes_a_slot_rest(world: World) -> None:
    order_id = await world.placed()
    world.store.unavailable = True

    await world.worker().execution.run(order_id)

    assert world.clock.monotonic() == timedelta(seconds=1)
