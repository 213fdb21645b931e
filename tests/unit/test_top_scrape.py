"""What `top` makes of what processes answer, be it nothing or nonsense."""

from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest

from services.cli.errors import CliError
from services.cli.top.scrape import Failure, Process, Reading, processes
from tests.unit.top import gauge, told

URL = "http://a:8000"
OLD = {
    "orderId": "019aab3c-0000-7000-8000-000000000001",
    "status": "failed",
    "updatedAt": "2026-11-22T12:00:00.000Z",
    "error": {"code": "no_route", "detail": "no venue gave a quote"},
}
NEW = OLD | {"orderId": "019aab3c-0000-7000-8000-000000000002"}
NEW |= {"updatedAt": "2026-11-22T12:00:01.500Z"}

Answer = Callable[[httpx.Request], httpx.Response]


def process(answer: Answer) -> Process:
    """An API that answers so."""
    http = httpx.AsyncClient(base_url=URL, transport=httpx.MockTransport(answer))
    return Process("API", URL, http)


def saying(text: str, status: int = 200) -> Process:
    return process(lambda _: httpx.Response(status, text=text))


def breaking(error: Exception) -> Process:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    return process(answer)


async def test_a_process_says_its_release_its_age_and_its_metrics() -> None:
    heard = await saying(told(gauge("order_engine_sockets", 4), began=1_000)).read()

    assert (heard.error, heard.versions, heard.began) == (None, {"0.1.0"}, 1_000)
    assert heard.states.told("order_engine_sockets") == [4]


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (breaking(httpx.ConnectError("refused")), "no answer: refused"),
        (breaking(httpx.ReadError("")), "no answer: ReadError"),
        (breaking(httpx.ReadTimeout("")), "no answer within 2 s"),
        (saying("", 503), "GET /metrics was answered with 503"),
    ],
)
async def test_a_process_that_does_not_answer_may_come_back(asked: Process, error: str) -> None:
    assert await asked.read() == Reading("API", URL, error=error)


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (saying("", 404), "GET /metrics was answered with 404"),
        (saying("<html>a b c</html>"), "what GET /metrics answers are no metrics"),
        (saying(gauge("node_load1", 1)), "the metrics there are not an order engine's"),
        (saying(""), "the metrics there are not an order engine's"),
    ],
)
async def test_what_is_no_engine_is_a_stranger(asked: Process, error: str) -> None:
    assert await asked.read() == Reading("API", URL, error=error, is_stranger=True)


async def test_the_order_that_failed_last_comes_first() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.query == b"status=failed&limit=2"
        return httpx.Response(200, json={"orders": [OLD, NEW], "nextCursor": None})

    first, second = await process(answer).failures(2)

    assert first == Failure(
        "019aab3c-0000-7000-8000-000000000002",
        "no_route",
        "no venue gave a quote",
        datetime(2026, 11, 22, 12, 0, 1, 500_000, tzinfo=UTC),
    )
    assert second.at == datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (breaking(httpx.ConnectError("refused")), "no answer: refused"),
        (saying("{}", 503), "GET /api/orders was answered with 503"),
        (saying("{}"), "GET /api/orders was not answered with orders"),
        (saying("<html>"), "GET /api/orders was not answered with orders"),
        (saying("[]"), "GET /api/orders was not answered with orders"),
    ],
)
async def test_why_failures_cannot_be_had_is_said(asked: Process, error: str) -> None:
    with pytest.raises(CliError, match=error):
        await asked.failures(2)


async def test_an_address_that_is_given_twice_is_asked_once() -> None:
    async with processes(["http://a:1", "http://a:1"], ["http://a:1", "http://b:2"]) as asked:
        assert [each.kind for each in asked] == ["API", "worker"]


async def test_an_address_that_makes_no_sense_is_named() -> None:
    with pytest.raises(CliError, match="http://a:b"):
        async with processes(["http://a:b"], []):
            pass
