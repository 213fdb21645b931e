"""Leases: what is worked on stays held, and what is dropped is handed over."""

import asyncio
from datetime import timedelta

import pytest

from orders.domain.errors import StoreUnavailable
from orders.domain.order import Order
from orders.ports import Hold
from tests.unit.conftest import LEASE, World

BEAT = timedelta(seconds=1.5)


async def held(world: World) -> Order:
    """An order that this worker has just taken up."""
    order_id = await world.placed()
    return await world.store.save((await world.order(order_id)).resume(), claim=True)


async def is_free(world: World, order: Order) -> bool:
    """Whether another could take it up now."""
    try:
        await world.store.save((await world.order(order.id)).resume(), claim=True)
    except Exception:
        return False
    return True


async def test_a_beating_worker_keeps_its_orders_for_as_long_as_it_works(world: World) -> None:
    worker, order = world.worker(), await held(world)

    with worker.leases.hold(order):
        for _ in range(10):
            world.clock.advance(BEAT)
            await worker.leases.beat()

    assert not await is_free(world, order)


async def test_a_worker_that_stops_beating_loses_its_orders(world: World) -> None:
    worker, order = world.worker(), await held(world)

    with worker.leases.hold(order):
        world.clock.advance(LEASE)

    assert await is_free(world, order)


async def test_a_lease_that_went_to_another_is_forgotten(world: World) -> None:
    worker, order = world.worker(), await held(world)

    with worker.leases.hold(order):
        world.clock.advance(LEASE)
        await world.store.save((await world.order(order.id)).resume(), claim=True)
        await worker.leases.beat()

        assert len(worker.leases) == 0


async def test_handing_over_frees_everything_at_once(world: World) -> None:
    worker, order = world.worker(), await held(world)

    with worker.leases.hold(order):
        await worker.leases.hand_over()

    assert await is_free(world, order)


async def test_an_order_dropped_while_the_store_is_away_is_handed_over_when_it_is_back(
    world: World,
) -> None:
    worker, order = world.worker(), await held(world)
    with pytest.raises(StoreUnavailable), worker.leases.hold(order):
        raise StoreUnavailable("the answer was lost")
    world.store.unavailable = True
    with pytest.raises(StoreUnavailable):
        await worker.leases.beat()
    world.store.unavailable = False

    await worker.leases.beat()

    assert await is_free(world, order)
    assert (await world.order(order.id)).crashes == 0


async def test_an_order_that_is_taken_up_again_is_not_handed_over_by_its_former_self(
    world: World,
) -> None:
    worker, order = world.worker(), await held(world)
    with pytest.raises(StoreUnavailable), worker.leases.hold(order):
        raise StoreUnavailable("the answer was lost")
    world.clock.advance(LEASE)
    again = await world.store.save((await world.order(order.id)).resume(), claim=True)

    with worker.leases.hold(again):
        await worker.leases.beat()

        assert not await is_free(world, again)


async def test_a_visit_that_is_cancelled_is_handed_over_and_is_no_crash(world: World) -> None:
    order_id = await world.placed()
    worker = world.worker()
    order = await world.store.save((await world.order(order_id)).resume(), claim=1)
    with pytest.raises(asyncio.CancelledError), worker.leases.hold(order):
        raise asyncio.CancelledError

    await worker.leases.hand_over()

    again = await world.store.save((await world.order(order_id)).resume(), claim=1)
    assert again.crashes == 0


async def test_a_lost_claim_hides_no_hold_of_the_same_order(world: World) -> None:
    order_id = await world.placed()
    worker = world.worker()
    order = await world.store.save((await world.order(order_id)).resume(), claim=1)
    with worker.leases.hold(order):
        worker.leases.drop(Hold(order_id, order.lease + 7))  # it never arrived
        await worker.leases.hand_over()

    assert await world.store.save((await world.order(order_id)).resume(), claim=1)


async def test_a_lost_claim_hides_no_earlier_hold_that_was_dropped(world: World) -> None:
    order = await held(world)
    worker = world.worker()
    worker.leases.drop(Hold(order.id, order.lease))
    worker.leases.drop(Hold(order.id, order.lease + 7))  # it never arrived

    await worker.leases.beat()

    again = await world.store.save((await world.order(order.id)).resume(), claim=1)
    assert again.crashes == 0
