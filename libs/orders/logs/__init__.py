"""How processes log: one line an occurrence on standard error, times in UTC."""

import logging
import sys

from orders.logger import PROCESSORS, tell_from
from orders.logs.lines import MOMENT_SECONDS, MOST, Lines
from orders.logs.rendering import as_json, as_text
from orders.logs.repeats import Fields

__all__ = ["MOMENT_SECONDS", "MOST", "configure"]


def configure(level: str, format: str = "auto") -> None:
    """Log from `level` on, as `json` or as `text`; `auto` is text where a person looks on. What
    libraries say below WARNING is left out. May be called again."""
    stream = sys.stderr
    is_seen = stream.isatty()
    is_text = format == "text" or (format == "auto" and is_seen)
    lines = Lines(stream, as_text(colours=is_seen) if is_text else as_json)
    PROCESSORS[:] = [lines]
    tell_from(level)
    root = logging.getLogger()
    root.handlers[:] = [Libraries(lines)]
    root.setLevel(max(logging.WARNING, logging.getLevelName(level)))
    # It tells of each connection that is lost, with a traceback; ours tell what that costs.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)
    _leave_out_what_is_not_told()


class Libraries(logging.Handler):
    """Writes what libraries log among our own lines. `logging.shutdown`, which Python calls at the
    end of the process, has it write all that is left."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        try:
            fields: Fields = {"event": record.getMessage(), "logger": record.name}
        except Exception:  # arguments that do not fit the message
            return self.handleError(record)
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        template = record.msg if record.args else None  # else it may hold ids
        error = record.exc_info and record.exc_info[0]
        self._lines.add(record.levelname.lower(), fields, (record.name, template, error))

    def flush(self) -> None:
        """Write all that waits, and all that was kept back."""
        self._lines.release()


def _leave_out_what_is_not_told() -> None:
    """No record carries its thread, process or source line. docs.python.org, "Logging HOWTO",
    Optimization."""
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
