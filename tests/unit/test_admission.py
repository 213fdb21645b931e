"""Whether one more order may come in."""

from datetime import timedelta

import pytest

from orders.domain.errors import StoreUnavailable
from services.api.admission import Admission
from services.api.errors import Code, Problem
from tests.factories import an_order
from tests.fakes.clock import FakeClock
from tests.fakes.store import FakeStore

MAX_AGE = timedelta(seconds=300)


class Bounds:
    """An admission, and what it looks at."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = FakeStore(clock=self.clock)
        self.admission = Admission(store=self.store, max_waiting=3, max_age=MAX_AGE)

    def refusal(self, waiting: int = 0) -> Problem:
        with pytest.raises(Problem) as refused:
            self.admission.check(waiting)
        return refused.value


@pytest.fixture
def bounds() -> Bounds:
    return Bounds()


def test_an_idle_engine_takes_orders_before_it_has_looked(bounds: Bounds) -> None:
    bounds.admission.check(0)


def test_the_last_place_is_taken_and_no_other(bounds: Bounds) -> None:
    bounds.admission.check(2)

    refusal = bounds.refusal(waiting=3)

    assert refusal == Problem(Code.OVERLOADED, "3 accepts are waiting already")


async def test_a_backlog_of_just_the_bound_is_no_overload(bounds: Bounds) -> None:
    await bounds.store.add(an_order(), [], "one")
    bounds.clock.advance(MAX_AGE)
    await bounds.admission.look()
    bounds.admission.check(0)

    bounds.clock.advance(timedelta(seconds=1))
    await bounds.admission.look()

    detail = "the oldest order has waited 301 s for a worker"
    assert bounds.refusal() == Problem(Code.OVERLOADED, detail)


async def test_an_overload_is_over_when_the_oldest_order_is_taken_up(bounds: Bounds) -> None:
    added = await bounds.store.add(an_order(), [], "one")
    bounds.clock.advance(2 * MAX_AGE)
    await bounds.admission.look()
    bounds.refusal()

    await bounds.store.save(added.order.resume(), claim=True)
    await bounds.admission.look()

    bounds.admission.check(0)


async def test_a_look_that_fails_leaves_what_the_last_one_saw(bounds: Bounds) -> None:
    await bounds.store.add(an_order(), [], "one")
    bounds.clock.advance(2 * MAX_AGE)
    await bounds.admission.look()

    bounds.store.unavailable = True
    with pytest.raises(StoreUnavailable):
        await bounds.admission.look()

    assert bounds.refusal().code == Code.OVERLOADED
