"""The judge: each of these stories breaks one promise, and it says which."""

from dataclasses import replace
from datetime import timedelta

import pytest
from msgspec import structs

from orders.domain.amounts import Amount
from orders.domain.errors import FailureCode
from orders.domain.order import Order
from orders.domain.quote import Landed
from tests.factories import a_route, a_transaction, an_order
from tests.fakes.clock import NOON
from tests.fakes.venue import Execution, Ledger, Swap
from tests.model.invariants import Judge

TRANSACTION = a_transaction(tx_hash="tx-1")
RECEIVED = an_order()
ROUTING = RECEIVED.resume()
BUILDING = ROUTING.build(a_route())
SUBMITTED = BUILDING.submit(TRANSACTION)
CONFIRMED = SUBMITTED.confirm(Amount(999_900))
EXPIRED = TRANSACTION.last_valid_height + 1


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def judge(ledger: Ledger) -> Judge:
    """One that has seen an order up to its submission, while its bytes are valid."""
    judge = Judge(ledger, lambda: NOON, lambda: EXPIRED - 1)
    for order in (RECEIVED, ROUTING, BUILDING, SUBMITTED):
        judge.stored(order)
    assert judge.violations == []
    return judge


def a_fill(tx_hash: str, out: int = 999_900) -> dict[str, Execution]:
    swap = Swap(ROUTING.id, 1, 1, "alpha", ROUTING.amount_in, 1_000_000, 995_000, EXPIRED - 1)
    return {tx_hash: Execution(swap, Landed(Amount(out)), NOON)}


def broken(judge: Judge) -> set[str]:
    return {violation.split()[0].rstrip(":") for violation in judge.violations}


def test_an_order_that_was_filled_once_as_confirmed_is_in_order(
    judge: Judge, ledger: Ledger
) -> None:
    ledger.executions |= a_fill("tx-1")

    judge.stored(CONFIRMED)
    judge.check({})
    judge.check_end()

    assert judge.violations == []


def test_two_fills_break_i2(judge: Judge, ledger: Ledger) -> None:
    ledger.executions |= a_fill("tx-1") | a_fill("tx-2")

    judge.taken_up(ledger.executions["tx-2"])

    assert broken(judge) == {"I2"}


@pytest.mark.parametrize("fills", [{}, a_fill("tx-2"), a_fill("tx-1", out=999_901)])
def test_a_confirmation_without_just_that_fill_breaks_i3(
    judge: Judge, ledger: Ledger, fills: dict[str, Execution]
) -> None:
    ledger.executions |= fills

    judge.stored(CONFIRMED)

    assert broken(judge) == {"I3"}


def test_a_confirmation_before_the_fill_is_final_breaks_i3(judge: Judge, ledger: Ledger) -> None:
    (fill,) = a_fill("tx-1").values()
    ledger.executions["tx-1"] = replace(fill, final_at=NOON + timedelta(seconds=1))

    judge.stored(CONFIRMED)

    assert broken(judge) == {"I3"}


def test_a_failure_while_the_bytes_may_still_land_breaks_i4(judge: Judge) -> None:
    judge.stored(SUBMITTED.fail(FailureCode.ATTEMPTS_EXHAUSTED, "given up"))

    assert broken(judge) == {"I4"}


@pytest.mark.parametrize(
    "step", [structs.replace(SUBMITTED, seq=6), structs.replace(RECEIVED, seq=5), SUBMITTED]
)
def test_a_gap_a_repeat_or_a_step_that_is_not_allowed_breaks_i5(judge: Judge, step: Order) -> None:
    judge.stored(step)

    assert "I5" in broken(judge)


def test_a_history_that_is_not_what_was_stored_breaks_i5(judge: Judge) -> None:
    judge.check({ROUTING.id: []})

    assert broken(judge) == {"I5"}


def test_a_step_that_is_told_and_not_stored_breaks_i6(judge: Judge) -> None:
    judge.told(CONFIRMED)

    assert broken(judge) == {"I6"}


def test_a_fill_below_the_floor_breaks_i7(judge: Judge, ledger: Ledger) -> None:
    ledger.executions |= a_fill("tx-1", out=994_999)

    judge.stored(SUBMITTED.confirm(Amount(994_999)))

    assert broken(judge) == {"I7"}


def test_tokens_that_changed_hands_for_no_order_break_i8(judge: Judge, ledger: Ledger) -> None:
    ledger.executions |= a_fill("tx-1")
    judge.stored(CONFIRMED)
    ledger.executions |= a_fill("tx-2")

    judge.check({})

    assert broken(judge) == {"I8"}


def test_a_key_that_names_two_orders_breaks_i9(judge: Judge) -> None:
    other = an_order()
    judge.stored(other)

    judge.answered("key", ROUTING.id)
    judge.answered("key", other.id)

    assert broken(judge) == {"I9"}


def test_bytes_that_are_sent_before_they_are_stored_break_the_intent(judge: Judge) -> None:
    judge.sent(a_transaction(tx_hash="tx-2"))

    assert broken(judge) == {"intent"}


def test_an_accepted_order_that_does_not_end_breaks_i1(judge: Judge) -> None:
    judge.check_end()

    assert broken(judge) == {"I1"}
