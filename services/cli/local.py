"""The whole engine on this machine: servers, tables, one API process and one worker process."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx

from services.cli.child import Child
from services.cli.migrate import apply
from services.cli.ports import free_port
from services.cli.postgres import Postgres
from services.cli.redis import Redis
from services.cli.scratch import Scratch

PATIENCE = timedelta(seconds=30)
ROOT = Path(__file__).parents[2]  # where `-m services.api` is found, wherever we are called from

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Engine:
    """A running engine. Its output is in `folder`, which goes when it stops."""

    api_url: str
    worker_url: str
    database_url: str
    redis_url: str
    folder: Path
    children: tuple[Child, ...]

    def check(self) -> None:
        """Raise `Died`, with the end of its log, if a process has ended."""
        for child in self.children:
            child.check()


@contextmanager
def engine(
    *, api_port: int | None = None, worker_port: int | None = None, tell: Tell = print
) -> Iterator[Engine]:
    """Ready to take orders. Settings of the engine pass through from the environment."""
    with Scratch() as scratch:
        database_url, redis_url, servers = _servers(scratch, tell)
        applied = asyncio.run(apply(database_url))
        tell(f"tables       {', '.join(applied) or 'are up to date'}")
        urls = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
        api_url = f"http://127.0.0.1:{api_port or free_port()}"
        worker_url = f"http://127.0.0.1:{worker_port or free_port()}"
        api = _service(scratch, "api", urls | _address("API", api_url))
        worker = _service(scratch, "worker", urls | _address("WORKER_PROBE", worker_url))
        try:
            _wait_until_ready(api, api_url)
            tell(f"API          {api_url}")
            _wait_until_ready(worker, worker_url)
            tell(f"worker       {worker_url}")
            children = (*servers, api, worker)
            yield Engine(api_url, worker_url, database_url, redis_url, scratch.folder, children)
        finally:
            for child in (api, worker):  # both at once; the servers outlast them
                child.ask_to_stop()
            for child in (api, worker):
                child.stop()


def _servers(scratch: Scratch, tell: Tell) -> tuple[str, str, tuple[Child, ...]]:
    database_url, redis_url = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
    if database_url and redis_url:
        tell("PostgreSQL   DATABASE_URL of the environment")
        tell("Redis        REDIS_URL of the environment")
        return database_url, redis_url, ()
    if database_url or redis_url:
        tell("Only one of DATABASE_URL and REDIS_URL is set: neither is used.")
    postgres = Postgres(scratch)
    tell(f"PostgreSQL   {postgres.url}")
    redis = Redis(scratch)
    tell(f"Redis        {redis.url}")
    return postgres.url, redis.url, (postgres.child, redis.child)


def _service(scratch: Scratch, name: str, settings: dict[str, str]) -> Child:
    defaults = {"LOG_LEVEL": "info", "PYTHONUNBUFFERED": "1"}
    return scratch.spawn(
        name,
        [sys.executable, "-m", f"services.{name}"],
        env=defaults | dict(os.environ) | settings,
        cwd=ROOT,
    )


def _address(prefix: str, url: str) -> dict[str, str]:
    parsed = httpx.URL(url)
    return {f"{prefix}_HOST": parsed.host, f"{prefix}_PORT": str(parsed.port)}


def _wait_until_ready(service: Child, url: str) -> None:
    with httpx.Client(base_url=url, trust_env=False, timeout=2) as client:

        def answers() -> bool:
            try:
                return client.get("/readyz").status_code == httpx.codes.OK
            except httpx.TransportError:
                return False

        service.wait_until(answers, PATIENCE)
