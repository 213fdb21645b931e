"""API processes and workers, each made of the engine's own parts."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from random import Random
from typing import cast
from uuid import UUID

from orders.domain.errors import StoreUnavailable
from orders.leases import Leases
from orders.periodic import Periodic
from orders.placement import Placement
from orders.ports import Store, Venue
from orders.recovery import Recovery
from orders.routing import Router
from tests.model.loop import LoopClock
from tests.model.world import LEASE, World

BEAT = timedelta(seconds=1.5)
SWEEP = timedelta(seconds=1)
AT_ONCE = 4
"""How many orders a new worker reconciles at a time."""


class Api:
    """One API process: accepts orders."""

    def __init__(self, world: World) -> None:
        self.process = world.process("api")
        self.placement = Placement(
            store=cast(Store, world.remote(world.store, "store", self.process)),
            queue=world.line(self.process),
            feed=world.feed,
            clock=LoopClock(world.loop, _skew(world.random)),
            random_bits=world.random.getrandbits,
        )


class Worker:
    """One worker process: executes what it is delivered, beats and sweeps."""

    def __init__(self, world: World, *, is_alone: bool = False) -> None:
        """With `is_alone` nothing beats or sweeps but by hand."""
        self._world = world
        self.process = process = world.process("worker")
        clock = LoopClock(world.loop, _skew(world.random))
        store = cast(Store, world.remote(world.store, "store", process))
        self.leases = Leases(store=store)
        self.recovery = Recovery(store=store, queue=world.line(process), clock=clock, batch=3)
        self.execution = world.engine.execution(
            store=store,
            feed=world.feed,
            router=Router(
                venues={
                    dex: cast(Venue, world.remote(venue, dex, process))
                    for dex, venue in world.venues.items()
                },
                clock=clock,
                timeout=timedelta(seconds=1),
            ),
            leases=self.leases,
            clock=clock,
            policy=world.policy,
            fraction=world.random.random,
            settle_for=LEASE,
            settle_poll=timedelta(seconds=0.5),
            venue_timeout=timedelta(seconds=2),
        )
        self._periodic = Periodic(clock=clock)
        world.members.append(self)
        if not is_alone:
            self.spawn(self._start)

    def spawn(self, work: Callable[[], Awaitable[object]]) -> None:
        """Let this worker do something."""
        self._world.loop.spawn(self.process, self._guarded(work))

    def deliver(self, order_id: UUID) -> None:
        """Give this worker a hint."""
        self._world.note(self.process.name, "is given", order_id)
        self.spawn(partial(self.execution.run, order_id))

    async def stop(self) -> None:
        """As on SIGTERM: hand over what is held, and end."""
        await self._periodic.stop()
        await self.leases.hand_over()
        self._world.loop.outside_later(0, partial(self._world.loop.kill, self.process))

    async def _start(self) -> None:
        self._periodic.start("heartbeat", BEAT, self.leases.beat)
        with suppress(StoreUnavailable):
            await self.recovery.reconcile(self.execution.run, AT_ONCE)
        if self._world.engine.sweeps:
            self._periodic.start("sweep", SWEEP, self.recovery.sweep)

    async def _guarded(self, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except Exception as failure:  # told instead of kept in a task that nobody asks
            self._world.judge.bug(failure)


def _skew(random: Random) -> timedelta:
    """A process's clock is up to five minutes off."""
    return timedelta(seconds=random.randint(-300, 300))
