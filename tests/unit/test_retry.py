from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.domain.retry import RetryPolicy


@pytest.mark.parametrize(
    ("tries", "seconds"),
    [
        (1, 0.5),
        (2, 1),  # 0.5 * 2
        (3, 2),  # 0.5 * 2**2
        (6, 16),  # 0.5 * 2**5
        (7, 30),  # 0.5 * 2**6 = 32, capped
        (10_000, 30),
    ],
)
def test_the_longest_wait_doubles_up_to_the_cap(tries: int, seconds: float) -> None:
    assert RetryPolicy().wait(tries, lambda: 1.0) == timedelta(seconds=seconds)


def test_the_jitter_is_full() -> None:
    fractions = iter((0.0, 0.25, 0.5))

    waits = [RetryPolicy().wait(3, lambda: next(fractions)) for _ in range(3)]

    # 2 s * 0, * 0.25, * 0.5
    assert waits == [timedelta(0), timedelta(seconds=0.5), timedelta(seconds=1)]


@given(
    st.timedeltas(timedelta(0), timedelta(days=1)),
    st.integers(1, 10),
    st.integers(1, 2**31),
    st.floats(0, 1, exclude_max=True),
)
def test_no_wait_is_longer_than_the_cap(
    base: timedelta, factor: int, tries: int, fraction: float
) -> None:
    policy = RetryPolicy(base=base, factor=factor, cap=timedelta(seconds=30))

    wait = policy.wait(tries, lambda: fraction)

    assert timedelta(0) <= wait <= timedelta(seconds=30)


@pytest.mark.parametrize(("tries", "exhausted"), [(0, False), (4, False), (5, True), (6, True)])
def test_a_step_is_tried_five_times_by_default(tries: int, exhausted: bool) -> None:
    assert RetryPolicy().is_exhausted(tries) is exhausted


def test_the_number_of_tries_can_be_set() -> None:
    assert RetryPolicy(tries=1).is_exhausted(1)
