"""`order-engine top` beside a real engine: in a pipe, on a terminal, and without one to see."""

import asyncio
import os
import re
import signal
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from fcntl import ioctl
from pty import openpty
from termios import TIOCSWINSZ, tcgetattr

import pytest

from services.cli.ports import free_port
from tests.e2e.engine import HOST, Engine, Service
from tests.eventually import eventually
from tests.paths import PYTHONPATH, ROOT

PATIENCE = 30.0  # seconds
OTHER_SCREEN, OWN_SCREEN, CURSOR = "\x1b[?1049h", "\x1b[?1049l", "\x1b[?25h"


@asynccontextmanager
async def top(
    *words: str, output: int = asyncio.subprocess.PIPE, **settings: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """It runs, and is gone afterwards whatever happens."""
    inherited = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", "top", *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env=inherited | {"PYTHONPATH": PYTHONPATH} | settings,
    )
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):
            running.kill()
        await running.wait()


async def said(*words: str) -> tuple[int | None, list[str], str]:
    """The exit code, the lines, and the complaints of one that ends by itself."""
    async with top(*words) as running:
        told, complained = await asyncio.wait_for(running.communicate(), PATIENCE)
    return running.returncode, told.decode().splitlines(), complained.decode()


def at(api: Service, *workers: Service) -> list[str]:
    """The arguments that say where they are."""
    return ["--api", api.url, *(word for each in workers for word in ("--worker", each.url))]


def line(lines: list[str], start: str) -> list[str]:
    """The words of the line that begins so, without its beginning."""
    return next(each for each in lines if each.startswith(start)).removeprefix(start).split()


@asynccontextmanager
async def reading(source: int) -> AsyncIterator[bytearray]:
    """All that was written to a terminal so far."""
    loop, seen = asyncio.get_running_loop(), bytearray()

    def more() -> None:
        try:
            seen.extend(os.read(source, 65_536))
        except OSError:  # EIO: nobody holds the other end any more
            loop.remove_reader(source)

    loop.add_reader(source, more)
    try:
        yield seen
    finally:
        loop.remove_reader(source)


async def test_one_frame_tells_what_became_of_orders(engine: Engine) -> None:
    api, worker = await engine.whole(RETRY_TRIES="1", WORKER_CONCURRENCY="9")
    other = await engine.worker(RETRY_TRIES="1", WORKER_CONCURRENCY="9")
    placed = [await engine.place() for _ in range(5)]
    refused = await engine.place(minOut="9000000000000")
    for order_id in placed:
        await engine.until(order_id, "confirmed")
    await engine.until(refused, "failed")

    code, lines, complained = await said("--once", *at(api, worker, other))

    assert (code, complained) == (0, "")
    assert lines[1] == "reached: 1 of 1 APIs, 2 of 2 workers"
    assert line(lines, "accepted")[2] == "6"
    assert line(lines, "confirmed")[2] == "5"
    assert line(lines, "failed  ")[2] == "1"
    assert line(lines, "accepted")[-3:] == ["0", "of", "18"]
    assert "-" not in line(lines, "accept to confirm")[3:]  # since start
    wins = [each.split() for each in lines if " bps" in each]
    assert sum(int(each[4]) for each in wins) == 5
    assert "failures since start  slippage_exceeded 1" in lines
    assert lines[-1].split()[2:4] == ["slippage_exceeded", str(refused)]
    assert "\x1b" not in "".join(lines)


async def test_a_worker_that_is_not_there_is_said_and_the_rest_shown(engine: Engine) -> None:
    api = await engine.api()
    nowhere = f"http://{HOST}:{free_port()}"

    code, lines, complained = await said("--once", "--worker", nowhere, *at(api))

    assert (code, complained) == (0, "")
    assert lines[1] == "reached: 1 of 1 APIs, 0 of 1 workers"
    assert lines[2].startswith(f"worker {nowhere}: no answer: ")
    assert line(lines, "accepted")[2] == "0"


async def test_addresses_that_are_wrong_are_told_in_a_line(engine: Engine) -> None:
    api = await engine.api()
    nowhere = f"http://{HOST}:{free_port()}"

    empty = await said("--api", nowhere, "--worker", nowhere)
    strange = await said("--api", f"{api.url}/docs", "--worker", api.url)
    nonsense = await said("--api", "ftp://somewhere")

    assert empty[:2] == strange[:2] == (1, [])
    assert empty[2].startswith(f"order-engine: API {nowhere}: no answer: ")
    told = f"order-engine: API {api.url}/docs: GET /metrics was answered with 404."
    assert strange[2].startswith(told)
    assert (nonsense[0], "does not start with http" in nonsense[2]) == (2, True)
    assert "Traceback" not in empty[2] + strange[2]


async def test_in_a_pipe_it_tells_frame_after_frame_through_a_restart(engine: Engine) -> None:
    api, worker = await engine.whole()
    await engine.until(await engine.place(), "confirmed")
    heard: list[str] = []

    async def until(pattern: str) -> None:
        assert running.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while not heard or not re.match(pattern, heard[-1]):
                heard.append((await running.stdout.readline()).decode().rstrip())

    async with top("--every", "0.2", *at(api, worker)) as running:
        await until("reached: 1 of 1 APIs, 1 of 1 workers")
        worker.child.kill()
        await until(f"worker {worker.url}: no answer")
        await engine.worker(WORKER_PROBE_PORT=worker.url.rpartition(":")[2])
        for order_id in [await engine.place() for _ in range(2)]:
            await engine.until(order_id, "confirmed")
        await until("reached: 1 of 1 APIs, 1 of 1 workers")
        await until(r"confirmed +\S+ +\S+ +2 ")  # by the new worker
        running.send_signal(signal.SIGINT)
        rest, complained = await asyncio.wait_for(running.communicate(), PATIENCE)

    assert (running.returncode, complained) == (0, b"")
    assert not re.search(r"\s-\d", "\n".join(heard) + rest.decode())


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_on_a_terminal_it_fills_the_screen_and_gives_it_back(
    engine: Engine, how: signal.Signals
) -> None:
    api, worker = await engine.whole()
    ours, theirs = openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = tcgetattr(theirs)

    try:
        async with (
            reading(ours) as seen,
            top(
                *("--every", "0.2", *at(api, worker)), output=theirs, TERM="xterm-256color"
            ) as running,
        ):
            await eventually(lambda: seen.count(b"order engine") > 2, timedelta(seconds=PATIENCE))
            running.send_signal(how)
            _, complained = await asyncio.wait_for(running.communicate(), PATIENCE)
            after = tcgetattr(theirs)
            await eventually(lambda: OWN_SCREEN in seen.decode(errors="replace"))
            text = seen.decode(errors="replace")
    finally:
        os.close(theirs)
        os.close(ours)

    assert (running.returncode, complained) == (0, b"")
    assert text.index(OTHER_SCREEN) < text.index("order engine") < text.index(OWN_SCREEN)
    assert text.rindex(CURSOR) > text.rindex("order engine")
    assert after == before
    frame = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text.split("order engine")[2])
    assert frame.count("\n") == 23
    assert all(len(each) <= 80 for each in frame.splitlines())
