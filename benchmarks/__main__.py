"""`python -m benchmarks`: what the engine does in a second, and what that costs.

Each scenario starts an engine of its own, warms it up and runs several times. One line of JSON
a scenario goes to stdout, sentences go to stderr.
"""

import argparse
import inspect
import json
import os
import platform
import resource
import sys
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.figures import Case
from benchmarks.gate import gate
from benchmarks.options import Options
from benchmarks.scenarios import SCENARIOS

SHORT = ("end-to-end", "one-at-a-time", "telling")
MORE = {
    "all": "All of these but the soak.",
    "gate": "Fails when an order costs more CPU than it may.",
}
ALL = [name for name in SCENARIOS if name != "soak"]


def main() -> None:
    """Measure, and print; exits 1 when the gate is closed."""
    arguments = _parser().parse_args()
    _raise_file_limit()
    given = vars(arguments)
    options = Options(
        **{
            each.name: given[each.name]
            for each in fields(Options)
            if given.get(each.name) is not None
        }
    )
    names = arguments.scenario
    if not names:
        names, options = SHORT, replace(options, connections=64, keys=False)
    if "gate" in names:
        sys.exit(not uvloop.run(gate(options)))
    for name in ALL if "all" in names else names:
        _say(f"{name}:")
        cases = uvloop.run(SCENARIOS[name](options))
        for case in cases:
            _say("  " + _sentence(case))
        line = json.dumps(_line(name, cases))
        print(line, flush=True)
        if arguments.out:
            with arguments.out.open("a") as out:
                out.write(line + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=__doc__,
        epilog=f"scenarios (without one: {', '.join(SHORT)}):\n{_described()}",
    )
    add = parser.add_argument
    add("scenario", nargs="*", type=_scenario, metavar="SCENARIO")
    add("--out", type=Path, help="append each scenario's line to this file")
    add("--runs", type=int, help="of each case, after a warm-up (3)")
    add("--orders", type=int, help="of each run")
    add("--connections", type=int)
    add("--concurrency", type=int, help="orders that a worker works on at once")
    add(
        "--keys",
        action=argparse.BooleanOptionalAction,
        help="only with, or only without, a distinct Idempotency-Key for each POST",
    )
    add("--rates", type=_numbers, help="orders/s, separated by commas")
    add("--seconds", type=float, help="how long each rate is offered, or sockets are idle")
    add("--sizes", type=_numbers, help="finished orders in the tables, separated by commas")
    add("--sockets", type=int)
    add("--minutes", type=float, help="of the soak (30)")
    add("--samples", help="append the soak's samples to this file")
    add("--limit", type=float, help="of the gate, in CPU microseconds an order")
    return parser


def _described() -> str:
    docs = {name: inspect.getmodule(run).__doc__ or "" for name, run in SCENARIOS.items()} | MORE
    return "\n".join(f"  {name:15}{doc.splitlines()[0]}" for name, doc in docs.items())


def _scenario(text: str) -> str:
    if text not in SCENARIOS and text not in MORE:
        raise argparse.ArgumentTypeError(f"there is no scenario {text!r}")
    return text


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in text.split(","))


def _line(name: str, cases: list[Case]) -> dict[str, Any]:
    return {
        "scenario": name,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "cases": [case.summary() for case in cases],
    }


def _sentence(case: Case) -> str:
    told = (f"{name} {spread['median']:g}" for name, spread in case.summary()["figures"].items())
    return f"{case.name}: " + ", ".join(told)


def _raise_file_limit() -> None:
    """The sockets of some scenarios take a file each, here and in the processes started."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
