"""The embedded servers start, come back, and leave nothing behind."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import asyncpg
import psutil
import pytest

from services.cli import ports
from services.cli import redis as redis_module
from services.cli.child import Child
from services.cli.errors import CliError
from services.cli.ports import free_port
from services.cli.postgres import Postgres
from services.cli.redis import Redis
from services.cli.servers import Servers, postgres, redis, servers

DEADLINE = 20.0  # seconds

OWNER = """
import os, sys
from services.cli.servers import servers
with servers() as both:
    children = both.postgres.child, both.redis.child
    print(*(child.pid for child in children), children[0].log.parent, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def both() -> Iterator[Servers]:
    with servers() as started:
        yield started


def ask(database_url: str, query: str) -> object:
    async def answer() -> object:
        connection = await asyncpg.connect(database_url, timeout=5)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(answer())


def redis_says(port: int, command: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(command + b"\r\n")
        return connection.recv(1024)


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_gone(pid: int) -> bool:
    """A process that nobody has waited for yet counts as gone."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def family(child: Child) -> list[int]:
    return [child.pid, *(each.pid for each in psutil.Process(child.pid).children(recursive=True))]


def test_both_servers_answer_at_their_urls(both: Servers) -> None:
    assert ask(both.database_url, "SELECT 1 + 1") == 2
    assert redis_says(both.redis.port, b"PING") == b"+PONG\r\n"
    assert both.redis_url == f"redis://127.0.0.1:{both.redis.port}/0"


def test_postgres_flushes_every_commit_unless_told_otherwise(both: Servers) -> None:
    assert ask(both.database_url, "SHOW fsync") == "on"


def test_settings_reach_the_servers() -> None:
    with servers(
        postgres_settings={"fsync": "off", "max_connections": "17"},
        redis_settings={"maxmemory": "5mb"},
    ) as special:
        assert ask(special.database_url, "SHOW fsync") == "off"
        assert ask(special.database_url, "SHOW max_connections") == "17"
        assert b"5242880" in redis_says(special.redis.port, b"CONFIG GET maxmemory")  # 5 * 2^20


def test_each_server_can_be_had_alone() -> None:
    with redis() as one:
        assert redis_says(one.port, b"PING") == b"+PONG\r\n"
    with postgres() as other:
        assert ask(other.url, "SELECT 3") == 3


def test_two_copies_at_once_are_strangers(both: Servers) -> None:
    with servers() as others:
        ask(others.database_url, "CREATE TABLE only_here ()")
        redis_says(others.redis.port, b"SET only here")

        assert ask(both.database_url, "SELECT to_regclass('only_here')") is None
        assert redis_says(both.redis.port, b"GET only") == b"$-1\r\n"


@pytest.mark.parametrize("kill", [False, True])
def test_postgres_comes_back_on_its_port_with_what_was_committed(both: Servers, kill: bool) -> None:
    url, table = both.database_url, f"kept_{kill}"
    ask(url, f"CREATE TABLE {table} AS SELECT 42 AS answer")

    both.postgres.restart(kill=kill)

    assert both.database_url == url
    assert ask(url, f"SELECT answer FROM {table}") == 42


@pytest.mark.parametrize("kill", [False, True])
def test_redis_comes_back_on_its_port_with_nothing(both: Servers, kill: bool) -> None:
    port = both.redis.port
    redis_says(port, b"SET lost hint")

    both.redis.restart(kill=kill)

    assert both.redis.port == port
    assert redis_says(port, b"GET lost") == b"$-1\r\n"


def test_a_stopped_server_refuses_connections_until_it_is_started(both: Servers) -> None:
    both.redis.stop()
    both.postgres.kill()
    with pytest.raises(ConnectionRefusedError):
        redis_says(both.redis.port, b"PING")
    with pytest.raises(ConnectionRefusedError):
        ask(both.database_url, "SELECT 1")

    both.redis.start()
    both.postgres.start()

    assert redis_says(both.redis.port, b"PING") == b"+PONG\r\n"
    assert ask(both.database_url, "SELECT 1") == 1


def test_starting_and_stopping_may_be_repeated(both: Servers) -> None:
    pids = both.postgres.child.pid, both.redis.child.pid

    both.postgres.start()
    both.redis.start()

    assert (both.postgres.child.pid, both.redis.child.pid) == pids
    both.redis.stop()
    both.redis.stop()
    both.redis.kill()
    both.redis.start()
    assert redis_says(both.redis.port, b"PING") == b"+PONG\r\n"


def test_the_end_leaves_no_process_and_no_folder() -> None:
    with servers() as short_lived:
        folder = short_lived.postgres.child.log.parent
        pids = family(short_lived.postgres.child) + family(short_lived.redis.child)
        assert len(pids) > 2  # PostgreSQL has helpers

    assert not folder.exists()
    assert eventually(lambda: all(map(is_gone, pids)))


def test_an_exception_leaves_no_process_and_no_folder() -> None:
    children: list[Child] = []

    def fail() -> None:
        with redis() as short_lived:
            children.append(short_lived.child)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert not children[0].log.parent.exists()
    assert is_gone(children[0].pid)


@pytest.mark.parametrize("name", ["with a space", "x" * 120])
def test_an_awkward_temporary_folder_is_no_obstacle(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    awkward = tmp_path / name
    awkward.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(awkward))

    with servers() as started:
        assert ask(started.database_url, "SELECT 1") == 1
        assert redis_says(started.redis.port, b"PING") == b"+PONG\r\n"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_owner_that_is_killed_takes_everything_along(how: signal.Signals) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert owner.stdout is not None
    assert owner.stdin is not None
    first, second, folder = owner.stdout.readline().split()
    pids = [
        pid
        for parent in (int(first), int(second))
        for pid in (parent, *(each.pid for each in psutil.Process(parent).children()))
    ]

    owner.send_signal(how)

    owner.wait(DEADLINE)
    owner.stdin.close()
    owner.stdout.close()
    assert eventually(lambda: not Path(folder).exists())
    assert eventually(lambda: all(map(is_gone, pids)))


@pytest.mark.parametrize("server", [postgres, redis])
def test_a_port_lost_to_another_process_costs_only_another_try(
    server: Callable[[], AbstractContextManager[Postgres | Redis]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lost, free = free_port(), free_port()
    monkeypatch.setattr(ports, "free_port", iter([lost, free]).__next__)
    with socket.socket() as thief:
        thief.bind(("127.0.0.1", lost))
        thief.listen()

        with server() as started:
            assert started.port == free


def test_a_server_that_dies_is_reported_with_the_end_of_its_log() -> None:
    with pytest.raises(CliError, match="no_such_setting"), postgres({"no_such_setting": "1"}):
        pass


def test_a_free_port_is_not_one_that_a_client_could_be_given() -> None:
    assert all(15_000 <= free_port() < 32_000 for _ in range(50))


def test_a_machine_without_any_redis_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redis_module, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")

    with pytest.raises(CliError, match="redis-server on PATH"), redis():
        pass
