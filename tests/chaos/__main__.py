"""`python -m tests.chaos`: an engine under load and under faults, and the judgement on it.

Exits 0 only if every invariant held, every kill point and every trouble of the venues was met,
and no process ended by itself.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

from tests.chaos.mutants import MUTANTS
from tests.chaos.outcome import Run
from tests.chaos.points import Action, Point
from tests.chaos.report import report
from tests.chaos.run import run


def main() -> None:
    """Run, print, and exit with the judgement."""
    options = parse()
    begun = time.monotonic()

    def tell(line: str) -> None:
        print(f"{timedelta(seconds=round(time.monotonic() - begun))}  {line}", flush=True)

    tell(f"seed {options.seed}, {options.orders:,} orders in {options.minutes:g} minutes")
    sys.exit(conclude(asyncio.run(run(options, tell)), options))


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options of a run."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of load and harm")
    parser.add_argument(
        "--orders",
        type=int,
        default=5000,
        help="placed in these minutes by a machine as fast as usual; a slower one places fewer",
    )
    parser.add_argument("--minutes", type=float, default=4, help="of load, and more if need be")
    parser.add_argument(
        "--every",
        type=_range,
        default=(0.5, 2.0),
        metavar="LOW-HIGH",
        help="seconds from one fault's end to the next fault",
    )
    parser.add_argument("--trouble", type=float, default=1, help="of the venues; 0 for none")
    parser.add_argument("--freeze", type=float, default=8, help="seconds, at most")
    parser.add_argument(
        "--patience",
        type=float,
        default=180,
        help="seconds in which all must end, after the last harm, on a machine as fast as usual",
    )
    parser.add_argument("--apis", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2, help="processes of their own")
    parser.add_argument("--managers", type=int, default=1, help="of taskiq, a worker each")
    parser.add_argument("--only", action="append", default=[], help="a fault's name; repeatable")
    parser.add_argument("--mutant", choices=MUTANTS, help="break the engine in this way")
    parser.add_argument("--keep", metavar="FOLDER", help="copy logs, history and ledger there")
    return parser.parse_args(arguments)


def conclude(done: Run, options: argparse.Namespace) -> int:
    """Print what came of a run. Answers the exit code."""
    print("\nfaults")
    for name, count in sorted(Counter(each.name for each in done.struck).items()):
        print(f"  {count:4}  {name}")
    print("\npoints                           killed   frozen")
    for point in Point:
        at_point = Counter(each.action for each in done.sprung if each.point is point)
        if point is not Point.ANY:
            label = f"{point:<4} {point.name.lower().replace('_', ' ')}"
            print(f"  {label:<30} {at_point[Action.KILL]:6}   {at_point[Action.FREEZE]:6}")
    _list("venues", done.venue_faults)
    _list("requests", done.requests)
    _list("orders", done.orders)
    print("\nfigures")
    for figure in done.figures:
        print(f"  {figure}")
    print(f"  the machine took up to {done.slowness:.1f} times as long as usual to compute")
    print("\ninvariants")
    code = report(done.verdicts)
    problems = list(done.wrong())
    for problem in problems:
        print(f"WRONG: {problem}")
    verdict = "held" if code == 0 and not problems else "FAILED"
    print(f"\n{verdict}: seed {options.seed}, {done.seconds:.0f} s")
    return code or bool(problems)


def _list(title: str, counts: Mapping[str, int]) -> None:
    print(f"\n{title}")
    for name, count in sorted(counts.items()):
        print(f"  {count:8,}  {name}")


def _range(text: str) -> tuple[float, float]:
    low, _, high = text.partition("-")
    return float(low), float(high or low)


if __name__ == "__main__":
    main()
