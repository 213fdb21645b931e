"""Clients of every kind at once: they place orders at a rate, hang up, ask again and watch."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from random import Random
from types import TracebackType
from typing import Self
from uuid import UUID

from tests.chaos.asking import OVERLOADED, REFUSED, Asking, Reply
from tests.chaos.crowd import Crowd
from tests.chaos.evidence import Outcome, Post, Resolved
from tests.chaos.history import History
from tests.chaos.subscribers import Subscribers
from tests.chaos.wishes import Wish, wishes

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Seconds before a client asks again: doubling, with full jitter above a half."""
CATCH_UP = 0.1
"""Seconds by which the load may be late and still catch up; what is later is let go."""

GIVEN_UP = Reply(Outcome.UNKNOWN, "given_up")


class Load:
    """Places `orders` orders at `rate` a second, which may change, with the APIs at `api_urls`.

    The seed decides what is asked; when it is answered is up to the engine. `in_flight` bounds
    requests and `sockets` subscribers at one time. An answer is waited for `patience`, and a
    subscriber's next word for `quiet`. `wanted` takes the place of what the seed would draw.
    """

    def __init__(
        self,
        api_urls: Sequence[str],
        *,
        seed: int,
        rate: float,
        orders: int,
        history: History,
        in_flight: int = 500,
        sockets: int = 300,
        patience: timedelta = timedelta(seconds=10),
        quiet: timedelta = timedelta(seconds=20),
        wanted: Iterable[Wish] | None = None,
    ) -> None:
        self.counts: Counter[str] = Counter()
        """How many requests ended with each outcome."""
        self.asked = 0
        """How many orders were begun."""
        self.rate = rate
        self._apis = len(api_urls)
        self._wishes = wishes(seed, orders) if wanted is None else wanted
        self._history = history
        self._slots = asyncio.Semaphore(in_flight)
        self._dice = Random(f"load {seed}")
        self._asking = Asking(api_urls, patience=patience)
        self._subscribers = Subscribers(
            api_urls, history=history, dice=self._dice, at_once=sockets, quiet=quiet
        )
        self._is_stopped = False
        self._crowd = Crowd()
        self._accepted: set[int] = set()
        self._unknown: dict[int, Wish] = {}
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._exit.enter_async_context(self._asking)
        self._exit.push_async_callback(self._crowd.end)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self._exit.aclose()

    @property
    def open(self) -> int:
        """How many clients are still asking or watching."""
        return len(self._crowd)

    def stop(self) -> None:
        """Begin no more orders: `run` returns soon."""
        self._is_stopped = True

    async def run(self) -> None:
        """Begin every order. Returns when the last is begun; clients may still ask and watch."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        for wish in self._wishes:
            due = max(due + 1 / self.rate, loop.time() - CATCH_UP)
            await asyncio.sleep(due - loop.time())
            async with self._slots:  # one is free, or becomes so
                if self._is_stopped:
                    break
            self.asked += 1
            first = self._dice.randrange(self._apis)
            for copy in range(wish.copies):
                self._crowd.begin(
                    self._ask(wish, first + copy, wish.hang_up if copy == 0 else None)
                )
            self._crowd.check()

    async def finish(self, within: timedelta) -> None:
        """After the storm: let clients be answered and hear their stories to the end, and ask
        what became of requests whose outcome was unknown. Each of the two may take `within`;
        whatever is not done then is given up, and the history shows it."""
        await self._crowd.settle(within)
        for wish in self._unknown.values():
            self._crowd.begin(self._resolve(wish))
        self._unknown = {}
        await self._crowd.settle(within)

    async def _ask(self, wish: Wish, api: int, hang_up: timedelta | None) -> None:
        """Ask once, or until there is an answer."""
        tries = 0
        while True:
            reply = await self._post_anywhere(wish, api, hang_up)
            if reply.outcome is Outcome.OK:
                return self._watch(wish, reply.order_id)
            final = reply.outcome is Outcome.FAIL and reply.code != OVERLOADED
            if final or not wish.asks_again:
                return
            await asyncio.sleep(self._pause(tries, reply))
            tries, api, hang_up = tries + 1, api + 1, None

    async def _post_anywhere(self, wish: Wish, api: int, hang_up: timedelta | None) -> Reply:
        """Ask one API after the other, for as long as connections are refused."""
        for number in range(api, api + self._apis):
            reply = await self._post(wish, number % self._apis, hang_up)
            if reply.code != REFUSED:
                break
        return reply

    async def _post(self, wish: Wish, api: int, hang_up: timedelta | None) -> Reply:
        """Ask one API, and note what is known then, even if this is cancelled."""
        reply = GIVEN_UP
        async with self._slots:
            at, start = datetime.now(UTC), time.perf_counter()
            try:
                reply = await self._asking.place(wish, api, hang_up)
            finally:
                self._note(wish, reply, at, timedelta(seconds=time.perf_counter() - start))
        return reply

    def _note(self, wish: Wish, reply: Reply, at: datetime, took: timedelta) -> None:
        outcome, key, name = reply.outcome, wish.key, wish.client_order_id
        self._history.append(Post(key, name, outcome, reply.code, reply.order_id, at, took))
        self.counts[outcome] += 1
        if outcome is Outcome.UNKNOWN and (key or name):
            self._unknown[wish.number] = wish

    def _watch(self, wish: Wish, order_id: UUID | None) -> None:
        if order_id is None or wish.number in self._accepted:
            return
        self._accepted.add(wish.number)
        for number, watcher in enumerate(wish.watchers):
            name = f"{wish.number}.{number}"
            self._crowd.begin(self._subscribers.follow(name, order_id, watcher))

    async def _resolve(self, wish: Wish) -> None:
        """Ask what became of a wish: by its name, or with its key, which may place it now."""
        api, tries = self._dice.randrange(self._apis), 0
        while (found := await self._found(wish, api % self._apis)) is None:
            await asyncio.sleep(self._pause(tries))
            tries, api = tries + 1, api + 1
        self._history.append(Resolved(wish.key, wish.client_order_id, found))

    async def _found(self, wish: Wish, api: int) -> tuple[UUID, ...] | None:
        if wish.client_order_id is None:
            reply = await self._post(wish, api, None)
            return (reply.order_id,) if reply.order_id else None
        async with self._slots:
            return await self._asking.find(wish.client_order_id, api)

    def _pause(self, tries: int, reply: Reply | None = None) -> float:
        most = min(LONGEST_PAUSE, FIRST_PAUSE * 2**tries)
        asked = reply.retry_after.total_seconds() if reply else 0
        return asked + self._dice.uniform(most / 2, most)
