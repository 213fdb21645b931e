"""Hints, and a worker of which only the broker is real: the test says what it does with them."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from uuid import UUID

from taskiq import AckableMessage

from orders.broker import StreamBroker
from orders.ports import Hint
from orders.queue import RedisQueue
from tests.factories import AT


async def send(queue: RedisQueue, count: int) -> None:
    """Hint at so many orders."""
    queue.enqueue([Hint(UUID(int=n), AT + timedelta(milliseconds=n)) for n in range(count)])
    await queue.drain()


class Taker:
    """Holds what it took, until told to acknowledge."""

    def __init__(self, broker: StreamBroker) -> None:
        self._broker = broker
        self._messages: AsyncGenerator[AckableMessage, None] | None = None

    async def arrive(self) -> None:
        """Join the group, which is made if there is none."""
        await self._broker.startup()
        self._messages = self._broker.listen()

    async def take(self, count: int) -> list[AckableMessage]:
        """The next messages. Fails unless they come."""
        if self._messages is None:
            await self.arrive()
        assert self._messages is not None
        async with asyncio.timeout(10):
            return [await anext(self._messages) for _ in range(count)]

    async def finish(self, messages: Sequence[AckableMessage]) -> None:
        """Acknowledge, in this order. Redis hears of it within milliseconds."""
        for message in messages:
            done = message.ack()
            assert done is not None
            await done

    async def leave(self) -> None:
        """Hand back what is held, and leave the group."""
        if self._messages is not None:
            await self._messages.aclose()
            self._messages = None
            await self._broker.shutdown()
