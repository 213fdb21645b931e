"""Asks the processes of an engine what they count, and an API which orders failed last."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import httpx

from services.cli.client import is_remote
from services.cli.errors import CliError
from services.cli.top.samples import Samples, parse

PATIENCE = timedelta(seconds=2)

Kind = Literal["API", "worker"]


@dataclass(frozen=True)
class Reading:
    """What one process said when it was asked, or why it said nothing."""

    kind: Kind
    url: str
    counted: Samples = field(default_factory=Samples)
    states: Samples = field(default_factory=Samples)
    error: str | None = None
    is_stranger: bool = False
    """Something answers there, and it is no process of an engine."""

    @property
    def began(self) -> float | None:
        """When it was started, in Unix time; not every system lets it know."""
        return next(iter(self.states.told("process_start_time_seconds")), None)

    @property
    def versions(self) -> set[str]:
        """The release that it runs, if it says so."""
        return set(self.states.by("version", "order_engine_build_info"))


@dataclass(frozen=True)
class Failure:
    """An order that failed."""

    order_id: str
    code: str
    detail: str
    at: datetime


class Process:
    """One process, over one connection."""

    def __init__(self, kind: Kind, url: str, http: httpx.AsyncClient) -> None:
        self.kind: Kind = kind
        self._url = url
        self._http = http

    async def read(self) -> Reading:
        """What it counts. Never raises for what the process does."""
        try:
            answer = await self._http.get("/metrics")
        except httpx.HTTPError as error:
            return self._none(_reason(error))
        if answer.status_code != httpx.codes.OK:
            wrong = f"GET /metrics was answered with {answer.status_code}"
            return self._none(wrong, is_stranger=answer.status_code < 500)
        try:
            counted, states = parse(answer.text)
        except ValueError:
            return self._none("what GET /metrics answers are no metrics", is_stranger=True)
        reading = Reading(self.kind, self._url, counted, states)
        if not reading.versions:
            return self._none("the metrics there are not an order engine's", is_stranger=True)
        return reading

    async def failures(self, limit: int) -> list[Failure]:
        """Those of its newest orders that failed, the last to fail first. Raises `CliError`."""
        asked = {"status": "failed", "limit": str(limit)}
        try:
            answer = await self._http.get("/api/orders", params=asked)
            answer.raise_for_status()
            found = [
                Failure(
                    order_id=order["orderId"],
                    code=order["error"]["code"],
                    detail=order["error"]["detail"],
                    at=datetime.fromisoformat(order["updatedAt"]),
                )
                for order in answer.json()["orders"]
            ]
        except httpx.HTTPError as error:
            raise CliError(_reason(error)) from error
        except (ValueError, LookupError, TypeError) as error:
            raise CliError("GET /api/orders was not answered with orders") from error
        return sorted(found, key=lambda failure: failure.at, reverse=True)

    def _none(self, error: str, *, is_stranger: bool = False) -> Reading:
        return Reading(self.kind, self._url, error=error, is_stranger=is_stranger)


@asynccontextmanager
async def processes(
    apis: Sequence[str], workers: Sequence[str]
) -> AsyncIterator[tuple[Process, ...]]:
    """Each address once. Raises `CliError` for one that makes no sense."""
    kinds: dict[str, Kind] = dict.fromkeys(apis, "API")
    for url in workers:
        kinds.setdefault(url, "worker")
    async with AsyncExitStack() as stack:

        async def process(url: str, kind: Kind) -> Process:
            http = httpx.AsyncClient(
                base_url=url, trust_env=is_remote(url), timeout=PATIENCE.total_seconds()
            )
            return Process(kind, url, await stack.enter_async_context(http))

        try:
            yield tuple([await process(url, kind) for url, kind in kinds.items()])
        except httpx.InvalidURL as error:
            raise CliError(f"{error}: {', '.join(kinds)}") from error


async def read(all_of_them: Sequence[Process]) -> list[Reading]:
    """What they count, all asked at once."""
    return await asyncio.gather(*(process.read() for process in all_of_them))


def _reason(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {PATIENCE.total_seconds():g} s"
    if isinstance(error, httpx.HTTPStatusError):
        return f"GET {error.request.url.path} was answered with {error.response.status_code}"
    return f"no answer: {str(error) or type(error).__name__}"
