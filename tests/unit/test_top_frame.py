"""What a frame of `top` says, at the widths and heights of terminals."""

from collections.abc import Sequence
from datetime import timedelta
from io import StringIO

import pytest
from rich.console import Console
from rich.screen import Screen

from services.cli.top.frame import Frame
from services.cli.top.samples import Samples, parse
from services.cli.top.scrape import Failure, Reading
from services.cli.top.tally import Window
from services.cli.top.view import View
from tests.unit.top import NOW, counter, gauge, histogram, reading

ORDER = "019aab3c-6f0e-7c53-9d0a-3f6a4f1d2b7e"
FAILED = Failure(ORDER, "no_route", "no venue gave a quote", NOW - timedelta(seconds=12))
STEPS = "order_engine_steps_total"
API = (
    counter(STEPS, 1_234, status="received"),
    counter("order_engine_requests_total", 3, route="api/orders/execute", code="503"),
    counter("order_engine_requests_total", 9, route="readyz", code="503"),
    histogram(
        "order_engine_request_seconds",
        {"0.005": 0, "0.01": 100, "+Inf": 100},
        route="api/orders/execute",
    ),
    gauge("order_engine_queue_backlog", 120),
    gauge("order_engine_sockets", 7),
    gauge("order_engine_database_connections", 2),
    gauge("order_engine_database_connections_limit", 10),
)
WORKER = (
    counter(STEPS, 1_200, status="confirmed"),
    counter(STEPS, 4, status="failed"),
    counter("order_engine_failures_total", 3, code="no_route"),
    counter("order_engine_failures_total", 1, code="poison"),
    counter("order_engine_route_wins_total", 3, dex="one"),
    counter("order_engine_route_wins_total", 1, dex="two"),
    histogram(
        "order_engine_completion_seconds", {"1.0": 0, "2.0": 80, "+Inf": 80}, status="confirmed"
    ),
    gauge("order_engine_queue_backlog", 118),
    gauge("order_engine_oldest_order_seconds", 83),
    gauge("order_engine_worker_slots", 250),
    gauge("order_engine_worker_slots_used", 24),
)
SEEN = (reading(*API), *(reading(*WORKER, kind="worker", url=f"http://{n}:9100") for n in "bc"))
RECENT, _ = parse(
    counter(STEPS, 600, status="received")
    + counter(STEPS, 570, status="confirmed")
    + counter(STEPS, 30, status="failed")
)
NOTHING = Window(0, Samples())


def view(
    readings: Sequence[Reading] = SEEN,
    *,
    last: Window = NOTHING,
    minute: Window = NOTHING,
    failures: Sequence[Failure] | str = (),
) -> View:
    return View(readings, last, minute, failures, NOW)


def drawn(shown: View, width: int = 80, height: int | None = None) -> list[str]:
    """Its lines, without blanks at their ends; on a terminal of that height if one is given."""
    console = Console(file=StringIO(), record=True, width=width, height=height)
    console.print(Screen(Frame(shown, height)) if height else Frame(shown))
    return [line.rstrip() for line in console.export_text().splitlines()]


def words(lines: Sequence[str], start: str) -> list[str]:
    """Those of the line that begins so."""
    return next(line for line in lines if line.startswith(start)).split()


def said(line: str) -> list[str]:
    return line.split()


@pytest.mark.parametrize("width", [80, 120])
def test_a_frame_says_all_that_processes_count_together(width: int) -> None:
    window = Window(60, RECENT)
    shown = view(last=Window(1, Samples()), minute=window, failures=[FAILED])

    lines = drawn(shown, width)

    assert all(len(line) <= width for line in lines)
    assert lines[0].split() == said("order engine 0.1.0 http://a:8000 up 1h02m 12:00:00Z")
    assert lines[1] == "reached: 1 of 1 APIs, 2 of 2 workers"
    assert words(lines, "a second") == said("a second 1 s 60 s in all queue workers")
    assert words(lines, "latency") == said("latency, 60 s p50 p95 p99 since start p50 p95 p99")
    assert words(lines, "accepted") == said("accepted 0.0 10.0 1,234 backlog 120 slots 48 of 500")
    # The backlog of 120, where 600 ended in 60 s; 48 of 500.
    assert words(lines, "confirmed") == said("confirmed 0.0 9.5 2,400 drained in 12 s busy 9.6 %")
    assert words(lines, "failed") == said("failed 0.0 0.5 8 oldest order 1m23s sockets 7")
    assert words(lines, "retried") == said("retried 0.0 0.0 0 due retries - PostgreSQL 2 of 10")
    assert words(lines, "HTTP 5xx") == said("HTTP 5xx 0.0 0.0 3 stuck submitted -")
    # In (1, 2] at ranks 80, 152 and 158.4 of 160; in (5, 10] at 50, 95 and 99 of 100.
    assert words(lines, "accept to") == said("accept to confirm - - - 1.5 s 1.95 s 1.99 s")
    assert words(lines, "POST") == said("POST execute - - - 7.5 ms 9.75 ms 9.95 ms")
    assert words(lines, "queue wait") == said("queue wait - - - - - -")
    assert words(lines, "one")[2:] == said("75 % 6 - - - -")
    assert words(lines, "two")[2:] == said("25 % 2 - - - -")
    assert "failures since start  no_route 6, poison 2" in lines
    assert words(lines, "12 s")[:4] == ["12", "s", "no_route", ORDER]


def test_bars_are_as_long_as_shares() -> None:
    lines = drawn(view())

    one, two = (words(lines, dex)[1] for dex in ("one", "two"))

    assert len(one) == pytest.approx(3 * len(two), abs=3)  # the last letter is part of a block


def test_shares_are_of_the_last_minute_once_that_says_something() -> None:
    wins, _ = parse(counter("order_engine_route_wins_total", 8, dex="two"))

    early = drawn(view(minute=Window(9, wins)))
    late = drawn(view(minute=Window(10, wins)))

    assert words(early, "two")[2:4] == ["25", "%"]
    assert words(late, "DEX, last 10 s")
    assert words(late, "two")[2:5] == ["100", "%", "8"]


def test_what_no_process_tells_is_a_dash() -> None:
    lines = drawn(view([reading()], failures="no answer"))

    assert words(lines, "accepted") == said("accepted - - 0 backlog - slots -")
    assert words(lines, "confirmed")[4:] == said("drained in - busy -")
    assert words(lines, "failed")[4:] == said("oldest order - sockets -")
    assert words(lines, "retried")[4:] == said("due retries - PostgreSQL -")
    assert words(lines, "HTTP")[5:] == ["stuck", "submitted", "-"]
    assert lines[-2:] == ["failures since start  none", "no answer"]


def test_processes_that_do_not_answer_are_named_and_the_others_shown() -> None:
    away = [Reading("worker", f"http://{n}:9100", error="no answer within 2 s") for n in range(5)]

    lines = drawn(view([*SEEN, *away]))

    assert lines[1:6] == [
        "reached: 1 of 1 APIs, 2 of 7 workers",
        "worker http://0:9100: no answer within 2 s",
        "worker http://1:9100: no answer within 2 s",
        "worker http://2:9100: no answer within 2 s",
        "and 2 more",
    ]
    assert words(lines, "accepted")[-3:] == ["48", "of", "500"]


def test_a_frame_fits_the_smallest_terminal_and_fills_a_taller_one_with_failures() -> None:
    shown = view(failures=[FAILED] * 50)

    small, tall = drawn(shown, 80, 24), drawn(shown, 120, 50)

    assert len(small) == 24
    assert len(tall) == 50
    assert sum(ORDER in line for line in small) == 4
    assert sum(ORDER in line for line in tall) == 30


def test_a_terminal_too_small_for_all_still_shows_the_top() -> None:
    lines = drawn(view(failures=[FAILED]), 80, 10)

    assert lines[1].startswith("reached")
    assert ORDER not in "".join(lines)


def test_markup_in_what_the_engine_says_is_shown_as_it_is() -> None:
    odd = Failure(ORDER, "no_route", "[bold]\x1b[2J", NOW)

    assert drawn(view(failures=[odd]), 120)[-1].endswith("[bold] [2J")


def test_releases_and_ages_that_differ_are_all_told() -> None:
    old = reading(began=NOW.timestamp() - 5)
    new = dict(reading().states.values) | {
        "order_engine_build_info": {frozenset({("version", "0.2.0")}): 1.0}
    }

    lines = drawn(view([old, Reading("worker", "http://b:9100", Samples(), Samples(new))]))

    assert words(lines, "order engine")[2:4] == ["0.1.0,", "0.2.0"]
    assert words(lines, "order engine")[5:10] == ["up", "5", "s", "to", "1h02m"]
