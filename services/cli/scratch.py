"""A temporary folder and the processes that live in it; both go with their owner."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from services.cli.child import Account, Child

LONGEST_BASE = 60  # characters
REAPER = Path(__file__).with_name("reaper.py")


class Scratch:
    """Use with `with`. A `kill -9` of the owner is covered too, by `reaper.py`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="order-engine-", dir=_base()))
        self.folder.chmod(0o711)  # PostgreSQL may run as another account: let it pass through
        self._children: list[Child] = []
        self._reaper = subprocess.Popen(
            [sys.executable, "-I", "-S", str(REAPER), str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )

    def spawn(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        account: Account | None = None,
        stop_with: signal.Signals = signal.SIGTERM,
        kill_with: signal.Signals = signal.SIGKILL,
    ) -> Child:
        """Its output is appended to `NAME.log` in the folder."""
        child = Child(
            name,
            command,
            log=self.folder / f"{name}.log",
            env=env,
            cwd=cwd or self.folder,
            account=account,
            stop_with=stop_with,
            kill_with=kill_with,
            ended=lambda pid: self._tell(f"- {pid}"),
        )
        self._children.append(child)
        self._tell(f"+ {child.pid} {int(kill_with)}")
        return child

    def _tell(self, line: str) -> None:
        assert self._reaper.stdin is not None
        with contextlib.suppress(OSError):  # the reaper was killed: closing still clears up
            self._reaper.stdin.write(line + "\n")
            self._reaper.stdin.flush()

    def close(self) -> None:
        """Ends the youngest process first, since it may need the older ones."""
        for child in reversed(self._children):
            child.stop()
        assert self._reaper.stdin is not None
        with contextlib.suppress(OSError):
            self._reaper.stdin.close()
        self._reaper.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _base() -> str:
    """The system's place for temporary files, or /tmp where that could not hold our servers.

    A blank or a great length breaks servers that put the path into a command line or a socket
    address; a private folder (root's own) is closed to the account PostgreSQL runs as.
    """
    base = Path(tempfile.gettempdir()).resolve()
    fits = len(str(base)) <= LONGEST_BASE and not any(mark.isspace() for mark in str(base))
    if fits and (os.geteuid() != 0 or _open_to_all(base)):
        return str(base)
    return "/tmp"


def _open_to_all(folder: Path) -> bool:
    return all(part.stat().st_mode & 0o001 for part in (folder, *folder.parents))
