"""Placement: an order is durable before it is told."""

import random
from datetime import timedelta

import pytest

from orders.domain.errors import KeyReused, StoreUnavailable
from orders.placement import Placement, Request
from tests.factories import SOL, USDC
from tests.unit.conftest import World


def a_request(**overrides: object) -> Request:
    fields: dict[str, object] = {
        "owner": "public",
        "input_mint": SOL,
        "output_mint": USDC,
        "amount_in": 1_000_000_000,
        "slippage_bps": 50,
    }
    return Request(**fields | overrides)  # type: ignore[arg-type]


@pytest.fixture
def placement(world: World) -> Placement:
    return Placement(
        store=world.store,
        queue=world.queue,
        feed=world.feed,
        clock=world.clock,
        random_bits=random.Random(1).getrandbits,
    )


async def test_a_placed_order_is_stored_hinted_and_told(placement: Placement, world: World) -> None:
    added = await placement.place(a_request())

    assert (await world.order(added.order.id)).status == "received"
    assert [(hint.order_id, hint.at) for hint in world.queue.hints] == [
        (added.order.id, added.order.created_at)
    ]
    assert [(order.id, order.seq) for order in world.feed.published] == [(added.order.id, 1)]


async def test_an_order_that_is_not_durable_is_neither_hinted_nor_told(
    placement: Placement, world: World
) -> None:
    world.store.unavailable = True

    with pytest.raises(StoreUnavailable):
        await placement.place(a_request())

    assert (world.queue.hints, world.feed.published) == ([], [])


async def test_a_repeated_key_answers_the_first_order_and_hints_nothing(
    placement: Placement, world: World
) -> None:
    first = await placement.place(a_request(), "key")

    second = await placement.place(a_request(), "key")

    assert (second.order.id, second.replayed) == (first.order.id, True)
    assert len(world.queue.hints) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"amount_in": 1},
        {"slippage_bps": 51},
        {"min_out": 1},
        {"input_mint": USDC, "output_mint": SOL},
        {"client_order_id": "mine"},
    ],
)
async def test_a_key_does_not_stand_for_another_request(
    placement: Placement, other: dict[str, object]
) -> None:
    await placement.place(a_request(), "key")

    with pytest.raises(KeyReused):
        await placement.place(a_request(**other), "key")


async def test_a_client_order_id_is_a_key_of_its_own_kind(placement: Placement) -> None:
    first = await placement.place(a_request(client_order_id="same"))
    second = await placement.place(a_request(), "same")

    assert first.order.id != second.order.id


async def test_an_order_whose_hint_was_lost_is_found_by_the_sweep(
    placement: Placement, world: World
) -> None:
    world.queue.unreachable = True
    added = await placement.place(a_request())
    world.queue.unreachable = False
    await world.queue.mark()

    world.clock.advance(timedelta(seconds=5))
    await world.worker().recovery.sweep()

    assert world.queue.order_ids == [added.order.id]
