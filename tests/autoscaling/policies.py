"""How the chart lets the workers scale, read from its values."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from tests.paths import ROOT

VALUES = ROOT / "charts" / "order-engine" / "values.yaml"


@dataclass(frozen=True)
class Policy:
    """At most `value` pods, or per cent of the pods, within `period` seconds."""

    kind: str
    value: int
    period: int


@dataclass(frozen=True)
class Rules:
    """One direction: the widest policy counts, after `window` seconds of recommendations."""

    window: int
    policies: tuple[Policy, ...]


@dataclass(frozen=True)
class Scaling:
    """What an autoscaler is told. Lengths are in seconds."""

    target: int
    minimum: int
    maximum: int
    up: Rules
    down: Rules
    polling: int
    cooldown: int


@cache
def scaling(*, target: int | None = None, minimum: int | None = None, maximum: int = 0) -> Scaling:
    """The chart's defaults, but for what is told otherwise."""
    values = yaml.safe_load(VALUES.read_text())
    told = values["autoscaling"]
    return Scaling(
        target=target or told["targetBacklog"] or values["worker"]["concurrency"],
        minimum=told["minReplicas"] if minimum is None else minimum,
        maximum=maximum or told["maxReplicas"],
        up=_rules(told["scaleUp"]),
        down=_rules(told["scaleDown"]),
        polling=told["pollingInterval"],
        cooldown=told["cooldownPeriod"],
    )


def _rules(told: dict[str, Any]) -> Rules:
    assert told.get("selectPolicy", "Max") == "Max"  # the only one that the model knows
    return Rules(
        told["stabilizationWindowSeconds"],
        tuple(
            Policy(each["type"], each["value"], each["periodSeconds"]) for each in told["policies"]
        ),
    )
