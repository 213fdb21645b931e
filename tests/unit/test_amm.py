import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.domain.amounts import MAX_AMOUNT, Amount
from orders.venues.amm import FeeRate, Swap, swap

FREE = FeeRate(0, 1)
QUARTER_PERCENT = FeeRate(2_500, 1_000_000)

reserves = st.integers(1, MAX_AMOUNT)
amounts = st.integers(1, MAX_AMOUNT).map(Amount)
rates = st.builds(
    lambda parts, denominator: FeeRate(parts * denominator // 1_000, denominator),
    st.integers(0, 1_000),
    st.sampled_from([1_000_000, 1_000_000_000]),
)


@pytest.mark.parametrize(
    ("reserve_in", "reserve_out", "amount_in", "rate", "expected"),
    [
        # 2,000 * 100 / 1,100 = 181.8; impact 100 / 1,100 = 909.09 bps
        (1_000, 2_000, 100, FREE, (181, 0, 910)),
        # fee 1,000,000 * 0.25 % = 2,500; 5e9 * 997,500 / 1,000,997,500 = 4,982,529.9;
        # impact 997,500 / 1,000,997,500 = 9.97 bps
        (10**9, 5 * 10**9, 1_000_000, QUARTER_PERCENT, (4_982_529, 2_500, 10)),
        # fee 1,001 * 0.25 % = 2.5, up to 3; 10**6 * 998 / 1,000,998 = 997.005
        (10**6, 10**6, 1_001, QUARTER_PERCENT, (997, 3, 10)),
        # the fee, rounded up, is all there is
        (10**6, 10**6, 1, QUARTER_PERCENT, (0, 1, 0)),
        # twice the pool: 1,000 * 2,000 / 3,000 = 666.6; impact 2 / 3
        (1_000, 1_000, 2_000, FREE, (666, 0, 6_667)),
        # a pool as the real program runs it, which answers 32,847,710,692,032
        (
            40_516_968_317_203_352,
            829_799_205_887_719,
            1_674_161_130_866_843,
            QUARTER_PERCENT,
            (32_847_710_692_032, 4_185_402_827_168, 396),
        ),
    ],
)
def test_a_swap_pays_what_the_formula_says(
    reserve_in: int,
    reserve_out: int,
    amount_in: int,
    rate: FeeRate,
    expected: tuple[int, int, int],
) -> None:
    out, fee, price_impact_bps = expected

    swapped = swap(reserve_in, reserve_out, Amount(amount_in), rate)

    assert swapped == Swap(Amount(out), Amount(fee), price_impact_bps)


def test_the_same_fee_in_either_denominator_is_the_same_fee() -> None:
    fine = FeeRate(2_500_000, 1_000_000_000)

    assert swap(10**12, 10**12, Amount(10**9), fine) == swap(
        10**12, 10**12, Amount(10**9), QUARTER_PERCENT
    )


@given(reserves, reserves, amounts, rates)
def test_a_swap_never_pays_more_than_k_allows(
    reserve_in: int, reserve_out: int, amount_in: Amount, rate: FeeRate
) -> None:
    swapped = swap(reserve_in, reserve_out, amount_in, rate)

    net = amount_in - swapped.fee
    before, after = reserve_in * reserve_out, (reserve_in + net) * (reserve_out - swapped.out)
    assert before <= after
    # and one unit more would be too much: rounding keeps less than that
    assert (reserve_in + net) * (reserve_out - swapped.out - 1) < before


@given(reserves, reserves, amounts, rates)
def test_a_swap_never_empties_the_pool(
    reserve_in: int, reserve_out: int, amount_in: Amount, rate: FeeRate
) -> None:
    assert 0 <= swap(reserve_in, reserve_out, amount_in, rate).out < reserve_out


@given(reserves, reserves, amounts, rates)
def test_the_fee_is_the_least_that_covers_its_rate(
    reserve_in: int, reserve_out: int, amount_in: Amount, rate: FeeRate
) -> None:
    fee = swap(reserve_in, reserve_out, amount_in, rate).fee

    owed = amount_in * rate.numerator
    assert (fee - 1) * rate.denominator < owed <= fee * rate.denominator


@given(reserves, reserves, amounts, rates)
def test_selling_more_never_pays_less(
    reserve_in: int, reserve_out: int, amount_in: Amount, rate: FeeRate
) -> None:
    less = swap(reserve_in, reserve_out, amount_in, rate)
    more = swap(reserve_in, reserve_out, Amount(amount_in + 1), rate)

    assert less.out <= more.out
    assert less.price_impact_bps <= more.price_impact_bps <= 10_000


@given(reserves, reserves, amounts, rates)
def test_there_and_back_is_never_a_gain(
    reserve_in: int, reserve_out: int, amount_in: Amount, rate: FeeRate
) -> None:
    there = swap(reserve_in, reserve_out, amount_in, rate)
    back = swap(reserve_out - there.out, reserve_in + amount_in - there.fee, there.out, rate)

    assert back.out <= amount_in
