"""When lines are written: soon, and many in a row."""

import asyncio
import sys
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from threading import RLock
from typing import Any, TextIO

from orders.logs.rendering import Render
from orders.logs.repeats import ENDS, Fields, Line, Repeats, kind

MOMENT_SECONDS = 0.05
MOST = 100
_UNHURRIED = {"debug", "info"}

Call = tuple[tuple[()], dict[str, Any]]
_NOTHING: Call = ((), {})
"""What structlog is left to hand to a logger."""


class Lines:
    """Writes the lines of a moment at once: to render and write them one by one, between all else,
    takes three times as long. From WARNING on, and where no loop runs, a line does not wait. A
    process that is killed loses those of its last moment.

    Fits structlog as its last processor.
    """

    def __init__(
        self, stream: TextIO, render: Render, *, now: Callable[[], float] = time.time
    ) -> None:
        self._stream = stream
        self._render = render
        self._now = now
        self._waiting: list[Line] = []
        self._is_due = False
        self._released_at = 0.0
        self._repeats = Repeats()
        self._lock = RLock()  # libraries log from threads of theirs

    def __call__(self, _: object, level: str, fields: Fields) -> Call:
        self.add(level, fields)
        return _NOTHING

    def add(self, level: str, fields: Fields, repeats: Hashable = None) -> None:
        """Write what just happened, now or soon, unless it has happened too often lately.

        What is of one kind `repeats`, or has the same causes and error. At DEBUG all is told.
        """
        if "exc_info" in fields:
            fields["exc_info"] = _raised(fields["exc_info"])
        line = Line(self._now(), level, fields)
        with self._lock:
            if level != "debug" and fields["event"] not in ENDS:
                self._waiting += self._repeats.turn(line.at)
                if self._repeats.keeps(line, repeats or kind(fields)):
                    return self._release_at(self._repeats.ends, line.at)
            self._waiting.append(line)
            since = line.at - self._waiting[0].at
            if level not in _UNHURRIED or len(self._waiting) >= MOST or since > MOMENT_SECONDS:
                self.flush()
            elif not self._is_due:
                self._is_due = _later(MOMENT_SECONDS, self.flush)
                if not self._is_due:
                    self.flush()
            return None

    def flush(self) -> None:
        """Write all that waits."""
        with self._lock:
            waiting, self._waiting, self._is_due = self._waiting, [], False
            if waiting:
                with suppress(OSError, ValueError):  # there is nobody to tell that nobody is told
                    self._stream.write(self._render(waiting))
                    self._stream.flush()

    def release(self) -> None:
        """Write also what was kept since it repeated itself."""
        with self._lock:
            self._waiting += self._repeats.release()
            self.flush()

    def _release_at(self, end: float, at: float) -> None:
        if end != self._released_at and _later(end - at, self.release):
            self._released_at = end


def _later(seconds: float, do: Callable[[], None]) -> bool:
    """Whether there is a loop to `do` it by."""
    try:
        asyncio.get_running_loop().call_later(seconds, do)
    except RuntimeError:
        return False
    return True


def _raised(told: Any) -> BaseException | None:
    """What `exc_info` stands for: an error, what `sys.exc_info` gave, or True for the current."""
    if told is True:
        told = sys.exc_info()
    raised = told[1] if isinstance(told, tuple) else told
    return raised if isinstance(raised, BaseException) else None
