"""A backlog: orders that were accepted and wait for workers, and the hints that are held back."""

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from benchmarks.client import client
from benchmarks.pacing import pace
from benchmarks.stage import Stage
from orders.queue import EPOCH, STREAM

PATIENT = {
    "LEASE_SECONDS": "3600",
    "BACKSTOP_SECONDS": "86400",
}
"""With these, no sweep hints at orders whose hints are held back."""


async def place(stage: Stage, orders: int) -> list[str]:
    """Accept `orders` orders. Answers the ids of all that are open."""
    wanted = {"orders": orders, "connections": 64, "keys": False}
    async with client("load", port=stage.api_port, **wanted) as load:
        await load.ask()
    async with stage.database() as database:
        found = await database.fetch("SELECT order_id FROM orders WHERE status = 'received'")
    return [str(row["order_id"]) for row in found]


async def held_back(stage: Stage) -> list[bytes]:
    """Take all hints out of the queue, before a worker is there. Answers the commands that put
    them back, one by one.

    The queue is marked as whole, or the sweep would find that it has lost something.
    """
    async with Redis(port=stage.redis.port) as redis:
        entries: Any = await redis.xrange(STREAM)
        await redis.delete(STREAM)
        await redis.set(EPOCH, "1")
    return [_command(b"XADD", STREAM.encode(), b"*", *_flat(fields)) for _, fields in entries]


async def release(stage: Stage, commands: Sequence[bytes], rate: float) -> None:
    """Put hints back, `rate` a second."""
    transport, _ = await asyncio.get_running_loop().create_connection(
        asyncio.Protocol, "127.0.0.1", stage.redis.port
    )
    left = iter(commands)
    await pace(
        lambda _, count: transport.write(b"".join(next(left) for _ in range(count))),
        rate=rate,
        count=len(commands),
    )
    transport.close()


def _flat(fields: dict[bytes, bytes]) -> list[bytes]:
    return [each for pair in fields.items() for each in pair]


def _command(*words: bytes) -> bytes:
    """As Redis reads it."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)
