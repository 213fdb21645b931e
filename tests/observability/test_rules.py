"""The chart's alerts, held to what `tests/observability/rules` says of them, by promtool."""

import re
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Histogram

from docs.metrics import every, name
from tests.observability import expressions, prometheus
from tests.observability.expressions import RULES, Rule

FILES = sorted(RULES.glob("*.yaml"))
SCENARIOS = sorted((Path(__file__).parent / "rules").glob("*.yaml"))

UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
OTHERS = re.compile(r"up|process_start_time_seconds|kube_(deployment|horizontalpodautoscaler)_\w+")
"""Metrics of Prometheus itself, of every process, and of kube-state-metrics."""

needs_promtool = pytest.mark.skipif(bool(prometheus.ABSENT), reason=prometheus.ABSENT)


@cache
def every_rule() -> list[Rule]:
    return [rule for file in FILES for rule in expressions.rules(file)]


def alerts() -> list[Any]:
    """The alerts as they are written."""
    return [
        rule
        for file in FILES
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]


def told(alert: Any) -> str:
    return str(alert["alert"])


@cache
def scenarios(pattern: str = "*") -> list[Any]:
    """The tests that promtool runs, of the files whose name fits."""
    files = [file for file in SCENARIOS if file.match(f"{pattern}.yaml")]
    return [each for file in files for each in yaml.safe_load(file.read_text())["tests"]]


def expected(scenario: Any, alert: str) -> list[list[Any]]:
    """What the scenario expects of the alert, in the order of time."""
    asked = [each for each in scenario.get("alert_rule_test", []) if each["alertname"] == alert]
    return [each["exp_alerts"] for each in sorted(asked, key=lambda each: at(each["eval_time"]))]


def at(written: str) -> timedelta:
    """A time as promtool reads it, like 6h30m."""
    parts = re.findall(r"(\d+)([dhms])", written)
    return timedelta(**{UNITS[unit]: int(number) for number, unit in parts})


def known() -> Iterator[str]:
    """The series that there can be, by name, of the engine and of recording rules."""
    for metric in every():
        yield name(metric)
        if isinstance(metric, Histogram):
            yield from (f"{name(metric)}_{part}" for part in ("bucket", "count", "sum"))
    yield from (rule.name for rule in every_rule() if not rule.is_alert)


@needs_promtool
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_promtool_takes_the_rules(file: Path) -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", file)


@needs_promtool
@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.name)
def test_alerts_do_in_a_scenario_what_is_expected(file: Path) -> None:
    promtool("test", "rules", file)


@pytest.mark.parametrize("alert", alerts(), ids=told)
def test_an_alert_is_shown_to_fire_and_then_to_resolve(alert: Any) -> None:
    shown = [expected(scenario, told(alert)) for scenario in scenarios()]

    assert any(fires and not resolves for moments in shown for fires, resolves in pairwise(moments))


@pytest.mark.parametrize("alert", alerts(), ids=told)
def test_an_alert_is_shown_to_be_silent_in_health(alert: Any) -> None:
    shown = [expected(scenario, told(alert)) for scenario in scenarios("healthy")]

    assert [[]] in shown


@pytest.mark.parametrize("alert", alerts(), ids=told)
def test_an_alert_says_what_is_wrong_how_bad_and_what_to_do(alert: Any) -> None:
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert all(alert["annotations"].values())
    assert alert["annotations"]["runbook_url"] == f"https://runbooks.invalid/{told(alert)}"


def test_no_two_alerts_share_a_name() -> None:
    names = [told(alert) for alert in alerts()]

    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize(
    "rule",
    [pytest.param(rule, id=f"{number} {rule.name}") for number, rule in enumerate(every_rule())],
)
def test_a_rule_names_only_metrics_that_there_are(rule: Rule) -> None:
    named = {selector.split("{")[0] for selector in expressions.selectors(rule.expr)}
    unknown = {each for each in named - set(known()) if not OTHERS.fullmatch(each)}

    assert named
    assert unknown == set()


def test_scenarios_feed_only_metrics_that_there_are() -> None:
    fed = {
        series["series"].split("{")[0]
        for scenario in scenarios()
        for series in scenario["input_series"]
    }

    assert {each for each in fed - set(known()) if not OTHERS.fullmatch(each)} == set()


def promtool(*arguments: str | Path) -> None:
    """Run it. Fails with what it says."""
    done = subprocess.run(
        [str(prometheus.TOOL), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
