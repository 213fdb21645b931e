"""The benchmarks' own arithmetic, and that their README says what their results say."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report, states
from benchmarks.cpu import Meter
from benchmarks.figures import Case, percentiles
from benchmarks.goals import EMPTY, FULL, GOALS, Goal
from benchmarks.pacing import pace
from benchmarks.posting import Connection, requests
from benchmarks.sockets import CLOSE, PING, TEXT, Crowd, Socket
from benchmarks.states import Results, Spread
from benchmarks.told import Told


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.is_closed = True


def line(scenario: str, *cases: dict[str, Any], at: str = "2026-11-22T20:00:00+00:00") -> str:
    told = {"scenario": scenario, "at": at, "cores": 2, "python": "3.11.7", "cases": cases}
    return json.dumps(told) + "\n"


def case(name: str, **figures: float) -> dict[str, Any]:
    return Case(name, [figures]).summary()


def results(*lines: str) -> Results:
    read = Results()
    for each in lines:
        read.add(json.loads(each))
    return read


def test_the_readme_says_what_the_results_say() -> None:
    text = report.README.read_text()

    assert report.inserted(text, report.render(states.read())) == text


def test_text_outside_the_marks_stays_as_it_is() -> None:
    text = f"before\n{report.BEGIN}\n\nold\n{report.END}\nafter\n"

    assert report.inserted(text, "new") == f"before\n{report.BEGIN}\n\nnew\n{report.END}\nafter\n"
    with pytest.raises(ValueError, match="has no"):
        report.inserted("no marks", "new")


def test_a_goal_is_shown_with_what_was_measured_before_and_now() -> None:
    name = "64 connections"
    before = line("end-to-end", case(name, orders_per_second=2519, cpu_us=570))
    now = line("end-to-end", case(name, orders_per_second=5200, cpu_us=351))

    text = report.render({"before": results(before), "now": results(now)})

    rate = "≥ 5,000 orders/s | 2,519 | **5,200** | 5,200 – 5,200 | yes |"
    assert f"| end to end, 64 connections | {rate}" in text
    assert "| its CPU | ≤ 350 µs an order | 570 | **351** | 351 – 351 | **no** |" in text
    assert "accept alone" not in text  # which was not measured


def test_a_goal_may_be_a_ratio_to_empty_tables() -> None:
    measured = line("tables", case(EMPTY, accept_cpu_us=100), case(FULL, accept_cpu_us=110))
    goal = next(goal for goal in GOALS if goal.figure == "accept_cpu_us")

    reached = goal.reached(results(measured))

    assert reached == Spread(1.1, 1.1, 1.1)
    assert goal.is_met(1.15)
    assert not goal.is_met(1.16)


def test_a_later_line_replaces_an_earlier_one_case_by_case(tmp_path: Path) -> None:
    first = line("accept", case("64 connections", x=1), case("256 connections", x=2))
    second = line("accept", case("64 connections", x=3))
    (tmp_path / "now.jsonl").write_text(first + second)
    (tmp_path / "before.jsonl").write_text(first)

    read = states.read(tmp_path)

    assert list(read) == ["before", "now"]
    assert [each["x"].median for each in read["now"].cases("accept")] == [3, 2]


def test_a_case_is_told_by_its_median_and_its_spread() -> None:
    told = Case("a case", [{"x": 3.0}, {"x": 1.0}, {"x": 2.5}]).summary()

    assert told == {
        "case": "a case",
        "runs": 3,
        "figures": {"x": {"median": 2.5, "low": 1.0, "high": 3.0}},
    }


def test_percentiles_are_values_that_were_measured() -> None:
    told = percentiles("post", list(range(1000, 101_000, 1000)), scale=1000)

    assert told == {"post_p50_ms": 51, "post_p90_ms": 91, "post_p99_ms": 100}


def test_the_meter_keeps_the_cpu_of_children_that_ended() -> None:
    code = "import time\nwhile time.process_time() < 0.3: pass"
    meter = Meter({"self": [os.getpid()]})
    before = meter.read()

    subprocess.run([sys.executable, "-c", code], check=True)

    assert meter.read()["self"] - before["self"] >= 0.25  # of 0.3, to the tick


async def test_arrivals_come_as_often_as_wanted_and_say_when_they_were_due() -> None:
    arrived: list[tuple[float, int]] = []

    await pace(lambda at, count: arrived.append((at, count)), rate=2500, count=100)

    times = [at for at, _ in arrived]
    assert sum(count for _, count in arrived) == 100
    assert times[-1] - times[0] == pytest.approx(0.039)  # 2.5 each millisecond, so 40 turns


def test_no_two_requests_have_the_same_key() -> None:
    one, other = requests(keys=True), requests(keys=True)

    assert len({one(), one(), other(), other()}) == 4
    assert requests(keys=False)() == requests(keys=False)()


def test_an_answer_may_come_in_pieces() -> None:
    answered: list[bytes] = []
    connection = Connection(lambda _, status: answered.append(status), lambda _: None)

    for piece in (b"HTTP/1.1 201 Crea", b'ted\r\n\r\n{"orderId":"x"', b"}"):
        connection.data_received(piece)
    connection.data_received(b"HTTP/1.1 503 Service Unavailable\r\n\r\n{}")

    assert answered == [b"201", b"503"]


async def test_steps_are_counted_across_pieces() -> None:
    told = Told()
    told.connection_made(Wire())
    message = b'[{"seq":4},{"final":true,"seq":5}]'
    waiting = asyncio.ensure_future(told.final(2))
    await asyncio.sleep(0)

    for n in range(len(message)):
        told.data_received(message[n : n + 1])
    told.data_received(message)
    await waiting

    assert (told.steps, told.finals) == (4, 2)


async def test_a_socket_hears_steps_in_pieces_answers_pings_and_closes() -> None:
    crowd, wire = Crowd(), Wire()
    socket = Socket(crowd, 7, "an-id")
    socket.connection_made(wire)
    step = b'{"orderId":"an-id","seq":12,"pad":"%s"}' % (b"x" * 200)
    heartbeat = b'{"seq":12,"type":"heartbeat"}'
    stream = b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + b"".join(
        [
            bytes([0x80 | TEXT, 126]) + len(step).to_bytes(2, "big") + step,
            bytes([0x80 | TEXT, len(heartbeat)]) + heartbeat,
            bytes([0x80 | PING, 2]) + b"hi",
            bytes([0x80 | CLOSE, 2]) + b"\x03\xe8",
        ]
    )

    for n in range(len(stream)):
        socket.data_received(stream[n : n + 1])

    assert [(number, seq) for number, seq, _ in crowd.heard] == [(7, 12)]
    assert socket.connected.done()
    assert wire.written.endswith(b"\x8a\x82\0\0\0\0hi" + b"\x88\x82\0\0\0\0\x03\xe8")
    assert wire.is_closed


async def test_a_socket_that_is_lost_fails_the_crowd() -> None:
    crowd = Crowd()
    socket = Socket(crowd, 0, "an-id")

    socket.connection_lost(None)

    with pytest.raises(ConnectionError):
        await socket.connected
    with pytest.raises(ConnectionError):
        await crowd.until(1)


def test_every_goal_is_of_a_scenario_that_there_is() -> None:
    from benchmarks.scenarios import SCENARIOS

    assert {goal.scenario for goal in GOALS} <= set(SCENARIOS)
    assert all(
        isinstance(goal, Goal) and (goal.least is None) != (goal.most is None) for goal in GOALS
    )
