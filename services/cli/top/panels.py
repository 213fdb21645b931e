"""The tables of a frame: rates, queue, workers, latency, venues."""

from rich.bar import Bar
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from services.cli.top import units
from services.cli.top.figures import dexes, quantile
from services.cli.top.samples import Samples
from services.cli.top.tally import Window
from services.cli.top.view import View

Asked = tuple[str, str, dict[str, str]]
"""How a row is called, the metric that it tells of, and which of its series."""

TITLE = "bold cyan"
PROMISE = 10  # seconds within which orders are to be confirmed
ENOUGH = 10  # seconds; a venue's share of less than that says little
RATES: tuple[Asked, ...] = (
    ("accepted", "order_engine_steps_total", {"status": "received"}),
    ("confirmed", "order_engine_steps_total", {"status": "confirmed"}),
    ("failed", "order_engine_steps_total", {"status": "failed"}),
    ("retried", "order_engine_retries_total", {}),
    ("HTTP 5xx", "order_engine_requests_total", {"route": "/?api/.*", "code": "5.."}),
)
LATENCIES: tuple[Asked, ...] = (
    ("accept to confirm", "order_engine_completion_seconds", {"status": "confirmed"}),
    ("POST execute", "order_engine_request_seconds", {"route": "/?api/orders/execute"}),
    ("queue wait", "order_engine_queue_wait_seconds", {}),
)
PERCENTILES = (0.5, 0.95, 0.99)


def now(view: View) -> Table:
    """What happens, what waits, and who works."""
    return _side_by_side(_rates(view), _queue(view), _workers(view))


def latencies(view: View) -> Table:
    """Of the last minute, and of all that the processes know."""
    recent, ever = view.minute.counted, view.ever
    return _side_by_side(
        _percentiles(f"latency, {_span(view.minute)}", recent, named=True),
        _percentiles("since start", ever, named=False),
    )


def venues(view: View) -> Table:
    """Who wins, and how quickly and how often each quotes; of the last minute if any won then."""
    recent = dexes(view.minute.counted) if view.minute.seconds >= ENOUGH else []
    is_recent = any(each.wins for each in recent)
    span = f"last {_span(view.minute)}" if is_recent else "since start"
    names = ("", "share", "won", "quote p50", "p99", "no quote", "better by")
    table = _table(f"DEX, {span}", *names, least=5)
    table.expand, table.columns[1].ratio = True, 1
    for each in recent if is_recent else dexes(view.ever):
        better = None if each.improvement is None else f"{each.improvement:.1f} bps"
        table.add_row(
            units.printable(each.name),
            Bar(1, 0, each.share, color="green"),
            units.percent(each.share),
            units.count(each.wins),
            units.length(each.quote_p50),
            units.length(each.quote_p99),
            units.percent(each.unquoted),
            better or units.UNKNOWN,
        )
    return table


def _rates(view: View) -> Table:
    table = _table("a second", _span(view.last), _span(view.minute), "in all")
    for label, name, patterns in RATES:
        table.add_row(
            label,
            units.rate(view.last.rate(name, **patterns)),
            units.rate(view.minute.rate(name, **patterns)),
            units.count(view.ever.total(name, **patterns)),
        )
    return table


def _queue(view: View) -> Table:
    backlog = view.highest("order_engine_queue_backlog")
    oldest = view.highest("order_engine_oldest_order_seconds")
    stuck = view.highest("order_engine_submitted_stuck")
    table = _table("queue", "")
    table.add_row("backlog", units.count(backlog))
    table.add_row("drained in", _drain(backlog, view.minute))
    table.add_row("oldest order", _alarming(units.length(oldest), (oldest or 0) > PROMISE))
    table.add_row("due retries", units.count(view.highest("order_engine_retries_due")))
    table.add_row("stuck submitted", _alarming(units.count(stuck), bool(stuck)))
    return table


def _drain(backlog: float | None, window: Window) -> str:
    """How long what waits takes at the rate at which orders end, if none came."""
    if not backlog:
        return units.length(backlog)
    ended = window.rate("order_engine_steps_total", status="confirmed|failed")
    return units.length(backlog / ended) if ended else units.UNKNOWN


def _workers(view: View) -> Table:
    used, slots = (view.sum(f"order_engine_worker_slots{end}") for end in ("_used", ""))
    connections = view.sum("order_engine_database_connections")
    limit = view.sum("order_engine_database_connections_limit")
    table = _table("workers", "")
    table.add_row("slots", units.of(used, slots))
    table.add_row("busy", units.percent(used / slots if slots and used is not None else None))
    table.add_row("sockets", units.count(view.sum("order_engine_sockets")))
    table.add_row("PostgreSQL", units.of(connections, limit))
    return table


def _percentiles(title: str, counted: Samples, *, named: bool) -> Table:
    table = _table(title, *(f"p{share * 100:.0f}" for share in PERCENTILES))
    for label, name, patterns in LATENCIES:
        buckets = counted.buckets(name, **patterns)
        told = [units.length(quantile(buckets, share)) for share in PERCENTILES]
        table.add_row(label if named else "", *told)
    return table


def _span(window: Window) -> str:
    return f"{window.seconds:.{1 if 0 < window.seconds < 0.95 else 0}f} s"


def _alarming(told: str, is_alarm: bool) -> Text:
    return Text(told, "bold red" if is_alarm else "")


def _table(title: str, *names: str, least: int = 7) -> Table:
    """Its first column is words, the others are numbers, of a width that seldom changes."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style=TITLE)
    table.add_column(title, no_wrap=True)
    for name in names:
        table.add_column(name, no_wrap=True, justify="right", min_width=least)
    return table


def _side_by_side(*parts: RenderableType) -> Table:
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_row(*parts)
    return grid
