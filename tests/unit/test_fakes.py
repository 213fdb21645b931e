import asyncio
from datetime import timedelta

import pytest

from orders.domain.amounts import Amount
from orders.domain.errors import FailureCode, Transient, Unknown
from orders.domain.quote import Landed, NotFound, Reverted
from tests.factories import SOL, USDC, a_building_order
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.venue import FakeVenue


async def test_sleepers_wake_in_the_order_of_their_times() -> None:
    clock = FakeClock()
    woken: list[tuple[int, timedelta]] = []

    async def sleeper(seconds: int) -> None:
        await clock.sleep(timedelta(seconds=seconds))
        woken.append((seconds, clock.monotonic()))

    await asyncio.gather(*(sleeper(seconds) for seconds in (3, 1, 2)))

    assert woken == [(seconds, timedelta(seconds=seconds)) for seconds in (1, 2, 3)]


async def test_a_sleeper_that_sleeps_again_takes_its_turn() -> None:
    clock = FakeClock()
    woken: list[str] = []

    async def sleeper(name: str, *naps: float) -> None:
        for nap in naps:
            await clock.sleep(timedelta(seconds=nap))
            woken.append(name)

    await asyncio.gather(sleeper("often", 1, 1, 1), sleeper("once", 2.5))

    assert woken == ["often", "often", "once", "often"]  # at 1, 2, 2.5 and 3 s


async def test_sleeping_lets_time_pass_on_both_clocks() -> None:
    clock = FakeClock()

    await clock.sleep(timedelta(seconds=90))

    assert clock.now() == NOON + timedelta(seconds=90)
    assert clock.monotonic() == timedelta(seconds=90)


async def test_a_cancelled_sleeper_does_not_move_time() -> None:
    clock = FakeClock()
    sleeper = asyncio.ensure_future(clock.sleep(timedelta(days=1)))
    await asyncio.sleep(0)

    sleeper.cancel()
    await clock.sleep(timedelta(seconds=1))

    assert clock.monotonic() == timedelta(seconds=1)


async def test_a_sleeper_wakes_when_time_was_moved_past_it() -> None:
    clock = FakeClock()
    sleeper = asyncio.ensure_future(clock.sleep(timedelta(seconds=1)))
    await asyncio.sleep(0)

    clock.advance(timedelta(seconds=5))
    await sleeper

    assert clock.monotonic() == timedelta(seconds=5)


async def test_the_fake_venues_ledger_holds_a_trade_once_however_often_it_is_sent() -> None:
    venue = FakeVenue("alpha", clock=FakeClock())
    order = a_building_order()
    transaction = await venue.build(order)

    await venue.send(transaction)
    await venue.send(transaction)

    assert venue.sent == [transaction.raw, transaction.raw]
    assert [fill.outcome for fill in venue.ledger.fills(order.id)] == [Landed(Amount(1_000_000))]


async def test_the_fake_venue_does_not_know_what_was_not_sent() -> None:
    clock = FakeClock()
    venue = FakeVenue("alpha", clock=clock)
    transaction = await venue.build(a_building_order())

    clock.advance(timedelta(minutes=2))

    assert await venue.status(transaction) == NotFound(venue.height)
    assert venue.height > transaction.last_valid_height  # 150 blocks of 0.4 s are a minute


async def test_the_fake_venue_pays_its_price() -> None:
    venue = FakeVenue("alpha", clock=FakeClock(), price=150)

    quote = await venue.quote(SOL, USDC, Amount(1_000_000))

    # 1,000,000 * 0.25 % = 2,500; 997,500 * 150 / 1,000 = 149,625
    assert (quote.fee, quote.out) == (2_500, 149_625)


async def test_the_fake_venue_fails_as_it_is_told_and_then_recovers() -> None:
    venue = FakeVenue("alpha", clock=FakeClock())
    venue.quote_errors.extend([Transient("busy"), None])

    with pytest.raises(Transient, match=r"^busy$"):
        await venue.quote(SOL, USDC, Amount(1_000))

    assert (await venue.quote(SOL, USDC, Amount(1_000))).dex == "alpha"


@pytest.mark.parametrize("taken_up", [True, False])
async def test_a_send_to_the_fake_venue_may_fail_before_or_after_the_trade(taken_up: bool) -> None:
    venue = FakeVenue("alpha", clock=FakeClock())
    venue.takes_up_before_error = taken_up
    venue.send_errors.append(Unknown("the connection broke"))
    order = a_building_order()
    transaction = await venue.build(order)

    with pytest.raises(Unknown):
        await venue.send(transaction)

    assert len(venue.ledger.fills(order.id)) == taken_up


async def test_the_fake_venue_gives_the_outcome_it_is_told() -> None:
    venue = FakeVenue("alpha", clock=FakeClock())
    venue.outcomes.append(Reverted(FailureCode.INSUFFICIENT_FUNDS, "empty"))
    order = a_building_order()
    transaction = await venue.build(order)

    await venue.send(transaction)

    assert await venue.status(transaction) == Reverted(FailureCode.INSUFFICIENT_FUNDS, "empty")
    assert venue.ledger.fills(order.id) == []
