"""Where the servers of a test run come from."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from services.cli.servers import Servers, servers


@dataclass(frozen=True)
class Backing:
    """A PostgreSQL and a Redis. `embedded` can also be stopped and restarted by a test."""

    name: str
    database_url: str
    redis_url: str
    embedded: Servers | None = None


@contextmanager
def backing() -> Iterator[Backing]:
    """Those named by the environment; else a Docker engine's, if one answers; else embedded."""
    database_url = os.environ.get("TEST_DATABASE_URL")
    redis_url = os.environ.get("TEST_REDIS_URL")
    if database_url and redis_url:
        yield Backing("named by TEST_DATABASE_URL and TEST_REDIS_URL", database_url, redis_url)
    elif _docker_answers():
        with _containers() as contained:
            yield contained
    else:
        with servers(postgres_settings={"fsync": "off", "max_connections": "200"}) as embedded:
            yield Backing("embedded", embedded.database_url, embedded.redis_url, embedded)


def _docker_answers() -> bool:
    """Asked of its command line: its Python client leaves sockets open when nothing answers."""
    docker = shutil.which("docker")
    return (
        docker is not None and subprocess.run([docker, "info"], capture_output=True).returncode == 0
    )


@contextmanager
def _containers() -> Iterator[Backing]:
    from testcontainers.postgres import PostgresContainer
    from testcontainers.redis import RedisContainer

    with ExitStack() as stack:
        postgres = stack.enter_context(PostgresContainer("postgres:18-alpine", driver=None))
        cache = stack.enter_context(RedisContainer("redis:8-alpine"))
        yield Backing(
            "testcontainers",
            postgres.get_connection_url(),
            f"redis://{cache.get_container_host_ip()}:{cache.get_exposed_port(6379)}/0",
        )
