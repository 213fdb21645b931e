"""Follows the steps of an order, through whatever happens to the line."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from services.cli.client import is_remote
from services.cli.errors import CliError

PATIENCE = timedelta(seconds=60)
PAUSE = timedelta(milliseconds=500)

NORMAL, BROKEN = 1000, 1006  # RFC 6455, 7.4.1
REFUSED = {4400: "the order id is malformed", 4404: "there is no such order"}
# The server goes (1001, 1012), is busy (1013, 1014) or fails (1011); we were too slow (4408).
COME_BACK = frozenset({1001, BROKEN, 1011, 1012, 1013, 1014, 4408})

Step = Mapping[str, Any]  # a frame, as the API's contract has it


class _Dropped(Exception):
    """The line is gone, and it is worth coming back."""


async def steps(
    url: str, order_id: str, from_seq: int = 1, patience: timedelta = PATIENCE
) -> AsyncIterator[Step]:
    """Each step once and in order, to the last.

    Raises `CliError` when the order is not to be had, or nothing was heard for `patience` and the
    line is down.
    """
    seen, heard = from_seq - 1, time.monotonic()
    while True:
        try:
            async with aclosing(_frames(f"{stream_url(url)}/{order_id}?fromSeq={seen + 1}")) as all:
                async for frame in all:
                    heard = time.monotonic()
                    if frame.get("type") == "heartbeat" or frame["seq"] <= seen:
                        continue
                    seen = frame["seq"]
                    yield frame
                    if frame.get("final"):
                        return
            # Asked from beyond its last step, a finished order closes at once. Once we have seen
            # a step that was not the last, there must be another.
            if seen < from_seq:
                return
        except _Dropped as dropped:
            if time.monotonic() - heard > patience.total_seconds():
                raise CliError(f"gave up on order {order_id}: {dropped}") from dropped
        await asyncio.sleep(PAUSE.total_seconds())


async def _frames(address: str) -> AsyncGenerator[Step]:
    """Until the server closes in the normal way."""
    try:
        async with connect(address, proxy=True if is_remote(address) else None) as line:
            while True:
                yield msgspec.json.decode(await line.recv())
    except ConnectionClosed as closed:
        _check(closed.rcvd.code if closed.rcvd else BROKEN)
    except InvalidStatus as refusal:
        if refusal.response.status_code < 500:
            raise CliError(f"{address}: {refusal}") from refusal
        raise _Dropped(str(refusal)) from refusal
    except (OSError, InvalidHandshake) as error:
        raise _Dropped(str(error)) from error


def _check(code: int) -> None:
    if code in REFUSED:
        raise CliError(REFUSED[code])
    if code in COME_BACK:
        raise _Dropped(f"the stream closed with code {code}")
    if code != NORMAL:
        raise CliError(f"the stream closed with code {code}")


def stream_url(url: str) -> str:
    """Where the steps are: append `/ORDER_ID`."""
    return f"ws{url.removeprefix('http')}/api/orders/stream"
