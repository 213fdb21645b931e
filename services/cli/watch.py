"""`watch`: prints the steps of one order as they happen."""

import asyncio

from services.cli.stream import steps
from services.cli.telling import details


def run(order_id: str, *, url: str, from_seq: int) -> int:
    return asyncio.run(follow(order_id, url=url, from_seq=from_seq))


async def follow(order_id: str, *, url: str, from_seq: int = 1) -> int:
    """The exit code: 1 if the order failed."""
    step = None
    async for step in steps(url, order_id, from_seq):
        line = f"{step['at']}  {step['seq']:>2}  {step['status']:<9}  {details(step)}"
        print(line.rstrip(), flush=True)
    return 1 if step and step["status"] == "failed" else 0
