"""Every expression that operators depend on, as it stands in dashboards and rules."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.observability.prometheus import RULES, BadExpression, Prometheus, Series
from tests.paths import ROOT

__all__ = [
    "DASHBOARDS",
    "RULES",
    "BadExpression",
    "Panel",
    "Prometheus",
    "Rule",
    "Series",
    "Target",
    "annotations",
    "bare",
    "load",
    "panels",
    "rules",
    "selectors",
    "substitute",
    "variables",
]

DASHBOARDS = ROOT / "charts/order-engine/dashboards"

VALUES: Mapping[str, str] = {
    "namespace": ".*",
    "release": ".*",
    "__rate_interval": "15s",
    "__interval": "1s",
    "__range": "2m",
    "__range_s": "120",
}
"""What Grafana would put in, on the stage, where one scrape is a second from the next."""

_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)(?::\w+)?\}|\$([A-Za-z_]\w*)")
_LABEL_VALUES = re.compile(r"label_values\((?:(?P<series>.*),\s*)?(?P<label>\w+)\)$")

_ZERO = re.compile(r"\s+or\s+(?:on\s*\(\s*\)\s*)?vector\(0\)")
_SELECTOR = re.compile(
    r"(?<![\w:])(?:order_engine[_:]|kube_|process_|python_|up\b|ALERTS\b)[\w:]*(?:\{[^{}]*\})?"
)


@dataclass(frozen=True)
class Target:
    """One query of a panel, with its variables."""

    expr: str
    legend: str
    ref: str


@dataclass(frozen=True)
class Panel:
    """A panel that asks Prometheus."""

    dashboard: str
    title: str
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Variable:
    """A variable of a dashboard whose values are those of a label."""

    dashboard: str
    name: str
    series: str
    label: str


@dataclass(frozen=True)
class Annotation:
    """Marks on every panel of a dashboard."""

    dashboard: str
    name: str
    expr: str


@dataclass(frozen=True)
class Rule:
    """An alert or a recording rule."""

    file: str
    group: str
    name: str
    expr: str
    is_alert: bool


def load(path: Path) -> Any:
    """A dashboard."""
    return json.loads(path.read_text())


def panels(dashboard: Any) -> list[Panel]:
    """The panels that ask, those in rows too, in their order."""
    return list(_panels(dashboard["title"], dashboard["panels"]))


def variables(dashboard: Any) -> list[Variable]:
    """The variables that ask. Raises `ValueError` for a query that is not `label_values`."""
    found = []
    for each in dashboard.get("templating", {}).get("list", []):
        if each["type"] != "query":
            continue
        asked = each["query"]
        text = asked["query"] if isinstance(asked, dict) else asked
        told = _LABEL_VALUES.match(text.strip())
        if told is None:
            raise ValueError(f"{each['name']}: expects label_values(…), not {text!r}")
        found.append(
            Variable(dashboard["title"], each["name"], told["series"] or "", told["label"])
        )
    return found


def annotations(dashboard: Any) -> list[Annotation]:
    """The annotations that ask."""
    return [
        Annotation(dashboard["title"], each["name"], each["expr"])
        for each in dashboard.get("annotations", {}).get("list", [])
        if each.get("expr")
    ]


def rules(path: Path) -> list[Rule]:
    """The rules of a file."""
    return [
        Rule(
            path.name,
            group["name"],
            each.get("alert") or each["record"],
            each["expr"],
            "alert" in each,
        )
        for group in yaml.safe_load(path.read_text())["groups"]
        for each in group["rules"]
    ]


def substitute(expr: str, values: Mapping[str, str] = VALUES) -> str:
    """The expression with values for its variables. Raises `KeyError` for an unknown one."""
    return _VARIABLE.sub(lambda found: values[found[1] or found[2]], expr)


def bare(expr: str) -> str:
    """The expression without the zeros that it shows where there is nothing: a name that is
    misspelt would show them for ever."""
    return _ZERO.sub("", expr)


def selectors(expr: str) -> list[str]:
    """The series that the expression reads, each as the selector that names them."""
    return _SELECTOR.findall(expr)


def _panels(dashboard: str, found: list[Any]) -> Iterator[Panel]:
    for each in found:
        targets = tuple(
            Target(target["expr"], target.get("legendFormat", ""), target.get("refId", ""))
            for target in each.get("targets", [])
            if target.get("expr")
        )
        if targets:
            yield Panel(dashboard, each["title"], targets)
        yield from _panels(dashboard, each.get("panels", []))
