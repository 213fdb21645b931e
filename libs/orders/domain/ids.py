"""Order ids: UUIDs of version 7, which sort by the time they were made (RFC 9562, 5.7)."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LOW = (1 << 62) - 1


def uuid7(at: datetime, random: int = 0) -> UUID:
    """The id made at `at` (UTC, to the millisecond) with 74 random bits.

    With no random bits it is the least id of its millisecond: a bound for range reads.
    """
    milliseconds = (at - _EPOCH) // _MILLISECOND
    high, low = random >> 62 & 0xFFF, random & _LOW
    return UUID(int=milliseconds << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)
