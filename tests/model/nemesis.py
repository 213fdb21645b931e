"""Faults of servers, and of processes at moments of no importance."""

from collections.abc import Callable
from functools import partial

from tests.model.loop import Process
from tests.model.processes import Api, Worker
from tests.model.world import World


class Nemesis(World):
    """A world whose parts fail. Whoever dies is replaced; what was cut comes back."""

    apis: list[Api]
    workers: list[Worker]

    def strike(self, process: Process, fault: str) -> None:
        """Whoever dies is replaced, and whoever stands still goes on, some time later."""
        if process.is_dead or process.is_paused:
            return
        super().strike(process, fault)
        wait = self.random.uniform(0, 12)
        after = self._replace if fault == "kill" else self.loop.resume
        self.loop.outside_later(wait if fault == "pause" else wait / 4, partial(after, process))

    def processes(self) -> list[Process]:
        every = [one.process for one in self.apis] + [one.process for one in self.workers]
        return [process for process in every if not process.is_dead]

    def _replace(self, process: Process) -> None:
        """Start another where one died."""
        if any(api.process is process for api in self.apis):
            self.apis.append(Api(self))
        else:
            self.workers.append(Worker(self))
        self.wake()

    def faults(self) -> list[Callable[[], None]]:
        return [
            *(self._strike_one, self._drain_one, self._lose_queue, self._shuffle_queue),
            *(self._cut_queue, self._cut_store, self._move_price, self._move_price),
        ]

    def _strike_one(self) -> None:
        process = self.random.choice(self.processes() or [self.loop.outside])
        fault = self.random.choice(("kill", "pause"))
        if process is not self.loop.outside:
            self.note(f"{process.name} {fault}")
            self.strike(process, fault)

    def _drain_one(self) -> None:
        for worker in self.workers:
            if not worker.process.is_dead and not worker.process.is_paused:
                self.note(f"{worker.process.name} drain")
                worker.spawn(worker.stop)
                return self._replace(worker.process)
        return None

    def _lose_queue(self) -> None:
        self.note("the queue loses everything")
        self.queue.lose_all()

    def _shuffle_queue(self) -> None:
        """Reorder what waits, and repeat it."""
        self.note("the queue is shuffled and doubled")
        self.queue.hints += self.queue.hints
        self.random.shuffle(self.queue.hints)
        self.wake()

    def _cut_queue(self) -> None:
        self._cut(self.queue, "unreachable")

    def _cut_store(self) -> None:
        self._cut(self.store, "unavailable")

    def _cut(self, server: object, how: str) -> None:
        self.note(f"{how}: {type(server).__name__}")
        setattr(server, how, True)

        def mend() -> None:
            self.note(f"no longer {how}: {type(server).__name__}")
            setattr(server, how, False)
            self.wake()

        self.loop.outside_later(self.random.uniform(0, 8), mend)

    def _move_price(self) -> None:
        venue = self.random.choice(list(self.venues.values()))
        venue.inner.price = self.random.choice((900, 985, 995, 1_000, 1_005, 1_100))
        self.note(f"{venue.dex} pays {venue.inner.price}")
