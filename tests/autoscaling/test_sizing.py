"""The sizes in docs/scaling.md are what the formulas make of what was measured."""

import re
from pathlib import Path

import pytest

from orders.settings import Settings
from tests.autoscaling import sizing
from tests.autoscaling.measurements import accepting, executing, fastest, used, watching
from tests.autoscaling.sizing import api_cores, apis, cores, workers


def test_the_page_has_the_tables_that_the_formulas_make() -> None:
    page = sizing.PAGE.read_text()

    assert page.count("<!-- end -->") == len(sizing.TABLES)
    assert all(table() in page for table in sizing.TABLES.values()), (
        "run `python -m tests.autoscaling.sizing`"
    )
    assert sizing.render(page) == page


def test_the_page_names_tests_that_there_are() -> None:
    told = set(re.findall(r"`(test_\w+)`", sizing.PAGE.read_text()))
    there = "".join(each.read_text() for each in Path(__file__).parent.glob("test_*.py"))

    assert told
    assert told == {name for name in told if f"def {name}(" in there}


@pytest.mark.parametrize(
    ("rate", "latency", "concurrency", "expected"),
    [
        (1000, 0.9, 250, 4),  #  1,000 × (0.9 + 0.1) s ÷ 250
        (1001, 0.9, 250, 5),
        (1000, 0.9, 50, 20),
        (100, 0.1, 250, 1),
    ],
)
def test_workers_are_as_many_as_the_orders_need_slots(
    rate: int, latency: float, concurrency: int, expected: int
) -> None:
    assert workers(rate, latency, concurrency) == expected


def test_workers_are_no_fewer_than_the_cpu_needs() -> None:
    assert workers(3 * fastest(), 0.0, 10_000) == 3
    assert workers(3 * fastest() + 1, 0.0, 10_000) == 4


def test_no_worker_is_counted_on_for_more_than_a_core() -> None:
    assert all(used < 0.75 for _, used in executing("worker"))


def test_cores_are_those_that_were_measured_at_that_rate() -> None:
    pairs = zip(executing("worker"), executing("postgres"), strict=True)
    for (rate, worker), (_, postgres) in pairs:
        assert cores(2 * rate, 2) == pytest.approx((2 * worker, 2 * postgres))


def test_between_two_rates_that_were_measured_cores_are_in_proportion() -> None:
    points = ((100.0, 0.2), (200.0, 0.6))

    assert [used(points, rate) for rate in (1, 100, 150, 200)] == pytest.approx(
        [0.2, 0.2, 0.4, 0.6]
    )
    with pytest.raises(ValueError, match="201 orders a second were not measured"):
        used(points, 201)


def test_few_orders_a_worker_cost_as_much_as_the_fewest_that_were_measured() -> None:
    slowest, postgres = executing("worker")[0][1], executing("postgres")[0][1]

    assert cores(10, 4) == pytest.approx((4 * slowest, 4 * postgres))


def test_an_order_that_is_watched_costs_its_accept_its_socket_and_its_steps() -> None:
    attaching, telling = watching()
    for rate, by_accept in accepting():
        assert api_cores(rate, watched=False) == pytest.approx(by_accept)
        by_socket = api_cores(rate, watched=True) - by_accept
        assert by_socket == pytest.approx(rate * (attaching + telling))


def test_the_page_tells_what_an_order_was_measured_to_cost_the_api() -> None:
    page = " ".join(sizing.PAGE.read_text().split())
    attaching, telling = (f"{seconds * 1e6:.0f} µs" for seconds in watching())
    thousand, _, fastest_of_all = (f"{used / rate * 1e6:.0f} µs" for rate, used in accepting()[2:])

    assert f"{thousand} of CPU at 1,000 a second and {fastest_of_all} at 3,000" in page
    assert f"{attaching} to attach the WebSocket and {telling} for its steps" in page


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("rate", sizing.RATES)
def test_apis_are_the_fewest_of_which_one_may_be_missing(rate: int, watched: bool) -> None:
    left = apis(rate, watched) - 1

    assert api_cores(rate / left, watched) <= sizing.SHARE
    if left > 1:
        one_fewer = rate / (left - 1)
        assert one_fewer > accepting()[-1][0] or api_cores(one_fewer, watched) > sizing.SHARE


def test_connections_are_enough_for_a_rollout_of_everything() -> None:
    # 5 workers, 2 more as they are replaced, 2 APIs and 1 more: 10 each; a migration; 3 kept back
    assert sizing.connections(5, 2) == 10 * 10 + 1 + 3
    assert sizing.connections(10, 6) == 204  # the page's example


def test_the_sizes_are_for_the_engines_defaults() -> None:
    settings = Settings.read({"DATABASE_URL": "postgresql://a", "REDIS_URL": "redis://a"})

    assert settings.worker_concurrency == sizing.CONCURRENCY
    assert settings.database_pool_size == sizing.POOL
    assert settings.settle_poll_seconds.total_seconds() <= sizing.OWN
