"""Every expression of dashboards and rules, asked of a Prometheus that has seen everything."""

import subprocess
from collections.abc import Iterator
from math import ceil
from typing import Any

import httpx
import pytest
from prometheus_client import Counter, Gauge, Histogram

from orders import metrics
from orders.domain.errors import FailureCode
from tests.observability import expressions, prometheus
from tests.observability.expressions import (
    DASHBOARDS,
    RULES,
    Annotation,
    BadExpression,
    Panel,
    Rule,
    Target,
    Variable,
    bare,
    substitute,
)
from tests.observability.stage import WORKERS, Stage

needs_prometheus = pytest.mark.skipif(bool(prometheus.ABSENT), reason=prometheus.ABSENT)

EMPTY: dict[tuple[str, str, str], str] = {}
"""Targets that truthfully have nothing to show on the stage: dashboard, panel, ref, and why."""

UNSEEN: dict[str, str] = {}
"""Metrics that truthfully count nothing on the stage, and why."""

ALARMING = {"OrderEnginePoison", "OrderEngineQueueLost", "OrderEngineSweepFindsLost"}
"""Alerts that wait for nothing, and whose cause is on the stage."""

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
OURS = (Counter, Gauge, Histogram)
UNITS = ("_seconds", "_bps")
UNITLESS = ("order_engine_batch_size",)
"""Histograms of plain numbers."""

Metric = Counter | Gauge | Histogram


def dashboards() -> list[Any]:
    """The chart's dashboards."""
    return [expressions.load(path) for path in sorted(DASHBOARDS.glob("*.json"))]


def every_target() -> Iterator[Any]:
    for dashboard in dashboards():
        for panel in expressions.panels(dashboard):
            for target in panel.targets:
                name = f"{panel.dashboard} - {panel.title} - {target.ref}"
                yield pytest.param(panel, target, id=name)


def every_annotation() -> Iterator[Any]:
    for dashboard in dashboards():
        for each in expressions.annotations(dashboard):
            yield pytest.param(each, id=f"{each.dashboard} - {each.name}")


def every_variable() -> Iterator[Any]:
    for dashboard in dashboards():
        for each in expressions.variables(dashboard):
            yield pytest.param(each, id=f"{each.dashboard} - {each.name}")


def every_rule() -> Iterator[Any]:
    for path in sorted(RULES.glob("*.yaml")):
        for number, rule in enumerate(expressions.rules(path)):
            yield pytest.param(rule, id=f"{rule.file} - {number} {rule.name}")


def every_metric() -> list[Metric]:
    """The engine's own, of `orders.metrics`."""
    return [each for each in vars(metrics).values() if isinstance(each, OURS)]


def told(metric: Metric) -> str:
    """The name of the sample that says how often, or how much."""
    name = str(metric._name)
    match metric:
        case Counter():
            return f"{name}_total"
        case Histogram():
            return f"{name}_count"
        case _:
            return name


# What the chart carries


def test_the_chart_carries_dashboards_and_rules() -> None:
    assert list(every_target())
    assert list(every_rule())


@pytest.mark.parametrize(("panel", "target"), list(every_target()))
def test_a_panel_shows_something(played: Stage, panel: Panel, target: Target) -> None:
    if reason := EMPTY.get((panel.dashboard, panel.title, target.ref)):
        pytest.skip(reason)

    asked = bare(substitute(target.expr))

    found = played.prometheus.range(asked, played.start, played.end)

    assert any(series.has_data for series in found), f"nothing: {asked}"


@pytest.mark.parametrize("annotation", list(every_annotation()))
def test_an_annotation_can_be_evaluated(played: Stage, annotation: Annotation) -> None:
    played.prometheus.range(substitute(annotation.expr), played.start, played.end)


@pytest.mark.parametrize("variable", list(every_variable()))
def test_a_variable_has_values(played: Stage, variable: Variable) -> None:
    assert played.prometheus.label_values(variable.label, substitute(variable.series))


@pytest.mark.parametrize("rule", list(every_rule()))
def test_a_rule_is_evaluated_without_an_error(played: Stage, rule: Rule) -> None:
    played.prometheus.instant(rule.expr, played.end)

    found = [
        each
        for group in played.prometheus.groups()
        if group["name"] == rule.group
        for each in group["rules"]
        if each["name"] == rule.name
    ]
    assert found
    assert {(each["health"], each.get("lastError", "")) for each in found} == {("ok", "")}


@pytest.mark.parametrize("rule", list(every_rule()))
def test_a_rule_reads_series_that_there_are(played: Stage, rule: Rule) -> None:
    read = expressions.selectors(rule.expr)
    lacking = [each for each in read if not played.prometheus.knows(each, played.start, played.end)]

    assert read
    assert lacking == []


def test_what_goes_wrong_on_the_stage_sets_off_its_alerts(played: Stage) -> None:
    found = played.prometheus.range('ALERTS{alertstate="firing"}', played.start, played.end)

    assert {series.labels["alertname"] for series in found} >= ALARMING


def test_no_exception_outlives_what_it_excepts() -> None:
    there = {
        (panel.dashboard, panel.title, target.ref)
        for dashboard in dashboards()
        for panel in expressions.panels(dashboard)
        for target in panel.targets
    }

    assert EMPTY.keys() <= there
    assert UNSEEN.keys() <= {told(metric) for metric in every_metric()}


def test_an_expression_that_makes_no_sense_is_found_out(played: Stage) -> None:
    with pytest.raises(BadExpression, match="parse error"):
        played.prometheus.instant("sum(")


# What the engine says


@pytest.mark.parametrize("metric", every_metric(), ids=told)
def test_a_metric_has_a_sample(played: Stage, metric: Metric) -> None:
    seen = played.prometheus.range(f"sum({told(metric)})", played.start, played.end)

    assert any(series.has_data for series in seen)


@pytest.mark.parametrize(
    "metric", [each for each in every_metric() if not isinstance(each, Gauge)], ids=told
)
def test_what_a_metric_counts_has_happened(played: Stage, metric: Metric) -> None:
    counted = played.prometheus.range(f"{told(metric)} > 0", played.start, played.end)

    assert bool(counted) != (told(metric) in UNSEEN)


@pytest.mark.parametrize("code", FailureCode)
def test_the_first_failure_of_its_kind_is_seen_as_an_increase(
    played: Stage, code: FailureCode
) -> None:
    # No less than all of it: the increase is from what was scraped right after the start.
    lasted = f"{ceil(played.end - played.start)}s"
    failures = f'sum(increase(order_engine_failures_total{{code="{code}"}}[{lasted}]))'

    (increase,) = played.prometheus.instant(failures, played.end)

    assert increase.samples[0][1] > 0


def test_workers_are_counted_by_their_slots(played: Stage) -> None:
    (seen,) = played.prometheus.range("count(order_engine_worker_slots)", played.start, played.end)

    assert {value for _, value in seen.samples} == {WORKERS - 1, WORKERS}


def test_an_exemplar_names_the_trace_of_an_order(played: Stage) -> None:
    for metric in ("order_engine_completion_seconds_bucket", "order_engine_request_seconds_bucket"):
        found = played.prometheus.exemplars(metric, played.start, played.end)
        traces = {each["trace_id"] for each in found}

        assert traces
        assert traces <= played.orders


@needs_prometheus
@pytest.mark.parametrize("process", ["api", "worker"])
def test_promtool_finds_nothing_wrong_with_what_a_process_says(played: Stage, process: str) -> None:
    checked = subprocess.run(
        [str(prometheus.TOOL), "check", "metrics"],
        input=ask(played, process).text,
        capture_output=True,
        text=True,
    )

    assert (checked.stdout + checked.stderr, checked.returncode) == ("", 0)


@pytest.mark.parametrize("process", ["api", "worker"])
def test_a_process_says_it_in_openmetrics_to_whoever_accepts_that(
    played: Stage, process: str
) -> None:
    plain, asked = ask(played, process), ask(played, process, OPENMETRICS)

    assert plain.headers["content-type"].startswith("text/plain; version=")
    assert "# EOF" not in plain.text
    assert asked.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert asked.text.endswith("# EOF\n")


def ask(stage: Stage, process: str, accept: str = "") -> httpx.Response:
    """The metrics of the API or of a worker."""
    service = stage.api if process == "api" else stage.workers[0]
    headers = {"Accept": accept} if accept else {}
    with httpx.Client(trust_env=False) as client:
        return client.get(f"{service.url}/metrics", headers=headers).raise_for_status()


# What stands in for a cluster


def test_the_stand_in_for_kube_state_metrics_tells_the_stages_own_numbers(played: Stage) -> None:
    running = 'kube_deployment_status_replicas{namespace="laptop",deployment=~".*-worker"}'

    (seen,) = played.prometheus.range(running, played.start, played.end)

    values = [value for _, value in seen.samples]
    assert set(values) == {WORKERS - 1, WORKERS}  # one was stopped, one was killed
    assert values[-1] == WORKERS


# Names


@pytest.mark.parametrize("metric", every_metric(), ids=told)
def test_a_metric_is_named_by_the_conventions(metric: Metric) -> None:
    name = str(metric._name)

    assert name.startswith("order_engine_")
    assert metric._documentation.endswith(".")
    assert not name.endswith(("_milliseconds", "_ms", "_count", "_sum", "_bucket"))
    if isinstance(metric, Histogram):
        assert name.endswith(UNITS) or name in UNITLESS
