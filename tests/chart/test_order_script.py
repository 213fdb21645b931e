"""The script of `helm test`, against real processes and against an engine that breaks its word."""

import asyncio
import importlib.util
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from websockets.asyncio.server import ServerConnection, serve

from orders.domain.lifecycle import LIFECYCLE
from tests.chart.helm import render
from tests.chart.reading import pod
from tests.chart.scenarios import SCENARIOS
from tests.e2e.engine import STORY, Engine, an_engine
from tests.paths import ROOT

SCRIPT = ROOT / "charts" / "order-engine" / "files" / "place_an_order.py"
ORDER_ID = "019aab3c-6f0e-7c53-9d0a-3f6a4f1d2b7e"


@pytest.fixture
async def engine(database_url: str, redis_url: str) -> AsyncIterator[Engine]:
    """No process runs yet. Whatever the test starts is ended with it."""
    async with an_engine(database_url, redis_url) as made:
        yield made


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The script as a module, with its neighbour found beside it as when it runs."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    spec = importlib.util.spec_from_file_location("place_an_order", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("websocket", None)


async def run(url: str, seconds: float = 30, order: str = "") -> tuple[int, list[str], str]:
    """The script's exit code, the lines it printed, and what it complained of."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-S",  # nothing that is installed may be needed
        str(SCRIPT),
        env={
            "ORDER_ENGINE_URL": url,
            "TIMEOUT_SECONDS": str(seconds),
            "ORDER": order,
            "PYTHONSAFEPATH": "1",  # as in the image
            "PYTHONPATH": str(SCRIPT.parent),  # as in the pod
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, complained = await asyncio.wait_for(child.communicate(), seconds + 10)
    assert child.returncode is not None
    return child.returncode, told.decode().splitlines(), complained.decode()


async def test_an_order_of_a_running_engine_is_told_whole(engine: Engine) -> None:
    api, _ = await engine.whole()

    code, lines, complaint = await run(api.url)

    assert (code, complaint) == (0, "")
    assert [line.split()[0] for line in lines[1:-1]] == STORY
    assert [line.split()[2] for line in lines[1:-1]] == ["1", "2", "3", "4", "5"]
    assert lines[-1] == "all as promised"
    await engine.until(UUID(lines[0].split()[1]), "confirmed")


async def test_an_engine_that_starts_late_is_waited_for(engine: Engine) -> None:
    api = engine.start("api")
    waiting = asyncio.create_task(run(api.url))
    await engine.worker()

    code, lines, complaint = await waiting

    assert (code, lines[-1:], complaint) == (0, ["all as promised"], "")


async def test_an_order_that_fails_is_a_failed_test(engine: Engine) -> None:
    api, _ = await engine.whole()
    too_much = {"inputMint": "SOL", "outputMint": "USDC", "amountIn": "1000", "minOut": "9" * 18}

    code, lines, complaint = await run(api.url, order=json.dumps(too_much))

    assert code == 1
    assert lines[1].split()[0] == "received"
    assert "FAILED: the order ended as failed: " in complaint


async def test_a_refused_order_is_not_tried_again(engine: Engine) -> None:
    api = await engine.api()

    code, lines, complaint = await run(api.url, order='{"inputMint": "SOL"}')

    assert (code, lines) == (1, [])
    assert complaint.startswith("FAILED: the order was answered with 422: ")


async def test_nobody_there_is_told_when_the_time_is_over() -> None:
    began = time.monotonic()

    code, _, complaint = await run("http://127.0.0.1:1", seconds=0.7)

    assert code == 1
    assert complaint.startswith("FAILED: no order could be placed at http://127.0.0.1:1: ")
    assert time.monotonic() - began < 10


def step(seq: int, status: str, **more: Any) -> dict[str, Any]:
    final = {"final": True} if status in ("confirmed", "failed") else {}
    return {"orderId": ORDER_ID, "seq": seq, "status": status} | final | more


WHOLE = [step(seq, status) for seq, status in enumerate(STORY, 1)]


@asynccontextmanager
async def told(frames: list[dict[str, Any]], code: int = 1000) -> AsyncIterator[str]:
    """The URL of a stream that tells `frames` and then closes with `code`."""

    async def tell(socket: ServerConnection) -> None:
        for frame in frames:
            await socket.send(json.dumps(frame))
        await socket.close(code)

    async with serve(tell, "127.0.0.1", 0) as server:
        host, port = next(iter(server.sockets)).getsockname()[:2]
        yield f"http://{host}:{port}"


async def follow(script: ModuleType, url: str, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    await asyncio.to_thread(script.follow, url, ORDER_ID, deadline)


async def test_a_whole_story_with_heartbeats_is_as_promised(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    async with told([WHOLE[0], {"type": "heartbeat", "seq": 1}, *WHOLE[1:]]) as url:
        await follow(script, url)

    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == STORY


@pytest.mark.parametrize(
    ("frames", "code", "complaint"),
    [
        ([WHOLE[0], *WHOLE[2:]], 1000, "seq 3 follows 1"),
        ([WHOLE[0], WHOLE[0]], 1000, "seq 1 follows 1"),
        (WHOLE[1:], 1000, "seq 2 follows 0"),
        ([step(1, "routing")], 1000, "routing follows nothing"),
        ([WHOLE[0], step(2, "confirmed")], 1000, "confirmed follows received"),
        ([*WHOLE, step(6, "routing")], 1000, "routing follows confirmed"),
        (
            [step(1, "received", orderId="another")],
            1000,
            "a step of another order was told: another",
        ),
        ([step(1, "received", final=True)], 1000, "received says final: True"),
        ([*WHOLE[:4], step(5, "confirmed", final=False)], 1000, "confirmed says final: False"),
        (WHOLE[:3], 1000, "the order ended as building: null"),
        (WHOLE, 1012, "the stream was closed with 1012, not with 1000"),
    ],
)
async def test_a_broken_promise_is_told(
    script: ModuleType, frames: list[dict[str, Any]], code: int, complaint: str
) -> None:
    async with told(frames, code) as url:
        with pytest.raises(script.Failed) as failure:
            await follow(script, url)

    assert str(failure.value) == complaint


async def test_a_long_message_and_a_ping_are_read(script: ModuleType) -> None:
    answered = asyncio.Event()

    async def tell(socket: ServerConnection) -> None:
        await (await socket.ping())
        answered.set()
        for frame in WHOLE:
            padding = {"padding": "x" * 70_000} if frame["seq"] == 3 else {"padding": "x" * 300}
            await socket.send(iter([json.dumps(frame)[:10], json.dumps(frame | padding)[10:]]))

    async with serve(tell, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        await follow(script, f"http://127.0.0.1:{port}")

    assert answered.is_set()


async def answering(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> asyncio.Server:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await answer(reader, writer)
        writer.close()
        await writer.wait_closed()

    return await asyncio.start_server(once, "127.0.0.1", 0)


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        (b"", "the server hung up instead of answering the handshake"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "no WebSocket is served there: HTTP/1.1 404 Not Found"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
            "no WebSocket is served there: HTTP/1.1 101 Switching Protocols",
        ),
    ],
)
async def test_what_is_no_websocket_is_told(
    script: ModuleType, said: bytes, complaint: str
) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)

    server = await answering(answer)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(script.Broken) as failure:
            await follow(script, f"http://127.0.0.1:{port}")

    assert str(failure.value) == complaint


async def test_a_stream_that_falls_silent_is_given_up(script: ModuleType) -> None:
    async def tell(socket: ServerConnection) -> None:
        await socket.send(json.dumps(WHOLE[0]))
        await socket.wait_closed()

    async with serve(tell, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        with pytest.raises(script.Broken) as failure:
            await follow(script, f"http://127.0.0.1:{port}", timedelta(seconds=0.3).total_seconds())

    assert str(failure.value) == "the server sent nothing more in time"


def test_the_statuses_that_may_follow_are_the_engines(script: ModuleType) -> None:
    told = {status: after for status, after in script.NEXT.items() if status is not None}

    assert told == {status.value: set(map(str, after)) for status, after in LIFECYCLE.items()}
    assert script.NEXT[None] == {"received"}


def test_the_pod_tells_python_where_the_scripts_neighbour_is() -> None:
    order = pod(render(SCENARIOS["default"]), "test").main
    environment = {each["name"]: each["value"] for each in order["env"]}

    assert order["command"] == ["python", "/test/place_an_order.py"]
    assert environment["PYTHONPATH"] == "/test"
    assert {"name": "script", "mountPath": "/test", "readOnly": True} in order["volumeMounts"]
