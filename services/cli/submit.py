"""`submit`: places one order."""

import asyncio

from services.cli.client import NewOrder, place
from services.cli.watch import follow


def run(order: NewOrder, *, url: str, idempotency_key: str | None, watch: bool) -> int:
    return asyncio.run(_run(order, url, idempotency_key, watch))


async def _run(order: NewOrder, url: str, idempotency_key: str | None, watch: bool) -> int:
    order_id = await place(url, order, idempotency_key=idempotency_key)
    print(order_id, flush=True)
    return await follow(order_id, url=url) if watch else 0
