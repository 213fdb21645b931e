"""The receiver's short way: what it does with our message is what taskiq would do."""

import asyncio
from uuid import UUID

import pytest
from taskiq import AckableMessage, InMemoryBroker

from orders.ports import Hint
from orders.queue import TASK, encode
from services.worker.receiver import LeanReceiver
from tests.factories import AT, an_order


class Bench:
    """A receiver with one task of ours and one that is not, and what became of messages."""

    def __init__(self) -> None:
        self.broker = InMemoryBroker()
        self.ran: list[object] = []
        self.acked = 0
        self.failure: BaseException | None = None

        @self.broker.task(task_name=TASK)
        async def execute(order_id: str, hinted_at: int) -> None:
            self.ran.append((UUID(order_id), hinted_at))
            if self.failure:
                raise self.failure

        @self.broker.task(task_name="another")
        async def another(word: str) -> None:
            self.ran.append(word)

        self.another = another
        self.receiver = LeanReceiver(self.broker, max_async_tasks=1)

    async def deliver(self, data: bytes) -> None:
        """Hand the receiver a message."""

        async def ack() -> None:
            self.acked += 1

        await self.receiver.callback(AckableMessage(data=data, ack=ack))


@pytest.fixture
def bench() -> Bench:
    return Bench()


HINT = Hint(an_order().id, AT)


async def test_our_message_runs_our_task_and_is_acknowledged(bench: Bench) -> None:
    await bench.deliver(encode(HINT))

    assert bench.ran == [(HINT.order_id, 1795348800123000)]  # AT, in microseconds since 1970
    assert bench.acked == 1


async def test_a_task_that_raises_is_acknowledged(bench: Bench) -> None:
    bench.failure = ValueError("a bug")

    await bench.deliver(encode(HINT))

    assert bench.acked == 1


async def test_a_task_that_is_cancelled_is_not_acknowledged(bench: Bench) -> None:
    bench.failure = asyncio.CancelledError()

    with pytest.raises(asyncio.CancelledError):
        await bench.deliver(encode(HINT))

    assert bench.acked == 0


async def test_another_message_goes_taskiqs_way(bench: Bench) -> None:
    message = bench.another.kicker()._prepare_message("word")

    await bench.deliver(bench.broker.formatter.dumps(message).message)

    assert (bench.ran, bench.acked) == (["word"], 1)


@pytest.mark.parametrize("data", [b"", b"\xff", b"{}", b'{"task_name": "nobody knows"}'])
async def test_a_message_that_makes_no_sense_is_dropped(bench: Bench, data: bytes) -> None:
    await bench.deliver(data)

    assert (bench.ran, bench.acked) == ([], 1)
