"""`python -m tests.observability --pictures DIR`: the stage, and what its dashboards showed."""

import argparse
from pathlib import Path

from tests.observability import prometheus
from tests.observability.load import play
from tests.observability.stage import Stage, stage


def main() -> None:
    """Play, spread over some minutes, and render. Exits 1 where there is no Prometheus."""
    parser = argparse.ArgumentParser(prog="python -m tests.observability", description=__doc__)
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="where pictures are put")
    parser.add_argument(
        "--minutes", type=float, default=3, help="how long there is traffic, 3 unless given"
    )
    wanted = parser.parse_args()
    if prometheus.ABSENT:
        parser.exit(1, f"{prometheus.ABSENT}\n")
    with stage() as made:
        made.act(lambda each, engine: play(each, engine, wanted.minutes))
        print(f"{made.end - made.start:.0f} s, {len(made.orders)} orders, {made.prometheus.url}")
        if wanted.pictures:
            _render(made, wanted.pictures)


def _render(made: Stage, folder: Path) -> None:
    """Imported late: pictures need the extra `bench`, and the stage does not."""
    from tests.observability import pictures

    folder.mkdir(parents=True, exist_ok=True)
    pictures.render(made.prometheus.url, folder, made.start, made.end)


if __name__ == "__main__":
    main()
