"""How long it takes to read lists of orders over HTTP, page after page."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlencode

import msgspec

from benchmarks.figures import Figures, percentiles
from benchmarks.stage import Stage

PAGES, LENGTH = 300, 50
LISTS: Mapping[str, Mapping[str, str]] = {
    "all": {},
    "confirmed": {"status": "confirmed"},
    "received": {"status": "received"},
    "pair": {"pair": "JUP/BONK"},
    "confirmed_pair": {"status": "confirmed", "pair": "JUP/BONK"},
}


async def listed(stage: Stage) -> Figures:
    """`list_NAME_p50_ms` and so on, for pages of 50 from the newest on."""
    figures: Figures = {}
    for name, wanted in LISTS.items():
        took = [each async for each in _pages(stage.api_port, wanted)]
        figures |= percentiles(f"list_{name}", took, scale=0.001, wanted=(50, 99))
    return figures


async def _pages(port: int, wanted: Mapping[str, str]) -> AsyncIterator[float]:
    """Seconds for each page, over one connection; begins anew when there is no next."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    cursor: dict[str, str] = {}
    try:
        for _ in range(PAGES):
            query = urlencode({"limit": str(LENGTH), **wanted, **cursor})
            start = time.perf_counter()
            writer.write(b"GET /api/orders?%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % query.encode())
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            body = await reader.readexactly(length)
            yield time.perf_counter() - start
            if b" 200 " not in head[:16]:
                raise RuntimeError(f"a list was answered {head[:16]!r}")
            following = msgspec.json.decode(body)["nextCursor"]
            cursor = {"cursor": following} if following else {}
    finally:
        writer.close()
