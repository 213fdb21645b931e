"""What lies in the chart's `rules` and `dashboards` folders becomes objects, word for word but for
links to runbooks."""

import base64
import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart import tools
from tests.chart.helm import CHART, HELM_3, HELM_4, Object, render
from tests.chart.reading import of_kind, one, strings
from tests.chart.scenarios import URLS, merged

RULE = {"alert": "Slow", "expr": "up == 0", "annotations": {"summary": "{{ $labels.pod }} is down"}}
GROUP = {"name": "of-the-chart", "rules": [RULE]}
OWN = {"name": "of-the-user", "rules": [{"record": "a:b", "expr": "{{ 1 }}"}]}
DASHBOARD = {"title": "Orders", "panels": [{"legend": "{{dex}}"}]}
ON = {
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}, "groups": [OWN]},
    "dashboards": {"enabled": True, "annotations": {"grafana_folder": "Orders"}},
}


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """A copy of the chart, with a file of rules and a dashboard."""
    copy = tmp_path / "order-engine"
    shutil.copytree(CHART, copy)
    for folder, name, content in (
        ("rules", "orders.yaml", yaml.safe_dump({"groups": [GROUP]})),
        ("dashboards", "orders.json", json.dumps(DASHBOARD, indent=2)),
    ):
        (copy / folder).mkdir(exist_ok=True)
        (copy / folder / name).write_text(content)
    return copy


def _render(chart: Path, values: Any, helm: str) -> list[Object]:
    done = subprocess.run(
        [tools.helm(helm), "template", "engine", chart, "--values", "-",
         "--api-versions", "monitoring.coreos.com/v1"],
        input=json.dumps(merged(URLS, values)), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [each for each in yaml.safe_load_all(done.stdout) if each]


@pytest.mark.parametrize("helm", [HELM_3, HELM_4])
def test_rules_of_the_chart_and_of_the_user_are_taken_with_their_braces(
    chart: Path, helm: str
) -> None:
    rule = one(_render(chart, ON, helm), "PrometheusRule")

    groups = rule["spec"]["groups"]
    assert GROUP in groups
    assert groups[-1] == OWN
    assert rule["metadata"]["labels"]["release"] == "prometheus"


@pytest.mark.parametrize("helm", [HELM_3, HELM_4])
def test_a_dashboard_is_a_config_map_that_grafanas_sidecar_finds(chart: Path, helm: str) -> None:
    found = [
        each
        for each in of_kind(_render(chart, ON, helm), "ConfigMap")
        if each["metadata"]["labels"].get("grafana_dashboard") == "1"
    ]

    (orders,) = (each for each in found if "orders.json" in each["data"])
    assert json.loads(orders["data"]["orders.json"]) == DASHBOARD
    assert orders["metadata"]["annotations"] == {"grafana_folder": "Orders"}


def test_neither_is_there_unless_asked_for(chart: Path) -> None:
    objects = _render(chart, {}, HELM_4)

    assert of_kind(objects, "PrometheusRule") == []
    assert [
        each for each in of_kind(objects, "ConfigMap") if "orders.json" in each.get("data", {})
    ] == []


WATCHED = merged(
    URLS,
    {"prometheusRule": {"enabled": True}, "dashboards": {"enabled": True}},
)
PUBLISHED = {"runbooks": {"url": "https://docs.example.com/runbooks"}}
BOARDS = sorted((CHART / "dashboards").glob("*.json"))
RULES = sorted((CHART / "rules").glob("*.yaml"))
APPLIED, STORED = 256 * 1024, 1024 * 1024
"""Most bytes of an annotation, in which `kubectl apply` keeps an object, and of a ConfigMap or
Secret. kubernetes.io/docs/concepts: 256 KiB and 1 MiB."""


def _boards(objects: list[Object]) -> list[Object]:
    return [
        each
        for each in of_kind(objects, "ConfigMap")
        if "grafana_dashboard" in each["metadata"]["labels"]
    ]


@pytest.mark.parametrize("helm", [HELM_3, HELM_4])
def test_the_charts_own_rules_and_dashboards_are_all_there(helm: str) -> None:
    objects = render(merged(WATCHED, {"runbooks": {"suffix": ""}}), helm=helm)

    groups = one(objects, "PrometheusRule")["spec"]["groups"]
    assert groups == [
        group for each in RULES for group in yaml.safe_load(each.read_text())["groups"]
    ]
    made = {name: text for each in _boards(objects) for name, text in each["data"].items()}
    assert {name: json.loads(text) for name, text in made.items()} == {
        each.name: json.loads(each.read_text()) for each in BOARDS
    }
    assert len(groups) >= 5
    assert len(made) == 4


@pytest.mark.parametrize("helm", [HELM_3, HELM_4])
@pytest.mark.parametrize(
    ("suffix", "end"), [({}, ".md"), ({"suffix": ""}, ""), ({"suffix": "/?v=1#top"}, "/?v=1#top")]
)
@pytest.mark.parametrize("slash", ["", "/"])
def test_every_link_to_a_runbook_leads_where_the_values_say(
    suffix: dict[str, str], end: str, slash: str, helm: str
) -> None:
    url = PUBLISHED["runbooks"]["url"]
    objects = render(merged(WATCHED, {"runbooks": {"url": url + slash} | suffix}), helm=helm)
    rules = [
        rule
        for group in one(objects, "PrometheusRule")["spec"]["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    links = [
        link
        for each in _boards(objects)
        for text in each["data"].values()
        for link in re.findall(rf"{url}/[^\"\s]+", text)
    ]

    assert [each["annotations"]["runbook_url"] for each in rules] == [
        f"{url}/{each['alert']}{end}" for each in rules
    ]
    alerts = "|".join(each["alert"] for each in rules)
    assert links
    for link in links:  # of an alert, or of the one that a table's row is about
        assert re.fullmatch(rf"{url}/({alerts}|\$\{{__\w+[.\w]*\}}){re.escape(end)}", link), link
    assert [each for each in strings(objects) if "runbooks.invalid" in each] == []


def test_no_config_map_is_too_large_to_be_applied() -> None:
    sizes = {
        each["metadata"]["name"]: len(json.dumps(each))
        for each in of_kind(render(merged(WATCHED, PUBLISHED)), "ConfigMap")
    }

    assert {name: size for name, size in sizes.items() if size > APPLIED * 0.9} == {}


def test_a_release_fits_the_secret_that_helm_keeps_it_in() -> None:
    """Helm keeps the chart's files and the whole manifest, compressed, in base64."""
    files = [each.read_bytes() for each in sorted(CHART.rglob("*")) if each.is_file()]
    chart = [base64.b64encode(each).decode() for each in files]
    manifest = yaml.safe_dump_all(render(merged(WATCHED, PUBLISHED)))

    kept = base64.b64encode(gzip.compress(json.dumps([chart, manifest]).encode()))

    assert len(kept) < STORED / 2
