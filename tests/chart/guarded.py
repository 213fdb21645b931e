"""A Redis of a configuration's own, that takes nobody without the password."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as Unreachable

from services.cli.redis import _binary
from services.cli.scratch import Scratch
from tests.eventually import eventually


@asynccontextmanager
async def guarded(config: Path, port: int, password: str) -> AsyncIterator[Redis]:
    """One that runs by `config`, in its folder. Whoever has no password was turned away first."""
    with Scratch() as scratch:
        own = ["--port", str(port), "--bind", "127.0.0.1"]
        scratch.spawn("redis", [_binary(), str(config), *own], env={}, cwd=config.parent)
        async with Redis.from_url(f"redis://:{password}@127.0.0.1:{port}") as known:
            await eventually(lambda: _answers(known), timedelta(seconds=10))
            async with Redis.from_url(f"redis://127.0.0.1:{port}") as stranger:
                with pytest.raises(AuthenticationError):
                    await stranger.ping()
            yield known


async def _answers(redis: Redis) -> bool:
    try:
        return bool(await redis.ping())
    except Unreachable:
        return False
