"""Leases: what is worked on stays held, and what is dropped is handed over."""

from datetime import timedelta

import pytest

from orders.domain.errors import StoreUnavailable
from orders.domain.order import Order
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
