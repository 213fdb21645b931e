"""The sweep: it starves no order and amplifies no backlog."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from orders.domain.errors import Transient, Unknown
from orders.domain.quote import Outcome, Transaction
from orders.ports import Hint, Horizon
from orders.recovery import Recovery
from tests.factories import a_route
from tests.unit.conftest import LEASE, World

SECOND = timedelta(seconds=1)


async def placed_and_hinted(world: World, count: int) -> None:
    """Orders that wait in the queue, a second apart."""
    await world.queue.mark()
    for _ in range(count):
        order = await world.order(await world.placed())
        assert order.created_at is not None
        world.queue.enqueue([Hint(order.id, order.created_at)])
        world.clock.advance(SECOND)


async def test_orders_that_wait_in_a_long_backlog_are_not_hinted_again(world: World) -> None:
    await placed_and_hinted(world, 30)

    swept = await world.worker().recovery.sweep()

    assert swept == 0


async def test_an_order_older_than_all_that_the_queue_knows_is_hinted_again(world: World) -> None:
    await placed_and_hinted(world, 30)
    lost, _overtaken = world.queue.take(), world.queue.take()  # two and one second older

    swept = await world.worker().recovery.sweep()

    assert swept == 1
    assert world.queue.order_ids[-1] == lost.order_id


async def test_with_an_empty_queue_every_old_enough_order_is_hinted_again(world: World) -> None:
    await placed_and_hinted(world, 30)
    world.queue.hints.clear()

    swept = await world.worker().recovery.sweep()

    assert swept == 26  # those of the last lease's five seconds may still be on their way


async def test_a_full_pass_runs_again_at_once(world: World) -> None:
    for _ in range(25):
        await world.placed()
    world.clock.advance(LEASE)
    await world.queue.mark()

    swept = await world.worker().recovery.sweep()  # ten a pass

    assert swept == 25


async def test_a_sweep_that_is_cancelled_still_hints_at_what_it_took(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = await world.placed()
    world.clock.advance(LEASE)
    await world.queue.mark()
    due, taken, answered = world.store.due, asyncio.Event(), asyncio.Event()

    async def slow(*given: Any) -> list[Hint]:
        hints = await due(*given)
        taken.set()
        await answered.wait()
        return hints

    monkeypatch.setattr(world.store, "due", slow)
    sweeping = asyncio.create_task(world.worker().recovery.sweep())
    await taken.wait()
    sweeping.cancel()
    answered.set()

    with pytest.raises(asyncio.CancelledError):
        await sweeping
    assert world.queue.order_ids == [order_id]


async def test_nothing_is_taken_while_the_queue_cannot_be_told(world: World) -> None:
    await world.placed()
    world.clock.advance(LEASE)
    worker = world.worker()
    world.queue.unreachable = True

    assert await worker.recovery.sweep() == 0
    world.queue.unreachable = False
    assert await worker.recovery.sweep() == 1


async def test_due_retries_are_hinted_before_received_orders(world: World) -> None:
    retried = await world.placed()
    for venue in (world.alpha, world.beta):
        venue.quote_errors.append(Transient("busy"))
    for _ in range(25):
        await world.placed()
    await world.worker().execution.run(retried)
    await world.queue.mark()
    world.clock.advance(LEASE)

    await world.worker().recovery.sweep()

    assert world.queue.order_ids[0] == retried


async def test_a_queue_that_forgot_everything_gets_every_hint_again_at_once(world: World) -> None:
    await placed_and_hinted(world, 5)
    world.queue.lose_all()

    swept = await world.worker().recovery.sweep()

    assert swept == 5
    horizon = await world.queue.horizon()
    assert horizon is not None
    assert not horizon.lost


async def test_whatever_the_queue_says_an_order_is_hinted_again_after_a_minute_then_two(
    world: World,
) -> None:
    await placed_and_hinted(world, 2)
    stuck = world.queue.order_ids[1]
    worker = world.worker()
    swept_at = []

    for second in range(1, 300):
        world.clock.advance(SECOND)
        world.queue.hints = world.queue.hints[:1]  # an older hint that nobody ever takes
        await worker.recovery.sweep()
        if stuck in world.queue.order_ids[1:]:
            swept_at.append(second)

    first, second_time = swept_at
    assert 57 <= first <= 61
    assert second_time - first == 120


async def test_an_order_that_is_worked_on_is_left_alone(world: World) -> None:
    order_id = await world.placed()
    worker = world.worker()
    await world.queue.mark()
    order = await world.store.save((await world.order(order_id)).resume(), claim=True)

    with worker.leases.hold(order):
        for _ in range(20):
            world.clock.advance(SECOND)
            await worker.leases.beat()
            assert await worker.recovery.sweep() == 0


async def test_a_sweep_longer_than_a_lease_hints_every_order_once(world: World) -> None:
    for _ in range(40):
        await world.placed()
    world.clock.advance(LEASE)
    await world.queue.mark()
    due = world.store.due

    async def slow(horizon: Horizon, limit: int, before: datetime | None = None) -> list[Hint]:
        hints = await due(horizon, limit, before)
        world.clock.advance(LEASE)  # each pass takes as long as a lease
        return hints

    world.store.due = slow  # type: ignore[method-assign]
    recovery = Recovery(
        store=world.store,
        queue=world.queue,
        clock=world.clock,
        batch=10,
        patience=timedelta(hours=1),
    )

    swept = await recovery.sweep()

    assert swept == 40
    assert len(set(world.queue.order_ids)) == 40


async def test_a_sweep_that_takes_long_leaves_the_rest_to_the_next(world: World) -> None:
    for _ in range(40):
        await world.placed()
    world.clock.advance(LEASE)
    await world.queue.mark()
    recovery = Recovery(
        store=world.store, queue=world.queue, clock=world.clock, batch=10, patience=timedelta(0)
    )

    assert await recovery.sweep() == 10


async def test_a_new_queues_hints_are_not_doubled(world: World) -> None:
    for _ in range(5):
        order = await world.order(await world.placed())
        assert order.created_at is not None
        world.queue.enqueue([Hint(order.id, order.created_at)])

    swept = await world.worker().recovery.sweep()  # the first ever: no mark is there yet

    assert swept == 0


# -- a worker that starts


async def abandoned(world: World) -> UUID:
    """An order whose worker died right after it had stored the signed bytes."""
    order_id = await world.placed()
    claimed = await world.store.save((await world.order(order_id)).resume(), claim=True)
    built = await world.store.save(claimed.build(a_route("alpha")))
    await world.store.save(built.submit(await world.alpha.build(built)))
    return order_id


async def test_what_others_left_submitted_is_settled_before_new_work_is_begun(
    world: World,
) -> None:
    order_ids = [await abandoned(world) for _ in range(3)]
    await world.placed()
    world.clock.advance(LEASE)
    worker = world.worker()

    asked = await worker.recovery.reconcile(worker.execution.run, at_once=2)

    assert asked == 3
    assert {(await world.order(each)).status for each in order_ids} == {"confirmed"}


async def test_only_what_nobody_looks_after_is_reconciled(world: World) -> None:
    order_id = await abandoned(world)
    worker = world.worker()

    assert await worker.recovery.reconcile(worker.execution.run, at_once=10) == 0
    assert (await world.order(order_id)).status == "submitted"


async def test_a_starting_worker_does_not_touch_what_another_died_over(world: World) -> None:
    await abandoned(world)
    world.clock.advance(LEASE)
    worker = world.worker()
    await worker.recovery.sweep()  # which counts the crash
    world.clock.advance(LEASE)

    assert await worker.recovery.reconcile(worker.execution.run, at_once=10) == 0


async def test_a_start_is_not_held_up_for_ever_by_venues_that_do_not_answer(
    world: World,
) -> None:
    world.alpha.status_errors.extend(Unknown("no answer") for _ in range(10_000))
    for _ in range(10):
        await abandoned(world)
    world.clock.advance(LEASE)
    worker = world.worker()
    begun = world.clock.now()

    asked = await worker.recovery.reconcile(worker.execution.run, at_once=2)

    # A visit takes a lease, and the patience is 5 s: the second one would begin too late.
    assert asked == 2
    assert world.clock.now() - begun < 2 * LEASE


async def test_a_visit_that_meets_a_bug_holds_up_no_other(world: World) -> None:
    for _ in range(3):
        await abandoned(world)
    world.clock.advance(LEASE)
    met: list[UUID] = []

    async def broken(order_id: UUID) -> None:
        met.append(order_id)
        raise KeyError("a bug")

    assert await world.worker().recovery.reconcile(broken, at_once=1) == 3
    assert len(set(met)) == 3


async def test_no_more_overlooked_orders_are_hinted_in_a_sweep_than_it_may(world: World) -> None:
    await placed_and_hinted(world, 25)
    world.clock.advance(timedelta(minutes=5))
    recovery = Recovery(store=world.store, queue=world.queue, clock=world.clock, backstop_batch=10)

    swept = [await recovery.sweep() for _ in range(4)]

    assert swept == [10, 10, 5, 0]


async def test_a_visit_that_takes_too_long_is_ended_and_handed_over(world: World) -> None:
    order_id = await abandoned(world)
    world.clock.advance(LEASE)
    world.alpha.status = hangs  # type: ignore[method-assign]
    worker = world.worker()
    recovery = Recovery(
        store=world.store, queue=world.queue, clock=world.clock, patience=timedelta(milliseconds=50)
    )

    assert await recovery.reconcile(worker.execution.run, at_once=10) == 1
    held = await world.store.unsettled(10)
    await worker.leases.beat()

    assert held == []
    order = await world.store.save((await world.order(order_id)).resume(), claim=1)
    assert order.crashes == 1  # that of the worker which died, and no other


async def hangs(transaction: Transaction) -> Outcome:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")
