"""How much is needed for a given load: Little's law, bounded by what was measured.

    python -m tests.autoscaling.sizing

writes the tables of docs/scaling.md. Every figure is read from benchmarks/results.
"""

from itertools import count
from math import ceil

from tests.autoscaling.measurements import accepting, executing, fastest, used, watching
from tests.paths import ROOT

PAGE = ROOT / "docs" / "scaling.md"
RATES = (100, 500, 1000, 2000, 5000)  # orders a second
LATENCIES = (0.1, 0.5, 1.0, 3.0)  # seconds
CONCURRENCY = 250
OWN = 0.1
"""Seconds that an order is held beside its venue's time: half a poll of `SETTLE_POLL_SECONDS`, and
the engine's own steps."""
POOL = 10
"""`DATABASE_POOL_SIZE`."""
RESERVED = 3
"""`superuser_reserved_connections`, PostgreSQL's default."""
SHARE = 0.7
"""Of a core, that an API process is meant to use."""


def held(latency: float) -> float:
    """Seconds from an order's claim to its confirmation."""
    return latency + OWN


def workers(rate: float, latency: float, concurrency: int = CONCURRENCY) -> int:
    """As many as have the slots, and the CPU: the fastest that one was seen to keep up with."""
    by_slots = rate * held(latency) / concurrency
    by_cpu = rate / fastest()
    return ceil(max(by_slots, by_cpu))


def cores(rate: float, worker_count: int) -> tuple[float, float]:
    """What so many workers use together, and PostgreSQL for them."""
    each = rate / worker_count
    own, postgres = (used(executing(name), each) for name in ("worker", "postgres"))
    return worker_count * own, worker_count * postgres


def api_cores(rate: float, watched: bool) -> float:
    """What one API uses that gets so many orders a second, nobody or everybody watching."""
    return used(accepting(), rate) + (rate * sum(watching()) if watched else 0)


def busy_apis(rate: float, watched: bool) -> int:
    """The fewest that use no more than `SHARE` of a core each, at rates that were measured."""
    most = accepting()[-1][0]
    return next(
        busy
        for busy in count(1)
        if rate / busy <= most and api_cores(rate / busy, watched) <= SHARE
    )


def apis(rate: float, watched: bool = True) -> int:
    """So many that one may be missing."""
    return 1 + busy_apis(rate, watched)


def connections(worker_count: int, api_count: int) -> int:
    """PostgreSQL's `max_connections`, if all pools are full while both Deployments roll out.

    The chart surges by a quarter of the workers and one API. A migration takes one more, and
    PostgreSQL keeps `RESERVED` for its superuser.
    """
    processes = worker_count + ceil(worker_count / 4) + api_count + 1
    return POOL * processes + 1 + RESERVED


def worker_table() -> str:
    head = "".join(f" {latency:g} s |" for latency in LATENCIES)
    lines = [f"| orders a second |{head}", "|---" * (len(LATENCIES) + 1) + "|"]
    for rate in RATES:
        cells = [_cell(rate, latency) for latency in LATENCIES]
        lines.append(f"| {rate:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(rate: float, latency: float) -> str:
    needed = workers(rate, latency)
    own, postgres = cores(rate, needed)
    return f"**{needed}** ({own:.1f} + {postgres:.1f})"


def api_table() -> str:
    lines = ["| orders a second | nobody watches | every order is watched |", "|---|---|---|"]
    for rate in RATES:
        cells = [_api_cell(rate, watched) for watched in (False, True)]
        lines.append(f"| {rate:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _api_cell(rate: float, watched: bool) -> str:
    busy = busy_apis(rate, watched)
    return f"**{apis(rate, watched)}** ({busy * api_cores(rate / busy, watched):.1f})"


def connection_table() -> str:
    lines = [
        "| orders a second | workers | API replicas | `max_connections` |",
        "|---|---|---|---|",
    ]
    for rate in RATES:
        counts = workers(rate, 1.0), apis(rate)
        cells = (f"{rate:,}", *map(str, counts), f"**{connections(*counts)}**")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


END = "<!-- end -->"
TABLES = {"workers": worker_table, "api": api_table, "connections": connection_table}


def render(page: str) -> str:
    """The page with its tables as they should be."""
    for name, table in TABLES.items():
        before, mark, rest = page.partition(f"<!-- {name} -->\n")
        page = before + mark + f"{table()}\n" + rest[rest.index(END) :]
    return page


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text()))
