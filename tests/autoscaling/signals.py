"""What each redis-streams trigger of KEDA would read off a real Redis.

Follows `createEntriesCountFn` in pkg/scalers/redis_streams_scaler.go of KEDA 2.19. Without a
consumer group it is XLEN (`streamLength`); with one, `pending` of XPENDING or `lag` of XINFO
GROUPS.
"""

from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from orders.broker import GROUP
from orders.queue import STREAM
from tests.eventually import eventually

NULL = -1
"""What KEDA's client makes of a lag that Redis does not know (`XInfoGroup.Lag`, go-redis 9.17)."""
ERROR = None
"""KEDA reads nothing: it leaves the replicas alone, or falls back, and never wakes from none."""

Reading = int | None


async def entries(redis: Redis) -> list[bytes]:
    """The ids of all that the stream holds, oldest first."""
    found: Any = await redis.xrange(STREAM)
    return [entry for entry, _ in found]


@dataclass(frozen=True)
class Readings:
    """The same moment by each trigger."""

    length: int
    lag: int
    pending: Reading


async def readings(redis: Redis) -> Readings:
    return Readings(await length(redis), await lag(redis), await pending(redis))


async def readings_at(redis: Redis, backlog: int) -> Readings:
    """The same, once the stream is so long: acknowledgements take milliseconds."""

    async def reached() -> bool:
        return await length(redis) == backlog

    await eventually(reached)
    return await readings(redis)


async def length(redis: Redis) -> int:
    """`streamLength`: 0 when there is no stream."""
    return int(await redis.xlen(STREAM))


async def lag(redis: Redis) -> int:
    """`lagCount`: 0 when there is no stream, and its length when there is no such group."""
    try:
        groups: list[Any] = await redis.xinfo_groups(STREAM)
    except ResponseError:
        return 0
    for group in groups:
        if group["name"] == GROUP.encode():
            return NULL if group["lag"] is None else int(group["lag"])
    return await length(redis)


async def pending(redis: Redis) -> Reading:
    """`pendingEntriesCount`: an error when there is no stream, or no such group."""
    try:
        summary: Any = await redis.xpending(STREAM, GROUP)
    except ResponseError:
        return ERROR
    return int(summary["pending"])


def exposed(metrics: str, name: str) -> int:
    """What KEDA's metrics-api trigger reads: the first sample of that name, in Prometheus' text.

    `getValueFromPrometheusResponse` in pkg/scalers/metrics_api_scaler.go.
    """
    (value,) = (line.split()[1] for line in metrics.splitlines() if line.startswith(f"{name} "))
    return int(float(value))
