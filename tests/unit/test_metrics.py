"""What the engine says of itself in numbers: its names, its reference page, its exemplars."""

import re
from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace
from prometheus_client import REGISTRY, Counter, Gauge, Histogram

from docs.metrics import PAGE, every, name, page
from orders import metrics, observe
from orders.domain.amounts import Amount
from orders.domain.order import Order
from orders.ports import Survey
from tests.factories import AT, a_route, a_transaction, an_order

UNITS = ("seconds", "bps", "info", "size")
METRICS = {name(metric): metric for metric in every()}
ORDER_ID = UUID("01a20320-a27b-7e36-9329-c5fb68b1ad18")


def test_the_reference_page_is_made_of_the_code() -> None:
    assert PAGE.read_text() == page(), "run `make reference`"


@pytest.mark.parametrize("named", METRICS)
def test_a_metric_is_named_as_prometheus_would_have_it(named: str) -> None:
    metric = METRICS[named]

    assert re.fullmatch(r"order_engine_[a-z_]+", named)
    assert named.endswith("_total") == isinstance(metric, Counter)
    if isinstance(metric, Histogram):
        assert named.endswith(UNITS)
    assert "milli" not in named


@pytest.mark.parametrize("named", METRICS)
def test_a_metric_says_in_a_sentence_what_it_is(named: str) -> None:
    told = METRICS[named]._documentation

    assert told[0].isupper()
    assert told.endswith(".")


def test_the_values_of_every_label_are_said() -> None:
    used = {label for metric in METRICS.values() for label in metric._labelnames}

    assert used == set(metrics.LABELS)


def test_no_label_is_an_order_a_token_or_a_client() -> None:
    assert not set(metrics.LABELS) & {"order_id", "trace_id", "mint", "owner", "user", "pair"}


def a_confirmed(out: int) -> Order:
    """An order that was promised 1,000,000 and got `out`, two seconds after its receipt."""
    received = an_order(id=ORDER_ID, created_at=AT)
    built = received.resume().build(a_route(out=1_000_000))
    order = built.submit(a_transaction()).confirm(Amount(out))
    return replace(order, updated_at=AT + timedelta(seconds=2))


def test_an_order_s_end_is_told_with_the_id_of_its_trace() -> None:
    observe.moved(a_confirmed(999_000), since=AT)

    assert {"trace_id": ORDER_ID.hex} in _exemplars("order_engine_completion_seconds")


@pytest.mark.parametrize(
    ("out", "bps", "below"), [(999_000, 10, 5), (1_000_000, 0, -1), (1_001_000, -10, -25)]
)
def test_realised_slippage_is_what_was_promised_less_what_arrived(
    out: int, bps: int, below: int
) -> None:
    order = a_confirmed(out)

    def within(bound: int) -> float:
        labels = {"dex": str(order.dex), "le": f"{bound}.0"}
        return _sample("order_engine_slippage_bps_bucket", labels)

    before = within(bps), within(below)
    observe.moved(order, since=AT)

    assert (within(bps) - before[0], within(below) - before[1]) == (1, 0)


def test_what_is_measured_in_a_batch_is_as_if_it_were_observed_one_by_one() -> None:
    bounds = (-5, 0, 1, 2.5, 10)
    values = [-7, -5, -4.9, 0, 0.5, 1, 1.01, 2.5, 9, 10, 10.1, 1e9, 2, 2, 2]
    batch, single = (Histogram("h", "A histogram.", buckets=bounds, registry=None) for _ in "ab")

    for value in values:
        single.observe(value)
        metrics.measure(batch, value)
    REGISTRY.get_sample_value("nothing")  # reads all, and so writes all

    assert _told_by(batch) == _told_by(single)


def test_a_bucket_names_the_slowest_order_of_a_batch() -> None:
    slow, fast = UUID(int=1), UUID(int=2)

    for order_id, seconds in ((fast, 0.3), (slow, 0.4), (fast, 0.35)):
        observe.responded("api/test", 201, timedelta(seconds=seconds), order_id)

    seen = _exemplars("order_engine_request_seconds")
    assert {"trace_id": slow.hex} in seen
    assert {"trace_id": fast.hex} not in seen


def test_the_time_of_a_step_is_counted_from_the_one_before() -> None:
    labels = {"status": "confirmed"}
    before = _sample("order_engine_step_seconds_sum", labels)

    observe.moved(a_confirmed(1_000_000), since=AT + timedelta(seconds=1.5))

    after = _sample("order_engine_step_seconds_sum", labels)
    assert after - before == pytest.approx(0.5)


def test_the_gauges_of_the_queue_say_what_was_read_last() -> None:
    observe.surveyed(Survey(timedelta(0), timedelta(seconds=7), due=3, stuck=2))
    observe.backlog(11)

    assert _sample("order_engine_oldest_order_seconds") == 7
    assert _sample("order_engine_retries_due") == 3
    assert _sample("order_engine_submitted_stuck") == 2
    assert _sample("order_engine_queue_backlog") == 11

    observe.surveyed(Survey(None, None, due=0, stuck=0))

    assert _sample("order_engine_oldest_order_seconds") == 0


def test_what_cannot_be_read_any_more_is_not_told() -> None:
    observe.surveyed(Survey(None, timedelta(seconds=9), due=1, stuck=1))

    observe.unsurveyed()
    observe.unsurveyed()

    for named in ("oldest_order_seconds", "retries_due", "submitted_stuck"):
        assert REGISTRY.get_sample_value(f"order_engine_{named}") is None


def test_a_gauge_of_which_a_process_knows_nothing_is_not_told_to_be_0() -> None:
    gauge = Gauge("order_engine_test_gauge", "A gauge.", registry=None)

    assert REGISTRY.get_sample_value("order_engine_test_gauge") is None
    try:
        metrics.shown(gauge).set(4)
        metrics.shown(gauge)
        assert REGISTRY.get_sample_value("order_engine_test_gauge") == 4
    finally:
        REGISTRY.unregister(gauge)


def test_what_a_worker_counts_begins_at_0() -> None:
    observe.working(4, lambda: 3, ["somewhere"])

    assert _sample("order_engine_worker_slots") == 4
    assert _sample("order_engine_worker_slots_used") == 3
    for outcome in ("quote", "refused", "error", "late"):
        labels = {"dex": "somewhere", "outcome": outcome}
        assert REGISTRY.get_sample_value("order_engine_quotes_total", labels) == 0
    assert REGISTRY.get_sample_value("order_engine_failures_total", {"code": "poison"}) is not None


def _sample(named: str, labels: dict[str, str] | None = None) -> float:
    return REGISTRY.get_sample_value(named, labels or {}) or 0.0


def _told_by(histogram: Histogram) -> list[tuple[str, dict[str, str], float]]:
    return [
        (sample.name, sample.labels, sample.value)
        for family in histogram.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    ]


def _exemplars(histogram: str) -> list[dict[str, str]]:
    """The labels of every exemplar."""
    return [
        sample.exemplar.labels
        for family in REGISTRY.collect()
        if family.name == histogram
        for sample in family.samples
        if sample.exemplar
    ]
