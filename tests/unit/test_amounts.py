import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.domain.amounts import MAX_AMOUNT, Amount, ceil_div, in_range, less_bps

amounts = st.integers(0, MAX_AMOUNT).map(Amount)


@pytest.mark.parametrize(
    ("numerator", "denominator", "quotient"),
    [(0, 3, 0), (1, 3, 1), (3, 3, 1), (4, 3, 2), (10**30 + 1, 10**15, 10**15 + 1)],
)
def test_a_division_rounds_up(numerator: int, denominator: int, quotient: int) -> None:
    assert ceil_div(numerator, denominator) == quotient


@given(st.integers(0, MAX_AMOUNT**2), st.integers(1, MAX_AMOUNT))
def test_a_division_rounded_up_is_the_least_that_covers(numerator: int, denominator: int) -> None:
    quotient = ceil_div(numerator, denominator)

    assert (quotient - 1) * denominator < numerator <= quotient * denominator


@pytest.mark.parametrize(
    ("amount", "bps", "left"),
    [
        (1_000_000, 50, 995_000),  # 1,000,000 * 9,950 / 10,000
        (999, 50, 994),  # 999 * 9,950 / 10,000 = 994.005
        (1, 1, 0),  # 1 * 9,999 / 10,000 = 0.9999
        (1_000_000, 0, 1_000_000),
        (1_000_000, 10_000, 0),
        (MAX_AMOUNT, 1, 9_222_449_699_651_090_329),  # the exact quotient; a float gives ...689
    ],
)
def test_basis_points_are_taken_off_and_rounded_down(amount: int, bps: int, left: int) -> None:
    assert less_bps(Amount(amount), bps) == left


@given(amounts, st.integers(0, 9_999))
def test_more_basis_points_never_leave_more(amount: Amount, bps: int) -> None:
    assert less_bps(amount, bps + 1) <= less_bps(amount, bps) <= amount


@pytest.mark.parametrize(
    ("amount", "payable"),
    [(-1, False), (0, False), (1, True), (2**63 - 1, True), (2**63, False)],
)
def test_a_payable_amount_fits_the_column(amount: int, payable: bool) -> None:
    assert in_range(amount) is payable
