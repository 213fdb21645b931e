"""The logger of all modules. Where its lines go, and from which level on, is for `logs` to say."""

import sys
from typing import Any, cast

import structlog
from structlog.typing import FilteringBoundLogger, Processor

PROCESSORS: list[Processor] = structlog.get_config()["processors"]
"""What every line passes. Changed in place, as by `structlog.testing.capture_logs`."""


def _tell(self: Any, level: str, event: str, **fields: Any) -> None:
    """As a `BoundLoggerBase` does it, without the three calls and copies that it takes."""
    told: Any = {**self._context, **fields} if self._context else fields
    told["event"] = event
    try:
        for process in PROCESSORS:
            told = process(None, level, told)
    except structlog.DropEvent:
        return
    if isinstance(told, str):  # nobody has configured a process that takes it
        print(told, file=sys.stderr)


def _class(level: str) -> Any:
    filtering = structlog.make_filtering_bound_logger(level)
    return type("Logger", (filtering,), {"_proxy_to_logger": _tell})


log = cast(FilteringBoundLogger, _class("WARNING")(None, PROCESSORS, {}))
"""Made at once. What `structlog.get_logger` gives makes one at every call, which costs five times
as much as a call that writes nothing."""


def tell_from(level: str) -> None:
    """Let lines of `level` and above pass; a call for another returns at once."""
    log.__class__ = telling = _class(level)
    structlog.configure(PROCESSORS, telling, logger_factory=structlog.ReturnLoggerFactory())
