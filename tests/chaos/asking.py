"""One client's HTTP: a request to place or to find an order, and what is known after it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Self
from uuid import UUID

import httpx
import msgspec

from tests.chaos.evidence import Outcome
from tests.chaos.wishes import Wish

OVERLOADED = "overloaded"
REFUSED = "refused"
"""The code of a request whose connection was refused: nobody listened."""
HUNG_UP = "hung_up"

EXECUTE = "/api/orders/execute"
JSON = {"Content-Type": "application/json"}


class _Accepted(msgspec.Struct, rename="camel"):
    order_id: UUID | None = None


class _Problem(msgspec.Struct):
    code: str | None = None


class _Page(msgspec.Struct):
    orders: list[_Accepted]


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: an outcome, the code of what is not ok, the order's id if one was given,
    and how long the server asks to be left alone."""

    outcome: Outcome
    code: str | None = None
    order_id: UUID | None = None
    retry_after: timedelta = timedelta(0)


class Asking:
    """The lines to the APIs at `urls`. An answer is waited for `patience`."""

    def __init__(self, urls: Sequence[str], *, patience: timedelta) -> None:
        self._patience = patience
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=50)
        self._lines = [
            httpx.AsyncClient(base_url=url, trust_env=False, timeout=None, limits=limits)
            for url in urls
        ]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await asyncio.gather(*(line.aclose() for line in self._lines))

    async def place(self, wish: Wish, api: int, hang_up: timedelta | None = None) -> Reply:
        """Ask the API of that number for what is wished, and wait no longer than `hang_up`."""
        headers = JSON if wish.key is None else {**JSON, "Idempotency-Key": wish.key}
        try:
            async with asyncio.timeout((hang_up or self._patience).total_seconds()):
                answer = await self._lines[api].post(EXECUTE, content=wish.body, headers=headers)
        except httpx.ConnectError:
            return Reply(Outcome.UNKNOWN, REFUSED)
        except httpx.TransportError as broken:
            return Reply(Outcome.UNKNOWN, type(broken).__name__)
        except TimeoutError:
            return Reply(Outcome.UNKNOWN, HUNG_UP if hang_up else "timeout")
        return understood(answer)

    async def find(self, client_order_id: str, api: int) -> tuple[UUID, ...] | None:
        """The orders of that name; None when the API does not answer."""
        try:
            async with asyncio.timeout(self._patience.total_seconds()):
                params = {"clientOrderId": client_order_id}
                answer = await self._lines[api].get("/api/orders", params=params)
        except (httpx.TransportError, TimeoutError):
            return None
        if answer.status_code != httpx.codes.OK:
            return None
        page = msgspec.json.decode(answer.content, type=_Page)
        return tuple(each.order_id for each in page.orders if each.order_id)


def understood(answer: httpx.Response) -> Reply:
    """What an answer means to who asked. A body that makes no sense says nothing."""
    try:
        if answer.is_success:
            accepted = msgspec.json.decode(answer.content, type=_Accepted)
            return Reply(Outcome.OK, order_id=accepted.order_id)
        code = msgspec.json.decode(answer.content, type=_Problem).code
    except msgspec.DecodeError:
        code = None
        if answer.is_success:
            return Reply(Outcome.OK)
    refused = answer.is_client_error or code == OVERLOADED
    return Reply(
        Outcome.FAIL if refused else Outcome.UNKNOWN,
        code or str(answer.status_code),
        retry_after=_retry_after(answer),
    )


def _retry_after(answer: httpx.Response) -> timedelta:
    given = answer.headers.get("Retry-After", "")
    return timedelta(seconds=int(given)) if given.isdigit() else timedelta(0)
