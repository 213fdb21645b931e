"""Stories told while APIs die, clients lag and servers forget: each is whole, whoever told it."""

import asyncio
import random
import resource
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, WebSocketException

from services.cli.servers import Servers
from tests.e2e.engine import SHORT_LEASES, STORY, Engine, Service, Step, statuses, story
from tests.eventually import eventually

MANY_FILES = 8192
COME_BACK = 0.05  # seconds
DONE, TOO_SLOW = 1000, 4408


@pytest.fixture(autouse=True, scope="module")
def many_files() -> None:
    """Let this process, and those that it starts, have a thousand sockets open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MANY_FILES if hard == resource.RLIM_INFINITY else min(hard, MANY_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@dataclass
class Watcher:
    """A client that comes back where it was cut, to the next API, until all is told."""

    engine: Engine
    order_id: UUID
    apis: Sequence[Service]
    """Where it goes first, where after it was cut, and so on; the last for ever."""
    steps: list[Step] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    """How each of its connections ended."""
    connected: float = 0
    """When it was connected last, by the monotonic clock."""

    @property
    def is_over(self) -> bool:
        return DONE in self.codes

    async def watch(self) -> "Watcher":
        """Itself, once the story is over."""
        while not self.is_over:
            try:
                await self._connect()
            except (OSError, WebSocketException):
                await asyncio.sleep(COME_BACK)
        return self

    async def _connect(self) -> None:
        api = self.apis[min(len(self.codes), len(self.apis) - 1)]
        seen = self.steps[-1]["seq"] if self.steps else 0
        query = f"?fromSeq={seen + 1}"
        async with self.engine.stream(self.order_id, query, api=api, open_timeout=60) as told:
            self.connected = time.monotonic()
            with suppress(ConnectionClosed):
                await self._take(told)
        assert told.close_code is not None
        self.codes.append(told.close_code)

    async def _take(self, told: ClientConnection) -> None:
        async for text in told:
            step = msgspec.json.decode(text)
            if step.get("type") != "heartbeat":
                self.steps.append(step)


def told(watchers: Sequence[Watcher]) -> int:
    """How many steps they were told so far."""
    return sum(len(watcher.steps) for watcher in watchers)


async def all_told(watching: Iterable[Awaitable[object]]) -> None:
    """Return once all who watch were told everything."""
    async with asyncio.timeout(60):
        await asyncio.gather(*watching)


async def assert_whole(engine: Engine, watchers: Sequence[Watcher]) -> None:
    """Every story is what the history says, from 1 without a gap, and there is one history."""
    histories = {each.order_id: await engine.events(each.order_id) for each in watchers}
    for steps in histories.values():
        assert [step["seq"] for step in steps] == list(range(1, len(steps) + 1))
        assert [step.get("final", False) for step in steps] == [False] * (len(steps) - 1) + [True]
    for watcher in watchers:
        assert watcher.steps == histories[watcher.order_id]


async def placed(engine: Engine, count: int) -> list[UUID]:
    return list(await asyncio.gather(*(engine.place() for _ in range(count))))


async def test_whoever_subscribes_whenever_and_wherever_is_told_the_same(engine: Engine) -> None:
    dice = random.Random(11)
    one, _ = await engine.whole(PAPER_EXECUTION_LATENCY_MS="200-600")
    other = await engine.api()
    order_ids = await placed(engine, 40)
    watchers = [
        Watcher(engine, order_id, [api])
        for order_id in order_ids
        for api in (one, other)
        for _ in range(3)
    ]

    async def at_some_moment(watcher: Watcher) -> None:
        await asyncio.sleep(dice.uniform(0, 1))
        await watcher.watch()

    await all_told(map(at_some_moment, watchers))

    assert {tuple(watcher.codes) for watcher in watchers} == {(DONE,)}
    assert {tuple(statuses(watcher.steps)) for watcher in watchers} == {tuple(STORY)}
    await assert_whole(engine, watchers)
    await engine.prove()


async def test_a_story_cut_by_the_crash_of_an_api_goes_on_at_another(engine: Engine) -> None:
    first, _ = await engine.whole(PAPER_EXECUTION_LATENCY_MS="1500")
    second = await engine.api()
    watcher = Watcher(engine, await engine.place(), [first, second])
    watching = asyncio.create_task(watcher.watch())
    await eventually(lambda: len(watcher.steps) == 4)

    first.child.kill()
    await all_told([watching])

    assert watcher.codes == [1006, DONE]
    assert statuses(watcher.steps) == STORY
    await assert_whole(engine, [watcher])


async def test_a_thousand_who_are_cut_at_once_come_back_at_once_and_miss_nothing(
    engine: Engine,
) -> None:
    first, second = await engine.api(), await engine.api()
    order_ids = await placed(engine, 100)
    watchers = [Watcher(engine, order_id, [first, second]) for order_id in order_ids * 10]
    begun = time.monotonic()
    watching = [asyncio.create_task(watcher.watch()) for watcher in watchers]
    await eventually(lambda: told(watchers) == 1000, timedelta(seconds=60))
    connected = max(watcher.connected for watcher in watchers)
    await engine.worker(PAPER_EXECUTION_LATENCY_MS="2000-4000")
    await eventually(lambda: told(watchers) >= 4000, timedelta(seconds=60))
    finished = sum(watcher.is_over for watcher in watchers)

    cut = time.monotonic()
    first.child.kill()
    await all_told(watching)
    over = time.monotonic()

    back = sorted(watcher.connected - cut for watcher in watchers)
    print(f"a thousand sockets opened in {connected - begun:.2f} s")
    print(
        f"a thousand sockets cut at once were back after {back[499]:.2f} s (median), "
        f"{back[-1]:.2f} s (the last); all stories were over after {over - cut:.2f} s"
    )
    assert finished == 0
    assert {tuple(watcher.codes) for watcher in watchers} == {(1006, DONE)}
    assert back[-1] < 15
    await assert_whole(engine, watchers)
    assert "Traceback" not in second.log
    await engine.prove()


async def test_who_reads_too_slowly_is_cut_with_4408_and_has_the_whole_story_later(
    engine: Engine,
) -> None:
    api, _ = await engine.whole(SLOW_CONSUMER_SECONDS="0.5")
    order_id = await engine.place()
    await engine.until(order_id, "confirmed")
    longer = "UPDATE order_events SET data = data || jsonb_build_object('pad', repeat('x', $1))"
    await engine.fetch(longer, 2**21)  # 2 MiB each: more than sockets hold

    with narrow_socket(api) as narrow:
        stream = engine.stream(order_id, sock=narrow, max_queue=1, max_size=None)
        async with stream as slow:
            slow.transport.pause_reading()
            await eventually(lambda: was_closed(api, TOO_SLOW))
            slow.transport.resume_reading()
            steps, code = await story(slow)
    async with engine.stream(order_id, f"?fromSeq={len(steps) + 1}", max_size=None) as again:
        rest, end = await story(again)

    assert (code, end) == (TOO_SLOW, DONE)
    assert len(steps) < len(STORY)
    assert [*steps, *rest] == await engine.events(order_id)
    assert api.log == ""


def narrow_socket(api: Service) -> socket.socket:
    """A connected socket that holds little, so that who does not read it soon blocks its peer."""
    at = urlsplit(api.url)
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect((at.hostname, at.port))
    narrow.setblocking(False)
    return narrow


async def was_closed(api: Service, code: int) -> bool:
    closed = await api.metrics("order_engine_sockets_closed_total")
    return closed.get(f'{{code="{code}"}}') == 1


async def forget(engine: Engine, _: Servers) -> None:
    await engine.redis.flushall()


async def restart_redis(_: Engine, embedded: Servers) -> None:
    await asyncio.to_thread(embedded.redis.restart, kill=True)


async def restart_postgres(_: Engine, embedded: Servers) -> None:
    await asyncio.to_thread(embedded.postgres.restart, kill=False)


async def crash_postgres(_: Engine, embedded: Servers) -> None:
    await asyncio.to_thread(embedded.postgres.restart, kill=True)


Fault = Callable[[Engine, Servers], Awaitable[None]]


@pytest.mark.parametrize("fault", [forget, restart_redis, restart_postgres, crash_postgres])
async def test_two_hundred_watchers_are_told_the_whole_story_through(
    engine: Engine, embedded: Servers, fault: Fault
) -> None:
    apis = [await engine.api(), await engine.api()]
    order_ids = await placed(engine, 40)
    watchers = [Watcher(engine, order_ids[n % 40], [apis[n % 2]]) for n in range(200)]
    watching = [asyncio.create_task(watcher.watch()) for watcher in watchers]
    await eventually(lambda: told(watchers) == 200)
    await engine.worker(**SHORT_LEASES, PAPER_EXECUTION_LATENCY_MS="300-900")
    await eventually(lambda: told(watchers) >= 500)

    begun = told(watchers)
    await fault(engine, embedded)
    await all_told(watching)

    assert begun < 1000  # it was in the middle
    assert {tuple(watcher.codes) for watcher in watchers} == {(DONE,)}
    await assert_whole(engine, watchers)
    assert [api.exit_code() for api in apis] == [None, None]
    await engine.prove()
