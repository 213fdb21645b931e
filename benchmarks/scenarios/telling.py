"""Telling: what the engine's metrics and log lines cost an order, apart from all else."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from time import process_time
from uuid import UUID

from msgspec.structs import replace
from prometheus_client import REGISTRY
from prometheus_client.exposition import generate_latest

from benchmarks.figures import Case, Figures
from benchmarks.options import Options
from benchmarks.scenarios.end_to_end import loaded
from benchmarks.stage import staged
from orders import logs, observe
from orders.domain.amounts import Amount
from orders.domain.ids import uuid7
from orders.domain.order import Order
from orders.domain.quote import Answer, Quote, Route, Transaction

ORDERS, BATCH, CONNECTIONS = 20_000, 32, 64
MOMENT = timedelta(milliseconds=3)
ANSWERS = tuple(
    Answer(dex, MOMENT, Quote(dex, Amount(out), Amount(3), 1))
    for dex, out in (("one", 1_000_000), ("two", 990_000))
)


async def run(options: Options) -> list[Case]:
    """All that is told of a confirmed order by both processes, in batches of 32 as under load: its
    metrics alone, and with its line at INFO; and what one scrape takes. Before and after it, what
    an order costs in all over 64 connections: 15 µs of 350 are 4.3 %, whatever the machine."""
    orders = options.orders or ORDERS
    lives = [_life(uuid7(datetime.now(UTC), n)) for n in range(orders)]
    observe.working(250, lambda: 3, ["one", "two"])
    cases: dict[str, list[Figures]] = {"metrics": [], "metrics and lines": [], "a scrape": []}
    async with staged({"WORKER_CONCURRENCY": "250"}) as stage:
        await loaded(stage, orders // 4, CONNECTIONS)
        for _ in range(options.runs):
            before = await loaded(stage, orders // 4, CONNECTIONS)
            with _level("ERROR"):
                metrics = await _cost(lambda: _told(lives), orders)
            with _level("INFO"):
                lines = await _cost(lambda: _told(lives), orders)
            scrape = await _cost(lambda: generate_latest(REGISTRY), 1)
            after = await loaded(stage, orders // 4, CONNECTIONS)
            whole = (before["cpu_us"] + after["cpu_us"]) / 2
            for runs, cpu_us in zip(cases.values(), (metrics, lines, scrape), strict=True):
                runs.append({"cpu_us": cpu_us, "of_order_percent": 100 * cpu_us / whole})
    return [Case(name, runs) for name, runs in cases.items()]


async def _cost(work: Callable[[], object], times: int) -> float:
    """CPU microseconds a time, of which the moments that write out are part."""
    began = process_time()
    work()
    await asyncio.sleep(2 * logs.MOMENT_SECONDS)
    return (process_time() - began) / times * 1e6


@contextmanager
def _level(level: str) -> Iterator[None]:
    """Log at `level`, to nowhere."""
    stderr = sys.stderr
    with open(os.devnull, "w") as nowhere:
        sys.stderr = nowhere
        try:
            logs.configure(level)
            yield
        finally:
            logging.getLogger().handlers[0].flush()
            sys.stderr = stderr


def _told(lives: list[tuple[Order, ...]]) -> None:
    for n, steps in enumerate(lives):
        observe.moved(steps[0], since=None)
        observe.responded("api/orders/execute", 201, MOMENT, steps[-1].id)
        observe.delivered(steps[0].updated_at or _AT, _AT)
        for answer in ANSWERS:
            observe.quoted(steps[0], answer)
        observe.routed(ANSWERS[0].quote or _QUOTE, ANSWERS)
        for before, step in pairwise(steps):
            observe.moved(step, since=before.updated_at)
        if n % BATCH == 0:
            for statement in ("add", "get", "save", "save", "save", "save"):
                observe.queried(statement, 0.002, BATCH)
                observe.heard(_AT, _AT)


_AT = datetime.now(UTC)
_QUOTE = Quote("one", Amount(1_000_000), Amount(3), 1)
_TRANSACTION = Transaction("one", "hash", b"signed", Amount(995_000), 1)
_RECEIVED = Order(
    id=UUID(int=1),
    owner="public",
    client_order_id=None,
    input_mint="a",
    output_mint="b",
    amount_in=Amount(1),
    slippage_bps=50,
    min_out=None,
    created_at=_AT,
    updated_at=_AT,
)
_ROUTING = replace(_RECEIVED.resume(), updated_at=_AT)
_BUILDING = replace(_ROUTING.build(Route(_QUOTE, ANSWERS)), updated_at=_AT)
_SUBMITTED = replace(_BUILDING.submit(_TRANSACTION), updated_at=_AT)
_CONFIRMED = replace(_SUBMITTED.confirm(Amount(999_000)), updated_at=_AT)
_LIFE = (_RECEIVED, _ROUTING, _BUILDING, _SUBMITTED, _CONFIRMED)


def _life(order_id: UUID) -> tuple[Order, ...]:
    """The steps; only the last one's id is told."""
    return (*_LIFE[:-1], replace(_CONFIRMED, id=order_id))
