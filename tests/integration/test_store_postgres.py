"""What only a real PostgreSQL can show of the store."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack
from contextvars import Context
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from orders.clock import SystemClock
from orders.domain.amounts import MAX_AMOUNT, Amount
from orders.domain.errors import (
    FailureCode,
    KeyReused,
    StaleOrder,
    StoreError,
    StoreUnavailable,
    Unstorable,
)
from orders.domain.order import Order
from orders.domain.retry import RetryPolicy
from orders.execution import Execution
from orders.leases import Leases
from orders.placement import Placement, Request
from orders.ports import Added, Filter, Hint, Hold, Horizon, Key, KeyKind
from orders.recovery import Recovery
from orders.routing import Router
from orders.store import PostgresStore
from services.cli.postgres import Postgres
from tests.backing import Backing
from tests.eventually import eventually
from tests.factories import SOL, USDC, a_route, a_transaction, an_order
from tests.fakes.feed import FakeFeed
from tests.fakes.queue import FakeQueue
from tests.fakes.venue import FakeVenue

EMPTY = Horizon(oldest=None, lost=False)
Open = Callable[..., PostgresStore]


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[Open]:
    """Opens one and the same store, as each process does for itself."""
    async with AsyncExitStack() as stack:

        def open_store(**options: Any) -> PostgresStore:
            store = PostgresStore(database_url, **options)
            stack.push_async_callback(store.close)
            return store

        yield open_store


@pytest.fixture
async def store(opened: Open) -> PostgresStore:
    store = opened()
    await store.open()
    return store


@pytest.fixture
async def sql(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
def postgres(servers: Backing) -> Postgres:
    """A server that the test may restart."""
    if servers.embedded is None:
        pytest.skip("only embedded servers can be restarted")
    return servers.embedded.postgres


async def received(store: PostgresStore, *keys: Key, **fields: Any) -> Order:
    return (await store.add(an_order(**fields), keys, "same")).order


async def claimed(store: PostgresStore, **fields: Any) -> Order:
    return await store.save((await received(store, **fields)).resume(), claim=True)


async def built(store: PostgresStore) -> Order:
    return await store.save((await claimed(store)).build(a_route()))


async def submitted(store: PostgresStore) -> Order:
    return await store.save((await built(store)).submit(a_transaction()))


async def lived(store: PostgresStore) -> Order:
    return await store.save((await submitted(store)).confirm(Amount(999_900)))


def kinds(ends: Iterable[Any]) -> list[type]:
    return [type(end) for end in ends]


# One statement


async def test_without_its_event_a_step_is_not_stored(
    store: PostgresStore, sql: asyncpg.Connection
) -> None:
    order = await claimed(store)
    await sql.execute(
        "INSERT INTO order_events VALUES ($1, 3, 'building', 1, '{}', now())", order.id
    )

    with pytest.raises(Unstorable):
        await store.save(order.build(a_route()))

    assert await store.get(order.id) == order


async def test_without_its_event_an_order_is_not_stored(
    store: PostgresStore, sql: asyncpg.Connection
) -> None:
    order, key = an_order(), Key(KeyKind.IDEMPOTENCY_KEY, "a")
    await sql.execute(
        "INSERT INTO order_events VALUES ($1, 1, 'received', 1, '{}', now())", order.id
    )

    with pytest.raises(Unstorable):
        await store.add(order, [key], "same")

    assert await store.get(order.id) is None
    assert await sql.fetchval("SELECT count(*) FROM idempotency_keys") == 0


async def test_of_two_deliveries_of_each_order_the_one_that_is_told_so_has_won(
    store: PostgresStore,
) -> None:
    orders = [await claimed(store) for _ in range(20)]

    ends = await asyncio.gather(
        *(store.save(order.build(a_route(out=out))) for order in orders for out in (1_000, 2_000)),
        return_exceptions=True,
    )

    won = [end for end in ends if isinstance(end, Order)]
    assert kinds(ends).count(StaleOrder) == 20
    assert sorted(order.id for order in won) == sorted(order.id for order in orders)
    for order in won:
        found = await store.get(order.id)
        assert found is not None
        assert found.expected_out == order.expected_out


async def test_in_a_batch_of_winners_and_losers_each_is_told_its_own_fate(
    store: PostgresStore,
) -> None:
    orders = [await received(store) for _ in range(20)]
    taken = random.sample(orders, 10)
    await asyncio.gather(*(store.save(order.resume(), claim=1) for order in taken))

    ends = await asyncio.gather(
        *(store.save(order.resume(), claim=n + 1) for n, order in enumerate(orders)),
        return_exceptions=True,
    )

    assert kinds(ends) == [StaleOrder if order in taken else Order for order in orders]
    assert [end.lease for end in ends if isinstance(end, Order)] == [
        n + 1 for n, order in enumerate(orders) if order not in taken
    ]


async def test_an_order_has_one_live_transaction(
    store: PostgresStore, sql: asyncpg.Connection
) -> None:
    order = await submitted(store)

    with pytest.raises(asyncpg.UniqueViolationError, match="order_attempts_one_live"):
        await sql.execute(
            "INSERT INTO order_attempts VALUES ($1, 2, 'alpha', 'other', '', 1, 1, 1, 'live')",
            order.id,
        )


async def test_every_transaction_keeps_its_fate(
    store: PostgresStore, sql: asyncpg.Connection
) -> None:
    rerouted = await store.save((await submitted(store)).reroute("it expired"))
    again = await store.save(rerouted.build(a_route(out=2_000_000)))
    signed = await store.save(again.submit(a_transaction(tx_hash="second", last_valid_height=7)))
    before = await _attempts(sql, signed.id)

    await store.save(signed.confirm(Amount(1_999_000)))

    assert before == [(1, "dead"), (2, "live")]
    assert await _attempts(sql, signed.id) == [(1, "dead"), (2, "landed")]


async def test_a_failure_proven_by_the_venue_leaves_no_live_transaction(
    store: PostgresStore, sql: asyncpg.Connection
) -> None:
    order = await submitted(store)

    await store.save(order.fail(FailureCode.INSUFFICIENT_FUNDS, "empty"))

    assert await _attempts(sql, order.id) == [(1, "dead")]


async def _attempts(sql: asyncpg.Connection, order_id: UUID) -> list[tuple[int, str]]:
    rows = await sql.fetch(
        "SELECT attempt, state FROM order_attempts WHERE order_id = $1 ORDER BY attempt", order_id
    )
    return [(row["attempt"], row["state"]) for row in rows]


# One bad value


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("a\0b", "ab"),
        ("\0\0", ""),
        (r"C:\u0000", r"C:\u0000"),
        ("\\\0\\u0000", r"\\u0000"),
    ],
)
async def test_a_nul_in_a_text_is_left_out_and_fails_no_batch(
    store: PostgresStore, said: str, kept: str
) -> None:
    orders = [await claimed(store) for _ in range(3)]

    ends = await asyncio.gather(
        store.save(orders[0].build(a_route())),
        store.save(orders[1].fail(FailureCode.NO_ROUTE, said)),
        store.save(orders[2].build(a_route())),
        return_exceptions=True,
    )

    assert kinds(ends) == [Order] * 3
    failed = await store.get(orders[1].id)
    (_, _, event) = await store.history(orders[1].id)
    assert failed is not None
    assert failed.failure is not None
    assert failed.failure.detail == kept
    assert event.data == {"error": {"code": "no_route", "detail": kept}}


@pytest.mark.parametrize(
    "fault",
    [
        {"amount_in": Amount(MAX_AMOUNT + 1)},
        {"min_out": Amount(-(2**70))},
        {"slippage_bps": 2**31},
        {"slippage_bps": 5_001},
        {"amount_in": Amount(0)},
    ],
)
async def test_a_value_that_cannot_be_stored_fails_alone(
    store: PostgresStore, fault: dict[str, Any]
) -> None:
    wanted = [an_order(), an_order(**fault), an_order()]

    ends = await asyncio.gather(
        *(store.add(order, [], "same") for order in wanted), return_exceptions=True
    )

    assert kinds(ends) == [Added, Unstorable, Added]
    assert await store.ahead([(order.id, 0) for order in wanted]) == {
        wanted[0].id: 1,
        wanted[2].id: 1,
    }


async def test_a_key_that_cannot_be_stored_fails_alone(store: PostgresStore) -> None:
    ends = await asyncio.gather(
        *(
            store.add(an_order(), [Key(KeyKind.IDEMPOTENCY_KEY, value)], "same")
            for value in ("a", "b\0", "c")
        ),
        return_exceptions=True,
    )

    assert kinds(ends) == [Added, Unstorable, Added]


async def test_a_broken_constraint_fails_only_its_order(store: PostgresStore) -> None:
    orders = [await built(store) for _ in range(5)]
    twin = a_transaction()
    await store.save((await built(store)).submit(twin))

    ends = await asyncio.gather(
        *(
            store.save(order.submit(twin if n == 2 else a_transaction()))
            for n, order in enumerate(orders)
        ),
        return_exceptions=True,
    )

    assert kinds(ends) == [Order, Order, Unstorable, Order, Order]
    assert await store.ahead([(order.id, 0) for order in orders]) == {
        order.id: 3 if n == 2 else 4 for n, order in enumerate(orders)
    }


async def test_one_request_twice_in_a_batch_is_one_order(store: PostgresStore) -> None:
    """Both are in one batch's reach, and so is a request that shares a key with either."""
    one, two = Key(KeyKind.IDEMPOTENCY_KEY, "a"), Key(KeyKind.CLIENT_ORDER_ID, "a")

    ends = await asyncio.gather(
        *(store.add(an_order(), keys, "same") for keys in ([one], [one, two], [two]))
    )

    assert [end.replayed for end in ends] == [False, True, True]
    assert len({end.order.id for end in ends}) == 1


# Several processes


async def test_processes_that_save_the_same_orders_in_opposite_order_do_not_block_each_other(
    opened: Open,
) -> None:
    one, two = opened(), opened()
    await asyncio.gather(one.open(), two.open())
    orders = [await received(one) for _ in range(40)]

    async def hammer(store: PostgresStore, ids: list[UUID]) -> list[Any]:
        """Claim, renew and release all of them, again and again."""
        ends: list[Any] = []
        for _ in range(15):
            read = await asyncio.gather(*(store.get(order_id) for order_id in ids))
            claims = await asyncio.gather(
                *(store.save(order.resume(), claim=True) for order in read if order),
                return_exceptions=True,
            )
            holds = [Hold(end.id, end.lease) for end in claims if isinstance(end, Order)]
            ends += claims
            ends += await asyncio.gather(
                store.renew(holds), store.release(holds[::-1]), store.due(EMPTY, 100)
            )
        return ends

    ids = [order.id for order in orders]
    ends = await asyncio.gather(hammer(one, ids), hammer(two, ids[::-1]))

    assert {*kinds(ends[0]), *kinds(ends[1])} <= {Order, StaleOrder, set, list, type(None)}
    for order in orders:
        seqs = [step.seq for step in await one.history(order.id)]
        assert seqs == list(range(1, len(seqs) + 1))


async def test_processes_that_take_the_same_keys_in_opposite_order_make_one_order_of_each(
    opened: Open,
) -> None:
    one, two = opened(), opened()
    await asyncio.gather(one.open(), two.open())
    names = [f"key-{n}" for n in range(200)]

    def adds(store: PostgresStore, chosen: list[str]) -> list[Any]:
        return [
            store.add(
                an_order(),
                [Key(KeyKind.IDEMPOTENCY_KEY, name), Key(KeyKind.CLIENT_ORDER_ID, name)],
                "same",
            )
            for name in chosen
        ]

    ends: list[Added] = await asyncio.gather(*adds(one, names), *adds(two, names[::-1]))

    first, second = ends[:200], ends[:199:-1]
    assert [a.order.id for a in first] == [b.order.id for b in second]
    assert all(a.replayed != b.replayed for a, b in zip(first, second, strict=True))


async def test_of_two_processes_that_give_one_name_to_two_orders_one_is_refused(
    opened: Open,
) -> None:
    one, two = opened(), opened()
    await asyncio.gather(one.open(), two.open())

    for n in range(20):
        a, b = (Key(KeyKind.IDEMPOTENCY_KEY, f"{owner}-{n}") for owner in "ab")
        shared = Key(KeyKind.CLIENT_ORDER_ID, f"shared-{n}")
        await asyncio.gather(received(one, a), received(two, b))

        ends = await asyncio.gather(
            one.add(an_order(), [a, shared], "same"),
            two.add(an_order(), [b, shared], "same"),
            return_exceptions=True,
        )

        assert sorted(kind.__name__ for kind in kinds(ends)) == [
            Added.__name__,
            KeyReused.__name__,
        ]


async def test_of_two_deliveries_in_two_processes_the_one_that_is_told_so_has_won(
    opened: Open,
) -> None:
    one, two = opened(), opened()
    await asyncio.gather(one.open(), two.open())
    orders = [await claimed(one) for _ in range(20)]

    ends = await asyncio.gather(
        *(
            store.save(order.build(a_route(out=out)))
            for order in orders
            for store, out in ((one, 1_000), (two, 2_000))
        ),
        return_exceptions=True,
    )

    won = [end for end in ends if isinstance(end, Order)]
    assert kinds(ends).count(StaleOrder) == 20
    for order in won:
        found = await two.get(order.id)
        assert found is not None
        assert found.expected_out == order.expected_out


@pytest.mark.parametrize("processes", [1, 2])
async def test_an_order_that_is_delivered_twice_at_once_is_signed_and_sent_once(
    opened: Open, processes: int
) -> None:
    stores = [opened() for _ in range(processes)]
    await asyncio.gather(*(store.open() for store in stores))
    venue = FakeVenue("alpha", clock=SystemClock())
    workers = [_execution(stores[n % processes], venue) for n in range(2)]
    orders = [await received(stores[0]) for _ in range(20)]

    await asyncio.gather(*(worker.run(order.id) for order in orders for worker in workers))

    assert len(venue.sent) == len(set(venue.sent)) == venue.ledger.builds == 20
    for order in orders:
        assert [step.seq for step in await stores[0].history(order.id)] == [1, 2, 3, 4, 5]


def _execution(store: PostgresStore, venue: FakeVenue) -> Execution:
    clock = SystemClock()
    return Execution(
        store=store,
        feed=FakeFeed(),
        router=Router(venues={venue.dex: venue}, clock=clock, timeout=timedelta(seconds=5)),
        leases=Leases(store=store),
        clock=clock,
        policy=RetryPolicy(),
        fraction=random.random,
        settle_for=timedelta(seconds=5),
        settle_poll=timedelta(milliseconds=10),
    )


@pytest.mark.parametrize("statement", ["save", "renew", "release", "add", "forget"])
async def test_a_statement_for_many_rows_takes_them_in_the_order_of_their_keys(
    store: PostgresStore, sql: asyncpg.Connection, statement: str
) -> None:
    orders = [await (received if statement == "forget" else claimed)(store) for _ in range(40)]
    names = random.sample([f"key-{n:02}" for n in range(40)], 40)
    await sql.execute(MANY_MORE)
    await sql.execute("ANALYZE orders")
    await sql.execute(TOLD_OF_ROWS)

    match statement:
        case "save":
            await asyncio.gather(*(store.save(order.build(a_route())) for order in orders))
        case "renew":
            await store.renew([Hold(order.id, order.lease) for order in orders])
        case "release":
            await store.release([Hold(order.id, order.lease) for order in orders])
        case "forget":
            assert await store.forget_hints() == 40
        case "add":
            keys = [Key(KeyKind.IDEMPOTENCY_KEY, name) for name in names]
            await asyncio.gather(*(received(store, key) for key in keys))

    touched = [row["key"] for row in await sql.fetch("SELECT key FROM touched ORDER BY n")]
    assert touched == sorted(names if statement == "add" else [str(order.id) for order in orders])


# As many as make PostgreSQL look rows up one by one; it would else sort them to merge them.
MANY_MORE = """
INSERT INTO orders (order_id, input_mint, output_mint, amount_in, status, seq, attempt,
                    slippage_bps, actual_out, owner)
SELECT gen_random_uuid(), 'a', 'b', 1, 'confirmed', 5, 1, 50, 1, 'public'
FROM generate_series(1, 5000)
"""

# Notes each row that a statement takes, as it takes it.
TOLD_OF_ROWS = """
CREATE TABLE touched (n BIGSERIAL PRIMARY KEY, key TEXT NOT NULL);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO touched (key) VALUES (to_jsonb(NEW) ->> TG_ARGV[0]);
    RETURN NEW;
END $$;
CREATE TRIGGER note BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION note('order_id');
CREATE TRIGGER note BEFORE INSERT ON idempotency_keys FOR EACH ROW EXECUTE FUNCTION note('key');
"""


@pytest.mark.parametrize("statement", ["due", "overlooked"])
async def test_a_sweep_passes_over_what_another_is_at(
    store: PostgresStore, sql: asyncpg.Connection, statement: str
) -> None:
    orders = [await received(store) for _ in range(3)]
    await sql.execute("UPDATE orders SET wake_at = wake_at - interval '1 hour'")

    async def sweep() -> list[UUID]:
        async with asyncio.timeout(5):
            hints = await (store.due(EMPTY, 10) if statement == "due" else store.overlooked(10))
        return sorted(hint.order_id for hint in hints)

    async with sql.transaction():
        await sql.execute("SELECT FROM orders WHERE order_id = $1 FOR UPDATE", orders[1].id)
        meanwhile = await sweep()
    after = await sweep()

    assert meanwhile == sorted([orders[0].id, orders[2].id])
    assert after == [orders[1].id]


# What PostgreSQL says of a batch


@pytest.mark.parametrize("code", ["40001", "40P01"], ids=["serialization", "deadlock"])
async def test_what_met_another_is_repeated_as_it_is(
    store: PostgresStore, sql: asyncpg.Connection, code: str
) -> None:
    orders = [await claimed(store) for _ in range(4)]
    holds = [Hold(order.id, order.lease) for order in orders]

    await _stumble(sql, code)
    kept = await store.renew(holds)
    await _stumble(sql, code)
    saves = await asyncio.gather(*(store.save(order.build(a_route())) for order in orders))
    await _stumble(sql, code)
    await store.release(holds)
    await _stumble(sql, code)
    swept = await store.due(EMPTY, 10)
    await _stumble(sql, code)
    adds = await asyncio.gather(*(received(store) for _ in range(4)))

    assert len(kept) == len(saves) == len(swept) == len(adds) == 4
    assert await store.ahead([(order.id, 0) for order in orders]) == {
        order.id: 3 for order in orders
    }


async def test_a_connection_lost_in_a_batch_is_unknown_to_all_and_nothing_is_tried_again(
    store: PostgresStore, sql: asyncpg.Connection
) -> None:
    orders = [await claimed(store) for _ in range(4)]
    await _stumble(sql, "cut")

    ends = await asyncio.gather(
        *(store.save(order.build(a_route())) for order in orders), return_exceptions=True
    )

    assert kinds(ends) == [StoreUnavailable] * 4
    assert await sql.fetchval("SELECT last_value FROM stumbles") == 1
    assert await store.ahead([(order.id, 0) for order in orders]) == {
        order.id: 2 for order in orders
    }


async def _stumble(sql: asyncpg.Connection, code: str) -> None:
    """Let the next two statements that write orders fail so; "cut" ends their connection."""
    await sql.execute(STUMBLES.format(code=code))


# A sequence is not rolled back, so it counts the failures too.
STUMBLES = """
DROP TRIGGER IF EXISTS stumble ON orders;
DROP SEQUENCE IF EXISTS stumbles;
CREATE SEQUENCE stumbles;
CREATE OR REPLACE FUNCTION stumble() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('stumbles') > 2 THEN
        RETURN NULL;
    ELSIF TG_ARGV[0] = 'cut' THEN
        PERFORM pg_terminate_backend(pg_backend_pid());
    ELSE
        RAISE EXCEPTION 'stumbled' USING ERRCODE = TG_ARGV[0];
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER stumble BEFORE INSERT OR UPDATE ON orders
    FOR EACH STATEMENT EXECUTE FUNCTION stumble('{code}');
"""


async def test_what_cannot_be_stored_is_refused_before_the_database_is_asked() -> None:
    nowhere = PostgresStore("postgresql://127.0.0.1:1/nowhere")
    order = an_order(lease=1).resume()

    with pytest.raises(Unstorable):
        await nowhere.save(order.build(a_route(out=MAX_AMOUNT + 1)))
    with pytest.raises(Unstorable):
        await nowhere.save(order.build(a_route()).submit(a_transaction(tx_hash="\ud800")))
    with pytest.raises(Unstorable):
        await nowhere.add(an_order(amount_in=Amount(MAX_AMOUNT + 1)), [], "fingerprint")


# Two clocks


@pytest.fixture(params=["5 minutes", "-5 minutes"], ids=["ahead", "behind"])
async def ahead(request: pytest.FixtureRequest, sql: asyncpg.Connection) -> timedelta:
    """How far PostgreSQL's clock is ahead of this process's from now on."""
    await sql.execute(A_CLOCK_OF_ITS_OWN.format(ahead=request.param))
    return timedelta(minutes=5 if request.param == "5 minutes" else -5)


# A schema that is searched before PostgreSQL's own. Its clock can be set, and the server has
# been up for long.
A_CLOCK_OF_ITS_OWN = """
CREATE SCHEMA own;
CREATE TABLE own.clock (ahead INTERVAL NOT NULL);
INSERT INTO own.clock VALUES ('{ahead}');
CREATE FUNCTION own.now() RETURNS timestamptz LANGUAGE sql STABLE
    AS 'SELECT pg_catalog.now() + ahead FROM own.clock';
CREATE FUNCTION own.pg_postmaster_start_time() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT '2000-01-01Z'::timestamptz $$;
ALTER TABLE orders ALTER created_at SET DEFAULT own.now(), ALTER updated_at SET DEFAULT own.now();
DO $$ BEGIN EXECUTE format(
    'ALTER DATABASE %I SET search_path = own, pg_catalog, public', current_database()
); END $$;
"""


async def test_leases_run_by_postgresqls_clock_and_by_no_workers(
    opened: Open, sql: asyncpg.Connection, ahead: timedelta
) -> None:
    store = opened()
    await store.open()
    order = await claimed(store)
    assert order.updated_at is not None
    skew = order.updated_at - SystemClock().now()

    with pytest.raises(StaleOrder):
        await store.save(order.resume(), claim=True)
    early = await store.due(EMPTY, 10)
    await _pass(sql, timedelta(seconds=5))
    (hint,) = await store.due(EMPTY, 10)
    taken = await store.save(order.resume(), claim=True)

    assert abs(skew - ahead) < timedelta(minutes=1)
    assert early == []
    assert (hint.order_id, taken.lease, taken.crashes) == (order.id, 2, 1)
    assert hint.at - order.updated_at >= timedelta(seconds=5)


async def test_a_worker_whose_own_clock_is_wrong_changes_nothing(
    opened: Open, sql: asyncpg.Connection, ahead: timedelta
) -> None:
    store, queue, clock = opened(), FakeQueue(), SystemClock()
    await store.open()
    await queue.mark()
    placement = Placement(
        store=store, queue=queue, feed=FakeFeed(), clock=clock, random_bits=random.getrandbits
    )
    recovery = Recovery(store=store, queue=queue, clock=clock)
    request = Request(
        owner="public", input_mint=SOL, output_mint=USDC, amount_in=1, slippage_bps=50
    )
    waiting = (await placement.place(request)).order
    left = await claimed(store)
    (told,) = queue.hints

    too_early = await recovery.sweep()
    await _pass(sql, timedelta(seconds=5))
    swept = await recovery.sweep()
    again = await recovery.sweep()

    assert told == Hint(waiting.id, waiting.created_at or clock.now())
    assert abs(told.at - clock.now() - ahead) < timedelta(minutes=1)
    assert (too_early, swept, again) == (0, 1, 0)  # what waits in the queue is let wait
    assert queue.order_ids == [waiting.id, left.id]
    venue = FakeVenue("alpha", clock=clock)
    await _execution(store, venue).run(left.id)
    done = await store.get(left.id)
    assert done is not None
    assert (done.status, done.lease > left.lease) == ("confirmed", True)


async def _pass(sql: asyncpg.Connection, by: timedelta) -> None:
    """Let time pass for PostgreSQL alone."""
    await sql.execute("UPDATE own.clock SET ahead = ahead + $1", by)


async def test_the_store_can_be_used_from_tasks_that_know_nothing_of_it(
    store: PostgresStore,
) -> None:
    order = await received(store)

    found = await asyncio.create_task(store.find(Filter(order.owner), 1), context=Context())

    assert found == [order]


# Failures of the server


async def test_writes_go_on_after_a_crash_of_the_server_and_none_that_was_answered_is_lost(
    opened: Open, postgres: Postgres
) -> None:
    store = opened()
    await store.open()
    answered: list[UUID] = []
    failures: list[StoreError] = []
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            try:
                answered.append((await received(store)).id)
            except StoreUnavailable as failure:
                failures.append(failure)
                await asyncio.wait([stopping], timeout=0.01)

    stopping = asyncio.create_task(stop.wait())
    writers = [asyncio.create_task(write()) for _ in range(5)]
    await eventually(lambda: answered)

    await asyncio.to_thread(postgres.restart, kill=True)
    before = len(answered)
    await eventually(lambda: len(answered) > before + 10)
    stop.set()
    await asyncio.gather(*writers, stopping)

    assert failures
    assert await store.ahead([(order_id, 0) for order_id in answered]) == dict.fromkeys(answered, 1)


async def test_while_the_server_is_down_every_call_says_so(
    store: PostgresStore, postgres: Postgres
) -> None:
    order = await claimed(store)
    await asyncio.to_thread(postgres.stop)
    try:
        ends = await asyncio.gather(
            store.add(an_order(), [], "same"),
            store.add(an_order(), [Key(KeyKind.IDEMPOTENCY_KEY, "a")], "same"),
            store.get(order.id),
            store.save(order.build(a_route())),
            store.renew([Hold(order.id, 1)]),
            store.release([Hold(order.id, 1)]),
            store.due(EMPTY, 1),
            store.overlooked(1),
            store.forget_hints(),
            store.history(order.id),
            store.ahead([(order.id, 0)]),
            store.survey(),
            store.ping(),
            return_exceptions=True,
        )
    finally:
        await asyncio.to_thread(postgres.start)

    assert kinds(ends) == [StoreUnavailable] * 13
    assert await store.get(order.id) == order


async def test_a_lease_that_ran_out_while_the_server_was_down_is_no_crash(
    opened: Open, postgres: Postgres
) -> None:
    store = opened(lease=timedelta(seconds=1))
    await store.open()
    order = await claimed(store)

    await asyncio.to_thread(postgres.restart, kill=True)
    await eventually(lambda: _reachable(store))
    swept = await eventually(lambda: store.due(EMPTY, 1))

    taken = await store.save(order.resume(), claim=True)
    assert [hint.order_id for hint in swept] == [order.id]
    assert taken.crashes == 0


async def test_a_lease_that_ran_out_while_the_server_was_up_is_a_crash(opened: Open) -> None:
    store = opened(lease=timedelta(milliseconds=50))
    await store.open()
    order = await claimed(store)
    await eventually(lambda: store.due(EMPTY, 1))

    taken = await store.save(order.resume(), claim=True)

    assert taken.crashes == 1


async def _reachable(store: PostgresStore) -> bool:
    try:
        await store.ping()
    except StoreUnavailable:
        return False
    return True


# What it costs


async def test_what_follows_a_claim_until_the_last_step_touches_no_index(
    opened: Open, sql: asyncpg.Connection
) -> None:
    store = opened()
    await store.open()
    await asyncio.gather(*(lived(store) for _ in range(100)))
    await store.close()  # its connections count what they did when they end

    async def counted() -> bool:
        return bool(await _updates(sql) >= (400, 0))  # 4 steps after the first

    await eventually(counted)

    updates, hot = await _updates(sql)
    assert updates == 400
    assert 150 <= hot <= 200  # the two steps between, as far as there is room on their page


async def _updates(sql: asyncpg.Connection) -> tuple[int, int]:
    """The updates of orders, and how many of them were HOT."""
    row = await sql.fetchrow(
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'orders'"
    )
    return row["n_tup_upd"], row["n_tup_hot_upd"]
