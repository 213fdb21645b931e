"""What a process says at `/metrics`: values by name and labels, and what can be asked of them."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]
Buckets = list[tuple[float, float]]
"""Of a histogram: each upper bound, and how many observations were not above it."""

OURS = ("order_engine_", "process_start_time_seconds")
COUNTED = ("counter", "histogram")


@dataclass(frozen=True)
class Samples:
    """Values by the sample's name, then by its labels. A pattern is a whole regular expression
    on a label's value, as `=~` in PromQL."""

    values: Mapping[str, Mapping[Labels, float]] = field(default_factory=dict)

    def total(self, name: str, **patterns: str) -> float:
        """The sum of what matches; 0 if nothing does, as a counter with labels is not told
        before it has counted."""
        return sum(value for _, value in self._matching(name, patterns))

    def told(self, name: str) -> list[float]:
        """Every value of that name."""
        return list(self.values.get(name, {}).values())

    def by(self, label: str, name: str, **patterns: str) -> dict[str, float]:
        """The sums for each value of a label."""
        sums: dict[str, float] = defaultdict(float)
        for labels, value in self._matching(name, patterns):
            sums[labels.get(label, "")] += value
        return dict(sums)

    def buckets(self, name: str, **patterns: str) -> Buckets:
        """Of all matching histograms together, from the lowest bound on."""
        sums = self.by("le", f"{name}_bucket", **patterns)
        return sorted((float(bound), count) for bound, count in sums.items())

    def __add__(self, other: "Samples") -> "Samples":
        merged = {name: dict(series) for name, series in self.values.items()}
        for name, series in other.values.items():
            known = merged.setdefault(name, {})
            for labels, value in series.items():
                known[labels] = known.get(labels, 0) + value
        return Samples(merged)

    def since(self, before: "Samples") -> "Samples":
        """What was counted after `before`. One that fell began anew at 0."""
        return Samples(
            {
                name: {
                    labels: _increase(value, before.values.get(name, {}).get(labels, 0))
                    for labels, value in series.items()
                }
                for name, series in self.values.items()
            }
        )

    def _matching(
        self, name: str, patterns: Mapping[str, str]
    ) -> Iterator[tuple[dict[str, str], float]]:
        for key, value in self.values.get(name, {}).items():
            labels = dict(key)
            if all(re.fullmatch(pattern, labels.get(of, "")) for of, pattern in patterns.items()):
                yield labels, value


def parse(text: str) -> tuple[Samples, Samples]:
    """What is counted, and what is a state, of the engine's own metrics.

    Raises `ValueError` where `text` is not in Prometheus's format.
    """
    counted: dict[str, dict[Labels, float]] = {}
    states: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        if family.name.startswith(OURS):
            kind = counted if family.type in COUNTED else states
            for sample in family.samples:
                series = kind.setdefault(sample.name, {})
                series[frozenset(sample.labels.items())] = sample.value
    return Samples(counted), Samples(states)


def _increase(now: float, before: float) -> float:
    return now - before if now >= before else now
