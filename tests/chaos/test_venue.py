"""The adversarial venue: it does each wrong that it names, and never lies beyond what it may."""

import asyncio
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orders.domain.amounts import Amount
from orders.domain.errors import FailureCode, Transient, Unknown, VenueError
from orders.domain.quote import Landed, NotFound, Pending, Reverted, Route, Transaction
from tests.chaos.venue import ledger
from tests.chaos.venue.book import BLOCK, LIFETIME_BLOCKS, Book, by_wall_time
from tests.chaos.venue.desk import HANG, SLOWEST, Delivery, Desk
from tests.chaos.venue.draw import LAST_BLOCKS
from tests.chaos.venue.fate import FINALITY_BLOCKS
from tests.chaos.venue.faults import BURST_BLOCKS, Call, Fault, Faults
from tests.chaos.venue.ledger import Books, Ledger
from tests.chaos.venue.loopback import Loopback
from tests.chaos.venue.market import Market
from tests.chaos.venue.process import a_process
from tests.chaos.venue.remote import PATIENCE, RemoteVenue
from tests.chaos.venue.sealed import name
from tests.chaos.venue.stand import ONE_SOL, Stand
from tests.chaos.venue.story import Story
from tests.chaos.venue.wire import (
    Building,
    LandedWord,
    Quoting,
    Sending,
    encode,
)
from tests.eventually import eventually
from tests.factories import SOL, USDC, a_building_order, a_quote
from tests.fakes.clock import FakeClock

SOON = BLOCK * (3 + FINALITY_BLOCKS)
"""By then a trade to which nothing happens is final."""


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    clock, faults, path = FakeClock(), Faults(seed=7), tmp_path / "ledger.sqlite"
    with closing(Ledger(path)) as kept:
        book = Book(height=by_wall_time(clock), ledger=kept, faults=faults)
        desk = Desk(book=book, faults=faults, clock=clock)
        yield Stand(
            path, clock, desk, RemoteVenue("north", "http://venue", transport=Loopback(desk))
        )


# What goes wrong with a call.


@pytest.mark.parametrize(
    "fault", [Fault.DROP_REPLY, Fault.ERROR_AFTER_SUCCESS, Fault.ERROR_WITH_SIGNATURE, Fault.HANG]
)
async def test_a_trade_whose_reply_is_no_yes_is_executed_all_the_same(
    stand: Stand, fault: Fault
) -> None:
    transaction = await stand.built()
    stand.set(fault)

    with pytest.raises(Unknown):
        await stand.venue.send(transaction)

    stand.set()
    assert await stand.executed(transaction)
    assert stand.faults.struck == {fault: 1}


async def test_a_dropped_reply_leaves_nothing_to_read(stand: Stand) -> None:
    reply = await _sent_raw(stand, Fault.DROP_REPLY)

    assert reply.delivery is Delivery.CUT


async def test_an_error_after_success_is_a_500(stand: Stand) -> None:
    reply = await _sent_raw(stand, Fault.ERROR_AFTER_SUCCESS)

    assert (reply.status, reply.delivery) == (500, Delivery.WHOLE)


async def test_an_error_with_a_signature_is_a_400_that_names_the_transaction(stand: Stand) -> None:
    transaction = await stand.built()

    reply = await _sent_raw(stand, Fault.ERROR_WITH_SIGNATURE, transaction)

    assert reply.status == 400
    assert transaction.tx_hash.encode() in reply.body


async def test_a_hanging_call_outlasts_every_clients_patience(stand: Stand) -> None:
    start = stand.clock.monotonic()

    reply = await _sent_raw(stand, Fault.HANG)

    assert reply.delivery is Delivery.CUT
    assert stand.clock.monotonic() - start == HANG > PATIENCE


async def test_a_slow_call_is_served_and_answered_late(stand: Stand) -> None:
    transaction = await stand.built()
    taken_after, start = stand.tip, stand.clock.monotonic()
    stand.set(Fault.SLOW)

    await stand.venue.send(transaction)

    (fate,) = stand.books.fates
    took = stand.clock.monotonic() - start
    assert timedelta(0) < took < SLOWEST
    assert abs((fate.taken_at - taken_after) * BLOCK - took / 2) < BLOCK


async def test_bytes_that_arrive_slowly_may_arrive_too_late(stand: Stand) -> None:
    """Ten seconds at most, five of them before the call is served, and four to live."""
    stand.set(Fault.SLOW)
    refused = 0

    for _ in range(40):
        stand.set()
        transaction = await stand.built()
        stand.set(Fault.SLOW)
        try:
            await stand.venue.send(transaction)
        except Unknown:
            refused += 1

    assert 0 < refused < 20
    assert len(stand.books.fates) == 40 - refused


async def test_a_reply_that_comes_twice_is_not_believed_as_the_answer_to_another_call(
    stand: Stand,
) -> None:
    landed, unsent = await stand.sent(), await stand.built()
    stand.clock.advance(SOON)
    stand.set(Fault.DUPLICATE_REPLY)

    first = await stand.venue.status(landed)

    assert isinstance(first, Landed)
    for transaction in (unsent, landed):
        with pytest.raises(Unknown):
            await stand.venue.status(transaction)
    with pytest.raises(Transient):
        await stand.venue.quote(SOL, USDC, ONE_SOL)


async def test_a_quote_that_comes_twice_is_not_believed_for_another_amount(stand: Stand) -> None:
    stand.set(Fault.DUPLICATE_REPLY)
    await stand.venue.quote(SOL, USDC, ONE_SOL)

    with pytest.raises(Transient):
        await stand.venue.quote(SOL, USDC, Amount(2 * ONE_SOL))


async def test_a_burst_refuses_every_call_for_a_while_and_does_nothing(stand: Stand) -> None:
    transaction = await stand.built()
    stand.set(Fault.BURST_429)
    with pytest.raises(Transient, match="429"):
        await stand.venue.quote(SOL, USDC, ONE_SOL)
    stand.set()

    stand.clock.advance(BLOCK * (BURST_BLOCKS - 1))
    with pytest.raises(Unknown):
        await stand.venue.send(transaction)
    with pytest.raises(Unknown):
        await stand.venue.status(transaction)
    with pytest.raises(Transient, match="429"):
        await stand.built()

    stand.clock.advance(BLOCK)
    assert isinstance(await stand.venue.status(transaction), NotFound)
    assert stand.books.fates == ()
    assert stand.faults.struck == {Fault.BURST_429: 1}


async def test_errors_of_quotes_and_builds_are_transient(stand: Stand) -> None:
    quote = await stand.venue.quote(SOL, USDC, ONE_SOL)
    stand.set(Fault.QUOTE_ERROR, Fault.BUILD_ERROR)

    with pytest.raises(Transient):
        await stand.venue.quote(SOL, USDC, ONE_SOL)
    with pytest.raises(Transient):
        await stand.venue.build(a_building_order(Route(quote, ())))

    assert stand.faults.struck == {Fault.QUOTE_ERROR: 1, Fault.BUILD_ERROR: 1}


# What goes wrong with a trade.


async def test_a_late_trade_lands_in_the_last_blocks_and_is_seen_only_at_times(
    stand: Stand,
) -> None:
    transaction = await stand.sent(Fault.LATE_LANDING_BEFORE_EXPIRY)

    seen = []
    for _ in range(LIFETIME_BLOCKS - LAST_BLOCKS):
        stand.clock.advance(BLOCK)
        seen.append(await stand.venue.status(transaction))
    expiry = transaction.last_valid_height
    stand.to_height(expiry + FINALITY_BLOCKS)
    settled = await stand.venue.status(transaction)

    assert {type(outcome) for outcome in seen} == {Pending, NotFound}
    assert all(outcome.height <= expiry for outcome in seen if isinstance(outcome, NotFound))
    (execution,) = stand.books.executions
    assert settled == Landed(Amount(execution.out))
    assert expiry - LAST_BLOCKS < execution.height <= expiry


async def test_a_trade_that_is_too_late_never_lands_and_only_its_expiry_proves_it(
    stand: Stand,
) -> None:
    transaction = await stand.built()
    stand.set(Fault.LATE_LANDING_AFTER_EXPIRY)
    await stand.venue.send(transaction)
    expiry = transaction.last_valid_height

    stand.to_height(expiry + FINALITY_BLOCKS)
    assert await stand.venue.status(transaction) == NotFound(expiry)

    stand.clock.advance(BLOCK)
    assert await stand.venue.status(transaction) == NotFound(expiry + 1)
    with pytest.raises(Unknown, match="block height exceeded"):
        await stand.venue.send(transaction)
    assert not await stand.executed(transaction)


async def test_a_forked_trade_is_seen_then_gone_and_lands_if_it_is_sent_again(
    stand: Stand,
) -> None:
    transaction = await stand.sent(Fault.FORK)
    assert await stand.venue.status(transaction) == Pending()

    stand.clock.advance(SOON)
    gone = await stand.venue.status(transaction)
    assert isinstance(gone, NotFound)
    assert gone.height < transaction.last_valid_height
    assert stand.books.executions == ()
    assert not stand.books.is_settled

    await stand.venue.send(transaction)
    assert await stand.venue.status(transaction) == Pending()
    assert await stand.executed(transaction)


async def test_a_forked_trade_that_is_not_sent_again_is_never_executed(stand: Stand) -> None:
    transaction = await stand.sent(Fault.FORK)

    assert not await stand.executed(transaction)
    assert stand.books.is_settled


async def test_a_forked_trade_that_is_sent_again_at_the_last_moment_is_executed_when_final(
    stand: Stand,
) -> None:
    transaction = await stand.sent(Fault.FORK)
    expiry = transaction.last_valid_height
    stand.to_height(expiry)
    await stand.venue.send(transaction)

    stand.to_height(expiry + FINALITY_BLOCKS - 1)
    assert await stand.venue.status(transaction) == Pending()
    assert stand.books.executions == ()

    stand.to_height(expiry + FINALITY_BLOCKS)
    assert isinstance(await stand.venue.status(transaction), Landed)
    (execution,) = ledger.read(stand.path).executions
    assert execution.height == expiry


async def test_a_trade_that_the_venue_refuses_is_reverted_for_good(stand: Stand) -> None:
    transaction = await stand.sent(Fault.REVERT)
    assert await stand.venue.status(transaction) == Pending()

    stand.clock.advance(SOON)

    outcome = await stand.venue.status(transaction)
    assert isinstance(outcome, Reverted)
    assert outcome.code is FailureCode.VENUE_REFUSED
    await stand.venue.send(transaction)
    assert await stand.venue.status(transaction) == outcome
    assert not await stand.executed(transaction)


async def test_a_jump_of_the_price_misses_the_floor_or_brings_more(stand: Stand) -> None:
    outs, codes = [], []
    for _ in range(20):
        quote = await stand.venue.quote(SOL, USDC, ONE_SOL)
        transaction = await stand.sent(Fault.PRICE_JUMP)
        stand.clock.advance(SOON)
        match await stand.venue.status(transaction):
            case Landed(out):
                outs.append(out / quote.out)
            case Reverted(code):
                codes.append(code)

    assert len(outs) + len(codes) == 20
    assert min(outs) > 1.004  # up by 0.5 % or more, less what the price drifts by itself
    assert set(codes) == {FailureCode.SLIPPAGE_EXCEEDED}


async def test_a_node_that_is_behind_does_not_know_of_what_has_landed(stand: Stand) -> None:
    transaction = await stand.sent(Fault.NULL_STATUS)
    stand.clock.advance(SOON)

    behind = []
    while isinstance(outcome := await stand.venue.status(transaction), NotFound):
        behind.append(outcome.height)
        assert len(stand.books.executions) == 1
        stand.clock.advance(BLOCK)

    assert len(behind) >= 20  # a second
    assert max(behind) <= transaction.last_valid_height
    assert outcome == Landed(Amount(stand.books.executions[0].out))


async def test_a_node_that_stays_behind_past_the_expiry_says_so_by_its_height(
    stand: Stand,
) -> None:
    transaction = await stand.sent(Fault.LATE_LANDING_BEFORE_EXPIRY, Fault.NULL_STATUS)

    stand.to_height(transaction.last_valid_height + 2 * FINALITY_BLOCKS)

    assert await stand.venue.status(transaction) == NotFound(transaction.last_valid_height)
    assert await stand.executed(transaction)


# What holds under every fault.


@st.composite
def storms(draw: st.DrawFn) -> tuple[int, list[tuple[str, int]]]:
    """A seed, and what is done in what order."""
    doing = st.one_of(
        st.tuples(st.sampled_from(["send", "status"]), st.integers(0, 4)),
        st.tuples(st.just("build"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 40)),
        st.tuples(st.just("restart"), st.just(0)),
    )
    return draw(st.integers(0, 2**32)), draw(st.lists(doing, min_size=10, max_size=60))


@given(storms())
@settings(max_examples=150, deadline=None)
def test_the_venue_never_says_dead_of_what_lives_nor_unsays_what_is_final(
    tmp_path_factory: pytest.TempPathFactory, storm: tuple[int, list[tuple[str, int]]]
) -> None:
    seed, doings = storm
    path = tmp_path_factory.mktemp("storm") / "ledger.sqlite"
    story = Story(path, seed)
    try:
        for what, n in doings:
            story.do(what, n)
        story.end()
    finally:
        story.close()

    books = ledger.read(path)
    assert books.is_settled
    executed = {each.tx_id: each for each in books.executions}
    assert len(executed) == len(books.executions)
    assert {tx_id: each.out for tx_id, each in executed.items()} == story.landed()
    for tx_id, each in executed.items():
        assert each.out >= each.min_out
        assert each.height <= story.expiries[tx_id]
        assert tx_id not in story.dead
    _adds_up(books)


async def test_one_seed_and_one_order_of_calls_give_the_same_faults(tmp_path: Path) -> None:
    runs = [await _fifty_trades(tmp_path / str(n)) for n in range(2)]

    assert runs[0] == runs[1]
    assert len({str(said) for said in runs[0]}) > 5


async def test_another_modes_rate_does_not_move_a_modes_strikes() -> None:
    alone, beside = Faults(1, {Fault.FORK: 0.5}), Faults(1, {Fault.FORK: 0.5, Fault.SLOW: 0.5})

    strikes = [(alone.strike(Fault.FORK), beside.strike(Fault.FORK)) for _ in range(50)]
    beside.strike(Fault.SLOW)

    assert all(one == other for one, other in strikes)
    assert {one for one, _ in strikes} == {None, Fault.FORK}


async def test_an_expired_trade_never_lands(stand: Stand) -> None:
    late, last = await stand.built(), await stand.built()

    stand.to_height(last.last_valid_height)
    await stand.venue.send(last)
    stand.clock.advance(BLOCK)
    with pytest.raises(Unknown, match="block height exceeded"):
        await stand.venue.send(late)

    assert await stand.executed(last)
    assert not await stand.executed(late)


async def test_two_trades_of_one_order_are_both_executed(stand: Stand) -> None:
    """To prevent that is the engine's business; the venue only keeps the proof."""
    order = a_building_order(Route(await stand.venue.quote(SOL, USDC, ONE_SOL), ()))
    for _ in range(2):
        await stand.venue.send(await stand.built(order))
    stand.clock.advance(SOON)
    stand.desk.book.settle()

    assert [each.order_id for each in stand.books.executions] == [order.id, order.id]


async def test_a_trade_is_executed_once_across_restarts(stand: Stand) -> None:
    transaction = await stand.sent()

    for _ in range(3):
        with closing(Ledger(stand.path)) as reopened:
            book = Book(height=by_wall_time(stand.clock), ledger=reopened, faults=Faults(0))
            book.send("north", transaction.tx_hash, transaction.raw)
            stand.clock.advance(SOON)
            said = book.status(transaction.tx_hash)

    (execution,) = stand.books.executions
    assert said == LandedWord(execution.out)
    _adds_up(stand.books)


async def test_balances_are_the_sum_of_what_was_executed(stand: Stand) -> None:
    stand.faults.rates |= dict.fromkeys((Fault.REVERT, Fault.FORK, Fault.PRICE_JUMP), 0.3)
    for _ in range(20):
        with suppress(VenueError):
            await stand.venue.send(await stand.built())
    stand.clock.advance(timedelta(minutes=1))
    stand.desk.book.settle()

    books = stand.books
    assert 0 < len(books.executions) < 20
    _adds_up(books)
    assert books.balances[SOL] == -len(books.executions) * ONE_SOL


def test_prices_are_a_little_apart_and_drift() -> None:
    north, south = Market("north", 1), Market("south", 1)
    heights = range(0, 5_000, 50)

    prices = [
        [market.quote(SOL, USDC, ONE_SOL, height).out for height in heights]
        for market in (north, south)
    ]

    for market in prices:
        assert len(set(market)) > 50
        # 150 USD less 0.25 %, give or take 0.8 %
        assert all(148_400_000 < out < 150_900_000 for out in market)
        steps = [abs(after - before) for before, after in pairwise(market)]
        assert max(steps) < 60_000  # 0.04 % in 50 blocks
    assert prices[0] != prices[1]


# What the client believes.


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"ask":"x","tx_id":"y"}', b"\xff\xfe"])
async def test_a_malformed_reply_is_never_believed(stand: Stand, body: bytes) -> None:
    transaction = await stand.built()
    quote = await stand.venue.quote(SOL, USDC, ONE_SOL)
    for status in (200, 400, 404, 500):
        venue = _answering(status, body)

        for ask in (venue.send, venue.status):
            with pytest.raises(Unknown):
                await ask(transaction)
        with pytest.raises(Transient):
            await venue.quote(SOL, USDC, ONE_SOL)
        with pytest.raises(Transient):
            await venue.build(a_building_order(Route(quote, ())))


async def test_a_word_on_another_transaction_is_never_believed(stand: Stand) -> None:
    landed, unsent = await stand.sent(), await stand.built()
    stand.clock.advance(SOON)
    desk = Loopback(stand.desk)

    async def mixed_up(request: httpx.Request) -> httpx.Response:
        content = request.content.replace(unsent.tx_hash.encode(), landed.tx_hash.encode())
        return await desk.handle_async_request(httpx.Request("POST", request.url, content=content))

    venue = RemoteVenue("north", "http://venue", transport=httpx.MockTransport(mixed_up))

    assert isinstance(await venue.status(landed), Landed)
    with pytest.raises(Unknown, match="another transaction"):
        await venue.status(unsent)


async def test_less_than_the_floor_is_never_believed(stand: Stand) -> None:
    transaction = await stand.sent()
    stand.clock.advance(SOON)

    assert isinstance(await stand.venue.status(transaction), Landed)
    with pytest.raises(Unknown):
        await stand.venue.status(msgspec.structs.replace(transaction, min_out=Amount(10**12)))


async def test_a_trade_that_was_not_asked_for_is_not_taken_from_the_venue(stand: Stand) -> None:
    desk = Loopback(stand.desk)

    async def dearer(request: httpx.Request) -> httpx.Response:
        content = request.content.replace(b'"amount_in":1000000000', b'"amount_in":9000000000')
        return await desk.handle_async_request(httpx.Request("POST", request.url, content=content))

    venue = RemoteVenue("north", "http://venue", transport=httpx.MockTransport(dearer))

    with pytest.raises(Transient, match="something else"):
        await venue.build(a_building_order(Route(a_quote("north"), ())))


# The process.


async def test_a_killed_venue_goes_on_where_it_was() -> None:
    async with a_process() as (process, venue):
        child = await process.start()
        await process.set(late_landing_before_expiry=1)
        quote = await venue.quote(SOL, USDC, ONE_SOL)
        transaction = await venue.build(a_building_order(Route(quote, ())))
        await venue.send(transaction)
        (before,) = ledger.read(process.path).fates
        late = Fault.LATE_LANDING_BEFORE_EXPIRY
        await eventually(lambda: ledger.read(process.path).struck[late])

        child.kill()
        (dead,) = ledger.read(process.path).fates
        with pytest.raises(Unknown):
            await venue.status(transaction)
        await process.start()

        assert await process.struck() == {late: 1}
        landed = await eventually(lambda: _final(venue, transaction), timedelta(seconds=20))
        await venue.send(transaction)
        books = ledger.read(process.path)
        (execution,) = books.executions
        assert dead == before
        assert books.fates == (replace(before, is_settled=True),)
        assert (execution.out, execution.height) == (before.out, before.at)
        assert landed == Landed(Amount(execution.out))
        _adds_up(books)


async def test_what_is_taken_up_goes_out_though_nobody_asks() -> None:
    async with a_process() as (process, venue):
        await process.start()
        quote = await venue.quote(SOL, USDC, ONE_SOL)
        await venue.send(await venue.build(a_building_order(Route(quote, ()))))

        await eventually(lambda: ledger.read(process.path).executions)


async def test_faults_strike_on_real_connections() -> None:
    async with a_process(patience=timedelta(seconds=0.5), connections=2) as (process, venue):
        await process.start()
        quote = await venue.quote(SOL, USDC, ONE_SOL)

        async def sent(mode: str) -> None:
            transaction = await venue.build(a_building_order(Route(quote, ())))
            await process.set(**{mode: 1})
            try:
                await venue.send(transaction)
            finally:
                await process.set(**{mode: 0})

        for mode in ("drop_reply", "error_after_success", "error_with_signature", "hang"):
            with pytest.raises(Unknown):
                await sent(mode)
        await sent("duplicate_reply")
        await eventually(lambda: _healed(venue))

        assert len(ledger.read(process.path).fates) == 5
        assert await process.struck() == dict.fromkeys(
            [
                *("hang", "duplicate_reply", "drop_reply"),
                *("error_after_success", "error_with_signature"),
            ],
            1,
        )


async def test_a_duplicate_reply_is_two_whole_replies_on_one_connection() -> None:
    async with a_process() as (process, _):
        await process.start()
        await process.set(duplicate_reply=1)
        body = encode(Quoting("mine", "north", SOL, USDC, ONE_SOL))

        reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
        writer.write(
            b"POST /quote HTTP/1.1\r\nhost: venue\r\nconnection: close\r\n"
            + f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        said = await asyncio.wait_for(reader.read(), timeout=10)
        writer.close()
        await writer.wait_closed()

        assert said.count(b"HTTP/1.1 200") == said.count(b'"ask":"mine"') == 2


async def test_a_send_that_its_client_gave_up_is_still_taken() -> None:
    async with a_process(patience=timedelta(seconds=0.1)) as (process, venue):
        await process.start("--slowest-ms", "4000")
        quote = await venue.quote(SOL, USDC, ONE_SOL)
        transaction = await venue.build(a_building_order(Route(quote, ())))
        await process.set(slow=1)

        with pytest.raises(Unknown, match="ReadTimeout"):
            await venue.send(transaction)

        assert ledger.read(process.path).fates == ()
        await eventually(lambda: ledger.read(process.path).fates)


async def test_a_mode_that_does_not_exist_cannot_be_set() -> None:
    async with a_process() as (process, _):
        await process.start()

        refusal = await process.client.post("/control", json={"fork": 0.5, "spoon": 1})

        assert refusal.status_code == 400
        rates = (await process.client.get("/control")).json()["rates"]
        assert rates == dict.fromkeys(Fault, 0.0)


async def _fifty_trades(path: Path) -> list[Any]:
    """What was said of each, and what went wrong with a call, when much goes wrong."""
    clock, faults, said = FakeClock(), Faults(3, dict.fromkeys(Fault, 0.3)), list[Any]()
    with closing(Ledger(path)) as kept:
        book = Book(height=by_wall_time(clock), ledger=kept, faults=faults, seed=3)
        for _ in range(50):
            wanted = Building("", "south", a_building_order().id, 1, SOL, ONE_SOL, USDC, 1)
            raw = book.build(wanted)
            book.send("south", name(raw), raw)
            clock.advance(7 * BLOCK)
            said.append((faults.on_call(Call.SEND, book.tip), book.status(name(raw))))
    return said


def _adds_up(books: Books) -> None:
    paid, received = dict.fromkeys(books.paid, 0), dict.fromkeys(books.received, 0)
    for each in books.executions:
        paid[each.input_mint] += each.amount_in
        received[each.output_mint] += each.out
    assert (paid, received) == (books.paid, books.received)
    assert books.balances == {mint: received[mint] - paid[mint] for mint in paid}


async def _sent_raw(stand: Stand, fault: Fault, transaction: Transaction | None = None) -> Any:
    """The desk's reply to a send that this fault strikes."""
    transaction = transaction or await stand.built()
    stand.set(fault)
    body = encode(Sending("ask", "north", transaction.tx_hash, transaction.raw))
    reply = await stand.desk.answer(Call.SEND, body)
    assert len(stand.books.fates) == 1
    return reply


def _answering(status: int, body: bytes) -> RemoteVenue:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=body))
    return RemoteVenue("north", "http://venue", transport=transport)


async def _final(venue: RemoteVenue, transaction: Transaction) -> Landed | None:
    with suppress(Unknown):
        outcome = await venue.status(transaction)
        return outcome if isinstance(outcome, Landed) else None
    return None


async def _healed(venue: RemoteVenue) -> bool:
    """Whether every connection answers what it is asked."""
    quotes = [venue.quote(SOL, USDC, ONE_SOL) for _ in range(4)]
    answers = await asyncio.gather(*quotes, return_exceptions=True)
    assert not [answer for answer in answers if isinstance(answer, BaseException)]
    return True
