"""The figures of `top`: percentiles, rates through restarts, and how venues fared."""

from math import inf

import pytest

from services.cli.top import units
from services.cli.top.figures import Dex, dexes, quantile
from services.cli.top.samples import Samples, parse
from services.cli.top.scrape import Reading
from services.cli.top.tally import Tally
from tests.unit.top import NOW, counter, gauge, histogram, reading

STEPS = "order_engine_steps_total"
BEGUN = NOW.timestamp()
LATER = BEGUN + 5


def steps(value: float, *, began: float = BEGUN - 60, url: str = "http://w:9100") -> Reading:
    """A worker that confirmed so many."""
    told = counter(STEPS, value, status="confirmed")
    return reading(told, kind="worker", url=url, began=began)


def tally(*looks: tuple[float, list[Reading]]) -> Tally:
    """Of looks at those seconds after the first."""
    made = Tally()
    for at, readings in looks:
        made.add(readings, at=100 + at, now=BEGUN + at)
    return made


@pytest.mark.parametrize(
    ("share", "value"),
    [
        (0.25, 0.5),  # rank 5 of 20, in (0, 1], which holds 10: 0 + 1 * 5/10
        (0.5, 1.0),  # rank 10, the end of the first
        (0.8, 3.0),  # rank 16, in (2, 4], which holds 8 above 12: 2 + 2 * 4/8
        (1.0, 4.0),  # rank 20
    ],
)
def test_a_quantile_is_linear_within_its_bucket(share: float, value: float) -> None:
    buckets = [(1.0, 10.0), (2.0, 12.0), (4.0, 20.0), (inf, 20.0)]

    assert quantile(buckets, share) == pytest.approx(value)


def test_a_quantile_above_the_highest_bound_is_that_bound() -> None:
    assert quantile([(1.0, 1.0), (5.0, 2.0), (inf, 10.0)], 0.5) == 5.0


def test_a_quantile_in_a_lowest_bucket_that_ends_at_zero_is_its_end() -> None:
    assert quantile([(0.0, 6.0), (1.0, 8.0), (inf, 8.0)], 0.5) == 0.0


def test_there_is_no_quantile_of_nothing() -> None:
    assert quantile([], 0.5) is None
    assert quantile([(1.0, 0.0), (inf, 0.0)], 0.5) is None


def test_histograms_of_several_processes_are_one() -> None:
    both = Samples()
    for count in (10, 30):
        told = histogram("order_engine_queue_wait_seconds", {"1.0": count, "+Inf": 40})
        both += parse(told)[0]

    assert both.buckets("order_engine_queue_wait_seconds") == [(1.0, 40.0), (inf, 80.0)]


def test_what_is_not_the_engines_own_is_left_out() -> None:
    counted, states = parse(
        counter("python_gc_collections_total", 7) + gauge("order_engine_sockets", 3)
    )

    assert (counted, states.told("order_engine_sockets")) == (Samples(), [3.0])


def test_there_are_no_rates_at_the_first_look() -> None:
    seen = tally((0, [steps(1_000)]))

    assert seen.last.rate(STEPS) is None
    assert seen.minute.rate(STEPS) is None


def test_rates_are_of_the_last_look_and_of_the_last_minute() -> None:
    seen = tally((0, [steps(7)]), (30, [steps(100)]), (60, [steps(400)]), (90, [steps(430)]))

    assert seen.last.rate(STEPS, status="confirmed") == 1.0  # 30 in 30 s
    assert seen.minute.seconds == 60
    assert seen.minute.rate(STEPS, status="confirmed") == 5.5  # 430 - 100 in 60 s
    assert seen.minute.rate(STEPS, status="failed") == 0.0


def test_a_series_that_appears_counted_from_nothing() -> None:
    silent = reading(kind="worker", url="http://w:9100", began=BEGUN - 60)

    assert tally((0, [silent]), (2, [steps(4)])).last.rate(STEPS) == 2.0


def test_a_counter_that_falls_began_anew() -> None:
    nameless = [Reading("worker", "http://w:9100", steps(each).counted) for each in (90, 6)]

    assert tally((0, nameless[:1]), (2, nameless[1:])).last.rate(STEPS) == 3.0  # 6 in 2 s


def test_a_restarted_process_counts_from_nothing_even_if_it_has_overtaken_its_past() -> None:
    seen = tally((0, [steps(10)]), (10, [steps(30, began=LATER)]))

    assert seen.last.rate(STEPS) == 3.0  # all 30 in 10 s


def test_a_process_that_was_met_late_adds_nothing_of_its_past() -> None:
    away = Reading("worker", "http://w:9100", error="no answer")

    seen = tally((0, [away]), (2, [steps(1_000)]), (4, [steps(1_002)]))

    assert seen.minute.rate(STEPS) == 0.5  # 2 in 4 s


def test_what_a_process_counted_while_it_could_not_be_reached_is_not_lost() -> None:
    away = Reading("worker", "http://w:9100", error="no answer")

    seen = tally((0, [steps(10)]), (2, [away]), (4, [steps(18)]))

    assert seen.minute.rate(STEPS) == 2.0  # 8 in 4 s


def test_processes_that_share_an_address_are_told_apart() -> None:
    one, other = BEGUN - 100, BEGUN - 200
    looks = [(1_000.0, one), (5.0, other), (1_010.0, one), (15.0, other)]

    seen = tally(*((at, [steps(value, began=began)]) for at, (value, began) in enumerate(looks)))

    assert seen.minute.counted.total(STEPS) == 20.0  # 10 of each


def test_rates_of_several_processes_are_added() -> None:
    both = [[steps(value, url=f"http://{n}:9100") for n in "ab"] for value in (5, 8)]

    assert tally((0, both[0]), (1, both[1])).last.rate(STEPS) == 6.0


def test_venues_are_told_apart_and_the_one_that_wins_most_comes_first() -> None:
    counted, _ = parse(
        counter("order_engine_route_wins_total", 1, dex="one")
        + counter("order_engine_route_wins_total", 3, dex="two")
        + counter("order_engine_quotes_total", 3, dex="one", outcome="quote")
        + counter("order_engine_quotes_total", 1, dex="one", outcome="late")
        + counter("order_engine_quotes_total", 4, dex="two", outcome="quote")
        + counter("order_engine_quotes_total", 2, dex="three", outcome="error")
        + histogram("order_engine_quote_seconds", {"0.1": 4, "0.2": 4, "+Inf": 4}, dex="two")
        + histogram("order_engine_price_improvement_bps", {"5.0": 3, "+Inf": 3}, 7.5, dex="two")
    )

    two, one, three = dexes(counted)

    # Of the 4 quotes in (0, 0.1] the median has rank 2, the 99th percentile 3.96.
    assert [two.quote_p50, two.quote_p99] == pytest.approx([0.05, 0.099])
    assert (two.name, two.wins, two.share, two.unquoted) == ("two", 3, 0.75, 0)
    assert two.improvement == 2.5  # 7.5 bps in 3 wins
    assert one == Dex("one", 1, 0.25, None, None, 0.25, None)
    assert three == Dex("three", 0, 0, None, None, 1, None)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "-"),
        (0, "0 s"),
        (0.00025, "250 µs"),
        (0.0014999, "1.5 ms"),
        (0.9996, "1 s"),
        (2.345, "2.35 s"),
        (59.97, "1m00s"),
        (125, "2m05s"),
        (10_920, "3h02m"),
        (356_400, "4d03h"),
    ],
)
def test_a_length_is_told_in_the_unit_that_fits(seconds: float | None, said: str) -> None:
    assert units.length(seconds) == said


def test_shares_are_told_to_a_tenth_where_they_are_small() -> None:
    assert [units.percent(share) for share in (None, 0, 0.004, 0.0996, 0.5, 1)] == [
        *("-", "0 %", "0.4 %", "10 %", "50 %", "100 %")
    ]


def test_nothing_that_a_terminal_would_obey_is_shown() -> None:
    assert units.printable("a\x1b[2Jb\nc") == "a [2Jb c"
