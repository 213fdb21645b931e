"""What is to be reached, and which figure of which scenario tells whether it is."""

from dataclasses import dataclass

from benchmarks.states import Results, Spread

EMPTY, FULL = "0 finished, 0 open", "1000000 finished, 100000 open"
LISTS = ("all", "confirmed", "received", "pair", "confirmed_pair")


@dataclass(frozen=True)
class Goal:
    """A bound on one figure, or on its ratio to the same figure of case `against`."""

    what: str
    scenario: str
    case: str
    figure: str
    unit: str
    least: float | None = None
    most: float | None = None
    against: str | None = None

    def reached(self, results: Results) -> Spread | None:
        """What was measured, if it was."""
        cases = results.scenarios.get(self.scenario, {})
        if self.case not in cases or (self.against and self.against not in cases):
            return None
        spread = cases[self.case].figures.get(self.figure)
        if spread is None or self.against is None:
            return spread
        return spread.over(cases[self.against][self.figure])

    def is_met(self, value: float) -> bool:
        """Whether `value` is within the bound."""
        if self.least is not None:
            return value >= self.least
        return self.most is not None and value <= self.most


def _end_to_end(connections: int, rate: float, cpu: float) -> list[Goal]:
    case = f"{connections} connections"
    return [
        Goal(f"end to end, {case}", "end-to-end", case, "orders_per_second", "orders/s", rate),
        Goal("its CPU", "end-to-end", case, "cpu_us", "µs an order", most=cpu),
    ]


def _full(what: str, figure: str) -> Goal:
    return Goal(what, "tables", FULL, figure, "× empty", most=1.15, against=EMPTY)


GOALS = (
    *_end_to_end(64, 5000, 350),
    *_end_to_end(256, 6500, 270),
    Goal("accept alone", "accept", "64 connections", "orders_per_second", "POST/s", 8000),
    Goal("its POST p99", "accept", "64 connections", "post_p99_ms", "ms", most=25),
    Goal("one order at a time, p50", "one-at-a-time", "unloaded", "confirmed_p50_ms", "ms", most=4),
    Goal("and p99", "one-at-a-time", "unloaded", "confirmed_p99_ms", "ms", most=10),
    Goal("metrics, of an order's CPU", "telling", "metrics", "of_order_percent", "%", most=4.3),
    Goal("POST p99 at 1,000/s", "offered", "1000 orders/s", "post_p99_ms", "ms", most=10),
    Goal(
        "step to socket p99, all watched, at 1,000/s",
        *("watched", "1000 orders/s, 5000 sockets", "socket_p99_ms", "ms"),
        most=20,
    ),
    Goal("an idle socket", "idle-sockets", "5000 sockets", "kib_per_socket", "KiB", most=32),
    Goal("5,000 of them", "idle-sockets", "5000 sockets", "core_percent.api", "% core", most=1),
    _full("accept with full tables, CPU", "accept_cpu_us"),
    _full("execution with full tables, CPU", "execute_cpu_us"),
    _full("a sweep of full tables", "sweep_cpu_ms"),
    *(
        Goal(
            f"list {name.replace('_', ' ')} p99, full tables",
            *("tables", FULL, f"list_{name}_p99_ms", "ms"),
            most=10,
        )
        for name in LISTS
    ),
)
