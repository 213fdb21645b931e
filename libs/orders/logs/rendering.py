"""How lines look: JSON for machines, columns for people. Neither shows a password."""

import re
import traceback
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from structlog.dev import ConsoleRenderer

from orders.logs.repeats import Line

Render = Callable[[Iterable[Line]], str]

_encoder = msgspec.json.Encoder(enc_hook=str)


def as_json(lines: Iterable[Line]) -> str:
    """One object a line. Safe with whatever the fields hold."""
    dressed = [_dressed(line) for line in lines]
    try:
        text = _encoder.encode_lines(dressed).decode()
    except Exception:  # no value may keep the others from being told
        text = "".join(map(_as_best_may_be, dressed))
    return _masked(text)


def as_text(*, colours: bool) -> Render:
    """Columns: when, how grave, what; then the fields, and what was raised below."""
    columns = ConsoleRenderer(pad_event_to=20, colors=colours, sort_keys=False)

    def render(lines: Iterable[Line]) -> str:
        told = as_json(lines).split("\n")[:-1]
        return "".join(f"{columns(None, '', _legible(line))}\n" for line in told)

    return render


def _dressed(line: Line) -> dict[str, Any]:
    fields = line.fields
    at = datetime.fromtimestamp(line.at, UTC)
    dressed = {"timestamp": at, "level": line.level, "event": fields["event"], **fields}
    if order_id := fields.get("order_id"):
        dressed["trace_id"] = _trace_id(order_id)
    if raised := dressed.pop("exc_info", None):
        dressed.setdefault("error", f"{type(raised).__name__}: {_described(raised)}")
        dressed["exception"] = "".join(traceback.format_exception(raised)).rstrip()
    return dressed


def _trace_id(order_id: object) -> str:
    """An order's trace has the order's own id."""
    return order_id.hex if isinstance(order_id, UUID) else str(order_id).replace("-", "")


def _as_best_may_be(dressed: dict[str, Any]) -> str:
    told = {key: _encodable(value) for key, value in dressed.items()}
    return _encoder.encode(told).decode() + "\n"


def _encodable(value: object) -> object:
    try:
        _encoder.encode(value)
    except Exception:  # then it is described
        return _described(value)
    return value


def _described(value: object) -> str:
    try:
        return str(value).encode(errors="backslashreplace").decode()
    except Exception:  # an object that cannot even be described
        return f"<{type(value).__name__}>"


_CHARACTER = r'(?:[^\s"\\]|\\[^nrt])'  # of a JSON string, but no white space
_WORD = re.compile(f"{_CHARACTER}+")
_PASSWORD = re.compile(
    rf"""(password|passwd|pwd)((?:'|\\")?\s*[=:]\s*)(?:'[^'"]*'|(?:(?!&){_CHARACTER})+)""", re.I
)


def _masked(text: str) -> str:
    """`text`, which is JSON, without the passwords of connection strings."""
    if "@" in text and "://" in text:
        text = _WORD.sub(_nameless, text)
    if any(part in text for part in ("assw", "ASSW", "pwd", "PWD")):
        text = _PASSWORD.sub(r"\1\2***", text)
    return text


def _nameless(word: re.Match[str]) -> str:
    """A word, but if it is a URL with a password, which is taken to reach up to the last "@"."""
    scheme, found, rest = word[0].partition("://")
    user, _, host = rest.rpartition("@")
    return f"{scheme}://***:***@{host}" if found and ":" in user else word[0]


_CONTROLS = {n: f"\\x{n:02x}" for n in (*range(9), *range(11, 32), *range(127, 160))}
"""Whatever a terminal could take for an order, but for a tab and the end of a line."""


def _legible(line: str) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.json.decode(line)
    told = {k: v.translate(_CONTROLS) if isinstance(v, str) else v for k, v in fields.items()}
    return told | {"event": str(told["event"]).replace("\n", "\\n")}
