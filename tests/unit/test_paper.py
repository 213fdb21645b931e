import asyncio
import re
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import Any
from uuid import UUID

import pytest
from msgspec import structs

from orders.domain.amounts import MAX_AMOUNT, Amount
from orders.domain.errors import FailureCode, Refused, Transient
from orders.domain.order import Order
from orders.domain.quote import Landed, Pending, Quote, Reverted, Route
from orders.domain.tokens import KNOWN, Token, Tokens
from orders.ports import Venue
from orders.venues import VENUES, create
from orders.venues.amm import FeeRate
from orders.venues.paper import INSTANT, PaperOptions, PaperVenue
from orders.venues.pools import Drift, pools
from orders.venues.sealed import Fill, Trade, name, seal, unseal
from tests.factories import SOL, TOKENS, UNKNOWN_MINT, USDC, a_building_order, a_route
from tests.fakes.clock import FakeClock

QUARTER_PERCENT = FeeRate(2_500, 1_000_000)
QUIET = PaperOptions(quote_latency=INSTANT, execution_latency=INSTANT, variance_bps=0, seed=1)
"""Prices stand still at the reference, and nothing takes time."""
SECOND = timedelta(seconds=1)
ONE_SOL = Amount(1_000_000_000)


def a_venue(
    options: PaperOptions = QUIET,
    *,
    dex: str = "alpha",
    clock: FakeClock | None = None,
    tokens: Tokens = TOKENS,
    seed: int = 1,
) -> PaperVenue:
    return PaperVenue(
        dex=dex,
        fee=QUARTER_PERCENT,
        tokens=tokens,
        clock=clock or FakeClock(),
        random=Random(seed),
        options=options,
    )


def at_once(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of work that never waits."""
    with pytest.raises(StopIteration) as end:
        work.send(None)
    return end.value.value


async def test_a_quote_follows_the_reserves_and_the_fee() -> None:
    quote = await a_venue().quote(SOL, USDC, ONE_SOL)

    # 10,000,000 USD a side: 66,666,666,666,666 of 1e-9 SOL and 10**13 of 1e-6 USDC.
    # fee 10**9 * 0.25 % = 2,500,000; net 997,500,000;
    # 10**13 * 997,500,000 / 66,667,664,166,666 = 149,622,761.3; impact 0.15 bps
    assert quote == Quote("alpha", Amount(149_622_761), Amount(2_500_000), price_impact_bps=1)


@pytest.mark.parametrize(
    ("sold", "bought"), [(SOL, UNKNOWN_MINT), (UNKNOWN_MINT, USDC), (SOL, SOL), ("SOL", "USDC")]
)
async def test_a_pair_without_a_pool_is_refused(sold: str, bought: str) -> None:
    with pytest.raises(Refused, match=rf"^alpha has no pool for {sold} and {bought}$") as refusal:
        await a_venue().quote(sold, bought, ONE_SOL)

    assert refusal.value.code is FailureCode.NO_ROUTE


async def test_an_amount_that_buys_nothing_is_refused() -> None:
    with pytest.raises(Refused, match=r"^1 is too little for alpha to trade$") as refusal:
        await a_venue().quote(SOL, USDC, Amount(1))

    assert refusal.value.code is FailureCode.NO_ROUTE


async def test_an_output_that_cannot_be_booked_is_refused() -> None:
    dust = Token("DUST", "dust-mint", 18, 1)  # 10,000,000 USD are 10**34 units

    with pytest.raises(Refused, match=r"^1000000000 is too much for alpha to trade$") as refusal:
        await a_venue(tokens=Tokens([*TOKENS, dust])).quote(SOL, dust.mint, ONE_SOL)

    assert refusal.value.code is FailureCode.NO_ROUTE


@pytest.mark.parametrize("sold", KNOWN, ids=lambda token: token.symbol)
async def test_every_pair_of_known_tokens_trades_even_the_largest_amount(sold: Token) -> None:
    venue = a_venue()

    for bought in TOKENS:
        if bought != sold:
            assert (await venue.quote(sold.mint, bought.mint, Amount(MAX_AMOUNT))).out > 0


async def test_a_quote_takes_as_long_as_it_is_set_to() -> None:
    clock = FakeClock()
    venue = a_venue(PaperOptions(seed=1), clock=clock)
    latencies = []

    for _ in range(100):
        start = clock.monotonic()
        await venue.quote(SOL, USDC, ONE_SOL)
        latencies.append(clock.monotonic() - start)

    assert timedelta(milliseconds=150) <= min(latencies) < timedelta(milliseconds=165)
    assert timedelta(milliseconds=285) < max(latencies) <= timedelta(milliseconds=300)


def test_nothing_waits_when_nothing_takes_time() -> None:
    venue = a_venue()

    quote = at_once(venue.quote(SOL, USDC, ONE_SOL))
    transaction = at_once(venue.build(a_building_order(Route(quote, ()))))
    at_once(venue.send(transaction))

    assert isinstance(at_once(venue.status(transaction)), Landed)


async def test_a_venue_that_always_fails_gives_no_quote() -> None:
    with pytest.raises(Transient, match=r"^alpha did not answer$"):
        await a_venue(replace(QUIET, failure_rate=1.0)).quote(SOL, USDC, ONE_SOL)


async def test_quotes_fail_at_the_set_rate() -> None:
    venue = a_venue(replace(QUIET, failure_rate=0.2))

    answers = await asyncio.gather(
        *(venue.quote(SOL, USDC, ONE_SOL) for _ in range(1_000)), return_exceptions=True
    )

    # 200 expected; the standard deviation is sqrt(1,000 * 0.2 * 0.8) = 12.6, so within 4 of it
    assert 150 <= sum(isinstance(answer, Transient) for answer in answers) <= 250


async def test_a_fill_is_within_three_basis_points_of_the_quote_on_either_side() -> None:
    venue = a_venue()
    order = a_building_order(a_route(out=10_000))

    fills = {await settled(venue, order) for _ in range(200)}

    assert fills == {Landed(Amount(out)) for out in range(9_997, 10_004)}


async def test_a_fill_never_outgrows_the_column() -> None:
    venue = a_venue()
    order = a_building_order(a_route(out=MAX_AMOUNT))

    fills = {await settled(venue, order) for _ in range(200)}

    assert Landed(Amount(MAX_AMOUNT)) in fills  # where 1, 2 or 3 bps more are over the top
    assert len(fills) == 4  # and 1, 2 and 3 bps less are not


async def test_a_fill_below_the_floor_is_reverted() -> None:
    venue = a_venue()
    order = a_building_order(a_route(out=10_000), slippage_bps=0)

    fills = {await settled(venue, order) for _ in range(200)}

    too_little = "the price moved: less than 10000 would have arrived"
    assert fills == {
        Reverted(FailureCode.SLIPPAGE_EXCEEDED, too_little),
        *(Landed(Amount(out)) for out in range(10_000, 10_004)),
    }


async def test_a_venue_that_always_fails_reverts_every_trade() -> None:
    venue = a_venue(replace(QUIET, failure_rate=1.0))

    outcome = await settled(venue, a_building_order(a_route(out=1_000_000)))

    assert outcome == Reverted(
        FailureCode.SLIPPAGE_EXCEEDED, "the price moved: less than 995000 would have arrived"
    )


async def settled(venue: Venue, order: Order) -> object:
    """What comes of an order where nothing takes time."""
    return await venue.status(await venue.build(order))


async def test_a_trade_is_pending_until_the_moment_it_lands() -> None:
    clock = FakeClock()
    venue = a_venue(replace(QUIET, execution_latency=(2 * SECOND, 2 * SECOND)), clock=clock)
    transaction = await venue.build(a_building_order())

    clock.advance(timedelta(milliseconds=1_999))
    before = await venue.status(transaction)
    clock.advance(timedelta(milliseconds=1))
    after = await venue.status(transaction)

    assert before == Pending()
    assert isinstance(after, Landed)


async def test_a_trade_lands_within_the_set_time() -> None:
    clock = FakeClock()
    venue = a_venue(PaperOptions(seed=1), clock=clock)
    start = clock.now().timestamp() * 1_000

    delays = [
        unseal(await venue.build(a_building_order()), "alpha").lands_at - start for _ in range(100)
    ]

    assert 2_000 <= min(delays) < 2_100
    assert 2_900 < max(delays) <= 3_000


async def test_another_process_reads_the_same_fill() -> None:
    clock = FakeClock()
    ours = a_venue(PaperOptions(), clock=clock, seed=1)
    theirs = a_venue(PaperOptions(failure_rate=1.0), clock=clock, seed=2)
    transaction = await ours.build(a_building_order())

    clock.advance(3 * SECOND)
    await theirs.send(transaction)

    assert await theirs.status(transaction) == await ours.status(transaction)


@pytest.mark.parametrize(
    ("passed", "accepted"),
    [
        (timedelta(milliseconds=60_799), True),  # 151 slots of 400 ms are 60.4 s; the last ends
        (timedelta(milliseconds=60_800), False),  # 0.4 s later
    ],
)
async def test_bytes_are_good_for_151_blocks(passed: timedelta, accepted: bool) -> None:
    clock = FakeClock()
    venue = a_venue(clock=clock)
    transaction = await venue.build(a_building_order())

    clock.advance(passed)

    if accepted:
        await venue.send(transaction)
    else:
        with pytest.raises(Refused, match=r"^the transaction expired at height "):
            await venue.send(transaction)


async def test_the_height_is_the_wall_clock_in_slots() -> None:
    transaction = await a_venue().build(a_building_order())

    # 2026-11-22 12:00 UTC is 1,795,348,800 s; in slots of 0.4 s 4,488,372,000; and 151 more
    assert transaction.last_valid_height == 4_488_372_151


async def test_no_two_builds_make_the_same_transaction() -> None:
    venue = a_venue()
    order = a_building_order()

    ids = {(await venue.build(order)).tx_hash for _ in range(20)}

    assert len(ids) == 20  # though at one instant there are but 7 fills to choose from


@pytest.mark.parametrize("place", [0, 31, 32, 100, -1])
async def test_damaged_bytes_are_refused(place: int) -> None:
    venue = a_venue()
    transaction = await venue.build(a_building_order())
    raw = bytearray(transaction.raw)
    raw[place] ^= 1
    damaged = structs.replace(transaction, raw=bytes(raw))

    for ask in (venue.send, venue.status):
        with pytest.raises(Refused, match=r"^the transaction's signature does not match"):
            await ask(damaged)


async def test_a_venue_refuses_what_was_signed_for_another() -> None:
    transaction = await a_venue(dex="beta").build(a_building_order())

    for ask in (a_venue().send, a_venue().status):
        with pytest.raises(Refused, match=r"^the transaction was signed for beta, not for alpha$"):
            await ask(transaction)


async def test_the_bytes_say_what_was_ordered() -> None:
    order = a_building_order(a_route(out=1_000_000))

    transaction = await a_venue().build(order)

    trade = unseal(transaction, "alpha")
    assert (trade.order_id, trade.attempt, trade.dex) == (order.id, 1, "alpha")
    assert (trade.input_mint, trade.output_mint) == (SOL, USDC)
    assert (trade.amount_in, trade.min_out) == (1_000_000_000, 995_000)
    assert (transaction.min_out, transaction.dex) == (995_000, "alpha")


def test_the_same_trade_is_always_the_same_bytes_and_id() -> None:
    trade = Trade(
        order_id=UUID(int=1),
        attempt=1,
        dex="alpha",
        input_mint=SOL,
        output_mint=USDC,
        amount_in=2,
        min_out=3,
        lands_at=4,
        last_valid_height=5,
        nonce=6,
        outcome=Fill(7),
    )

    first, second = seal(trade), seal(trade)

    assert first == second
    assert unseal(first, "alpha") == trade
    assert seal(structs.replace(trade, nonce=7)).tx_hash != first.tx_hash


def test_an_id_looks_like_a_solana_signature() -> None:
    assert re.fullmatch(r"[1-9A-HJ-NP-Za-km-z]{86}", name(b"signed bytes"))
    assert name(b"signed bytes") != name(b"other bytes")


@pytest.mark.parametrize("variance_bps", [1, 300, 5_000])
def test_two_venues_never_differ_by_more_than_the_variance(variance_bps: int) -> None:
    ours = pools(TOKENS, depth_usd=10**7, variance_bps=variance_bps, random=Random(1))[SOL, USDC]
    theirs = pools(TOKENS, depth_usd=10**7, variance_bps=variance_bps, random=Random(2))[SOL, USDC]

    prices = [
        Fraction(sold, bought)
        for pool in (ours, theirs)
        for sold, bought in (pool.reserves(SOL) for _ in range(20_000))
    ]

    assert max(prices) / min(prices) <= 1 + Fraction(variance_bps, 10_000)
    # and they do use most of their room
    assert max(prices) / min(prices) > 1 + Fraction(variance_bps, 20_000)


def test_a_drift_takes_small_steps_and_stays_within_its_bound() -> None:
    drift = Drift(10_000, Random(1))

    walk = [drift.step() for _ in range(100_000)]

    assert -10_000 <= min(walk) < 0 < max(walk) <= 10_000
    assert max(abs(b - a) for a, b in pairwise(walk)) == 200  # 10,000 / 50


def test_a_pool_has_the_same_reserves_from_either_side() -> None:
    found = pools(TOKENS, depth_usd=10**7, variance_bps=0, random=Random(1))

    sol, usdc = found[SOL, USDC].reserves(SOL)

    # 10**7 USD / 150 USD * 10**9, rounded down; 10**7 USD / 1 USD * 10**6
    assert (sol, usdc) == (66_666_666_666_666, 10_000_000_000_000)
    assert found[USDC, SOL].reserves(USDC) == (usdc, sol)


async def test_the_same_seed_tells_the_same_story() -> None:
    assert await quotes(seed=7) == await quotes(seed=7)
    assert await quotes(seed=7) != await quotes(seed=8)
    assert await quotes(seed=None) != await quotes(seed=None)


async def quotes(seed: int | None) -> list[Quote]:
    venues = create(None, tokens=TOKENS, clock=FakeClock(), options=PaperOptions(seed=seed))
    return [await venue.quote(SOL, USDC, ONE_SOL) for venue in venues.values() for _ in range(5)]


async def test_the_venues_of_one_seed_do_not_move_together() -> None:
    first, second, *_ = VENUES
    told = await quotes(seed=7)

    def outs(name: str) -> list[Amount]:
        return [quote.out for quote in told if quote.dex == name]

    assert len(outs(first)) == len(outs(second)) == 5
    assert not set(outs(first)) & set(outs(second))


def test_the_registry_makes_every_venue_under_its_name() -> None:
    venues = create(None, tokens=TOKENS, clock=FakeClock(), options=QUIET)

    assert list(venues) == list(VENUES)
    assert [venue.dex for venue in venues.values()] == list(VENUES)


def test_the_registry_makes_only_the_venues_asked_for() -> None:
    name = next(iter(VENUES))

    assert list(create([name], tokens=TOKENS, clock=FakeClock(), options=QUIET)) == [name]


def test_the_registry_names_the_venues_it_knows() -> None:
    with pytest.raises(ValueError, match=rf"^no venue is called nowhere; .* {', '.join(VENUES)}$"):
        create(["nowhere"], tokens=TOKENS, clock=FakeClock(), options=QUIET)
