"""The sections of the report: each is made of every state's results, or is empty."""

from collections.abc import Callable, Sequence

from benchmarks.goals import GOALS, LISTS
from benchmarks.markdown import number, section, spread
from benchmarks.states import NOW, Measured, Results

PARTS = ("api", "worker", "redis", "postgres")

States = dict[str, Results]


def _goals(states: States) -> str:
    rows = []
    for goal in GOALS:
        bound = f"≥ {number(goal.least)}" if goal.least is not None else f"≤ {number(goal.most)}"
        reached = {name: goal.reached(results) for name, results in states.items()}
        now = reached.get(NOW)
        if now is None:
            continue
        earlier = [
            number(each.median) if each else "" for name, each in reached.items() if name != NOW
        ]
        met = "yes" if goal.is_met(now.median) else "**no**"
        rows.append([goal.what, f"{bound} {goal.unit}", *earlier, *spread(now), met])
    header = ["", "goal", *(name for name in states if name != NOW), NOW, "runs", "met"]
    return section("Goals", header, rows)


def _throughput(states: States) -> str:
    """End to end, accepting alone, and one at a time."""
    header = ["", "orders/s", "CPU µs an order", *PARTS, "client", "POST p50 / p99 ms",
              "confirmed p50 / p99 ms"]  # fmt: skip
    rows = []
    for scenario in ("end-to-end", "accept", "one-at-a-time"):
        for name, results in states.items():
            for case in results.cases(scenario):
                label = f"{scenario}, {case.name}" + ("" if name == NOW else f" ({name})")
                rows.append(
                    [label, *_cost(case), _latency(case, "post"), _latency(case, "confirmed")]
                )
    return section("An order", header, rows, "![CPU an order](images/cpu.png)")


def _keys(states: States) -> str:
    """The same cases with and without."""
    rows = []
    for scenario in ("end-to-end", "accept"):
        cases = states.get(NOW, Results()).scenarios.get(scenario, {})
        for name, plain in cases.items():
            keyed = cases.get(f"{name}, with keys")
            if keyed:
                figures = ("cpu_us", *(f"cpu_us.{part}" for part in PARTS))
                more = (f"{keyed[each].median - plain[each].median:+.0f}" for each in figures)
                rows.append([f"{scenario}, {name}", *more])
    return section("The price of an idempotency key", ["", "CPU µs an order", *PARTS], rows)


def _offered(states: States) -> str:
    header = ["offered/s", "confirmed/s", "refused", "CPU µs an order", *PARTS,
              "POST p50 / p99 ms", "confirmed p50 / p99 ms"]  # fmt: skip
    rows = [
        [number(case["offered_per_second"].median), number(case["orders_per_second"].median),
         f"{case['refused_percent'].median:.0f} %", *_cost(case)[1:-1], _latency(case, "post"),
         _latency(case, "confirmed")]
        for case in _now(states, "offered")
    ]  # fmt: skip
    plots = ["![throughput and CPU](images/throughput.png)", "![latency](images/latency.png)"]
    return section("Under a given load", header, rows, "\n\n".join(plots))


def _sockets(states: States) -> str:
    header = ["", "figure", "runs"]
    named = {
        "socket_p50_ms": "step to socket p50, ms",
        "socket_p99_ms": "step to socket p99, ms",
        "cpu_us": "CPU µs an order, watched",
        "cpu_us.api": "of it the API",
        "connects_per_second": "connects/s",
        "connect_cpu_us.api": "a connect, CPU µs of the API",
        "connect_cpu_us.postgres": "and of PostgreSQL",
        "kib_per_socket": "an idle socket, KiB",
        "core_percent.api": "all of them, % of a core",
    }
    cases = [*_now(states, "watched"), *_now(states, "idle-sockets")]
    rows = [
        [f"{case.name}: {text}", *spread(case[name])]
        for case in cases
        for name, text in named.items()
        if name in case.figures
    ]
    return section("WebSockets", header, rows)


def _tables(states: States) -> str:
    lists = [f"list {name.replace('_', ' ')} p99 ms" for name in LISTS]
    header = [
        "in the tables",
        "accept µs",
        "execution µs",
        "a sweep, CPU ms",
        "a look, CPU ms",
        *lists,
    ]
    cases = _now(states, "tables")
    rows = []
    for case in cases:
        ratios = [
            case[name].over(cases[0][name]).median for name in ("accept_cpu_us", "execute_cpu_us")
        ]
        rows.append([
            case.name,
            *(f"{number(case[name].median)} (× {ratio:.2f})"
              for name, ratio in zip(("accept_cpu_us", "execute_cpu_us"), ratios, strict=True)),
            *(number(case[name].median) for name in ("sweep_cpu_ms", "look_cpu_ms")),
            *(number(case[f"list_{name}_p99_ms"].median) for name in LISTS),
        ])  # fmt: skip
    return section("With full tables", header, rows, "![cost over table size](images/tables.png)")


def _scale_out(states: States) -> str:
    header = ["", "orders/s", "runs", "held for ms", "workers × concurrency ÷ held", "of that",
              "CPU µs an order"]  # fmt: skip
    rows = [
        [case.name, *spread(case["orders_per_second"]), number(case["held_ms"].median),
         number(case["formula_per_second"].median), f"{case['of_formula_percent'].median:.0f} %",
         number(case["cpu_us"].median)]
        for case in _now(states, "scale-out")
    ]  # fmt: skip
    return section("More workers", header, rows, "![scale-out](images/scale-out.png)")


def _baselines(states: States) -> str:
    header = ["", "orders/s", "CPU µs an order", "rate, of the engine's", "CPU, of the engine's"]
    rows = [
        [case.name, number(case["orders_per_second"].median), number(case["cpu_us"].median),
         f"× {case['of_engine_rate'].median:.2f}", f"× {case['of_engine_cpu'].median:.1f}"]
        for case in _now(states, "baselines")
    ]  # fmt: skip
    return section("Against baselines", header, rows)


def _telling(states: States) -> str:
    header = ["", "CPU µs", "of an order's CPU in the same minute, %", "runs"]
    rows = [
        [case.name, number(case["cpu_us"].median), *spread(case["of_order_percent"])]
        for case in _now(states, "telling")
    ]
    return section("What it costs to tell", header, rows)


def _soak(states: States) -> str:
    named = {
        "orders_per_second": "orders/s",
        "cpu_us": "CPU µs an order",
        "post_p99_ms": "POST p99 of the worst ten seconds, ms",
        "queue": "longest queue seen",
        "rss_mib.api": "API at the end, MiB",
        "rss_mib.worker": "worker at the end, MiB",
        "kib_per_100k_orders.api": "API grows by, KiB per 100,000 orders",
        "kib_per_100k_orders.worker": "worker grows by, KiB per 100,000 orders",
        "hot_percent": "HOT updates of orders, %",
        "dead_percent": "most dead rows of orders, % of live ones",
        "vacuums": "autovacuums",
    }
    rows = [
        [f"{case.name}: {text}", number(case[name].median)]
        for case in _now(states, "soak")
        for name, text in named.items()
    ]
    return section("For a long time", ["", ""], rows, "![the soak](images/soak.png)")


def _now(states: States, scenario: str) -> list[Measured]:
    return states.get(NOW, Results()).cases(scenario)


def _cost(case: Measured) -> list[str]:
    """Rate, CPU in all, of each part, and the client's."""
    names = ("orders_per_second", "cpu_us", *(f"cpu_us.{part}" for part in PARTS), "client_cpu_us")
    return [number(case[name].median) if name in case.figures else "" for name in names]


def _latency(case: Measured, name: str) -> str:
    if f"{name}_p50_ms" not in case.figures:
        return ""
    return " / ".join(number(case[f"{name}_p{each}_ms"].median) for each in (50, 99))


SECTIONS: Sequence[Callable[[States], str]] = (
    *(_goals, _throughput, _keys, _offered, _sockets, _tables, _scale_out, _baselines),
    *(_telling, _soak),
)
