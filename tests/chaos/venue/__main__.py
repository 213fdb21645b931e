"""`python -m tests.chaos.venue --port P --ledger FILE --seed N`: the venue as a process."""

import argparse
import asyncio
import signal
from collections import Counter
from contextlib import closing
from datetime import timedelta

import uvloop

from orders import memory
from orders.clock import SystemClock
from tests.chaos.venue.book import LIFETIME_BLOCKS, Book, by_wall_time
from tests.chaos.venue.desk import Desk
from tests.chaos.venue.faults import Faults
from tests.chaos.venue.ledger import Ledger
from tests.chaos.venue.server import Server


def main() -> None:
    """Trade until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.venue")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ledger", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--block-ms", type=int, default=50)
    parser.add_argument("--lifetime", type=int, default=LIFETIME_BLOCKS, help="in blocks")
    parser.add_argument("--slowest-ms", type=int, default=10_000)
    uvloop.run(trade(parser.parse_args()))


async def trade(options: argparse.Namespace) -> None:
    """Serve the venue that `options` describe."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stopping.set)
    clock = SystemClock()
    block = timedelta(milliseconds=options.block_ms)
    with closing(Ledger(options.ledger)) as ledger:
        rates, struck = ledger.faults()
        faults = Faults(options.seed, rates)
        faults.struck = Counter(struck)
        book = Book(
            height=by_wall_time(clock, block),
            ledger=ledger,
            faults=faults,
            seed=options.seed,
            lifetime=options.lifetime,
        )
        slowest = timedelta(milliseconds=options.slowest_ms)
        desk = Desk(book=book, faults=faults, clock=clock, slowest=slowest)
        server = Server(desk, ledger, host=options.host, port=options.port)
        await server.start()
        memory.settle()
        await stopping.wait()
        await server.stop()


if __name__ == "__main__":
    main()
