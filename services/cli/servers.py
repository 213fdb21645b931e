"""Throw-away PostgreSQL and Redis for the demo, `up` and tests. They leave nothing behind."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from services.cli.postgres import Postgres
from services.cli.redis import Redis
from services.cli.scratch import Scratch


@dataclass(frozen=True)
class Servers:
    """Each of the two can be stopped, killed, started and restarted; its URL stays."""

    postgres: Postgres
    redis: Redis

    @property
    def database_url(self) -> str:
        return self.postgres.url

    @property
    def redis_url(self) -> str:
        return self.redis.url


@contextmanager
def servers(
    *,
    postgres_settings: Mapping[str, str] | None = None,
    redis_settings: Mapping[str, str] | None = None,
) -> Iterator[Servers]:
    """Both, in a folder of their own. Settings are PostgreSQL's `-c` and Redis's `--` options."""
    with Scratch() as scratch:
        yield Servers(
            postgres=Postgres(scratch, postgres_settings), redis=Redis(scratch, redis_settings)
        )


@contextmanager
def postgres(settings: Mapping[str, str] | None = None) -> Iterator[Postgres]:
    with Scratch() as scratch:
        yield Postgres(scratch, settings)


@contextmanager
def redis(settings: Mapping[str, str] | None = None) -> Iterator[Redis]:
    with Scratch() as scratch:
        yield Redis(scratch, settings)
