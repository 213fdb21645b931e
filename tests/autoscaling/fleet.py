"""Workers as arithmetic: orders arrive, wait, are held for a while, and are done.

A worker holds `concurrency` orders at once, each for `held` seconds, and starts no more than
`cpu` of them a second. It takes `starting` seconds until it works. One that leaves hands over
what it holds; whoever gets that waits for the same trade, and so no longer than the first had to.
"""

from bisect import insort
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise

from tests.autoscaling.hpa import SYNC, Hpa, Keda
from tests.autoscaling.policies import Scaling

STEP = 0.25
"""Seconds."""

Batch = tuple[float, int]
"""When they are done, and how many they are."""


@dataclass
class Worker:
    """Holds batches of orders, those that are done first in front."""

    works_from: float
    batches: deque[Batch] = field(default_factory=deque)
    holds: int = 0

    def take(self, batch: Batch) -> None:
        insort(self.batches, batch)
        self.holds += batch[1]

    def finished(self, now: float) -> int:
        """How many are done by now; it lets go of them."""
        before = self.holds
        while self.batches and self.batches[0][0] <= now:
            self.holds -= self.batches.popleft()[1]
        return before - self.holds


@dataclass
class Fleet:
    """All workers and their queue, at one moment."""

    concurrency: int = 250
    held: float = 1.0
    cpu: float = 3000.0
    starting: float = 10.0
    now: float = 0.0
    waiting: int = 0
    done: int = 0
    handed_over: deque[Batch] = field(default_factory=deque)
    workers: list[Worker] = field(default_factory=lambda: [Worker(0.0)])

    @property
    def backlog(self) -> int:
        """What XLEN says: what waits and what is held."""
        handed_over = sum(count for _, count in self.handed_over)
        return self.waiting + handed_over + self.in_flight

    @property
    def in_flight(self) -> int:
        return sum(worker.holds for worker in self.workers)

    def resize(self, replicas: int) -> None:
        """Add workers that start now, or let the newest ones hand over and go."""
        while len(self.workers) < replicas:
            self.workers.append(Worker(self.now + self.starting))
        while len(self.workers) > replicas:
            self.handed_over.extend(self.workers.pop().batches)

    def step(self, arrivals: int) -> None:
        """Let `STEP` seconds pass."""
        self.now += STEP
        self.waiting += arrivals
        working = [each for each in self.workers if each.works_from <= self.now]
        self.done += sum(worker.finished(self.now) for worker in working)
        for left, worker in zip(range(len(working), 0, -1), working, strict=True):
            self._take(worker, left)

    def _take(self, worker: Worker, left: int) -> None:
        """What was handed over, then its share of what waits, `left` workers being without."""
        free = min(self.concurrency - worker.holds, int(self.cpu * STEP))
        while self.handed_over and self.handed_over[0][1] <= free:
            done_at, count = self.handed_over.popleft()
            worker.take((max(done_at, self.now + STEP), count))
            free -= count
        taken = min(free, -(-self.waiting // left))
        if taken > 0:
            self.waiting -= taken
            worker.take((self.now + self.held, taken))


@dataclass(frozen=True)
class Moment:
    """What there was when the autoscaler had decided."""

    at: float
    backlog: int
    waiting: int
    in_flight: int
    replicas: int


@dataclass
class Loop:
    """A fleet under an autoscaler that reads `signal` off it, `backlog` if it is ours."""

    fleet: Fleet
    scaling: Scaling
    signal: str = "backlog"
    story: list[Moment] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._hpa, self._keda = Hpa(self.scaling), Keda(self.scaling)
        self._steps, self._owed = 0, 0.0

    def run(self, seconds: float, rate: float) -> list[Moment]:
        """Let `rate` orders a second arrive. Answers what was decided meanwhile."""
        began = len(self.story)
        for _ in range(round(seconds / STEP)):
            self._owed += rate * STEP
            arrivals = int(self._owed)
            self._owed -= arrivals
            self.tick(arrivals)
        return self.story[began:]

    def tick(self, arrivals: int) -> None:
        """One step, and a decision when it is time for one."""
        self.fleet.step(arrivals)
        self._steps += 1
        if self._is_time(self.scaling.polling):
            self._resize(self._keda)
        if self._is_time(SYNC) and self.fleet.workers:
            self._resize(self._hpa)
            self.story.append(self._moment())

    def _is_time(self, period: int) -> bool:
        return self._steps % round(period / STEP) == 0

    def _resize(self, decide: Hpa | Keda) -> None:
        value = getattr(self.fleet, self.signal)
        self.fleet.resize(decide(self.fleet.now, value, len(self.fleet.workers)))

    def _moment(self) -> Moment:
        fleet = self.fleet
        return Moment(fleet.now, fleet.backlog, fleet.waiting, fleet.in_flight, len(fleet.workers))


def turns(story: list[Moment]) -> int:
    """How often the replicas began to go the other way: what flapping is."""
    counts = [moment.replicas for moment in story]
    moves = [after - before for before, after in pairwise(counts)]
    ways = [move > 0 for move in moves if move]
    return sum(before != after for before, after in pairwise(ways))
