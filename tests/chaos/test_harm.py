"""The tools of harm: traps spring where they are set, and a line that is cut holds back."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from orders.domain.lifecycle import Status
from tests.chaos import figures, points
from tests.chaos.__main__ import conclude, parse
from tests.chaos.checker import Verdict
from tests.chaos.evidence import Engine, EventRow
from tests.chaos.nemesis import Struck
from tests.chaos.outcome import Figure, Run
from tests.chaos.points import API_POINTS, WORKER_POINTS, Action, Point, Rested, Sprung, Trap
from tests.chaos.proxy import Proxy
from tests.chaos.report import Spread
from tests.chaos.run import RATES
from tests.eventually import eventually

ORDER_ID = UUID(int=7)
RECEIVED, ROUTING, BUILDING = Status.RECEIVED, Status.ROUTING, Status.BUILDING
SUBMITTED, CONFIRMED = Status.SUBMITTED, Status.CONFIRMED


# -- traps


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> list[signal.Signals]:
    """What this process sends itself, in place of being hit by it."""
    sent: list[signal.Signals] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append(number))
    return sent


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trap:
    monkeypatch.setenv(points.FOLDER, str(tmp_path))
    monkeypatch.setenv(points.NAME, "worker-0")
    return Trap(lambda: [(ORDER_ID, 3)])


def test_a_trap_springs_at_its_point_alone_and_once(
    trap: Trap, tmp_path: Path, signals: list[signal.Signals]
) -> None:
    points.arm(tmp_path, "worker-0", Point.ROUTING, Action.KILL)

    for point in (Point.CLAIMED, Point.ROUTING, Point.ROUTING):
        trap.passing(point)

    assert signals == [signal.SIGKILL]
    (sprung,) = points.sprung(tmp_path)
    assert (sprung.process, sprung.point, sprung.action) == ("worker-0", "K4", "kill")
    assert sprung.held == [(ORDER_ID, 3)]


@pytest.mark.parametrize(
    ("action", "number"),
    [
        (Action.KILL, signal.SIGKILL),
        (Action.FREEZE, signal.SIGSTOP),
        (Action.STOP, signal.SIGTERM),
    ],
)
def test_a_trap_that_is_set_anywhere_springs_at_the_next_point(
    trap: Trap, tmp_path: Path, signals: list[signal.Signals], action: Action, number: int
) -> None:
    points.arm(tmp_path, "worker-0", Point.ANY, action)

    trap.passing(Point.CLAIMED)

    assert signals == [number]


def test_another_process_s_trap_is_passed(
    trap: Trap, tmp_path: Path, signals: list[signal.Signals]
) -> None:
    points.arm(tmp_path, "worker-1", Point.CLAIMED, Action.KILL)

    trap.passing(Point.CLAIMED)

    assert signals == []
    assert points.disarm(tmp_path, "worker-1")


def test_a_trap_that_has_sprung_cannot_be_taken_away(
    trap: Trap, tmp_path: Path, signals: list[signal.Signals]
) -> None:
    points.arm(tmp_path, "worker-0", Point.CLAIMED, Action.KILL)
    trap.passing(Point.CLAIMED)

    assert not points.disarm(tmp_path, "worker-0")
    assert len(signals) == 1


# -- proxies


@asynccontextmanager
async def an_echo() -> AsyncIterator[Proxy]:
    """A line to a server that says everything again."""
    echoing: set[asyncio.Task[None]] = set()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        echoing.add(task)
        with suppress(ConnectionError):
            while data := await reader.read(100):
                writer.write(data)
        await hung_up(writer)

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        async with Proxy(server.sockets[0].getsockname()[1]) as proxy:
            yield proxy
        if echoing:
            await asyncio.wait(echoing)


async def hung_up(writer: asyncio.StreamWriter) -> None:
    """Return when the connection is closed for good."""
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def test_a_line_that_is_cut_holds_everything_back_until_it_is_healed() -> None:
    async with an_echo() as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"one")
        before = await reader.readexactly(3)
        proxy.cut()
        writer.write(b"two")
        waiting = asyncio.create_task(reader.readexactly(3))
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        proxy.heal(broken=False)

        assert (before, done, await waiting) == (b"one", set(), b"two")
        await hung_up(writer)


async def test_a_line_that_is_broken_ends_and_a_new_one_can_be_made() -> None:
    async with an_echo() as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"one")
        await reader.readexactly(3)
        proxy.cut()
        proxy.heal(broken=True)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(1)
        await hung_up(writer)

        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"two")
        assert await reader.readexactly(3) == b"two"
        await hung_up(writer)


async def test_a_proxy_to_nobody_hangs_up() -> None:
    async with Proxy(1) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)

        async def ended() -> bool:
            return await reader.read(1) == b""

        await eventually(ended, timedelta(seconds=5))
        await hung_up(writer)


# -- figures


AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


def steps(*told: tuple[Status, float, bool]) -> Engine:
    """One order's history: statuses, seconds after noon, and whether each waits."""
    rows = [
        EventRow(ORDER_ID, seq, status, 1, AT + timedelta(seconds=second), waits=waits)
        for seq, (status, second, waits) in enumerate(told, 1)
    ]
    return Engine({}, {ORDER_ID: rows})


@pytest.mark.parametrize(
    ("engine", "waits"),
    [
        (steps((RECEIVED, 0, False), (ROUTING, 1, False), (ROUTING, 7, False)), [5]),
        (steps((RECEIVED, 0, False), (ROUTING, 7, False)), [5]),
        # a save that was on its way when its worker died takes nobody's time
        (steps((ROUTING, 1, False), (BUILDING, 2.1, False), (BUILDING, 9, False)), [7]),
        # finished before, or by whoever held it
        (steps((SUBMITTED, 1, False), (CONFIRMED, 1.5, False)), []),
        (steps((SUBMITTED, 1, False), (CONFIRMED, 2.2, False)), []),
        # taken up before the harm
        (steps((RECEIVED, 0, False), (ROUTING, 1.5, False)), []),
        # let go of by whoever held it, to wait for a retry
        (steps((ROUTING, 1, False), (ROUTING, 2.5, True), (ROUTING, 4, False)), []),
        # taken up by another, who then let go of it
        (steps((ROUTING, 1, False), (ROUTING, 4, False), (ROUTING, 5, True)), [2]),
    ],
)
def test_a_wait_is_from_the_harm_until_a_worker_takes_the_order_up(
    engine: Engine, waits: list[float]
) -> None:
    at = AT + timedelta(seconds=2)

    found = figures.resumed(engine, [(at, ORDER_ID, 1)])

    assert [each.total_seconds() for each in found] == waits


@pytest.mark.parametrize(("second", "waits"), [(1.9, [2]), (2.4, []), (4.1, [2])])
def test_an_order_that_was_let_rest_in_between_waits_for_nobody(
    second: float, waits: list[float]
) -> None:
    engine = steps((SUBMITTED, 1, False), (SUBMITTED, 4, False))
    at, rest = AT + timedelta(seconds=2), Rested(AT.timestamp() + second, ORDER_ID)

    found = figures.resumed(engine, [(at, ORDER_ID, 1)], [rest])

    assert [each.total_seconds() for each in found] == waits


def test_every_rest_is_noted(trap: Trap, tmp_path: Path) -> None:
    trap.rested(ORDER_ID)
    trap.rested(ORDER_ID)

    assert [each.order_id for each in points.rested(tmp_path)] == [ORDER_ID, ORDER_ID]


def test_what_was_held_is_told_apart_by_what_was_done() -> None:
    unix = AT.timestamp()
    killed = [Sprung(unix, "worker-0", Point.CLAIMED, Action.KILL, [(ORDER_ID, 2)])]
    lost = [Struck("redis flushall", unix, unix + 1, [(AT, ORDER_ID, 3)])]

    assert list(figures.held(killed, Action.KILL)) == [(AT, ORDER_ID, 2)]
    assert list(figures.held(killed, Action.FREEZE)) == []
    assert list(figures.forgotten(lost)) == [(AT, ORDER_ID, 3)]


# -- the conclusion

EVERYWHERE = [Sprung(0, "x", p, Action.KILL, []) for p in (*API_POINTS, *WORKER_POINTS)]
HELD = Verdict("I2", "at most one execution per order", 5, "orders", ())


def waited(*seconds: float) -> Figure:
    spread = Spread.of(timedelta(seconds=each) for each in seconds)
    return Figure("orders waited", timedelta(seconds=10), spread)


def a_run(**fields: Any) -> Run:
    usual: dict[str, Any] = {
        "verdicts": [HELD],
        "struck": [],
        "sprung": EVERYWHERE,
        "venue_faults": dict.fromkeys(RATES, 1),
        "requests": Counter(),
        "orders": Counter(),
        "figures": [waited(11)],
        "seconds": 1.0,
    }
    return Run(**usual | fields)


def test_a_run_in_which_all_was_met_and_all_held_is_good(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert conclude(a_run(), parse(["--seed", "1"])) == 0
    out = capsys.readouterr().out
    assert "held: seed 1" in out
    assert "of 1; p99 BEYOND 10 s" in out  # told, and no failure: the machine may be slow


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"sprung": EVERYWHERE[1:]}, "WRONG: nobody died at K0"),
        ({"venue_faults": {"hang": 0}}, "WRONG: no venue met hang"),
        ({"unstruck": {"kill api"}}, "WRONG: never struck: kill api"),
        ({"late": "3 orders are still open"}, "WRONG: 3 orders are still open"),
        ({"figures": [waited()]}, "WRONG: never measured: orders waited"),
        ({"figures": [waited(21)]}, "WRONG: far beyond what is promised: orders waited"),
        ({"deaths": ["worker-0 ended by itself with 1"]}, "WRONG: worker-0 ended by itself"),
        ({"verdicts": [Verdict("I2", "once", 5, "orders", ("twice",))]}, "I2: twice"),
        ({"verdicts": [Verdict("I2", "once", 0, "orders", ())]}, "NOTHING WAS CHECKED"),
    ],
)
def test_whatever_is_wrong_or_was_not_met_fails_the_run(
    bad: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert conclude(a_run(**bad), parse(["--seed", "1"])) == 1

    out = capsys.readouterr().out
    assert said in out
    assert "FAILED: seed 1" in out


def test_a_slow_machine_may_take_longer_by_as_much() -> None:
    options = parse(["--seed", "1"])

    assert conclude(a_run(figures=[waited(59)], slowness=3.0), options) == 0
    assert conclude(a_run(figures=[waited(61)], slowness=3.0), options) == 1


def test_a_run_of_chosen_faults_need_not_meet_the_others() -> None:
    assert conclude(a_run(sprung=[], figures=[waited()], is_partial=True), parse([])) == 0
