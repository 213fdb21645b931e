"""How long a call may take, for calls of which there are thousands a second."""

import asyncio
from typing import Self


class Deadline:
    """`asyncio.timeout` at half its cost: it cannot be rescheduled or asked how it stands.

    Raises `TimeoutError` where the block is `seconds` later, if it has not ended.
    """

    __slots__ = ("_cancelling", "_is_over", "_seconds", "_task", "_timer")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._is_over = False

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self._timer = task.get_loop().call_later(self._seconds, self._end)
        return self

    def __exit__(self, kind: type[BaseException] | None, met: object, _: object) -> None:
        self._timer.cancel()
        if (
            self._is_over
            and self._task.uncancel() <= self._cancelling
            and kind is asyncio.CancelledError
        ):
            raise TimeoutError

    def _end(self) -> None:
        self._is_over = True
        self._task.cancel()
