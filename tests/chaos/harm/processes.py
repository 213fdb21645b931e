"""Harm to processes: killed, frozen past their leases, told to stop, at a point or anywhere."""

import asyncio
import signal
from contextlib import suppress
from datetime import timedelta
from functools import partial
from random import Random

from tests.chaos import points
from tests.chaos.fleet import Service, send
from tests.chaos.harm import Faults, NotStruck
from tests.chaos.points import API_POINTS, WORKER_POINTS, Action, Point
from tests.chaos.stage import Stage
from tests.chaos.venue.faults import Fault
from tests.eventually import eventually

SPRINGS_WITHIN = timedelta(seconds=15)
"""How long a trap waits for a process to pass."""
ENDS_WITHIN = timedelta(seconds=60)
"""How long a process may take to end before the run is given up."""
LEASE = timedelta(seconds=5)


class Processes:
    """Harms the processes of `stage`, and freezes them for at most `longest_freeze`."""

    def __init__(self, stage: Stage, dice: Random, *, longest_freeze: timedelta) -> None:
        self._stage = stage
        self._dice = dice
        self._longest_freeze = longest_freeze

    def faults(self) -> Faults:
        """Every fault by name."""
        at_points = {
            f"{action} {kind} at {point}": partial(self._trap_one, kind, point, action)
            for kind, where in (("api", API_POINTS), ("worker", WORKER_POINTS))
            for point in where
            for action in (Action.KILL, Action.FREEZE)
        }
        return {
            **at_points,
            "kill worker": partial(self._kill, "worker"),
            "kill api": partial(self._kill, "api"),
            "kill venue": partial(self._kill, "venue"),
            "freeze worker": self._freeze,
            "kill taskiq manager": self._kill_manager,
            "kill taskiq child": self._kill_child,
            "stop workers": self._stop_workers,
            "rolling restart": self._roll,
        }

    async def _trap_one(self, kind: str, point: Point, action: Action) -> None:
        await self._trap(self._one(kind), point, action)

    async def _stop_workers(self) -> None:
        """Told to stop where they hold something, and while trades land late, so that there is
        something to hand over: what lands at once is finished by who holds it."""
        late = Fault.LATE_LANDING_BEFORE_EXPIRY
        async with self._stage.troubled(lambda mode, rate: 1 if mode is late else rate):
            for service in self._stage.fleet.of("worker"):
                await self._trap(service, Point.ANY, Action.STOP)

    async def _trap(self, service: Service, point: Point, action: Action) -> None:
        folder, deaths = self._stage.folder, len(service.deaths)
        points.arm(folder, service.name, point, action)
        await self._until_sprung(service)
        if action is Action.FREEZE:
            return await self._thaw(service)
        await self._until_back(service, deaths)

    async def _until_sprung(self, service: Service) -> None:
        trap = points.armed(self._stage.folder, service.name)
        with suppress(AssertionError):
            await eventually(lambda: not trap.exists(), SPRINGS_WITHIN)
            return
        if points.disarm(self._stage.folder, service.name):
            raise NotStruck

    async def _kill(self, kind: str) -> None:
        await self._end(self._one(kind), signal.SIGKILL)

    async def _freeze(self) -> None:
        service = self._one("worker")
        service.signal(signal.SIGSTOP)
        await self._thaw(service)

    async def _thaw(self, service: Service) -> None:
        """Let it go on, after longer than a lease and the sweep that finds it."""
        shortest = LEASE.total_seconds() + 1.5
        longest = max(shortest, self._longest_freeze.total_seconds())
        await asyncio.sleep(self._dice.uniform(shortest, longest))
        service.signal(signal.SIGCONT)

    async def _kill_manager(self) -> None:
        """What it leaves behind lives on, until it is killed as well."""
        service = self._one("taskiq")
        orphans = service.children()
        service.asked += 1
        service.signal(signal.SIGKILL)
        await asyncio.sleep(self._dice.uniform(2, 5))
        send(signal.SIGKILL, *orphans)
        await service.ready()

    async def _kill_child(self) -> None:
        """taskiq starts it anew; of the processes that a manager has, one does the work."""
        service = self._one("taskiq")
        send(signal.SIGKILL, *service.children())
        await service.ready()

    async def _roll(self) -> None:
        """Every process of the engine is told to stop, one after the other, and started again."""
        await self._stop_workers()
        for service in (*self._stage.fleet.of("taskiq"), *self._stage.fleet.of("api")):
            await self._end(service, signal.SIGTERM)

    def _one(self, kind: str) -> Service:
        return self._dice.choice(self._stage.fleet.of(kind))

    async def _end(self, service: Service, number: signal.Signals) -> None:
        deaths = len(service.deaths)
        service.signal(number)
        await self._until_back(service, deaths)

    async def _until_back(self, service: Service, deaths: int) -> None:
        """Return once it has ended, as asked for, more than `deaths` times and is ready again.
        Raises `AssertionError`."""
        service.asked += 1
        await eventually(lambda: len(service.deaths) > deaths, ENDS_WITHIN)
        await service.ready()
