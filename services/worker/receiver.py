"""taskiq's receiver, with a short way for the one message that this worker gets all day."""

import asyncio
import inspect
from collections.abc import AsyncGenerator
from contextlib import aclosing

from taskiq import AckableMessage
from taskiq.receiver import Receiver

from orders import observe
from orders.queue import TASK, arguments


class LeanReceiver(Receiver):
    """Runs the engine's own task without what it does not use: a second queue with semaphores of
    its own, parsed parameters, resolved dependencies, middlewares, results. They took a quarter of
    the worker's CPU.

    Any other message goes taskiq's way, if it makes sense; else it is counted and dropped. As
    there, a task that raises is acknowledged; one that is cancelled is not, so its message is
    handed back.
    """

    async def listen(self, finish_event: asyncio.Event) -> None:
        """Start whatever the broker gives out, which is no more than may run at once, until told
        to finish; then wait as long as may be for what runs. Raises what ended the broker."""
        running: set[asyncio.Task[None]] = set()
        starting = asyncio.create_task(self._start_all(running))
        finishing = asyncio.create_task(finish_event.wait())
        try:
            await asyncio.wait({starting, finishing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            starting.cancel()
            finishing.cancel()
            await asyncio.wait({starting, finishing})
        if running:
            await asyncio.wait(running, timeout=self.wait_tasks_timeout)
        if not starting.cancelled():
            starting.result()

    async def _start_all(self, running: set[asyncio.Task[None]]) -> None:
        loop = asyncio.get_running_loop()
        messages: AsyncGenerator[bytes | AckableMessage, None] = self.broker.listen()
        async with aclosing(messages):
            async for message in messages:
                task = loop.create_task(self.callback(message))
                running.add(task)
                task.add_done_callback(running.discard)

    async def callback(self, message: bytes | AckableMessage, raise_err: bool = False) -> None:
        if not isinstance(message, AckableMessage):
            return await super().callback(message, raise_err)
        called_with = arguments(message.data)
        if called_with is not None:
            await self._execute(*called_with)
        elif self._makes_sense(message.data):
            return await super().callback(message, raise_err)
        else:
            observe.message_malformed(message.data)
        await message.ack()  # type: ignore[misc]
        return None

    async def _execute(self, order_id: str, hinted_at: int, traceparent: str | None) -> None:
        task = self.broker.find_task(TASK)
        assert task is not None, "a worker's broker knows the task"
        try:
            await task.original_func(order_id, hinted_at, traceparent=traceparent)
        except Exception as bug:
            observe.task_failed(order_id, bug)

    def _makes_sense(self, data: bytes) -> bool:
        """Whether taskiq can read the message, knows its task, and can call it like that."""
        try:
            told = self.broker.formatter.loads(data)
            told.parse_labels()
            self._get_ack_time(told)
            task = self.broker.find_task(told.task_name)
            if task is None:
                return False
            inspect.signature(task.original_func).bind(*told.args, **told.kwargs)
        except Exception:  # whatever it raises, others would meet it too: drop the message
            return False
        return True
