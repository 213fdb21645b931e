"""An end to whatever a stopping process waits for."""

import asyncio
import logging
import os
from datetime import timedelta

from orders import observe


def within(limit: timedelta) -> None:
    """Let this process end within `limit`, come what may.

    A server that hangs, or a library that does not let itself be cancelled, could hold a process
    for longer than it is given, and to be killed then is no better. What is not done by then is as
    if the process had died: leases run out, and what is pending in the queue is reclaimed.
    """
    asyncio.get_running_loop().call_later(limit.total_seconds(), _end, limit)


def _end(limit: timedelta) -> None:
    observe.left_in_haste(limit)
    logging.shutdown()
    os._exit(0)
