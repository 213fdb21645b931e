"""The model of the autoscaler does what its sources say."""

import pytest

from tests.autoscaling.hpa import Hpa, Keda, recommended, wanted
from tests.autoscaling.policies import Policy, Rules, scaling


def test_the_policies_are_the_charts() -> None:
    told = scaling()

    assert (told.target, told.minimum, told.maximum) == (250, 1, 10)
    assert told.up == Rules(0, (Policy("Percent", 100, 15), Policy("Pods", 4, 15)))
    assert told.down == Rules(300, (Policy("Pods", 1, 60),))


@pytest.mark.parametrize(
    ("value", "current", "expected"),
    [
        (1000, 4, 4),
        (1099, 4, 4),  #  less than 10 % over what 4 are for
        (1101, 4, 5),
        (901, 4, 4),  #   less than 10 % under
        (899, 4, 4),  #   more than that under, but 3 would be too few
        (750, 4, 3),
        (1, 4, 1),
        (0, 4, 0),
        (-1, 4, 0),  #    a lag that Redis does not know
    ],
)
def test_replicas_follow_the_value_but_for_a_tenth(value: int, current: int, expected: int) -> None:
    assert recommended(value, current, 250) == expected


def test_what_is_wanted_stays_between_the_least_and_the_most() -> None:
    bounds = scaling(maximum=10)

    assert [wanted(value, 1, bounds) for value in (0, 600, 100_000)] == [1, 3, 10]


def test_up_goes_at_once_by_four_or_by_as_many_again() -> None:
    hpa = Hpa(scaling(maximum=100))

    replicas = [1]
    for now in range(0, 75, 15):
        replicas.append(hpa(now, 100_000, replicas[-1]))

    assert replicas == [1, 5, 10, 20, 40, 80]


def test_within_one_period_up_goes_no_further_however_often_it_is_asked() -> None:
    hpa = Hpa(scaling(maximum=100))

    assert [hpa(0, 100_000, 1), hpa(5, 100_000, 5), hpa(15, 100_000, 5)] == [5, 5, 10]


def test_down_goes_to_the_most_that_was_wanted_in_five_minutes_by_one_a_minute() -> None:
    hpa = Hpa(scaling(maximum=100))
    replicas = [(0, hpa(0, 1000, 4))]
    for now in range(15, 500, 15):
        replicas.append((now, hpa(now, 0, replicas[-1][1])))

    first = {count: at for at, count in reversed(replicas)}
    assert first == {4: 0, 3: 300, 2: 360, 1: 420}


def test_keda_wakes_the_first_and_takes_the_last_after_its_cooldown() -> None:
    keda = Keda(scaling(minimum=0))

    assert keda(10, 1, 0) == 1
    assert keda(310, 0, 1) == 1
    assert keda(311, 0, 1) == 0
    assert Keda(scaling(minimum=1))(10_000, 0, 1) == 1
