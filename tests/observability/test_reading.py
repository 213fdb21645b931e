"""How dashboards, rules and the documentation's configuration are read."""

import os
import subprocess
from math import nan
from pathlib import Path
from typing import Any

import pytest

from tests.observability import prometheus
from tests.observability.expressions import (
    RULES,
    Annotation,
    Panel,
    Rule,
    Series,
    Target,
    Variable,
    annotations,
    bare,
    panels,
    rules,
    selectors,
    substitute,
    variables,
)
from tests.paths import ROOT

DASHBOARD: dict[str, Any] = {
    "title": "Made up",
    "annotations": {
        "list": [
            {"name": "Annotations & Alerts", "builtIn": 1},
            {"name": "Deploys", "expr": "order_engine_build_info"},
        ]
    },
    "templating": {
        "list": [
            {"name": "datasource", "type": "datasource", "query": "prometheus"},
            {
                "name": "namespace",
                "type": "query",
                "query": {"query": "label_values(order_engine_build_info, namespace)"},
            },
            {"name": "dex", "type": "query", "query": 'label_values(a{b="c, d"}, dex)'},
            {"name": "job", "type": "query", "query": "label_values(job)"},
        ]
    },
    "panels": [
        {"title": "Words", "type": "text"},
        {
            "title": "Steps",
            "targets": [
                {"expr": "rate(a[$__rate_interval])", "legendFormat": "{{status}}", "refId": "A"},
                {"expr": "b", "refId": "B"},
                {"refId": "C"},
            ],
        },
        {"title": "Row", "type": "row", "panels": [{"title": "Deep", "targets": [{"expr": "c"}]}]},
    ],
}

RULES_FILE = """
groups:
  - name: orders
    rules:
      - {record: "a:b", expr: sum(a)}
      - {alert: TooMuch, expr: "a:b > 1", for: 1m}
"""


def test_the_panels_that_ask_are_found_in_rows_too() -> None:
    steps = (Target("rate(a[$__rate_interval])", "{{status}}", "A"), Target("b", "", "B"))
    assert panels(DASHBOARD) == [
        Panel("Made up", "Steps", steps),
        Panel("Made up", "Deep", (Target("c", "", ""),)),
    ]


def test_the_variables_that_ask_are_found() -> None:
    assert variables(DASHBOARD) == [
        Variable("Made up", "namespace", "order_engine_build_info", "namespace"),
        Variable("Made up", "dex", 'a{b="c, d"}', "dex"),
        Variable("Made up", "job", "", "job"),
    ]


def test_a_variable_that_asks_for_something_else_is_an_error() -> None:
    asked = {"name": "x", "type": "query", "query": "query_result(up)"}

    with pytest.raises(ValueError, match="expects label_values"):
        variables(DASHBOARD | {"templating": {"list": [asked]}})


def test_the_annotations_that_ask_are_found() -> None:
    found = annotations(DASHBOARD)

    assert found == [Annotation("Made up", "Deploys", "order_engine_build_info")]


def test_alerts_and_recording_rules_are_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "made-up.yaml"
    file.write_text(RULES_FILE)

    assert rules(file) == [
        Rule("made-up.yaml", "orders", "a:b", "sum(a)", is_alert=False),
        Rule("made-up.yaml", "orders", "TooMuch", "a:b > 1", is_alert=True),
    ]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('a{n=~"$namespace",r=~"${release}"}', 'a{n=~".*",r=~".*"}'),
        ("rate(a[$__rate_interval])", "rate(a[15s])"),
        ("increase(a[${__range}])", "increase(a[2m])"),
        ('a{n=~"${namespace:regex}$"}', 'a{n=~".*$"}'),
        ('label_replace(a, "b", "$1", "c", "(.*)")', 'label_replace(a, "b", "$1", "c", "(.*)")'),
    ],
)
def test_variables_are_replaced_as_grafana_would(expression: str, expected: str) -> None:
    assert substitute(expression) == expected


def test_a_variable_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(KeyError):
        substitute("$nobody")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("(sum(rate(a[1m])) or vector(0))", "(sum(rate(a[1m])))"),
        ("sum(a) or on() vector(0)", "sum(a)"),
        ("sum(a) or sum(b)", "sum(a) or sum(b)"),
    ],
)
def test_the_zeros_for_want_of_anything_else_are_left_out(expression: str, expected: str) -> None:
    assert bare(expression) == expected


def test_the_series_that_an_expression_reads_are_found() -> None:
    expression = """
        sum by (status) (rate(order_engine_steps_total{status!="failed"}[5m]))
        / on (namespace) count(up{service="api"} == 0) > order_engine:orders:rate5m
        unless kube_deployment_spec_replicas offset 2m
    """

    assert selectors(expression) == [
        'order_engine_steps_total{status!="failed"}',
        'up{service="api"}',
        "order_engine:orders:rate5m",
        "kube_deployment_spec_replicas",
    ]


@pytest.mark.parametrize(
    ("values", "expected"), [((nan, nan), False), ((nan, 0.0), True), ((), False)]
)
def test_a_series_without_a_number_has_no_data(values: tuple[float, ...], expected: bool) -> None:
    assert Series({}, [(at, value) for at, value in enumerate(values)]).has_data is expected


# The laptop's configuration


@pytest.mark.skipif(bool(prometheus.ABSENT), reason=prometheus.ABSENT)
def test_promtool_takes_the_configuration_of_the_documentation() -> None:
    checked = subprocess.run(
        [str(prometheus.TOOL), "check", "config", "--lint=all", "--lint-fatal", prometheus.LAPTOP],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_rules_of_the_configuration_are_the_charts() -> None:
    (pattern,) = prometheus.laptop()["rule_files"]

    assert os.path.normpath(prometheus.LAPTOP.parent / pattern) == str(RULES / "*.yaml")


def test_the_stage_is_scraped_by_the_configuration_of_the_documentation() -> None:
    targets = {"api": ["127.0.0.1:1"], "worker": ["127.0.0.1:2", "127.0.0.1:3"]}
    documented = prometheus.laptop()["scrape_configs"][0]

    ours, beside = prometheus.config(targets, RULES, "127.0.0.1:4")["scrape_configs"]

    groups = ours["static_configs"]
    assert ours["job_name"] == documented["job_name"]
    assert [each["labels"] for each in groups] == [
        each["labels"] for each in documented["static_configs"]
    ]
    assert {each["labels"]["service"]: each["targets"] for each in groups} == targets
    assert beside["static_configs"] == [{"targets": ["127.0.0.1:4"]}]
