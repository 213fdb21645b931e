"""The receiver's short way: what it does with our message is what taskiq would do."""

import asyncio
import json
from uuid import UUID

import pytest
from msgspec.structs import replace
from prometheus_client import REGISTRY
from taskiq import AckableMessage, InMemoryBroker

from orders.ports import Hint
from orders.queue import TASK, encode
from services.worker.receiver import LeanReceiver
from services.worker.tasks import register
from tests.factories import AT, an_order
from tests.fakes.clock import FakeClock


class Bench:
    """A receiver with one task of ours and one that is not, and what became of messages."""

    def __init__(self) -> None:
        self.broker = InMemoryBroker()
        self.ran: list[object] = []
        self.traceparents: list[str | None] = []
        self.acked = 0
        self.failure: BaseException | None = None

        @self.broker.task(task_name=TASK)
        async def execute(order_id: str, hinted_at: int, *, traceparent: str | None = None) -> None:
            self.ran.append((UUID(order_id), hinted_at))
            self.traceparents.append(traceparent)
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


async def test_the_span_that_sent_a_hint_is_carried_by_it(bench: Bench) -> None:
    span = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    await bench.deliver(encode(HINT))
    await bench.deliver(encode(replace(HINT, traceparent=span)))

    assert bench.traceparents == [None, span]


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


def called(name: str = TASK, *args: object, **fields: object) -> bytes:
    """A task as taskiq writes it."""
    usual = {"task_id": "1", "labels": {}, "kwargs": {}}
    return json.dumps(usual | {"task_name": name, "args": args} | fields).encode()


NONSENSE = {
    "nothing": b"",
    "no text": b"\xff",
    "text that is not UTF-8": encode(HINT).replace(b"orders.", b"orders\xff"),
    "not a task": b"{}",
    "half a task": encode(HINT)[:-9],
    "too deep": encode(HINT).replace(b'"labels":{}', b'"labels":{"a":%s}' % (b"[" * 99_999)),
    "an unknown task": called("nobody knows"),
    "no arguments": called(TASK),
    "too many arguments": called(TASK, str(HINT.order_id), 1, 2),
    "a strange argument": called(TASK, str(HINT.order_id), 1, kwargs={"more": 1}),
    "too many arguments for another task": called("another", "one", "two"),
    "an acknowledgement that there is not": called("another", "w", labels={"ack_type": "never"}),
}


@pytest.mark.parametrize("data", NONSENSE.values(), ids=NONSENSE.keys())
async def test_a_message_that_makes_no_sense_is_counted_and_dropped(
    bench: Bench, data: bytes
) -> None:
    before = malformed()

    await bench.deliver(data)

    assert (bench.ran, bench.acked, malformed() - before) == ([], 1, 1)


BAD_ARGUMENTS: list[tuple[object, object]] = [
    ("not-an-id", 1),
    (7, 1),
    (None, 1),
    (str(HINT.order_id), "noon"),
    (str(HINT.order_id), 10**30),
    (str(HINT.order_id), None),
]


@pytest.mark.parametrize(("order_id", "hinted_at"), BAD_ARGUMENTS)
async def test_arguments_that_name_no_order_or_no_time_are_counted_and_dropped(
    order_id: object, hinted_at: object
) -> None:
    bench, ran = Bench(), []

    async def run(named: UUID, _: str | None) -> None:
        ran.append(named)

    register(bench.broker, run=run, clock=FakeClock())
    before = malformed()

    await bench.deliver(called(TASK, order_id, hinted_at))

    assert (ran, bench.acked, malformed() - before) == ([], 1, 1)


def malformed() -> float:
    """How many messages were counted as nonsense so far."""
    value = REGISTRY.get_sample_value(
        "order_engine_deliveries_dropped_total", {"reason": "malformed"}
    )
    return value or 0
