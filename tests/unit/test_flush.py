import asyncio
from collections.abc import Sequence

import pytest

from orders.flush import Flush
from tests.eventually import eventually


class Wire:
    """Keeps what is sent and what is lost. While `gate` is closed, sends stay in flight."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.lost: list[tuple[int, Exception | None]] = []
        self.failures: list[Exception | None] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def send(self, items: Sequence[str]) -> None:
        self.batches.append(list(items))
        await self.gate.wait()
        failure = self.failures.pop(0) if self.failures else None
        if failure:
            raise failure

    def lose(self, count: int, failure: Exception | None) -> None:
        self.lost.append((count, failure))


@pytest.fixture
def wire() -> Wire:
    return Wire()


def a_flush(wire: Wire, **options: int) -> Flush[str]:
    return Flush(wire.send, wire.lose, **options)


async def test_what_comes_at_once_is_sent_at_once(wire: Wire) -> None:
    flush = a_flush(wire)

    flush(["a", "b"])
    flush(["c"])
    await flush.drain()

    assert wire.batches == [["a", "b", "c"]]


async def test_what_comes_while_a_batch_is_on_its_way_goes_into_the_next(wire: Wire) -> None:
    flush = a_flush(wire)
    wire.gate.clear()
    flush(["a"])
    await eventually(lambda: wire.batches)

    flush(["b"])
    flush(["c"])
    wire.gate.set()
    await flush.drain()

    assert wire.batches == [["a"], ["b", "c"]]


async def test_batches_are_bounded_and_keep_their_order(wire: Wire) -> None:
    flush = a_flush(wire, most=2)

    flush(list("abcde"))
    await flush.drain()

    assert wire.batches == [["a", "b"], ["c", "d"], ["e"]]


async def test_what_cannot_be_sent_is_lost_and_the_rest_goes_on(wire: Wire) -> None:
    failure = ConnectionResetError("gone")
    wire.failures = [failure]
    flush = a_flush(wire, most=2)

    flush(list("abc"))
    await flush.drain()

    assert wire.lost == [(2, failure)]
    assert wire.batches == [["a", "b"], ["c"]]


async def test_what_comes_while_too_much_waits_is_lost(wire: Wire) -> None:
    flush = a_flush(wire, bound=2)
    wire.gate.clear()
    flush(["a"])
    await eventually(lambda: wire.batches)
    flush(["b", "c"])

    flush(["d", "e"])
    wire.gate.set()
    await flush.drain()
    flush(["f"])
    await flush.drain()

    assert wire.lost == [(2, None)]
    assert wire.batches == [["a"], ["b", "c"], ["f"]]


async def test_nothing_is_sent_when_there_is_nothing(wire: Wire) -> None:
    flush = a_flush(wire)

    flush([])
    await flush.drain()

    assert wire.batches == []


async def test_draining_can_be_given_up(wire: Wire) -> None:
    flush = a_flush(wire)
    wire.gate.clear()
    flush(["a"])

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await flush.drain()

    wire.gate.set()
    await flush.drain()
    assert wire.lost == []
