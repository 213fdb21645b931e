"""What a client's requests come to is written down as it was, and asked about again."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import msgspec
import pytest

from tests.chaos.asking import understood
from tests.chaos.evidence import Clients, Outcome, Resolved
from tests.chaos.history import History, read_history
from tests.chaos.load import Load
from tests.chaos.wishes import Wish
from tests.eventually import eventually
from tests.integration.api.serving import SELL_SOL

ORDER = UUID("019ab000-0000-7000-8000-000000000001")
SOON = timedelta(seconds=10)
NOT_LONG = timedelta(milliseconds=50)

ACCEPTED = (201, b'{"orderId":"019ab000-0000-7000-8000-000000000001"}')
UNAVAILABLE = (503, b'{"code":"unavailable"}')
OVERLOADED = (503, b'{"code":"overloaded"}')


@pytest.mark.parametrize(
    ("status", "body", "outcome", "code", "order_id"),
    [
        (*ACCEPTED, Outcome.OK, None, ORDER),
        (201, b"{}", Outcome.OK, None, None),
        (200, b"", Outcome.OK, None, None),
        (422, b'{"code":"same_mint"}', Outcome.FAIL, "same_mint", None),
        (404, b"<html>", Outcome.FAIL, "404", None),
        (*OVERLOADED, Outcome.FAIL, "overloaded", None),
        (*UNAVAILABLE, Outcome.UNKNOWN, "unavailable", None),
        (503, b"", Outcome.UNKNOWN, "503", None),
        (500, b'{"code":"internal"}', Outcome.UNKNOWN, "internal", None),
    ],
)
def test_an_answer_means_what_the_contract_says(
    status: int, body: bytes, outcome: Outcome, code: str | None, order_id: UUID | None
) -> None:
    reply = understood(httpx.Response(status, content=body))

    assert (reply.outcome, reply.code, reply.order_id) == (outcome, code, order_id)


@dataclass
class Asked:
    """A request as it came in."""

    line: str
    key: str | None
    body: bytes
    at: float


@dataclass
class Stub:
    """Answers each request with the next of `answers`: a status and a body, or None to hang up
    without a word, or "hang" to say nothing for ever. The last answer repeats."""

    answers: deque[tuple[int, bytes] | str | None]
    url: str = ""
    asked: list[Asked] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while await self._answer(reader, writer):
                    pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = httpx.Headers(
            [(name, value) for name, _, value in (each.partition(": ") for each in lines if each)]
        )
        body = await reader.readexactly(int(fields.get("Content-Length", 0)))
        now = asyncio.get_running_loop().time()
        self.asked.append(Asked(first, fields.get("Idempotency-Key"), body, now))
        answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, tuple):
            status, said = answer
            retry = "Retry-After: 1\r\n" if status == 503 else ""
            writer.write(
                f"HTTP/1.1 {status} x\r\n{retry}Content-Length: {len(said)}\r\n\r\n".encode() + said
            )
            return True
        if answer == "hang":
            await reader.read()
        return False


@asynccontextmanager
async def a_stub(*answers: tuple[int, bytes] | str | None) -> AsyncIterator[Stub]:
    stub = Stub(deque(answers))
    async with await asyncio.start_server(stub.serve, "127.0.0.1", 0) as server:
        stub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield stub


def a_wish(**fields: object) -> Wish:
    """Somebody wants to sell 1 SOL, and asks once."""
    body = msgspec.json.encode(SELL_SOL | {"clientOrderId": "name"})
    told: dict[str, object] = {"number": 0, "body": body, "key": "key", "client_order_id": "name"}
    return Wish(**told | fields)  # type: ignore[arg-type]


async def told_to(history: History, path: Path, urls: list[str], *wanted: Wish) -> Clients:
    """The history of those wishes, asked for and then asked about."""
    async with Load(urls, seed=1, rate=1_000, orders=0, history=history, wanted=wanted) as load:
        await load.run()
        await load.finish(SOON)
    return read_history(path)


def outcomes(clients: Clients) -> list[tuple[Outcome, str | None]]:
    return [(post.outcome, post.code) for post in clients.posts]


async def test_an_accepted_order_is_noted_with_its_id_and_its_keys(
    history: History, path: Path
) -> None:
    async with a_stub(ACCEPTED) as api:
        clients = await told_to(history, path, [api.url], a_wish())

    [post] = clients.posts
    assert (post.key, post.client_order_id) == ("key", "name")
    assert (post.outcome, post.code, post.order_id) == (Outcome.OK, None, ORDER)
    assert timedelta(0) < post.took < SOON
    assert [(each.line, each.key) for each in api.asked] == [
        ("POST /api/orders/execute HTTP/1.1", "key")
    ]


async def test_a_refusal_is_an_answer_and_nobody_asks_again(history: History, path: Path) -> None:
    async with a_stub((422, b'{"code":"same_mint"}')) as api:
        clients = await told_to(history, path, [api.url], a_wish(asks_again=True))

    assert outcomes(clients) == [(Outcome.FAIL, "same_mint")]
    assert clients.resolved == []


async def test_a_broken_connection_is_unknown_and_asked_again_with_the_same_key(
    history: History, path: Path
) -> None:
    page = (200, b'{"orders":[{"orderId":"019ab000-0000-7000-8000-000000000001"}]}')
    async with a_stub(None, ACCEPTED, page) as api:
        clients = await told_to(history, path, [api.url], a_wish(asks_again=True))

    assert outcomes(clients) == [(Outcome.UNKNOWN, "RemoteProtocolError"), (Outcome.OK, None)]
    assert [(each.key, each.body) for each in api.asked[:2]] == [("key", a_wish().body)] * 2
    assert clients.resolved == [Resolved("key", "name", (ORDER,))]


async def test_who_is_told_to_wait_waits_that_long(history: History, path: Path) -> None:
    async with a_stub(OVERLOADED, ACCEPTED) as api:
        clients = await told_to(history, path, [api.url], a_wish(asks_again=True))

    assert outcomes(clients) == [(Outcome.FAIL, "overloaded"), (Outcome.OK, None)]
    first, again = (each.at for each in api.asked)
    assert again - first >= 1


@pytest.mark.parametrize("answer", [OVERLOADED, UNAVAILABLE])
async def test_some_never_ask_again(
    history: History, path: Path, answer: tuple[int, bytes]
) -> None:
    async with a_stub(answer, (200, b'{"orders":[]}')) as api:
        clients = await told_to(history, path, [api.url], a_wish())

    posts = [each.line for each in api.asked if each.line.startswith("POST")]
    assert len(clients.posts) == len(posts) == 1


async def test_a_hang_up_is_unknown_and_resolved_by_its_name(history: History, path: Path) -> None:
    async with a_stub("hang", UNAVAILABLE, (200, b'{"orders":[]}')) as api:
        clients = await told_to(history, path, [api.url], a_wish(hang_up=NOT_LONG))

    assert outcomes(clients) == [(Outcome.UNKNOWN, "hung_up")]
    assert clients.posts[0].took >= NOT_LONG
    assert clients.resolved == [Resolved("key", "name", ())]
    assert {each.line for each in api.asked[1:]} == {"GET /api/orders?clientOrderId=name HTTP/1.1"}
    assert len(api.asked) == 3  # once more than it was answered


async def test_a_wish_without_a_name_is_resolved_with_its_key(history: History, path: Path) -> None:
    async with a_stub(None, ACCEPTED) as api:
        clients = await told_to(history, path, [api.url], a_wish(client_order_id=None))

    assert [post.outcome for post in clients.posts] == [Outcome.UNKNOWN, Outcome.OK]
    assert clients.resolved == [Resolved("key", None, (ORDER,))]


async def test_a_wish_without_any_key_is_asked_for_once_and_never_asked_about(
    history: History, path: Path
) -> None:
    async with a_stub(None, ACCEPTED) as api:
        wish = a_wish(key=None, client_order_id=None)
        clients = await told_to(history, path, [api.url], wish)

    assert [post.outcome for post in clients.posts] == [Outcome.UNKNOWN]
    assert [each.key for each in api.asked] == [None]


async def test_where_nobody_listens_the_next_is_asked(history: History, path: Path) -> None:
    async with a_stub(ACCEPTED) as gone:
        pass
    async with a_stub(ACCEPTED, (200, b'{"orders":[]}')) as api:
        clients = await told_to(history, path, [gone.url, api.url], a_wish(copies=2))

    assert sorted(outcomes(clients)) == [
        (Outcome.OK, None),
        (Outcome.OK, None),
        (Outcome.UNKNOWN, "refused"),
    ]


async def test_copies_go_to_different_apis_with_the_same_key(history: History, path: Path) -> None:
    async with a_stub(ACCEPTED) as first, a_stub(ACCEPTED) as second:
        clients = await told_to(history, path, [first.url, second.url], a_wish(copies=2))

    assert [each.key for each in (*first.asked, *second.asked)] == ["key", "key"]
    assert len(first.asked) == len(second.asked) == 1
    assert outcomes(clients) == [(Outcome.OK, None)] * 2


async def test_what_is_not_answered_by_the_end_is_noted_as_unknown(
    history: History, path: Path
) -> None:
    async with (
        a_stub("hang") as api,
        Load([api.url], seed=1, rate=1_000, orders=0, history=history, wanted=[a_wish()]) as load,
    ):
        await load.run()
        await eventually(lambda: api.asked)
        await load.finish(timedelta(0))
        assert load.open == 0

    clients = read_history(path)
    assert outcomes(clients) == [(Outcome.UNKNOWN, "given_up")]
    assert clients.resolved == []


async def test_no_more_is_in_flight_than_allowed_and_a_stopped_load_begins_no_more(
    history: History, path: Path
) -> None:
    wanted = [a_wish(number=number) for number in range(5)]
    async with (
        a_stub("hang") as api,
        Load(
            [api.url],
            seed=1,
            rate=1_000,
            orders=0,
            history=history,
            wanted=wanted,
            in_flight=2,
            patience=NOT_LONG,
        ) as load,
    ):
        running = asyncio.create_task(load.run())
        await eventually(lambda: len(api.asked) == 2)
        load.stop()
        await running
        assert load.asked == 2
        await eventually(lambda: not load.open)

    assert outcomes(read_history(path)) == [(Outcome.UNKNOWN, "timeout")] * 2
