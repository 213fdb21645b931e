"""Messages as bytes: what is ours is read, and nothing else can hurt its reader."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from orders.ports import Hint
from orders.queue import arguments, encode, instant

ORDER_ID = UUID("01a20320-a27b-718e-bff7-5f915d94da91")
AT = datetime(2026, 11, 22, 12, tzinfo=UTC) + timedelta(microseconds=7)


def test_a_hint_is_read_as_it_was_written() -> None:
    called_with = arguments(encode(Hint(ORDER_ID, AT)))

    assert called_with is not None
    assert (UUID(called_with[0]), instant(called_with[1])) == (ORDER_ID, AT)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff\x00garbage",
        b'{"task_id": 1}',
        b'{"task_id":"\xff"}',
        encode(Hint(ORDER_ID, AT)).replace(b"orders.execute", b"orders.\xffxecute"),
        encode(Hint(ORDER_ID, AT)).replace(b"orders.execute", b"nobody.knows"),
        b'{"task_id":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=["nothing", "garbage", "no task", "no text", "no text within", "a stranger", "an abyss"],
)
def test_what_is_not_ours_is_not_read(message: bytes) -> None:
    assert arguments(message) is None
