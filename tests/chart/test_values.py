"""What the chart's values, their schema, the README and the engine say of each other."""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
import yaml

from charts import readme
from orders.settings import Settings
from tests.paths import ROOT

CHART = readme.CHART
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
VALUES: dict[str, Any] = yaml.safe_load(readme.VALUES.read_text())
ELSEWHERE = {
    "database_url", "redis_url", "api_host", "api_port", "worker_probe_host", "worker_probe_port",
    "worker_concurrency", "drain_seconds", "shutdown_seconds",
    "otel_exporter_otlp_endpoint", "otel_traces_sampler_arg",
}  # fmt: skip
"""Settings that have values of their own, or none, since pods listen on every address."""


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def schema_at(path: tuple[str, ...]) -> dict[str, Any]:
    """The schema of the value at `path`, references followed."""
    found = SCHEMA
    for key in path:
        found = found["properties"][key]
        if "$ref" in found:
            found = SCHEMA["$defs"][found["$ref"].removeprefix("#/$defs/")]
    return found


def objects(node: Any) -> Iterator[dict[str, Any]]:
    """Every schema within that describes an object."""
    if isinstance(node, dict):
        if node.get("type") == "object" and "properties" in node:
            yield node
        for inner in node.values():
            yield from objects(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from objects(inner)


def test_the_readme_is_what_the_values_and_the_template_make() -> None:
    assert readme.README.read_text() == readme.render(), "run: python charts/readme.py"


def test_every_value_is_described_in_one_row() -> None:
    names = [value.name for value in readme.values(readme.VALUES.read_text())]

    assert len(names) == len(set(names))
    text = readme.render()
    assert all(f"| `{name}` |" in text for name in names)


def test_a_value_without_a_comment_is_found() -> None:
    with pytest.raises(readme.Undocumented, match=r"^api\.port$"):
        readme.values("api:\n  # -- How many.\n  replicas: 2\n\n  port: 8000\n")


def test_a_comment_over_several_lines_is_one_sentence_and_a_pipe_does_not_end_its_cell() -> None:
    text = "mode:\n  # -- Either a|b,\n  # or c.\n  kind: null\n"

    assert readme.tables(text).splitlines()[-1] == "| `mode.kind` | `null` | Either a\\|b, or c. |"


def test_every_row_of_promises_names_tests_that_are_there() -> None:
    table = readme.TEMPLATE.read_text().partition("| promise | test |")[2].partition("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    there = set(re.findall(r"def (test_\w+)", sources))

    assert len(rows) > 20
    for promise, tests in rows:
        named = re.findall(r"`(test_\w+)`", tests)
        assert named, f"no test is named for: {promise}"
        assert set(named) <= there, promise


def test_the_schema_takes_every_setting_of_the_engine_and_no_other() -> None:
    wanted = {camel(each.name) for each in fields(Settings) if each.name not in ELSEWHERE}

    assert set(SCHEMA["$defs"]["settings"]["properties"]) == wanted


def test_the_schema_has_every_value_and_every_value_its_schema() -> None:
    def walk(value: Any, path: tuple[str, ...]) -> None:
        schema = schema_at(path)
        if "properties" not in schema:
            return
        assert set(value) <= set(schema["properties"]), path
        for key, inner in value.items():
            if isinstance(inner, dict):
                walk(inner, (*path, key))

    walk(VALUES, ())
    assert set(SCHEMA["properties"]) == set(VALUES)


def test_the_schema_refuses_unknown_keys_of_every_map_of_ours() -> None:
    named = SCHEMA["$defs"].pop("named")  # Kubernetes' containers and volumes
    try:
        groups = SCHEMA["properties"]["prometheusRule"]["properties"]["groups"]["items"]
        open_ones = [
            each for each in objects(SCHEMA) if each.get("additionalProperties") is not False
        ]
    finally:
        SCHEMA["$defs"]["named"] = named

    assert open_ones == [groups]  # the Prometheus operator's


def test_the_schema_says_nothing_that_helm_before_3_18_would_not_see() -> None:
    """It reads draft 7, which ignores what stands beside a `$ref`, and all later keywords."""
    text = (CHART / "values.schema.json").read_text()
    later = ("unevaluated", "dependentRequired", "dependentSchemas", "prefixItems", "$dynamicRef")

    assert [word for word in later if word in text] == []
    assert [each for each in _references(SCHEMA) if len(each) > 1] == []


def _references(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node
        for inner in node.values():
            yield from _references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _references(inner)


def test_the_drain_and_concurrency_that_the_values_set_are_the_engines_defaults() -> None:
    defaults = {each.name: each.metadata["default"] for each in fields(Settings)}
    worker = VALUES["worker"]

    assert str(worker["drainSeconds"]) == defaults["drain_seconds"]
    assert str(worker["shutdownSeconds"]) == defaults["shutdown_seconds"]
    assert str(worker["concurrency"]) == defaults["worker_concurrency"]
    assert str(worker["probePort"]) == defaults["worker_probe_port"]
    assert str(VALUES["api"]["port"]) == defaults["api_port"]


def test_chart_and_project_have_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert (chart["version"], chart["appVersion"]) == (project["version"], project["version"])
    assert chart["kubeVersion"] == ">=1.28.0-0"


def test_artifact_hub_is_told_the_images_that_the_values_name() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    told = yaml.safe_load(chart["annotations"]["artifacthub.io/images"])

    def image(values: Any, tag: str) -> str:
        return "/".join(filter(None, (values["registry"], values["repository"]))) + f":{tag}"

    ours = [image(VALUES[part]["image"], chart["appVersion"]) for part in ("api", "worker")]
    theirs = [VALUES["dev"][name]["image"] for name in ("postgres", "redis")]
    assert [each["image"] for each in told] == ours + [image(each, each["tag"]) for each in theirs]
