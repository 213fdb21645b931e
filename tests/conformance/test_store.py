"""What every store owes the engine, in memory or on PostgreSQL."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from msgspec.structs import replace

from orders import wire
from orders.domain.amounts import MAX_AMOUNT, Amount
from orders.domain.errors import FailureCode, KeyReused, StaleOrder, Unstorable
from orders.domain.ids import uuid7
from orders.domain.lifecycle import Status
from orders.domain.order import Order
from orders.ports import Added, Filter, Hold, Horizon, Key, KeyKind, Step, Store
from orders.store import PostgresStore
from tests.factories import SOL, USDC, a_route, a_transaction, an_order
from tests.fakes.clock import FakeClock
from tests.fakes.store import FakeStore

LEASE = timedelta(seconds=5)
BACKSTOP = timedelta(seconds=60)
SECOND = timedelta(seconds=1)
NOBODY = UUID(int=7)
EMPTY = Horizon(oldest=None, lost=False)
LONG_BACKLOG = Horizon(oldest=datetime(2000, 1, 1, tzinfo=UTC), lost=False)
"""A queue whose first hint is older than every order here."""

# A schema that is searched before PostgreSQL's own, in the test's own database.
UP_FOR_LONG = """
CREATE SCHEMA past;
CREATE FUNCTION past.pg_postmaster_start_time() RETURNS timestamptz
    LANGUAGE sql AS $$ SELECT '2000-01-01Z'::timestamptz $$;
DO $$ BEGIN EXECUTE format(
    'ALTER DATABASE %I SET search_path = past, pg_catalog, public', current_database()
); END $$;
"""

Elapse = Callable[[timedelta], Awaitable[None]]
Backend = tuple[Store, Elapse]


@pytest.fixture(params=["fake", "postgres"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    if request.param == "fake":
        clock = FakeClock()

        async def advance(by: timedelta) -> None:
            clock.advance(by)

        yield FakeStore(clock=clock, lease=LEASE, backstop=BACKSTOP), advance
    else:
        async with _postgres(request.getfixturevalue("database_url")) as opened:
            yield opened


@asynccontextmanager
async def _postgres(url: str) -> AsyncIterator[Backend]:
    """Its clock is not ours to move, so what is stored is moved into the past, and so is the
    time at which the server started."""
    connection = await asyncpg.connect(url)
    await connection.execute(UP_FOR_LONG)
    store = PostgresStore(url, pool_size=4, lease=LEASE, backstop=BACKSTOP)
    await store.open()

    async def shift(by: timedelta) -> None:
        await connection.execute(
            "UPDATE orders SET wake_at = wake_at - $1::interval, "
            "created_at = created_at - $1::interval",
            by,
        )

    yield store, shift
    await store.close()
    await connection.close()


@pytest.fixture(autouse=True)
def _just_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids are of this test's time, however long the tests have run: a list goes by both."""
    monkeypatch.setattr(sys.modules[__name__], "_START", datetime.now(UTC))


@pytest.fixture
def store(backend: Backend) -> Store:
    return backend[0]


@pytest.fixture
def elapse(backend: Backend) -> Elapse:
    """Lets time pass, as the store sees it."""
    return backend[1]


async def received(store: Store, *keys: Key, fingerprint: str = "same", **fields: Any) -> Order:
    """An order that was just stored."""
    return (await store.add(an_order(**fields), keys, fingerprint)).order


async def claimed(store: Store, **fields: Any) -> Order:
    """An order that a worker holds."""
    return await store.save((await received(store, **fields)).resume(), claim=True)


async def submitted(store: Store, **fields: Any) -> Order:
    """An order with a live transaction, held by the worker that signed it."""
    built = await store.save((await claimed(store, **fields)).build(a_route()))
    return await store.save(built.submit(a_transaction()))


async def confirmed(store: Store, **fields: Any) -> Order:
    """An order that was executed."""
    return await store.save((await submitted(store, **fields)).confirm(Amount(999_900)))


async def due_ids(store: Store, horizon: Horizon = LONG_BACKLOG, limit: int = 10) -> list[UUID]:
    return [hint.order_id for hint in await store.due(horizon, limit)]


async def overlooked_ids(store: Store) -> list[UUID]:
    return [hint.order_id for hint in await store.overlooked(10)]


def hold(order: Order) -> Hold:
    return Hold(order.id, order.lease)


def at_rest(order: Order) -> Order:
    """The order without its last step's evidence, which is in its history only."""
    return replace(order, answers=(), retry=None)


# add


async def test_an_added_order_is_received_at_the_stores_time(store: Store) -> None:
    order = an_order(created_at=None, updated_at=None)

    added = await store.add(order, [], "same")

    at = added.order.created_at
    assert at is not None
    assert added == Added(replace(order, created_at=at, updated_at=at), replayed=False)
    assert await store.get(order.id) == added.order
    assert await store.history(order.id) == [Step(order.id, 1, Status.RECEIVED, 1, at, {})]


async def test_a_key_answers_the_order_it_was_first_given_for(store: Store) -> None:
    key = Key(KeyKind.IDEMPOTENCY_KEY, "a")
    first, second = an_order(), an_order()
    added = await store.add(first, [key], "same")

    again = await store.add(second, [key], "same")

    assert again == Added(added.order, replayed=True)
    assert await store.get(second.id) is None


async def test_a_replay_answers_the_order_as_it_stands_now(store: Store) -> None:
    key = Key(KeyKind.IDEMPOTENCY_KEY, "a")
    order = await store.save((await received(store, key)).resume(), claim=True)

    again = await store.add(an_order(), [key], "same")

    assert again == Added(order, replayed=True)


async def test_a_key_with_another_fingerprint_is_refused(store: Store) -> None:
    key = Key(KeyKind.IDEMPOTENCY_KEY, "a")
    other = an_order()
    await received(store, key, fingerprint="one")

    with pytest.raises(KeyReused):
        await store.add(other, [key], "another")

    assert await store.get(other.id) is None


@pytest.mark.parametrize(
    ("owner", "kind"), [("another", KeyKind.IDEMPOTENCY_KEY), ("public", KeyKind.CLIENT_ORDER_ID)]
)
async def test_a_key_is_told_apart_by_owner_and_kind(
    store: Store, owner: str, kind: KeyKind
) -> None:
    await received(store, Key(KeyKind.IDEMPOTENCY_KEY, "a"))

    added = await store.add(an_order(owner=owner), [Key(kind, "a")], "another")

    assert not added.replayed


async def test_two_keys_that_name_two_orders_are_refused(store: Store) -> None:
    one, two = Key(KeyKind.IDEMPOTENCY_KEY, "a"), Key(KeyKind.CLIENT_ORDER_ID, "b")
    await received(store, one)
    await received(store, two)

    with pytest.raises(KeyReused):
        await store.add(an_order(), [one, two], "same")


async def test_a_second_key_is_bound_to_the_order_of_the_first(store: Store) -> None:
    one, two = Key(KeyKind.IDEMPOTENCY_KEY, "a"), Key(KeyKind.CLIENT_ORDER_ID, "b")
    order = await received(store, one)

    both = await store.add(an_order(), [one, two], "same")
    second = await store.add(an_order(), [two], "same")

    assert both == second == Added(order, replayed=True)


async def test_a_refused_request_leaves_none_of_its_keys(store: Store) -> None:
    taken, free = Key(KeyKind.IDEMPOTENCY_KEY, "a"), Key(KeyKind.CLIENT_ORDER_ID, "b")
    await received(store, taken, fingerprint="one")
    with pytest.raises(KeyReused):
        await store.add(an_order(), [taken, free], "another")

    added = await store.add(an_order(), [free], "a third")

    assert not added.replayed


async def test_requests_with_one_key_at_once_become_one_order(store: Store) -> None:
    key = Key(KeyKind.IDEMPOTENCY_KEY, "a")

    answers = await asyncio.gather(*(store.add(an_order(), [key], "same") for _ in range(5)))

    assert sorted(answer.replayed for answer in answers) == [False, True, True, True, True]
    assert len({answer.order.id for answer in answers}) == 1


async def test_without_a_key_the_same_id_is_not_stored_twice(store: Store) -> None:
    order = await received(store)

    with pytest.raises(Unstorable):
        await store.add(order, [], "same")

    assert [step.seq for step in await store.history(order.id)] == [1]


async def test_an_amount_that_cannot_be_held_is_refused_with_its_keys(store: Store) -> None:
    key = Key(KeyKind.IDEMPOTENCY_KEY, "a")
    with pytest.raises(Unstorable):
        await store.add(an_order(amount_in=Amount(MAX_AMOUNT + 1)), [key], "same")

    added = await store.add(an_order(amount_in=Amount(MAX_AMOUNT)), [key], "same")

    assert added.order.amount_in == 9_223_372_036_854_775_807
    assert not added.replayed


# get


async def test_there_is_no_order_that_was_not_added(store: Store) -> None:
    assert await store.get(NOBODY) is None


async def test_an_order_is_read_with_its_live_transaction(store: Store) -> None:
    order = await submitted(store)

    found = await store.get(order.id)

    assert found == order
    assert found.transaction is not None
    assert found.transaction.raw == b"signed bytes"


async def test_several_orders_are_read_at_once(store: Store) -> None:
    orders = [await submitted(store), await claimed(store), await received(store)]

    found = await asyncio.gather(*(store.get(order.id) for order in [*orders, orders[0]]))

    assert found == [*orders, orders[0]]


# save


async def test_a_whole_life_is_stored_step_by_step(store: Store) -> None:
    order = await received(store)
    steps = [order]
    steps.append(await store.save(order.resume(), claim=True))
    steps.append(await store.save(steps[-1].build(a_route())))
    steps.append(await store.save(steps[-1].submit(a_transaction())))
    steps.append(await store.save(steps[-1].confirm(Amount(999_900))))

    history = await store.history(order.id)

    assert [(step.seq, step.status) for step in history] == [
        (1, Status.RECEIVED),
        (2, Status.ROUTING),
        (3, Status.BUILDING),
        (4, Status.SUBMITTED),
        (5, Status.CONFIRMED),
    ]
    assert [wire.replayed(step) for step in history] == [wire.frame(step) for step in steps]


async def test_a_step_is_read_back_as_it_was_saved(store: Store) -> None:
    built = await store.save((await claimed(store)).build(a_route()))

    assert await store.get(built.id) == at_rest(built)
    assert built.answers == a_route().answers


async def test_a_failure_is_read_back_as_it_was_saved(store: Store) -> None:
    failed = await store.save((await claimed(store)).fail(FailureCode.NO_ROUTE, "nobody trades it"))

    assert await store.get(failed.id) == failed


async def test_a_step_is_stored_at_the_stores_time(store: Store, elapse: Elapse) -> None:
    order = await received(store)
    await elapse(SECOND)

    step = await store.save(order.resume(), claim=True)

    (_, event) = await store.history(order.id)
    assert step.updated_at == event.at
    assert order.updated_at is not None
    assert event.at > order.updated_at


async def test_a_step_is_saved_once(store: Store) -> None:
    order = await claimed(store)
    await store.save(order.build(a_route(out=1_000_000)))

    with pytest.raises(StaleOrder):
        await store.save(order.build(a_route(out=2_000_000)))

    found = await store.get(order.id)
    assert found is not None
    assert (found.seq, found.expected_out) == (3, 1_000_000)
    assert [step.seq for step in await store.history(order.id)] == [1, 2, 3]


async def test_of_two_saves_at_once_one_wins(store: Store) -> None:
    order = await claimed(store)

    ends = await asyncio.gather(
        store.save(order.build(a_route(out=1_000_000))),
        store.save(order.build(a_route(out=2_000_000))),
        return_exceptions=True,
    )

    (won,) = [end for end in ends if isinstance(end, Order)]
    assert [type(end) for end in ends].count(StaleOrder) == 1
    assert await store.get(order.id) == at_rest(won)
    assert len(await store.history(order.id)) == 3


async def test_a_step_that_follows_one_still_on_its_way_waits_for_it(store: Store) -> None:
    order = await claimed(store)
    built = replace(order.build(a_route()), lease=order.lease)

    first, second = await asyncio.gather(
        store.save(built), store.save(built.submit(a_transaction()))
    )

    assert (first.seq, second.seq) == (3, 4)
    assert await store.get(order.id) == second


async def test_counters_are_read_back_as_they_were_saved(store: Store) -> None:
    order = await claimed(store)
    for _ in range(2):
        order = await store.save(order.repeat("busy", timedelta(0)))

    found = await store.get(order.id)

    assert found is not None
    assert (found.tries, found.attempt, found.crashes) == (2, 1, 0)


@pytest.mark.parametrize("claim", [True, False])
async def test_an_order_that_is_not_there_is_stale(store: Store, claim: bool) -> None:
    with pytest.raises(StaleOrder):
        await store.save(an_order(lease=0).resume(), claim=claim)


async def test_a_transaction_of_another_order_cannot_be_stored(store: Store) -> None:
    one = await submitted(store)
    two = await store.save((await claimed(store)).build(a_route()))
    assert one.transaction is not None

    with pytest.raises(Unstorable):
        await store.save(two.submit(one.transaction))

    assert await store.get(two.id) == at_rest(two)
    assert len(await store.history(two.id)) == 3


async def test_a_submitted_order_may_wait_with_its_transaction(store: Store) -> None:
    order = await submitted(store)

    waiting = await store.save(order.repeat("the node is away", timedelta(seconds=10)))

    assert await store.get(order.id) == at_rest(waiting)
    assert waiting.transaction == order.transaction


async def test_a_new_attempt_signs_a_new_transaction(store: Store) -> None:
    first = await submitted(store)
    rerouted = await store.save(first.reroute("it expired"))
    built = await store.save(rerouted.build(a_route()))

    second = await store.save(built.submit(a_transaction()))

    assert (rerouted.transaction, second.attempt) == (None, 2)
    assert await store.get(first.id) == second
    assert first.transaction != second.transaction


# the lease


async def test_a_claim_is_numbered(store: Store) -> None:
    order = await claimed(store)
    await store.release([hold(order)])

    again = await store.save(order.resume(), claim=True)

    assert (order.lease, again.lease) == (1, 2)


async def test_an_order_is_held_by_one(store: Store) -> None:
    order = await claimed(store)

    with pytest.raises(StaleOrder):
        await store.save(order.resume(), claim=True)

    assert await store.get(order.id) == order


async def test_of_two_claims_at_once_one_wins(store: Store) -> None:
    order = await received(store)

    ends = await asyncio.gather(
        *(store.save(order.resume(), claim=True) for _ in range(2)), return_exceptions=True
    )

    assert [type(end) for end in ends].count(Order) == 1
    assert [type(end) for end in ends].count(StaleOrder) == 1


async def test_an_order_whose_lease_ran_out_can_be_claimed(store: Store, elapse: Elapse) -> None:
    order = await claimed(store)
    await elapse(LEASE)

    taken = await store.save(order.resume(), claim=True)

    assert (taken.lease, taken.seq) == (2, 3)


async def test_a_worker_that_was_overtaken_changes_nothing(store: Store, elapse: Elapse) -> None:
    order = await claimed(store)
    await elapse(LEASE)
    taken = await store.save(order.resume(), claim=True)

    with pytest.raises(StaleOrder):
        await store.save(order.build(a_route()))

    found = await store.get(order.id)
    assert found is not None
    assert (found.seq, found.lease, found.status) == (3, taken.lease, Status.ROUTING)


@pytest.mark.parametrize("lease", [0, 2])
async def test_only_the_lease_of_that_number_may_step(store: Store, lease: int) -> None:
    order = await claimed(store)

    with pytest.raises(StaleOrder):
        await store.save(replace(order, lease=lease).build(a_route()))

    assert await store.get(order.id) == order


async def test_an_unheld_order_is_stepped_by_a_claim_only(store: Store) -> None:
    order = await received(store)

    with pytest.raises(StaleOrder):
        await store.save(order.resume())


async def test_a_released_order_cannot_be_saved_by_who_held_it(store: Store) -> None:
    order = await claimed(store)
    await store.release([hold(order)])

    with pytest.raises(StaleOrder):
        await store.save(order.build(a_route()))

    assert await store.get(order.id) == order


async def test_a_swept_order_cannot_be_saved_by_who_held_it(store: Store, elapse: Elapse) -> None:
    order = await claimed(store)
    await elapse(LEASE)
    await store.due(EMPTY, 10)

    with pytest.raises(StaleOrder):
        await store.save(order.build(a_route()))

    assert len(await store.history(order.id)) == 2


async def test_an_expired_lease_that_nobody_took_may_go_on(store: Store, elapse: Elapse) -> None:
    order = await claimed(store)
    await elapse(LEASE)

    built = await store.save(order.build(a_route()))

    assert built.status is Status.BUILDING
    assert await due_ids(store) == []


@pytest.mark.parametrize("claim", [True, False])
async def test_nothing_follows_a_final_step(store: Store, elapse: Elapse, claim: bool) -> None:
    order = await confirmed(store)
    await elapse(timedelta(days=1))

    with pytest.raises(StaleOrder):
        await store.save(replace(order, seq=6), claim=claim)

    assert await store.due(EMPTY, 10) == []
    assert await store.overlooked(10) == []
    assert await store.forget_hints() == 0
    assert await store.renew([hold(order)]) == set()


# renew and release


async def test_a_renewed_lease_lasts_from_then_on(store: Store, elapse: Elapse) -> None:
    order = await claimed(store)
    await elapse(LEASE - SECOND)
    await store.renew([hold(order)])
    await elapse(LEASE - SECOND)
    before = await due_ids(store)

    await elapse(SECOND)

    assert before == []
    assert await due_ids(store) == [order.id]


async def test_a_step_late_in_a_lease_extends_it(store: Store, elapse: Elapse) -> None:
    order = await claimed(store)
    await elapse(LEASE - SECOND)
    await store.save(order.build(a_route()))

    await elapse(LEASE - SECOND)

    assert await due_ids(store) == []


async def test_only_what_is_still_held_is_renewed(store: Store, elapse: Elapse) -> None:
    swept = await claimed(store)
    await elapse(LEASE)
    await store.due(EMPTY, 10)
    held, released, final = await claimed(store), await claimed(store), await confirmed(store)
    other = replace(await claimed(store), lease=2)
    await store.release([hold(released)])

    kept = await store.renew(
        [hold(order) for order in (swept, held, released, final, other)] + [Hold(NOBODY, 1)]
    )

    assert kept == {held.id}


async def test_an_expired_lease_that_nobody_took_is_renewed(store: Store, elapse: Elapse) -> None:
    order = await claimed(store)
    await elapse(LEASE)

    assert await store.renew([hold(order)]) == {order.id}
    assert await due_ids(store) == []


async def test_nothing_to_renew_or_release_is_no_trouble(store: Store) -> None:
    await store.release([])

    assert await store.renew([]) == set()


async def test_a_released_order_is_due_at_once_whatever_the_queue_holds(store: Store) -> None:
    order = await claimed(store)

    await store.release([hold(order)])

    assert await due_ids(store, LONG_BACKLOG) == [order.id]


async def test_a_released_order_is_due_after_its_wait(store: Store, elapse: Elapse) -> None:
    order = await claimed(store)
    await store.release([hold(order)], timedelta(seconds=10))
    await elapse(timedelta(seconds=9))
    before = await due_ids(store, EMPTY)

    await elapse(SECOND)

    assert before == []
    assert await due_ids(store, LONG_BACKLOG) == [order.id]


async def test_a_lost_lease_cannot_be_released(store: Store, elapse: Elapse) -> None:
    order = await claimed(store)
    await elapse(LEASE)
    taken = await store.save(order.resume(), claim=True)

    await store.release([hold(order), Hold(NOBODY, 1)])

    assert await due_ids(store, EMPTY) == []
    assert await store.renew([hold(taken)]) == {order.id}


# due


async def test_a_held_order_is_not_due(store: Store, elapse: Elapse) -> None:
    await claimed(store)
    await elapse(LEASE - SECOND)

    assert await due_ids(store, EMPTY) == []


async def test_an_order_is_due_when_its_lease_ran_out(store: Store, elapse: Elapse) -> None:
    order = await claimed(store)
    await elapse(LEASE)

    assert await due_ids(store, LONG_BACKLOG) == [order.id]


async def test_an_order_is_due_when_its_wait_is_over(store: Store, elapse: Elapse) -> None:
    order = await claimed(store)
    await store.save(order.repeat("busy", timedelta(seconds=10)))
    await elapse(timedelta(seconds=9))
    before = await due_ids(store, EMPTY)

    await elapse(SECOND)

    assert before == []
    assert await due_ids(store, LONG_BACKLOG) == [order.id]


async def test_a_waiting_order_may_be_claimed_early(store: Store) -> None:
    order = await claimed(store)
    waiting = await store.save(order.repeat("busy", timedelta(seconds=10)))

    taken = await store.save(waiting.resume(), claim=True)

    assert (taken.lease, taken.tries) == (2, 1)


async def test_a_step_back_without_a_wait_is_still_held(store: Store) -> None:
    order = await claimed(store)

    again = await store.save(order.repeat("busy", timedelta(0)))

    assert await due_ids(store, EMPTY) == []
    assert await store.renew([hold(again)]) == {order.id}


@pytest.mark.parametrize(
    ("oldest", "is_due"),
    [
        pytest.param(None, True, id="none"),
        pytest.param(timedelta(seconds=2), True, id="younger"),
        pytest.param(timedelta(seconds=0.5), False, id="younger by less than hints may overtake"),
        pytest.param(timedelta(0), False, id="its own"),
        pytest.param(timedelta(seconds=-60), False, id="older"),
    ],
)
async def test_a_hint_is_lost_when_the_queue_holds_none_as_old(
    store: Store, elapse: Elapse, oldest: timedelta | None, is_due: bool
) -> None:
    order = await received(store)
    await elapse(LEASE)
    found = await store.get(order.id)
    assert found is not None
    assert found.created_at is not None
    horizon = Horizon(found.created_at + oldest if oldest is not None else None, lost=False)

    assert await due_ids(store, horizon) == ([order.id] if is_due else [])


async def test_a_young_hint_is_not_lost_yet(store: Store, elapse: Elapse) -> None:
    await received(store)
    await elapse(LEASE - SECOND)

    assert await due_ids(store, EMPTY) == []


async def test_a_long_backlog_is_not_hinted_again(store: Store, elapse: Elapse) -> None:
    orders = []
    for _ in range(3):
        orders.append(await received(store))
        await elapse(timedelta(seconds=10))
    first = await store.get(orders[0].id)
    assert first is not None

    assert await due_ids(store, Horizon(first.created_at, lost=False)) == []


async def test_a_retry_in_a_long_backlog_is_hinted_once(store: Store, elapse: Elapse) -> None:
    order = await claimed(store)
    await store.save(order.repeat("busy", SECOND))
    await elapse(SECOND)
    first = await due_ids(store, LONG_BACKLOG)

    await elapse(LEASE)

    assert first == [order.id]
    assert await due_ids(store, LONG_BACKLOG) == []
    assert await due_ids(store, EMPTY) == [order.id]


async def test_a_taken_hint_counts_from_then(store: Store, elapse: Elapse) -> None:
    order = await received(store)
    await elapse(LEASE)
    (hint,) = await store.due(EMPTY, 10)
    young = await due_ids(store, EMPTY)

    await elapse(LEASE)

    assert (hint.order_id, young) == (order.id, [])
    assert await due_ids(store, LONG_BACKLOG) == []
    assert await due_ids(store, EMPTY) == [order.id]


async def test_a_hint_carries_the_stores_time(store: Store) -> None:
    order = await claimed(store)
    await store.release([hold(order)])

    (hint,) = await store.due(EMPTY, 10)

    assert order.updated_at is not None
    assert order.updated_at <= hint.at < order.updated_at + LEASE


async def test_retries_go_before_new_orders(store: Store, elapse: Elapse) -> None:
    new = await received(store)
    await elapse(timedelta(seconds=60))
    retry = await claimed(store)
    await store.save(retry.repeat("busy", SECOND))
    await elapse(SECOND)

    first, second = await due_ids(store, EMPTY, 1), await due_ids(store, EMPTY, 1)

    assert (first, second) == ([retry.id], [new.id])


async def test_no_more_are_taken_than_asked_for_and_each_once(store: Store, elapse: Elapse) -> None:
    orders = [await received(store) for _ in range(5)]
    await elapse(LEASE)

    passes = [await due_ids(store, EMPTY, 2) for _ in range(4)]

    assert [len(taken) for taken in passes] == [2, 2, 1, 0]
    taken = [order_id for one in passes for order_id in one]
    assert sorted(taken) == sorted(order.id for order in orders)


async def test_two_sweeps_at_once_take_no_order_twice(store: Store, elapse: Elapse) -> None:
    orders = [await received(store) for _ in range(10)]
    await elapse(LEASE)

    passes = await asyncio.gather(*(due_ids(store, EMPTY, 10) for _ in range(3)))
    rest = await due_ids(store, EMPTY, 10)

    taken = [order_id for one in passes for order_id in one]
    assert sorted([*taken, *rest]) == sorted(order.id for order in orders)


async def test_however_often_each_was_hinted_the_longest_waiting_is_taken_first(
    store: Store, elapse: Elapse
) -> None:
    first = await received(store)
    await elapse(LEASE)
    hinted_again = await due_ids(store, EMPTY)
    await elapse(SECOND)
    second = await received(store)
    await elapse(LEASE)

    taken = [await due_ids(store, EMPTY, 1) for _ in range(3)]

    assert hinted_again == [first.id]
    assert taken == [[first.id], [second.id], []]


# overlooked


async def test_an_order_is_overlooked_after_a_minute_and_then_after_twice_as_long(
    store: Store, elapse: Elapse
) -> None:
    order = await received(store)
    taken = []

    for wait in (59, 1, 119, 1, 239, 1, 479):  # 60, 120 and 240 s, and one less than 480 s
        await elapse(timedelta(seconds=wait))
        taken.append(await overlooked_ids(store))

    assert taken == [[], [order.id], [], [order.id], [], [order.id], []]


async def test_however_often_a_hint_led_nowhere_there_is_another_within_the_hour(
    store: Store, elapse: Elapse
) -> None:
    order = await received(store)
    for _ in range(20):
        await elapse(timedelta(hours=1))
        await due_ids(store, EMPTY)

    await elapse(timedelta(minutes=32))

    assert await overlooked_ids(store) == [order.id]


async def test_held_and_waiting_orders_are_not_overlooked(store: Store, elapse: Elapse) -> None:
    await claimed(store)
    waiting = await claimed(store)
    await store.save(waiting.repeat("busy", timedelta(hours=2)))
    await elapse(timedelta(hours=1))

    assert await overlooked_ids(store) == []


async def test_no_more_are_overlooked_than_asked_for(store: Store, elapse: Elapse) -> None:
    for _ in range(3):
        await received(store)
    await elapse(BACKSTOP)

    passes = [len(await store.overlooked(2)) for _ in range(3)]

    assert passes == [2, 1, 0]


async def test_progress_starts_the_backstop_anew(store: Store, elapse: Elapse) -> None:
    order = await received(store)
    await elapse(BACKSTOP)
    await store.overlooked(10)
    taken = await store.save(order.resume(), claim=True)
    await store.release([hold(taken)])
    await store.due(EMPTY, 10)

    await elapse(BACKSTOP)

    assert await overlooked_ids(store) == [order.id]


# forget_hints


async def test_forgotten_hints_are_due_whatever_the_queue_holds(store: Store) -> None:
    orders = [await received(store) for _ in range(2)]

    forgotten = await store.forget_hints()

    assert forgotten == 2
    assert sorted(await due_ids(store, LONG_BACKLOG)) == sorted(order.id for order in orders)


async def test_the_hint_of_a_retry_is_forgotten_like_any_other(
    store: Store, elapse: Elapse
) -> None:
    order = await claimed(store)
    await store.save(order.repeat("busy", SECOND))
    await elapse(SECOND)
    await store.due(EMPTY, 10)

    forgotten = await store.forget_hints()

    assert forgotten == 1
    assert await due_ids(store, LONG_BACKLOG) == [order.id]


async def test_only_hints_are_forgotten(store: Store) -> None:
    held, waiting = await claimed(store), await claimed(store)
    await store.save(waiting.repeat("busy", timedelta(seconds=10)))

    forgotten = await store.forget_hints()

    assert forgotten == 0
    assert await due_ids(store, EMPTY) == []
    assert await store.renew([hold(held)]) == {held.id}


# crashes


async def test_a_claim_over_an_expired_lease_counts_a_crash(store: Store, elapse: Elapse) -> None:
    order = await claimed(store)
    await elapse(LEASE)

    taken = await store.save(order.resume(), claim=True)

    assert (order.crashes, taken.crashes) == (0, 1)


async def test_a_sweep_over_an_expired_lease_counts_a_crash_once(
    store: Store, elapse: Elapse
) -> None:
    order = await claimed(store)
    await elapse(LEASE)
    await store.due(EMPTY, 10)
    swept = await store.get(order.id)

    taken = await store.save(order.resume(), claim=True)

    assert swept is not None
    assert (swept.crashes, taken.crashes) == (1, 1)


async def test_crashes_in_a_row_add_up(store: Store, elapse: Elapse) -> None:
    order = await claimed(store)
    for _ in range(3):
        await elapse(LEASE)
        order = await store.save(order.resume(), claim=True)

    assert order.crashes == 3


async def test_any_later_save_clears_the_crashes(store: Store, elapse: Elapse) -> None:
    order = await claimed(store)
    await elapse(LEASE)
    taken = await store.save(order.resume(), claim=True)

    step = await store.save(taken.repeat("busy", SECOND))

    assert (taken.crashes, step.crashes) == (1, 0)


async def test_a_hand_over_neither_counts_nor_clears_a_crash(store: Store, elapse: Elapse) -> None:
    order = await claimed(store)
    await store.release([hold(order)])
    clean = await store.save(order.resume(), claim=True)
    await elapse(LEASE)
    crashed = await store.save(clean.resume(), claim=True)
    await store.release([hold(crashed)])

    again = await store.save(crashed.resume(), claim=True)

    assert (clean.crashes, crashed.crashes, again.crashes) == (0, 1, 1)


async def test_a_hint_that_led_nowhere_is_no_crash(store: Store, elapse: Elapse) -> None:
    order = await received(store)
    await elapse(BACKSTOP)
    await store.due(EMPTY, 10)
    await elapse(BACKSTOP * 2)
    await store.overlooked(10)

    taken = await store.save(order.resume(), claim=True)

    assert taken.crashes == 0


# reading


async def test_histories_that_are_asked_for_at_once_are_each_told_whole(store: Store) -> None:
    orders = [await confirmed(store), await received(store), await claimed(store)]
    asked = [orders[0].id, NOBODY, orders[1].id, orders[0].id, orders[2].id]

    histories = await asyncio.gather(*(store.history(order_id) for order_id in asked))

    told = [[(step.order_id, step.seq) for step in history] for history in histories]
    assert told == [
        [(order_id, seq) for seq in range(1, last + 1)]
        for order_id, last in zip(asked, (5, 0, 1, 5, 2), strict=True)
    ]


async def test_orders_that_are_ahead_of_what_is_known_are_told(store: Store) -> None:
    one, two = await received(store), await confirmed(store)
    await received(store)

    assert await store.ahead([(one.id, 0), (NOBODY, 0), (two.id, 3)]) == {one.id: 1, two.id: 5}
    assert await store.ahead([(one.id, 1), (two.id, 6)]) == {}
    assert await store.ahead([]) == {}


async def test_an_order_is_ahead_if_it_is_of_any_that_is_known_of_it(store: Store) -> None:
    order = await confirmed(store)

    assert await store.ahead([(order.id, 5), (order.id, 4), (order.id, 5)]) == {order.id: 5}


async def test_the_oldest_received_order_is_the_one_stored_first(
    store: Store, elapse: Elapse
) -> None:
    none = (await store.survey()).oldest_received
    first = await received(store)
    await elapse(timedelta(seconds=8))
    await received(store)
    await elapse(timedelta(seconds=2))
    await store.due(EMPTY, 10)  # hints at the first anew
    with_both = (await store.survey()).oldest_received
    await store.save(first.resume(), claim=True)
    with_second = (await store.survey()).oldest_received

    assert none is None
    assert with_both is not None
    assert with_second is not None
    assert timedelta(seconds=10) <= with_both < timedelta(seconds=12)
    assert timedelta(seconds=2) <= with_second < timedelta(seconds=4)


async def test_the_oldest_order_is_the_first_that_is_not_final(
    store: Store, elapse: Elapse
) -> None:
    await confirmed(store)
    none = await store.survey()
    await elapse(timedelta(seconds=30))
    await claimed(store)
    await elapse(timedelta(seconds=8))
    await received(store)
    await elapse(timedelta(seconds=2))
    both = await store.survey()

    assert none.oldest is None
    assert both.oldest is not None
    assert timedelta(seconds=10) <= both.oldest < timedelta(seconds=12)


async def test_what_was_taken_up_is_due_when_its_wait_or_its_lease_is_over(
    store: Store, elapse: Elapse
) -> None:
    await received(store)
    await claimed(store)
    waiting = await claimed(store)
    await store.save(waiting.repeat("busy", SECOND))
    at_first = (await store.survey()).due
    await elapse(2 * SECOND)
    after_the_wait = (await store.survey()).due
    await store.due(EMPTY, 1)  # a hint is no worker
    hinted = (await store.survey()).due
    await elapse(LEASE)
    after_the_lease = (await store.survey()).due

    assert (at_first, after_the_wait, hinted, after_the_lease) == (0, 1, 1, 2)


async def test_a_submitted_order_is_stuck_a_minute_after_its_receipt(
    store: Store, elapse: Elapse
) -> None:
    await submitted(store)
    await elapse(timedelta(seconds=58))
    early = (await store.survey()).stuck
    await claimed(store)
    await elapse(timedelta(seconds=4))
    late = (await store.survey()).stuck

    assert (early, late) == (0, 1)


async def test_orders_are_found_newest_first(store: Store) -> None:
    made = [await received(store, id=an_id(n)) for n in (2, 1, 3)]

    found = await store.find(Filter("public"), 10)

    assert [order.id for order in found] == [an_id(3), an_id(2), an_id(1)]
    assert sorted(found, key=lambda order: order.id) == sorted(made, key=lambda order: order.id)


async def test_a_page_ends_at_its_limit_and_the_next_begins_there(store: Store) -> None:
    for n in range(1, 6):
        await received(store, id=an_id(n))

    first = await store.find(Filter("public"), 2)
    second = await store.find(Filter("public", before=first[-1].id), 2)
    third = await store.find(Filter("public", before=second[-1].id), 2)

    pages = [[order.id for order in page] for page in (first, second, third)]
    assert pages == [[an_id(5), an_id(4)], [an_id(3), an_id(2)], [an_id(1)]]


async def test_an_owner_sees_only_its_own(store: Store) -> None:
    mine = await received(store, owner="me")
    await received(store, owner="you")

    assert await store.find(Filter("me"), 10) == [mine]


@pytest.mark.parametrize("status", Status)
async def test_orders_are_found_by_each_status(store: Store, status: Status) -> None:
    routing = await claimed(store)
    building = await store.save((await claimed(store)).build(a_route()))
    failed = await store.save((await claimed(store)).fail(FailureCode.NO_ROUTE, "none"))
    made = {
        Status.RECEIVED: await received(store),
        Status.ROUTING: routing,
        Status.BUILDING: building,
        Status.SUBMITTED: await submitted(store),
        Status.CONFIRMED: await confirmed(store),
        Status.FAILED: failed,
    }

    found = await store.find(Filter("public", status=status), 10)

    assert [order.id for order in found] == [made[status].id]


async def test_orders_are_found_by_either_mint_or_both(store: Store) -> None:
    there = await received(store, id=an_id(1), input_mint=SOL, output_mint=USDC)
    back = await received(store, id=an_id(2), input_mint=USDC, output_mint=SOL)
    third = await received(store, id=an_id(3), input_mint=SOL, output_mint="other")

    by_input = await store.find(Filter("public", input_mint=SOL), 10)
    by_output = await store.find(Filter("public", output_mint=SOL), 10)
    by_both = await store.find(Filter("public", input_mint=SOL, output_mint=USDC), 10)

    assert (by_input, by_output, by_both) == ([third, there], [back], [there])


async def test_an_order_is_found_by_the_name_its_client_gave_it(store: Store) -> None:
    key = Key(KeyKind.CLIENT_ORDER_ID, "mine")
    order = await received(store, key, client_order_id="mine")
    await received(store, Key(KeyKind.CLIENT_ORDER_ID, "other"), client_order_id="other")
    await received(store, Key(KeyKind.IDEMPOTENCY_KEY, "mine"))

    assert await store.find(Filter("public", client_order_id="mine"), 10) == [order]
    assert await store.find(Filter("public", client_order_id="nobody's"), 10) == []


async def test_since_is_included_and_until_is_not(store: Store, elapse: Elapse) -> None:
    await received(store, id=an_id(1))
    await elapse(timedelta(seconds=10))
    await received(store, id=an_id(2))
    young, old = await store.find(Filter("public"), 10)

    since = await store.find(Filter("public", since=young.created_at), 10)
    until = await store.find(Filter("public", until=young.created_at), 10)
    between = await store.find(Filter("public", since=old.created_at, until=young.created_at), 10)
    later = await store.find(Filter("public", since=(young.created_at or _now()) + SECOND), 10)

    assert (since, until, between, later) == ([young], [old], [old], [])


@pytest.mark.parametrize("year", [1, 1969, 9999])
async def test_any_instant_may_be_asked_for(store: Store, year: int) -> None:
    order = await received(store, id=an_id(1))
    instant = datetime(year, 12, 31, 23, 59, tzinfo=UTC)

    since = await store.find(Filter("public", since=instant), 10)
    until = await store.find(Filter("public", until=instant), 10)

    assert (since, until) == (([], [order]) if year == 9999 else ([order], []))


async def test_listed_transactions_carry_no_bytes(store: Store) -> None:
    order = await submitted(store)

    (found,) = await store.find(Filter("public"), 10)

    assert found.transaction is not None
    assert order.transaction is not None
    assert (found.transaction.tx_hash, found.transaction.raw) == (order.transaction.tx_hash, b"")


async def test_a_store_that_can_be_reached_answers(store: Store) -> None:
    await store.ping()


_START = datetime.now(UTC)


def _now() -> datetime:
    return datetime.now(UTC)


def an_id(number: int) -> UUID:
    """Ids that were made one after another, just now."""
    return uuid7(_START + timedelta(milliseconds=number), random=number)


# what a long sweep, a lost queue and a lost claim need


async def test_with_a_bound_only_what_was_due_by_then_is_taken(
    store: Store, elapse: Elapse
) -> None:
    first = await received(store, id=an_id(1))
    await elapse(LEASE)
    (began,) = await store.due(EMPTY, 10)
    await received(store, id=an_id(2))
    await elapse(LEASE * 2)

    again = await store.due(EMPTY, 10, began.at - LEASE * 2)

    assert began.order_id == first.id
    assert again == []
    assert len(await due_ids(store, EMPTY)) == 2


async def test_hints_as_young_as_the_oldest_that_is_left_are_not_forgotten(
    store: Store, elapse: Elapse
) -> None:
    lost = await received(store, id=an_id(1))
    await elapse(SECOND / 2)
    kept = await received(store, id=an_id(2))
    assert kept.created_at is not None

    forgotten = await store.forget_hints(kept.created_at)

    assert forgotten == 1
    assert await due_ids(store) == [lost.id]


async def test_a_claim_raises_the_lease_by_the_number_it_was_given(store: Store) -> None:
    order = await received(store)

    held = await store.save(order.resume(), claim=7)

    assert held.lease == order.lease + 7
    assert await store.renew([Hold(order.id, order.lease + 7)]) == {order.id}


# unsettled


async def test_submitted_orders_are_unsettled_once_nobody_looks_after_them(
    store: Store, elapse: Elapse
) -> None:
    first, second = await submitted(store), await submitted(store)
    await confirmed(store)
    await claimed(store)
    await store.release([hold(second)], timedelta(seconds=60))
    held = await store.unsettled(10)
    await elapse(LEASE)
    expired = await store.unsettled(10)
    await elapse(BACKSTOP)

    assert (held, expired) == ([], [first.id])
    assert await store.unsettled(10) == [first.id, second.id]
    assert await store.unsettled(1) == [first.id]
    assert await store.save((await _read(store, first.id)).resume(), claim=1)  # it took none


async def test_an_order_that_a_worker_died_over_is_not_among_the_unsettled(
    store: Store, elapse: Elapse
) -> None:
    await submitted(store)
    await elapse(LEASE)
    await store.due(LONG_BACKLOG, 10)  # which counts the crash
    await elapse(LEASE)

    assert await store.unsettled(10) == []


async def _read(store: Store, order_id: UUID) -> Order:
    order = await store.get(order_id)
    assert order is not None
    return order
