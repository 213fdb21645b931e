"""One child process: its log, whether it lives, and how it is ended."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from services.cli.errors import Died, TooSlow

PATIENCE = timedelta(seconds=20)


@dataclass(frozen=True)
class Account:
    """Whom a child runs as. Only root may choose."""

    uid: int
    gid: int


class Child:
    """Runs in a session of its own: Ctrl-C reaches us alone, and we end it in our order."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str],
        cwd: Path,
        account: Account | None,
        stop_with: signal.Signals,
        kill_with: signal.Signals,
        ended: Callable[[int], None],
    ) -> None:
        self.name = name
        self.log = log
        self._stop_with, self._kill_with, self._ended = stop_with, kill_with, ended
        self._is_asked = self._is_over = False
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How it ended, negative for a signal; None while it runs."""
        return self._process.poll()

    def check(self) -> None:
        """Raise `Died`, with the end of the log, unless it runs."""
        if not self.is_running:
            code = self._process.returncode
            raise Died(f"{self.name} ended with exit code {code}.\n{self.tail()}")

    def tail(self, lines: int = 20) -> str:
        text = self.log.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join([f"The end of its log, {self.log}:", *(f"  | {line}" for line in text)])

    def wait_until(self, ready: Callable[[], bool], patience: timedelta) -> None:
        """Raise `Died` if it ends first, `TooSlow` if it is not ready in time."""
        deadline = time.monotonic() + patience.total_seconds()
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise TooSlow(
                    f"{self.name} was not ready within {patience.total_seconds():g} s.\n"
                    f"{self.tail()}"
                )
            time.sleep(0.02)
        self.check()

    def ask_to_stop(self) -> None:
        """Sends the signal once: a second could mean "at once". Follow it with `stop`."""
        if self.is_running and not self._is_asked:
            self._is_asked = True
            self._process.send_signal(self._stop_with)

    def stop(self, patience: timedelta = PATIENCE) -> None:
        """In its own orderly way; by force once `patience` is over. Safe to repeat."""
        self.ask_to_stop()
        self._wait(patience)

    def kill(self) -> None:
        """As in a crash: it gets no time to finish anything. Safe to repeat."""
        if self.is_running:
            self._process.send_signal(self._kill_with)
        self._wait(PATIENCE)

    def _wait(self, patience: timedelta) -> None:
        if self._is_over:  # its number may be another process's by now
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience.total_seconds())
        with contextlib.suppress(OSError):  # nobody is left in its group, as it should be
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._is_over = True
        self._ended(self.pid)
