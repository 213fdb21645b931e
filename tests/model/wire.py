"""The network between a process and the servers that it talks to."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from orders.domain.errors import StoreUnavailable, Transient, Unknown
from orders.ports import Hint, Horizon
from tests.model.fate import ANSWER, REQUEST, Calm
from tests.model.loop import Loop, Process

T = TypeVar("T")
Note = Callable[..., None]
Strike = Callable[[Process, str], None]


def at_once(call: Coroutine[Any, Any, T]) -> T:
    """The result of a fake's coroutine, which waits for nothing but its turn."""
    try:
        while True:
            call.send(None)
    except StopIteration as end:
        result: T = end.value
        return result


class Remote:
    """Any asynchronous port, a network away.

    A call is served in the server's own time: once it is under way, the caller's death does
    not stop it for sure, nor does its giving up.
    """

    def __init__(
        self,
        inner: object,
        name: str,
        *,
        loop: Loop,
        fate: Calm,
        process: Process,
        strike: Strike,
        note: Note,
    ) -> None:
        self.dex = name
        self._inner = inner
        self._name = name
        self._loop = loop
        self._fate = fate
        self._process = process
        self._strike = strike
        self._note = note

    def __getattr__(self, method: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        return partial(self._call, method, getattr(self._inner, method))

    async def _call(self, method: str, serve: Callable[..., Any], *args: Any, **named: Any) -> Any:
        trip = self._fate.trip(self._name, method)
        answer: asyncio.Future[Any] = self._loop.create_future()
        what = (self._process.name, f"{self._name}.{method}", args)

        def arrive() -> None:
            if trip.lost == REQUEST:
                return fail("lost on the way there")
            if self._process.is_dead and not self._fate.reaches():
                return self._note(*what, "its sender is dead")
            struck(before=True)
            try:
                reply(at_once(serve(*args, **named)), None)
            except Exception as error:
                reply(None, error)
            struck(before=False)

        def struck(*, before: bool) -> None:
            fault = None if self._process.is_dead else self._fate.strike()
            if fault:
                self._note(fault, "before" if before else "after", *what)
                self._strike(self._process, fault)

        def reply(value: object, error: Exception | None) -> None:
            self._note(*what, "=", error if error else value)
            if trip.lost == ANSWER:
                return fail("its answer lost")
            self._loop.outside_later(trip.back, settle, value, error)

        def fail(how: str) -> None:
            self._note(*what, how, "for ever" if trip.hangs else "")
            if not trip.hangs:
                self._loop.outside_later(trip.back, settle, None, self._loss(method))

        def settle(value: object, error: Exception | None) -> None:
            if answer.done():
                return
            if error:
                answer.set_exception(error)
            else:
                answer.set_result(value)

        self._loop.outside_later(trip.there, arrive)
        return await answer

    def _loss(self, method: str) -> Exception:
        """What an honest adapter makes of a lost connection."""
        if self._name == "store":
            return StoreUnavailable("the connection was lost")
        if self._name == "queue":
            return ConnectionError()
        if method in ("quote", "build"):
            return Transient("the connection was lost")
        return Unknown("the connection was lost")


class QueueLine:
    """The queue as a process sees it: hints are sent and not waited for."""

    def __init__(self, remote: Remote, loop: Loop, fate: Calm, send: Callable[..., None]) -> None:
        self._remote = remote
        self._loop = loop
        self._fate = fate
        self._send = send

    def enqueue(self, hints: Sequence[Hint]) -> None:
        trip = self._fate.trip("queue", "enqueue")
        if hints and trip.lost is None:
            self._loop.outside_later(trip.there, self._send, hints)

    async def horizon(self) -> Horizon | None:
        with suppress(ConnectionError):
            horizon: Horizon | None = await self._remote.horizon()
            return horizon
        return None

    async def mark(self) -> None:
        with suppress(ConnectionError):
            await self._remote.mark()
