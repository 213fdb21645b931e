"""Load, history and judge together, against real APIs."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg

from orders.domain.amounts import Amount
from orders.domain.errors import FailureCode
from tests.chaos.checker import check
from tests.chaos.evidence import Evidence, Ledger, Outcome, Post
from tests.chaos.history import History, read_history
from tests.chaos.load import Load
from tests.chaos.reading import read_engine
from tests.chaos.venue.ledger import Execution
from tests.eventually import eventually
from tests.factories import a_transaction
from tests.integration.api.serving import Hand, Server, a_hand, serving


class Venue:
    """Once it opens, steps every order as a worker would, and keeps the ledger."""

    def __init__(self, hand: Hand, database: asyncpg.Pool) -> None:
        self.executions: list[Execution] = []
        self.opens = asyncio.Event()
        self._hand = hand
        self._database = database

    async def work(self) -> None:
        await self.opens.wait()
        while True:
            query = "SELECT order_id FROM orders WHERE status = 'received' LIMIT 50"
            for row in await self._database.fetch(query):
                await self._execute(row["order_id"])
            await asyncio.sleep(0.01)

    async def is_idle(self) -> bool:
        query = "SELECT count(*) FROM orders WHERE status NOT IN ('confirmed', 'failed')"
        return bool(await self._database.fetchval(query) == 0)

    async def _execute(self, order_id: UUID) -> None:
        order = await self._hand.route(order_id)
        if order.amount_in % 5 == 0:
            await self._hand.save(order.fail(FailureCode.NO_ROUTE, "no venue trades this"))
            return
        order = await self._hand.build(order)
        floor = order.min_out or Amount(0)
        trade = a_transaction(min_out=floor)
        order = await self._hand.save(order.submit(trade))
        out = max(floor, 1_000_000)
        await self._hand.save(order.confirm(Amount(out)))
        self.executions.append(
            Execution(
                trade.tx_hash,
                order.id,
                order.attempt,
                order.dex or "",
                order.input_mint,
                order.amount_in,
                order.output_mint,
                out,
                floor,
                height=1,
            )
        )

    def ledger(self) -> Ledger:
        balances: dict[str, int] = {}
        for each in self.executions:
            for mint, change in ((each.input_mint, -each.amount_in), (each.output_mint, each.out)):
                balances[mint] = balances.get(mint, 0) + change
        return Ledger(self.executions, balances)


@asynccontextmanager
async def a_venue(database_url: str, redis_url: str) -> AsyncIterator[Venue]:
    async with AsyncExitStack() as stack:
        hand = await stack.enter_async_context(a_hand(database_url, redis_url))
        pool = asyncpg.create_pool(database_url, min_size=1, max_size=2)
        venue = Venue(hand, await stack.enter_async_context(pool))
        working = asyncio.create_task(venue.work())
        try:
            yield venue
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)


async def test_a_run_in_which_an_api_goes_away_is_told_whole_and_judged_good(
    names_free: None, database_url: str, redis_url: str, history: History, path: Path
) -> None:
    environment = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "LOG_LEVEL": "ERROR"}
    async with (
        serving(environment) as staying,
        serving(environment) as going,
        a_venue(database_url, redis_url) as venue,
        Load([staying.url, going.url], seed=4, rate=100, orders=120, history=history) as load,
    ):
        running = asyncio.create_task(load.run())
        await eventually(lambda: load.asked >= 60 and _is_watched(going))
        await _cut(going)
        venue.opens.set()
        await running
        await load.finish(timedelta(seconds=30))
        await eventually(venue.is_idle)
        engine = await read_engine(database_url)
        ledger = venue.ledger()

    clients = read_history(path)
    verdicts = check(Evidence(clients=clients, engine=engine, ledger=ledger))
    assert [verdict for verdict in verdicts if not verdict.holds] == []
    assert {post.outcome for post in clients.posts} == {Outcome.OK, Outcome.UNKNOWN}
    assert len(engine.orders) >= 110
    assert any(len(story.connections) > 1 for story in clients.stories)
    assert _asked_again(clients.posts)


def _is_watched(server: Server) -> bool:
    """Whether a WebSocket of that API is open."""
    return any(getattr(each, "websocket", None) for each in server._server.connections)


async def _cut(server: Server) -> None:
    """End an API as if its machine went: nothing is drained."""
    for connection in list(server._server.connections):
        connection.abort()
    await server.stop()


def _asked_again(posts: Sequence[Post]) -> bool:
    """Whether one key was answered after its outcome had been unknown."""
    unknown: set[str | None] = set()
    for post in posts:
        if post.outcome is Outcome.UNKNOWN:
            unknown.add(post.key)
        elif post.order_id and post.key in unknown:
            return True
    return False
