"""Waiting for what others do, without saying for how long they take."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from inspect import isawaitable
from typing import Any

POLL = timedelta(milliseconds=10)


async def eventually(
    check: Callable[[], Awaitable[Any] | Any],
    within: timedelta = timedelta(seconds=10),
    *,
    poll: timedelta = POLL,
) -> Any:
    """What `check` answers, once that is truthy and it raises no `AssertionError`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within.total_seconds()
    while True:
        late = loop.time() >= deadline
        try:
            answer = check()
            if isawaitable(answer):
                answer = await answer
        except AssertionError:
            if late:
                raise
        else:
            if answer:
                return answer
            assert not late, f"still {answer!r} after {within.total_seconds():g} s"
        await asyncio.sleep(poll.total_seconds())
