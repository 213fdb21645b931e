"""Figures: what runs measured, and their median and spread."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Figures = dict[str, float]
"""Named with their unit, and with a component after a dot: `cpu_us.worker`."""


@dataclass(frozen=True)
class Case:
    """One variant of a scenario, and what its runs measured."""

    name: str
    runs: Sequence[Figures]
    series: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """What was sampled over time, where that is the point."""

    def summary(self) -> dict[str, Any]:
        """As JSON: the median of each figure, and its lowest and highest run."""
        told: dict[str, Any] = {
            "case": self.name,
            "runs": len(self.runs),
            "figures": {name: _spread(self.runs, name) for name in self.runs[0]},
        }
        return told | ({"series": dict(self.series)} if self.series else {})


def percentiles(
    name: str, values: Sequence[float], *, scale: float = 1, wanted: Sequence[int] = (50, 90, 99)
) -> Figures:
    """`NAME_p50_ms` and so on, of values that are divided by `scale` to make milliseconds."""
    ranked = sorted(values)
    return {
        f"{name}_p{percent}_ms": rounded(
            ranked[min(len(ranked) - 1, len(ranked) * percent // 100)] / scale
        )
        for percent in wanted
        if ranked
    }


def rounded(value: float) -> float:
    """Four digits are more than any of these figures is worth."""
    return float(f"{value:.4g}")


def _spread(runs: Sequence[Figures], name: str) -> dict[str, float]:
    values = [run[name] for run in runs if name in run]
    return {
        "median": rounded(statistics.median(values)),
        "low": rounded(min(values)),
        "high": rounded(max(values)),
    }
