"""An engine of fakes: one store, queue, feed and set of venues, and workers to run on them."""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest

from orders.domain.order import Order
from orders.domain.retry import RetryPolicy
from orders.execution import Execution
from orders.leases import Leases
from orders.ports import Venue
from orders.recovery import Recovery
from orders.routing import Router
from tests.factories import an_order
from tests.fakes.clock import FakeClock
from tests.fakes.feed import FakeFeed
from tests.fakes.queue import FakeQueue
from tests.fakes.store import FakeStore
from tests.fakes.venue import FakeVenue

LEASE = timedelta(seconds=5)
POLL = timedelta(seconds=0.5)


@dataclass
class Worker:
    """What one worker process is made of."""

    execution: Execution
    leases: Leases
    recovery: Recovery


@dataclass
class World:
    """Everything that outlives a worker."""

    clock: FakeClock
    store: FakeStore
    queue: FakeQueue
    feed: FakeFeed
    alpha: FakeVenue
    beta: FakeVenue
    policy: RetryPolicy = field(default_factory=RetryPolicy)

    def worker(
        self,
        venues: dict[str, Venue] | None = None,
        venue_timeout: timedelta = timedelta(seconds=10),
    ) -> Worker:
        """A new worker, as after a crash or beside another."""
        leases = Leases(store=self.store)
        router = Router(
            venues=venues or {"alpha": self.alpha, "beta": self.beta},
            clock=self.clock,
            timeout=timedelta(seconds=1),
        )
        execution = Execution(
            store=self.store,
            feed=self.feed,
            router=router,
            leases=leases,
            clock=self.clock,
            policy=self.policy,
            fraction=lambda: 1.0,
            settle_for=LEASE,
            settle_poll=POLL,
            venue_timeout=venue_timeout,
        )
        return Worker(
            execution,
            leases,
            Recovery(store=self.store, queue=self.queue, clock=self.clock, batch=10),
        )

    async def placed(self, order: Order | None = None) -> UUID:
        """An order that was just received."""
        added = await self.store.add(order or an_order(), [], "fingerprint")
        return added.order.id

    async def order(self, order_id: UUID) -> Order:
        """The order as it stands."""
        order = await self.store.get(order_id)
        assert order is not None
        return order

    async def statuses(self, order_id: UUID) -> list[str]:
        """The order's whole history, in short."""
        return [step.status.value for step in await self.store.history(order_id)]

    async def finish(self, worker: Worker, order_id: UUID, limit: int = 50) -> Order:
        """Run, sweep and let time pass until the order is final."""
        for _ in range(limit):
            order = await self.order(order_id)
            if order.is_final:
                return order
            await worker.execution.run(order_id)
            self.clock.advance(timedelta(seconds=1))
            await worker.recovery.sweep()
        raise AssertionError(f"still {await self.statuses(order_id)}")


@pytest.fixture
def world() -> World:
    clock = FakeClock()
    return World(
        clock=clock,
        store=FakeStore(clock=clock, lease=LEASE),
        queue=FakeQueue(),
        feed=FakeFeed(),
        alpha=FakeVenue("alpha", clock=clock, price=1_000),
        beta=FakeVenue("beta", clock=clock, price=990),
    )
