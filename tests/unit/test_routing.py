"""Routing: all venues are asked at once, and the best net output wins."""

import asyncio
from datetime import timedelta

import pytest

from orders.domain.amounts import MAX_AMOUNT, Amount
from orders.domain.errors import FailureCode, Refused, Transient
from orders.domain.quote import Quote
from orders.routing import Router, best
from tests.factories import a_routing_order, an_answer
from tests.fakes.clock import FakeClock
from tests.fakes.venue import FakeVenue
from tests.unit.conftest import World


def router(*venues: FakeVenue, timeout: timedelta = timedelta(seconds=1)) -> Router:
    return Router(venues={venue.dex: venue for venue in venues}, clock=FakeClock(), timeout=timeout)


async def test_the_best_net_output_wins_and_every_quote_is_kept(world: World) -> None:
    route = await router(world.alpha, world.beta).route(a_routing_order())

    assert route.quote.dex == "alpha"
    assert route.quote.out == 997_500_000  # 1e9 less 0.25 %, at 1,000 for 1,000
    assert [(answer.dex, answer.quote and answer.quote.out) for answer in route.answers] == [
        ("alpha", 997_500_000),
        ("beta", 987_525_000),  # the same at 990 for 1,000
    ]


def test_of_equal_quotes_the_first_by_name_wins() -> None:
    chosen = best([an_answer("zeta", 7), an_answer("alpha", 7), an_answer("mid", 6)])

    assert chosen is not None
    assert chosen.dex == "alpha"


def test_without_quotes_there_is_no_best() -> None:
    assert best([]) is None


async def test_a_venue_that_fails_costs_only_its_offer(world: World) -> None:
    world.alpha.quote_errors.append(ValueError("a bug"))

    route = await router(world.alpha, world.beta).route(a_routing_order())

    assert route.quote.dex == "beta"
    assert route.answers[0].error == "ValueError: a bug"


class Silent(FakeVenue):
    """Never answers."""

    cancelled = False

    async def quote(self, input_mint: str, output_mint: str, amount_in: Amount) -> Quote:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        raise AssertionError


async def test_a_venue_that_is_late_costs_only_its_offer(world: World) -> None:
    late = Silent("late", clock=world.clock)

    route = await router(late, world.beta, timeout=timedelta(milliseconds=20)).route(
        a_routing_order()
    )

    assert route.quote.dex == "beta"
    assert route.answers[1].error == "no answer"
    await asyncio.sleep(0)
    assert late.cancelled


async def test_venues_are_asked_at_once(world: World) -> None:
    world.alpha.latency = world.beta.latency = timedelta(milliseconds=300)
    asked = Router(
        venues={"alpha": world.alpha, "beta": world.beta},
        clock=world.clock,
        timeout=timedelta(seconds=1),
    )

    route = await asked.route(a_routing_order())

    assert world.clock.monotonic() == timedelta(milliseconds=300)
    assert [answer.latency for answer in route.answers] == [timedelta(milliseconds=300)] * 2


async def test_when_all_refuse_the_order_has_no_route(world: World) -> None:
    for venue in (world.alpha, world.beta):
        venue.quote_errors.append(Refused(f"{venue.dex} has no pool"))

    with pytest.raises(Refused, match="alpha has no pool; beta: beta has no pool") as failure:
        await router(world.alpha, world.beta).route(a_routing_order())

    assert failure.value.code is FailureCode.NO_ROUTE


async def test_when_one_may_answer_later_it_is_worth_asking_again(world: World) -> None:
    world.alpha.quote_errors.append(Refused("no pool"))
    world.beta.quote_errors.append(Transient("busy"))

    with pytest.raises(Transient, match="beta: Transient: busy") as failure:
        await router(world.alpha, world.beta).route(a_routing_order())

    assert failure.value.code is FailureCode.NO_ROUTE


async def test_a_quote_below_the_floor_is_not_taken(world: World) -> None:
    order = a_routing_order(min_out=Amount(997_500_001))

    with pytest.raises(Transient, match="997500000, is below") as failure:
        await router(world.alpha, world.beta).route(order)

    assert failure.value.code is FailureCode.SLIPPAGE_EXCEEDED


class Liar(FakeVenue):
    """Offers what no database could hold."""

    async def quote(self, input_mint: str, output_mint: str, amount_in: Amount) -> Quote:
        return Quote(self.dex, Amount(MAX_AMOUNT + 1), Amount(0), 0)


async def test_an_impossible_quote_is_not_taken(world: World) -> None:
    route = await router(Liar("liar", clock=world.clock), world.beta).route(a_routing_order())

    assert route.quote.dex == "beta"
    assert route.answers[1].error == "an impossible output, 9223372036854775808"
