"""`python -m charts.dashboards`: writes the chart's dashboards."""

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from charts.dashboards import internals, overview, routing, workers

FOLDER = Path(__file__).parents[1] / "order-engine/dashboards"


def files() -> dict[str, str]:
    """The JSON of each dashboard, by the name of its file."""
    made = {
        "overview.json": overview.dashboard(),
        "routing.json": routing.dashboard(),
        "workers.json": workers.dashboard(),
        "internals.json": internals.dashboard(),
    }
    return {name: json.dumps(each, cls=JSONEncoder, indent=2) + "\n" for name, each in made.items()}


def write() -> None:
    """Write them, and remove what is no longer made."""
    made = files()
    FOLDER.mkdir(exist_ok=True)
    for file in FOLDER.glob("*.json"):
        if file.name not in made:
            file.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    write()
