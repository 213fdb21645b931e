"""The dashboards that the chart carries: made of the code, whole, and about what there is."""

import json
import re
from itertools import combinations
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from charts.dashboards.__main__ import FOLDER, files
from charts.dashboards.panels import RUNBOOKS
from docs.metrics import every, name

DASHBOARDS: dict[str, Any] = {file: json.loads(text) for file, text in files().items()}
PANELS: dict[str, Any] = {
    f"{board['title']}: {panel['title']}": panel
    for board in DASHBOARDS.values()
    for panel in board["panels"]
    if panel["type"] != "row"
}
ENGINE_S = {name(metric) for metric in every()}
OTHERS = re.compile(r"kube_(deployment|horizontalpodautoscaler)_\w+|(process|python)_\w+|ALERTS|up")
SERIES = re.compile(r"\b((?:order_engine|kube|process|python)_[a-z_]+|ALERTS|up(?={))")
RULES = FOLDER.parent / "rules"
SCREEN = 24
"""Rows of the grid that a screen of 1080 lines shows below Grafana's own head."""


def test_the_files_are_what_the_code_makes() -> None:
    written = {path.name: path.read_text() for path in FOLDER.glob("*")}

    assert written == files(), "run `make dashboards`"


@pytest.mark.parametrize("board", DASHBOARDS.values(), ids=DASHBOARDS.keys())
def test_a_dashboard_can_be_aimed_at_any_source_namespace_and_release(board: Any) -> None:
    variables = {each["name"]: each for each in board["templating"]["list"]}

    assert list(variables) == ["datasource", "namespace", "release"]
    assert variables["datasource"]["query"] == "prometheus"
    for named in ("namespace", "release"):
        assert variables[named]["includeAll"]
        assert variables[named]["allValue"] == ".*"


@pytest.mark.parametrize("board", DASHBOARDS.values(), ids=DASHBOARDS.keys())
def test_a_dashboard_marks_deploys_and_links_to_the_others(board: Any) -> None:
    assert [each["name"] for each in board["annotations"]["list"]] == ["Deploys"]
    assert [link["tags"] for link in board["links"]] == [board["tags"]]


def test_dashboards_are_told_apart_by_uid_and_title() -> None:
    for key in ("uid", "title"):
        assert len({board[key] for board in DASHBOARDS.values()}) == len(DASHBOARDS) == 4


@pytest.mark.parametrize("board", DASHBOARDS.values(), ids=DASHBOARDS.keys())
def test_a_dashboard_means_the_same_to_the_sdk_that_reads_it(board: Any) -> None:
    register_default_plugins()

    read = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))

    for each in read["annotations"]["list"]:
        each |= {"titleFormat": "{{version}}", "step": "30s"}  # which the SDK does not know
    for panel in read["panels"]:
        if panel.get("fieldConfig", {}).get("defaults", {}).get("custom") == {}:
            del panel["fieldConfig"]["defaults"]["custom"]  # none and an empty one are the same
    assert read == board


@pytest.mark.parametrize("board", DASHBOARDS.values(), ids=DASHBOARDS.keys())
def test_a_dashboards_panels_are_told_apart_by_title_and_id(board: Any) -> None:
    for key in ("title", "id"):
        assert len({panel[key] for panel in board["panels"]}) == len(board["panels"])


@pytest.mark.parametrize("board", DASHBOARDS.values(), ids=DASHBOARDS.keys())
def test_the_glance_fits_one_screen_and_nothing_is_folded_away(board: Any) -> None:
    rows = [panel for panel in board["panels"] if panel["type"] == "row"]

    assert not any(row["collapsed"] for row in rows)
    assert rows[0]["title"] == "At a glance"
    assert rows[1]["gridPos"]["y"] <= SCREEN


@pytest.mark.parametrize("board", DASHBOARDS.values(), ids=DASHBOARDS.keys())
def test_no_panels_overlap_and_all_fit(board: Any) -> None:
    places = [panel["gridPos"] for panel in board["panels"]]

    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


@pytest.mark.parametrize("panel", PANELS.values(), ids=PANELS.keys())
def test_a_panel_says_what_it_shows_and_in_which_unit(panel: Any) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"]["uid"] == "${datasource}"


@pytest.mark.parametrize("panel", PANELS.values(), ids=PANELS.keys())
def test_a_panel_asks_for_what_there_is_and_within_its_scope(panel: Any) -> None:
    for target in panel["targets"]:
        asked = SERIES.findall(target["expr"])
        assert asked
        for each in asked:
            bare = re.sub(r"_(bucket|sum|count)$", "", each)
            assert {each, bare} & ENGINE_S or OTHERS.fullmatch(each), each
        assert target["expr"].count('namespace=~"$namespace"') >= len(asked)
        assert target["datasource"]["uid"] == "${datasource}"


def test_every_metric_of_the_engine_is_shown_somewhere() -> None:
    shown = " ".join(target["expr"] for panel in PANELS.values() for target in panel["targets"])

    assert {metric for metric in ENGINE_S if metric not in shown} == set()


def test_every_alert_is_linked_from_a_panel_and_every_link_is_of_an_alert() -> None:
    groups = [
        group
        for path in RULES.glob("*.yaml")
        for group in yaml.safe_load(path.read_text())["groups"]
    ]
    alerts = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    linked = {
        link["url"].removeprefix(f"{RUNBOOKS}/")
        for panel in PANELS.values()
        for link in panel.get("links") or []
    }

    assert linked == alerts
