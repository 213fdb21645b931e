from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orders.domain.amounts import MAX_AMOUNT, MAX_SLIPPAGE_BPS, Amount
from orders.domain.errors import FailureCode
from orders.domain.lifecycle import LIFECYCLE, IllegalTransition, Status
from orders.domain.order import Failure, Order, Retry
from orders.domain.quote import Route
from tests.factories import (
    a_building_order,
    a_confirmed_order,
    a_failed_order,
    a_quote,
    a_route,
    a_routing_order,
    a_submitted_order,
    a_transaction,
    an_answer,
    an_order,
)

SECOND = timedelta(seconds=1)
Verb = Callable[[Order], Order]

AT_EVERY_STATUS: dict[Status, Callable[[], Order]] = {
    Status.RECEIVED: an_order,
    Status.ROUTING: a_routing_order,
    Status.BUILDING: a_building_order,
    Status.SUBMITTED: a_submitted_order,
    Status.CONFIRMED: a_confirmed_order,
    Status.FAILED: a_failed_order,
}
VERBS: dict[str, tuple[Verb, set[Status]]] = {
    "resume": (
        Order.resume,
        {Status.RECEIVED, Status.ROUTING, Status.BUILDING, Status.SUBMITTED},
    ),
    "build": (lambda order: order.build(a_route()), {Status.ROUTING, Status.BUILDING}),
    "submit": (lambda order: order.submit(a_transaction()), {Status.BUILDING}),
    "confirm": (lambda order: order.confirm(Amount(1)), {Status.SUBMITTED}),
    "fail": (
        lambda order: order.fail(FailureCode.NO_ROUTE, "no"),
        {Status.RECEIVED, Status.ROUTING, Status.BUILDING, Status.SUBMITTED},
    ),
    "repeat": (
        lambda order: order.repeat("busy", SECOND),
        {Status.ROUTING, Status.BUILDING, Status.SUBMITTED},
    ),
    "reroute": (
        lambda order: order.reroute("stale", SECOND),
        {Status.RECEIVED, Status.ROUTING, Status.BUILDING, Status.SUBMITTED},
    ),
}


def test_an_order_starts_received_at_its_first_step() -> None:
    order = an_order()

    assert (order.status, order.seq, order.attempt, order.tries) == (Status.RECEIVED, 1, 1, 0)
    assert not order.is_final


def test_an_order_cannot_be_changed_in_place() -> None:
    order = an_order()

    with pytest.raises(AttributeError):
        order.status = Status.CONFIRMED  # type: ignore[misc]


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("name", VERBS)
def test_every_verb_passes_the_door(name: str, status: Status) -> None:
    verb, allowed = VERBS[name]
    order = AT_EVERY_STATUS[status]()

    if status in allowed:
        assert verb(order).seq == order.seq + 1
    else:
        with pytest.raises(IllegalTransition):
            verb(order)


def test_a_step_is_not_yet_stored() -> None:
    assert an_order().resume().updated_at is None


def test_taking_up_a_new_order_starts_routing() -> None:
    order = an_order().resume()

    assert (order.status, order.seq, order.attempt) == (Status.ROUTING, 2, 1)


@pytest.mark.parametrize("status", [Status.ROUTING, Status.BUILDING, Status.SUBMITTED])
def test_taking_up_an_unfinished_order_repeats_its_step(status: Status) -> None:
    left = AT_EVERY_STATUS[status]()

    order = left.resume()

    visits = left.tries + (status is Status.SUBMITTED)
    assert order == replace(left, seq=left.seq + 1, tries=visits, answers=(), updated_at=None)


def test_building_records_the_route_and_its_evidence() -> None:
    answers = (an_answer("alpha", 1_000_000), an_answer("beta", 900_000))

    order = a_routing_order().build(Route(a_quote("alpha", 1_000_000), answers))

    assert (order.status, order.dex, order.expected_out) == (Status.BUILDING, "alpha", 1_000_000)
    assert order.answers == answers


def test_evidence_belongs_to_its_step_alone() -> None:
    assert a_building_order().submit(a_transaction()).answers == ()


@pytest.mark.parametrize(
    ("slippage_bps", "wanted", "floor"),
    [
        (50, None, 995_000),  # 1,000,000 * 9,950 / 10,000
        (0, None, 1_000_000),
        (50, 995_001, 995_001),  # the client's is stricter
        (50, 994_999, 995_000),  # its slippage is stricter
        (50, 2_000_000, 2_000_000),  # out of reach, and the client's all the same
    ],
)
def test_the_stricter_of_floor_and_slippage_wins(
    slippage_bps: int, wanted: int | None, floor: int
) -> None:
    order = a_routing_order(slippage_bps=slippage_bps, min_out=wanted)

    assert order.floor(Amount(1_000_000)) == floor
    assert order.build(a_route(out=1_000_000)).min_out == floor


def test_the_least_floor_is_one() -> None:
    order = a_routing_order(slippage_bps=5_000)

    assert order.floor(Amount(1)) == 1  # 1 * 5,000 / 10,000 = 0.5, rounded down, is no floor


@pytest.mark.parametrize("out", [900_000, 2_000_000])
def test_the_first_route_freezes_the_floor(out: int) -> None:
    order = a_building_order().reroute("the quote is stale")

    again = order.build(a_route(out=out))

    assert again.expected_out == out
    assert again.min_out == 995_000  # of the first route's 1,000,000


def test_a_new_attempt_keeps_the_frozen_floor() -> None:
    order = a_submitted_order().reroute("expired").build(a_route(out=500_000))

    assert order.min_out == 995_000  # of the first attempt's 1,000,000


def test_submitting_records_the_signed_trade() -> None:
    transaction = a_transaction()

    order = a_building_order().repeat("busy", SECOND).resume().submit(transaction)

    assert (order.status, order.transaction, order.tries) == (Status.SUBMITTED, transaction, 0)


def test_confirming_records_the_fill_and_ends_the_order() -> None:
    order = a_submitted_order().confirm(Amount(999_900))

    assert (order.status, order.actual_out) == (Status.CONFIRMED, 999_900)
    assert order.is_final


def test_failing_records_the_reason_and_ends_the_order() -> None:
    order = a_routing_order().fail(FailureCode.NO_ROUTE, "nobody trades this")

    assert order.status is Status.FAILED
    assert order.failure == Failure(FailureCode.NO_ROUTE, "nobody trades this")
    assert order.is_final


@pytest.mark.parametrize("status", [Status.ROUTING, Status.BUILDING, Status.SUBMITTED])
def test_a_repeat_counts_a_try_and_lets_go(status: Status) -> None:
    order = AT_EVERY_STATUS[status]().repeat("busy", SECOND)

    assert (order.status, order.attempt, order.tries) == (status, 1, 1)
    assert order.retry == Retry("busy", SECOND)
    assert not order.is_held


def test_a_repeat_keeps_the_trade_that_may_yet_land() -> None:
    order = a_submitted_order()

    assert order.repeat("no answer", SECOND).transaction == order.transaction


def test_taking_an_order_up_again_keeps_its_tries_and_forgets_why_it_waited() -> None:
    order = a_routing_order().repeat("busy", SECOND).resume()

    assert (order.tries, order.retry) == (1, None)
    assert order.is_held


def test_the_first_route_is_a_step_forward() -> None:
    order = a_routing_order().repeat("busy", SECOND).resume().build(a_route())

    assert order.tries == 0


def test_rerouting_before_anything_is_signed_is_a_failed_try_of_the_same_attempt() -> None:
    order = a_building_order().reroute("the quote is stale", SECOND)

    assert (order.status, order.attempt, order.tries) == (Status.ROUTING, 1, 1)
    assert order.retry == Retry("the quote is stale", SECOND)


def test_building_anew_is_no_step_forward() -> None:
    order = a_building_order().reroute("stale").build(a_route()).reroute("stale").build(a_route())

    assert order.tries == 2


def test_rerouting_a_signed_trade_is_a_new_attempt() -> None:
    order = a_submitted_order().repeat("busy", SECOND).resume().reroute("expired")

    assert (order.status, order.attempt, order.tries) == (Status.ROUTING, 2, 0)
    assert (order.dex, order.transaction) == (None, None)


@pytest.mark.parametrize(("wait", "held"), [(timedelta(0), True), (SECOND, False)])
def test_a_worker_goes_on_with_an_order_that_need_not_wait(wait: timedelta, held: bool) -> None:
    assert a_submitted_order().reroute("expired", wait).is_held is held


@pytest.mark.parametrize("order", [a_confirmed_order(), a_failed_order()])
def test_nobody_holds_a_finished_order(order: Order) -> None:
    assert not order.is_held


def build(out: int) -> Verb:
    return lambda order: order.build(a_route(out=out))


def repeat(wait: timedelta) -> Verb:
    return lambda order: order.repeat("busy", wait)


def reroute(wait: timedelta) -> Verb:
    return lambda order: order.reroute("stale", wait)


outs = st.integers(1, MAX_AMOUNT)
waits = st.sampled_from([timedelta(0), SECOND])
orders = st.builds(
    lambda slippage_bps, min_out: an_order(slippage_bps=slippage_bps, min_out=min_out),
    st.integers(0, MAX_SLIPPAGE_BPS),
    st.none() | outs,
)
verbs = st.one_of(
    st.sampled_from([VERBS["resume"][0], VERBS["submit"][0]]),
    outs.map(build),
    waits.map(repeat),
    waits.map(reroute),
    st.sampled_from([VERBS["confirm"][0], VERBS["fail"][0]]),
)
stories = st.lists(verbs, max_size=30)


def steps(order: Order, story: Iterable[Verb]) -> Iterator[tuple[Order, Order]]:
    """The order before and after each verb of the story that the door lets pass."""
    for verb in story:
        try:
            after = verb(order)
        except IllegalTransition:
            continue
        yield order, after
        order = after


@given(orders, stories)
def test_no_story_leaves_the_table(order: Order, story: list[Verb]) -> None:
    for before, after in steps(order, story):
        assert after.status in LIFECYCLE[before.status]


@given(orders, stories)
def test_the_steps_of_any_story_are_numbered_without_a_gap(order: Order, story: list[Verb]) -> None:
    for before, after in steps(order, story):
        assert after.seq == before.seq + 1


@given(orders, stories)
def test_no_story_moves_a_frozen_floor(order: Order, story: list[Verb]) -> None:
    for before, after in steps(order, story):
        if before.expected_out is not None:
            assert after.min_out == before.min_out
        elif after.expected_out is not None:
            assert after.min_out is not None
            assert after.min_out >= (before.min_out or 1)


@given(orders, stories)
def test_an_attempt_is_numbered_anew_only_when_a_signed_trade_is_given_up(
    order: Order, story: list[Verb]
) -> None:
    for before, after in steps(order, story):
        given_up = before.transaction is not None and after.transaction is None
        assert after.attempt == before.attempt + given_up


@given(orders, stories)
def test_a_signed_trade_is_never_exchanged_for_another_within_its_attempt(
    order: Order, story: list[Verb]
) -> None:
    for before, after in steps(order, story):
        if before.transaction is not None and after.attempt == before.attempt:
            assert after.transaction == before.transaction


@given(orders, stories)
def test_a_signed_trade_goes_with_submitted_and_what_follows_it(
    order: Order, story: list[Verb]
) -> None:
    for _, after in steps(order, story):
        if after.status in {Status.SUBMITTED, Status.CONFIRMED}:
            assert after.transaction is not None
        if after.status in {Status.ROUTING, Status.BUILDING}:
            assert after.transaction is None


@pytest.mark.parametrize("order", [a_confirmed_order(), a_failed_order()])
@given(story=stories)
def test_final_stays_final(order: Order, story: list[Verb]) -> None:
    assert list(steps(order, story)) == []
