"""The committed results: what each scenario measured last, in each state of the engine."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("results")
NOW = "now"


@dataclass(frozen=True)
class Spread:
    """A figure: of the middle run, the lowest and the highest."""

    median: float
    low: float
    high: float

    def over(self, other: "Spread") -> "Spread":
        """The ratio to the median of another."""
        whole = other.median
        return Spread(self.median / whole, self.low / whole, self.high / whole)


@dataclass(frozen=True)
class Measured:
    """One case of a scenario."""

    name: str
    runs: int
    figures: Mapping[str, Spread]
    series: Mapping[str, list[float]] = field(default_factory=dict)

    def __getitem__(self, figure: str) -> Spread:
        return self.figures[figure]


@dataclass
class Results:
    """One state of the engine: the cases of each scenario, by name, and where they come from."""

    scenarios: dict[str, dict[str, Measured]] = field(default_factory=dict)
    origins: set[str] = field(default_factory=set)

    def cases(self, scenario: str) -> list[Measured]:
        """In the order in which they were first measured."""
        return list(self.scenarios.get(scenario, {}).values())

    def add(self, line: Mapping[str, Any]) -> None:
        """A line of a results file; later ones replace earlier ones, case by case."""
        cases = self.scenarios.setdefault(line["scenario"], {})
        for case in line["cases"]:
            figures = {name: Spread(**spread) for name, spread in case["figures"].items()}
            cases[case["case"]] = Measured(
                case["case"], case["runs"], figures, case.get("series", {})
            )
        self.origins.add(f"{line['at'][:10]}, {line['cores']} cores, Python {line['python']}")


def read(folder: Path = FOLDER) -> dict[str, Results]:
    """Each `STATE.jsonl` of a folder, earlier states first and `now` last."""
    states = {}
    for path in sorted(folder.glob("*.jsonl"), key=lambda path: (path.stem == NOW, path.stem)):
        states[path.stem] = Results()
        for line in path.read_text().splitlines():
            states[path.stem].add(json.loads(line))
    return states
