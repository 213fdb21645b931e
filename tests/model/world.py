"""All that outlives a process: store, queue, feed, venues, and the judge who sees everything."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any, Protocol
from uuid import UUID

from orders.domain.order import Order
from orders.domain.retry import RetryPolicy
from orders.execution import Execution
from orders.ports import Hint, Queue, Step
from tests.fakes.feed import FakeFeed
from tests.fakes.queue import FakeQueue
from tests.fakes.store import FakeStore
from tests.fakes.venue import Ledger
from tests.model.fate import Calm
from tests.model.invariants import Judge
from tests.model.loop import Loop, LoopClock, Process
from tests.model.trace import short
from tests.model.venue import ModelVenue
from tests.model.wire import QueueLine, Remote, at_once

LEASE = timedelta(seconds=5)
FETCH_AGAIN = 0.5
"""Seconds until workers ask a queue again that they could not reach."""


class ModelStore(FakeStore):
    """A store whose every step the judge sees, whether or not its caller hears of it."""

    judge: Judge

    async def add(self, order: Order, keys: Any, fingerprint: str) -> Any:
        added = await super().add(order, keys, fingerprint)
        if not added.replayed:
            self.judge.stored(added.order)
        return added

    async def save(self, order: Order, *, claim: int = 0) -> Order:
        stored = await super().save(order, claim=claim)
        self.judge.stored(stored)
        return stored


class ModelFeed(FakeFeed):
    """A feed whose every word the judge hears."""

    judge: Judge

    def publish(self, order: Order) -> None:
        self.judge.told(order)
        super().publish(order)


@dataclass(frozen=True)
class Engine:
    """What the engine is made of, so that a test can break a part of it."""

    execution: type[Execution] = Execution
    store: type[ModelStore] = ModelStore
    sweeps: bool = True


class Member(Protocol):
    """A worker, as far as the queue knows it."""

    process: Process

    def deliver(self, order_id: UUID) -> None:
        """Give it a hint."""


class World:
    """Servers, and the processes that talk to them."""

    def __init__(
        self, random: Random, fate: Calm, engine: Engine | None = None, *, traces: bool = True
    ) -> None:
        self.random = random
        self.fate = fate
        self.engine = engine or Engine()
        self.trace: list[str] = []
        self._traces = traces
        self.loop = Loop(random)
        self.clock = LoopClock(self.loop)
        ledger = Ledger()
        self.judge = Judge(ledger, self.clock.now, lambda: self.venues["alpha"].inner.height)
        self.venues = {
            dex: ModelVenue(
                *(dex,),
                loop=self.loop,
                clock=self.clock,
                fate=fate,
                judge=self.judge,
                ledger=ledger,
                note=self.note,
            )
            for dex in ("alpha", "beta")
        }
        self.store = self.engine.store(clock=self.clock, lease=LEASE)
        self.feed = ModelFeed()
        self.store.judge = self.feed.judge = self.judge
        self.queue = FakeQueue()
        self.members: list[Member] = []
        """Every worker there ever was."""
        self.delivers = True
        """Whether hints are delivered by themselves."""
        self.policy = RetryPolicy()
        self._names = 0

    def note(self, *words: object) -> None:
        """Write a line of the trace."""
        if self._traces:
            self.trace.append(f"{self.loop.time():9.3f} {' '.join(map(short, words))}".rstrip())

    def process(self, kind: str) -> Process:
        """A process with a name of its own."""
        self._names += 1
        return Process(f"{kind}-{self._names}")

    def remote(self, inner: object, name: str, process: Process) -> Remote:
        """A server as `process` sees it."""
        return Remote(
            *(inner, name),
            loop=self.loop,
            fate=self.fate,
            process=process,
            strike=self.strike,
            note=self.note,
        )

    def line(self, process: Process) -> Queue:
        """The queue as `process` sees it."""
        remote = self.remote(self.queue, "queue", process)
        return QueueLine(remote, self.loop, self.fate, self.enqueue)

    def enqueue(self, hints: Sequence[Hint]) -> None:
        """Hints reached the queue."""
        self.queue.enqueue(hints)
        self.wake()

    def wake(self) -> None:
        """Deliver soon what the queue holds."""
        for _ in self.queue.hints if self.delivers else ():
            self.loop.outside_later(self.fate.trip("venue", "deliver").there, self._deliver)

    def _deliver(self) -> None:
        alive = [worker for worker in self.members if not worker.process.is_dead]
        if not self.queue.hints:
            return
        if not alive or self.queue.unreachable:
            return self.loop.outside_later(FETCH_AGAIN, self._deliver)
        hints = self.queue.hints
        which = self.random.randrange(len(hints)) if self.fate.delivers_any() else 0
        hint = hints.pop(which)
        if self.fate.delivers_twice():
            self.enqueue([hint])
        self.random.choice(alive).deliver(hint.order_id)

    def strike(self, process: Process, fault: str) -> None:
        """A process dies or stands still. Who brings it back is for others to say."""
        if fault == "kill":
            self.loop.kill(process)
        else:
            self.loop.pause(process)

    def histories(self) -> dict[UUID, list[Step]]:
        """What the store tells of every order, whether or not it can be reached."""
        was, self.store.unavailable = self.store.unavailable, False
        histories = {one: at_once(self.store.history(one)) for one in self.judge.stories}
        self.store.unavailable = was
        return histories

    def check(self) -> None:
        """Hold the invariants against the store and the ledger."""
        self.judge.check(self.histories())

    @property
    def is_settled(self) -> bool:
        """Whether every order is final."""
        return all(story[-1].is_final for story in self.judge.stories.values())
