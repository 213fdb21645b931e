"""Workers under the chart's own policies, hour by hour on a clock of arithmetic.

What the autoscaler decides changes what it reads next: it must settle, and stay settled.
"""

import random
from itertools import pairwise
from math import ceil

import pytest

from tests.autoscaling.fleet import STEP, Fleet, Loop, Moment, turns
from tests.autoscaling.hpa import TOLERANCE
from tests.autoscaling.policies import scaling

MINUTE, HOUR = 60, 3600


def counts(story: list[Moment]) -> list[int]:
    return [moment.replicas for moment in story]


@pytest.mark.parametrize(
    ("rate", "held", "settles_at"),
    [
        (100, 0.25, 1),  #       25 in flight
        (500, 1.25, 3),  #      625, of 750 slots
        (900, 1.0, 4),  #       900, of 1,000
        (1000, 1.0, 4),  #    1,000, all slots are taken
        (2000, 1.25, 11),  #  2,500, of 2,750: 10 would do, but a tenth too many is left alone
        (1000, 3.25, 14),  #  3,250, of 3,500
    ],
)
def test_a_steady_load_is_met_by_littles_law_and_then_nothing_moves(
    rate: int, held: float, settles_at: int
) -> None:
    loop = Loop(Fleet(held=held), scaling(maximum=40))

    loop.run(HOUR, rate)
    settled = loop.run(HOUR / 2, rate)

    slots = settles_at * 250
    assert set(counts(settled)) == {settles_at}
    assert max(moment.backlog for moment in settled) <= slots * (1 + TOLERANCE)
    assert turns(loop.story) <= 1  # up to meet what came first, and down again


@pytest.mark.parametrize("rate", [880, 1000, 1010])
def test_chance_makes_no_worker_come_and_go(rate: int) -> None:
    dice = random.Random(7)
    loop = Loop(Fleet(held=1.0), scaling(maximum=40))

    for _ in range(round(HOUR / STEP)):
        loop.tick(round(dice.gauss(rate * STEP, (rate * STEP) ** 0.5)))

    settled = loop.story[len(loop.story) // 2 :]
    assert len(set(counts(settled))) == 1
    assert turns(loop.story) == 1
    assert max(moment.backlog for moment in settled) <= settled[0].replicas * 250 * (1 + TOLERANCE)


def test_a_burst_is_met_within_a_minute_and_the_workers_leave_one_a_minute() -> None:
    loop = Loop(Fleet(held=1.0), scaling(maximum=20))
    calm = loop.run(10 * MINUTE, 100)

    burst = loop.run(MINUTE, 3000)
    after = loop.run(40 * MINUTE, 100)

    assert set(counts(calm)) == {1}
    assert counts(burst) == [5, 10, 20, 20]  # four more, then twice as many, each 15 s
    # 300 s after the last want of more, one goes each minute, four decisions apart.
    leaving = counts(after)[counts(after).index(19) :]
    assert leaving[: 19 * 4] == [count for count in range(19, 0, -1) for _ in range(4)]
    assert set(leaving[19 * 4 :]) == {1}
    cleared = next(moment.at for moment in after if moment.waiting == 0)
    assert cleared - burst[-1].at <= 30
    assert after[counts(after).index(19)].at - cleared >= 300 - 15


def test_ten_times_the_load_is_met_without_flapping_and_never_below_the_least() -> None:
    loop = Loop(Fleet(held=1.0), scaling(minimum=2, maximum=20))
    calm = loop.run(5 * MINUTE, 200)

    burst = loop.run(5 * MINUTE, 2000)
    after = loop.run(20 * MINUTE, 200)

    assert set(counts(calm)) == {2}
    assert counts(burst) == [6, 12] + 18 * [20]
    assert max(moment.waiting for moment in burst) == 39_000  # half a minute into it
    assert {moment.waiting for moment in burst[4:] + after} == {0}
    assert (after[-1].replicas, turns(loop.story)) == (2, 1)
    assert min(counts(loop.story)) == 2


def test_load_that_comes_and_goes_each_minute_keeps_its_workers() -> None:
    loop = Loop(Fleet(held=1.0), scaling(maximum=20))

    for _ in range(30):
        loop.run(MINUTE, 2000)
        loop.run(MINUTE, 100)

    settled = loop.story[len(loop.story) // 2 :]
    assert set(counts(settled)) == {8}  # 2,000 orders a second for 1 s each, by 250
    assert max(moment.backlog for moment in settled) <= 8 * 250 * (1 + TOLERANCE)


@pytest.mark.parametrize("seed", range(3))
def test_no_worker_is_taken_away_while_what_is_under_way_needs_it(seed: int) -> None:
    dice = random.Random(seed)
    loop = Loop(Fleet(held=dice.choice([0.25, 1.0, 3.0])), scaling(maximum=20))
    for _ in range(60):
        loop.run(dice.choice([15, 60, 300]), dice.choice([0, 50, 400, 1200, 2400]))

    removed = 0
    for before, after in pairwise(loop.story):
        if after.replicas < before.replicas:
            removed += before.replicas - after.replicas
            assert after.replicas == before.replicas - 1
            assert after.replicas * 250 >= after.backlog
    assert removed > 10


def test_workers_that_hand_over_lose_no_order() -> None:
    loop = Loop(Fleet(held=3.0), scaling(maximum=20))
    loop.run(10 * MINUTE, 1000)
    loop.run(20 * MINUTE, 100)
    loop.run(MINUTE, 0)

    assert min(counts(loop.story)[40:]) < max(counts(loop.story))  # some did leave
    assert loop.fleet.done == 10 * MINUTE * 1000 + 20 * MINUTE * 100
    assert loop.fleet.backlog == 0


def test_what_waits_alone_makes_workers_come_and_go() -> None:
    """The lag, even where Redis knows it: while all is well nothing waits, so workers leave."""
    ours = Loop(Fleet(held=1.0), scaling(maximum=40))
    lag = Loop(Fleet(held=1.0), scaling(maximum=40), signal="waiting")

    ours.run(HOUR, 900)
    lag.run(HOUR, 900)

    assert (turns(ours.story), turns(lag.story)) == (1, 13)
    assert set(counts(ours.story[120:])) == {4}
    assert min(counts(lag.story[120:])) < 4  # fewer than the load needs, again and again


def test_what_is_delivered_alone_never_asks_for_a_second_worker() -> None:
    """`pendingEntriesCount`: no worker holds more than its slots, so one is always enough."""
    pending = Loop(Fleet(held=1.0), scaling(maximum=40), signal="in_flight")

    pending.run(HOUR, 900)

    assert set(counts(pending.story)) == {1}
    assert pending.story[-1].backlog == 900 * HOUR - 250 * (HOUR - 1)  # one worker does 250/s


def test_workers_that_lack_cpu_get_help_and_a_lower_target_keeps_it() -> None:
    """At 2 ms of CPU and 0.25 s each, a worker does 500/s, while its 250 slots would do 1,000.

    So 2,000 orders a second need four, but keep only two workers' slots full once all is well.
    """
    default = Loop(Fleet(held=0.25, cpu=500), scaling(maximum=20))
    lower = Loop(Fleet(held=0.25, cpu=500), scaling(maximum=20, target=100))

    default.run(2 * HOUR, 2000)
    lower.run(2 * HOUR, 2000)

    assert turns(default.story) == 14  # up when a queue grows, down when it is gone: each 17 min
    assert max(moment.backlog for moment in default.story[120:]) < 20_000
    # What a worker can do in the time that it holds one, less a fifth: 500/s × 0.25 s × 0.8
    assert turns(lower.story) == 1
    assert set(counts(lower.story[240:])) == {ceil(500 / 100)}


def test_from_none_the_first_order_wakes_a_worker_within_one_look() -> None:
    loop = Loop(Fleet(), scaling(maximum=20, minimum=0))
    loop.run(MINUTE, 100)
    loop.run(5 * MINUTE, 0)
    resting = len(loop.fleet.workers)
    loop.run(MINUTE, 0)
    asleep = len(loop.fleet.workers)

    began = loop.fleet.now
    loop.tick(1)
    while not loop.fleet.workers:
        loop.tick(0)

    assert (resting, asleep) == (1, 0)  # the cooldown is 300 s
    assert loop.fleet.now - began <= 5
