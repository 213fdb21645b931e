"""How this engine talks to Redis: with short timeouts, and without retrying on its own."""

from datetime import timedelta
from typing import Any

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

TIMEOUT = timedelta(seconds=5)


def pool(url: str, *, size: int = 10, block: timedelta = timedelta(0)) -> BlockingConnectionPool:
    """Connections to the Redis at `url` (`redis://`, `rediss://` or `unix://`).

    redis-py answers a blocking read that outlasts its socket timeout with an error, so the
    timeout is set past `block`, the longest such read.
    """
    return BlockingConnectionPool.from_url(url, max_connections=size, **options(block))


def options(block: timedelta = timedelta(0)) -> dict[str, Any]:
    """What every connection is made with. Callers repeat what is worth repeating, themselves."""
    return {
        "socket_timeout": (TIMEOUT + block).total_seconds(),
        "socket_connect_timeout": TIMEOUT.total_seconds(),
        "health_check_interval": 15,
        "retry": Retry(NoBackoff(), 0),
    }
