"""What every venue owes the engine, real, simulated or fake."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from msgspec.structs import replace

from orders.domain.amounts import Amount
from orders.domain.errors import FailureCode, Refused, VenueError
from orders.domain.order import Order
from orders.domain.quote import Landed, NotFound, Pending, Reverted, Route
from orders.ports import Venue
from orders.venues import VENUES, create
from orders.venues.paper import PaperOptions
from tests.chaos.venue import ledger
from tests.chaos.venue.book import Book, by_wall_time
from tests.chaos.venue.desk import Desk
from tests.chaos.venue.faults import Faults
from tests.chaos.venue.loopback import Loopback
from tests.chaos.venue.remote import RemoteVenue
from tests.factories import SOL, TOKENS, UNKNOWN_MINT, USDC, a_building_order
from tests.fakes.clock import FakeClock
from tests.fakes.venue import FakeVenue, Ledger

ONE_SOL = Amount(1_000_000_000)
FINALITY = timedelta(seconds=3)
"""By then every one of these venues has settled what it was sent."""
LONG_AFTER = timedelta(minutes=10)

Opened = Callable[[], Venue]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def desk(clock: FakeClock) -> Iterator[Desk]:
    """The chaos runs' venue, with nothing going wrong."""
    faults = Faults(seed=0)
    with closing(ledger.Ledger(":memory:")) as kept:
        book = Book(height=by_wall_time(clock), ledger=kept, faults=faults)
        yield Desk(book=book, faults=faults, clock=clock)


@pytest.fixture(params=["fake", "remote", *VENUES])
def another(request: pytest.FixtureRequest, clock: FakeClock, desk: Desk) -> Opened:
    """Opens one and the same venue, as each worker does for itself."""
    name: str = request.param
    if name == "fake":
        shared = Ledger()
        return lambda: FakeVenue("fake", clock=clock, finality=FINALITY, ledger=shared)
    if name == "remote":
        return lambda: RemoteVenue("north", "http://venue", transport=Loopback(desk))
    return lambda: create([name], tokens=TOKENS, clock=clock, options=PaperOptions())[name]


@pytest.fixture
def venue(another: Opened) -> Venue:
    return another()


async def an_order_for(venue: Venue, min_out: int | None = None) -> Order:
    """An order in building, on the route that the venue just quoted."""
    quote = await venue.quote(SOL, USDC, ONE_SOL)
    return a_building_order(Route(quote, ()), min_out=min_out)


async def test_a_quote_is_a_payable_amount_under_the_venues_name(venue: Venue) -> None:
    quote = await venue.quote(SOL, USDC, ONE_SOL)

    assert quote.dex == venue.dex
    assert quote.out > 0
    assert 0 <= quote.fee < ONE_SOL
    assert 0 <= quote.price_impact_bps <= 10_000


async def test_twice_as_much_buys_more(venue: Venue) -> None:
    once = await venue.quote(SOL, USDC, ONE_SOL)
    twice = await venue.quote(SOL, USDC, Amount(2 * ONE_SOL))

    assert once.out < twice.out


@pytest.mark.parametrize(
    ("sold", "bought"), [(UNKNOWN_MINT, USDC), (SOL, UNKNOWN_MINT), (SOL, SOL)]
)
async def test_a_pair_that_cannot_be_traded_is_refused(
    venue: Venue, sold: str, bought: str
) -> None:
    with pytest.raises(Refused) as refusal:
        await venue.quote(sold, bought, ONE_SOL)

    assert refusal.value.code is FailureCode.NO_ROUTE


async def test_an_amount_that_buys_nothing_is_refused(venue: Venue) -> None:
    with pytest.raises(Refused) as refusal:
        await venue.quote(SOL, USDC, Amount(1))

    assert refusal.value.code is FailureCode.NO_ROUTE


async def test_a_transaction_carries_its_venue_its_floor_and_its_bytes(venue: Venue) -> None:
    order = await an_order_for(venue)

    transaction = await venue.build(order)

    assert transaction.dex == venue.dex
    assert transaction.min_out == order.min_out
    assert transaction.raw
    assert transaction.last_valid_height > 0


async def test_every_build_is_a_transaction_of_its_own(venue: Venue) -> None:
    order = await an_order_for(venue)

    transactions = [await venue.build(order) for _ in range(3)]

    assert len({transaction.tx_hash for transaction in transactions}) == 3


async def test_building_alone_settles_nothing(venue: Venue) -> None:
    transaction = await venue.build(await an_order_for(venue))

    assert isinstance(await venue.status(transaction), Pending | NotFound)


async def test_a_trade_that_was_just_sent_is_pending(venue: Venue) -> None:
    transaction = await venue.build(await an_order_for(venue))

    await venue.send(transaction)

    assert await venue.status(transaction) == Pending()


async def test_a_trade_that_was_sent_lands_with_at_least_its_floor(
    venue: Venue, clock: FakeClock
) -> None:
    transaction = await venue.build(await an_order_for(venue))

    await venue.send(transaction)
    clock.advance(FINALITY)

    outcome = await venue.status(transaction)
    assert isinstance(outcome, Landed)
    assert outcome.out >= transaction.min_out


async def test_a_trade_below_its_floor_is_reverted(venue: Venue, clock: FakeClock) -> None:
    out_of_reach = 10**18
    transaction = await venue.build(await an_order_for(venue, out_of_reach))

    await venue.send(transaction)
    clock.advance(FINALITY)

    outcome = await venue.status(transaction)
    assert isinstance(outcome, Reverted)
    assert outcome.code is FailureCode.SLIPPAGE_EXCEEDED


async def test_sending_again_changes_nothing(venue: Venue, clock: FakeClock) -> None:
    transaction = await venue.build(await an_order_for(venue))
    await venue.send(transaction)
    await venue.send(transaction)
    clock.advance(FINALITY)
    settled = await venue.status(transaction)

    await venue.send(transaction)

    assert isinstance(settled, Landed)
    assert await venue.status(transaction) == settled


async def test_a_final_outcome_stays(venue: Venue, clock: FakeClock) -> None:
    transaction = await venue.build(await an_order_for(venue))
    await venue.send(transaction)
    clock.advance(FINALITY)
    settled = await venue.status(transaction)

    clock.advance(LONG_AFTER)

    assert isinstance(settled, Landed)
    assert await venue.status(transaction) == settled


async def test_another_worker_may_send_and_settle(another: Opened, clock: FakeClock) -> None:
    ours, theirs = another(), another()
    transaction = await ours.build(await an_order_for(ours))

    await theirs.send(transaction)
    clock.advance(FINALITY)

    settled = await theirs.status(transaction)
    assert isinstance(settled, Landed)
    assert await ours.status(transaction) == settled


async def test_expired_bytes_are_not_taken(venue: Venue, clock: FakeClock) -> None:
    transaction = await venue.build(await an_order_for(venue))

    clock.advance(LONG_AFTER)

    with pytest.raises(VenueError):
        await venue.send(transaction)


async def test_a_trade_not_found_is_not_found_at_a_height_that_grows(
    venue: Venue, clock: FakeClock
) -> None:
    transaction = await venue.build(await an_order_for(venue))

    clock.advance(LONG_AFTER)

    match await venue.status(transaction):
        case NotFound(height):
            assert height > transaction.last_valid_height
        case outcome:  # a venue that settles without being sent to
            assert isinstance(outcome, Landed)


async def test_damaged_bytes_are_not_taken(venue: Venue) -> None:
    transaction = await venue.build(await an_order_for(venue))
    damaged = replace(transaction, raw=transaction.raw[:-1] + b"?")

    for ask in (venue.send, venue.status):
        with pytest.raises(VenueError):
            await ask(damaged)


async def test_bytes_of_another_venue_are_not_taken(venue: Venue, clock: FakeClock) -> None:
    stranger = FakeVenue("stranger", clock=clock)
    transaction = await stranger.build(await an_order_for(stranger))

    with pytest.raises(VenueError):
        await venue.send(transaction)
