"""The commands and their arguments. A command's module is imported only when it runs:
`migrate` needs neither a screen nor a client."""

import argparse
import os
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from services.cli.errors import CliError

URL = "http://127.0.0.1:8000"
WORKER_URL = "http://127.0.0.1:8001"  # as `up` has it

ABOUT = """\
Order Engine: takes an order, finds the best venue, executes it, and tells every step.

Try it on this machine; nothing needs to be installed or running, and nothing is left behind:

  demo       five orders at once through a whole engine, live on the screen
  up         a whole engine that runs until Ctrl-C

Talk to an engine that runs:

  submit     place an order
  watch      follow an order, step by step, to its end

Look after one:

  top        what it does, live: rates, queue, latency, DEX shares, failures
  migrate    bring a database's tables up to date
"""

EXAMPLES = """\
examples:
  order-engine demo
  order-engine up
  order-engine submit SOL USDC 1000000000 --watch
  order-engine watch 019aab3c-6f0e-7c53-9d0a-3f6a4f1d2b7e --url https://orders.example
  order-engine top --worker http://10.0.0.7:9100 --worker http://10.0.0.8:9100
  order-engine COMMAND --help

exit codes: 0 done, 1 failed (the reason is on stderr), 2 wrong use, 130 interrupted
"""

SERVERS = """\
PostgreSQL and Redis are started for this run alone and removed after it, unless both
DATABASE_URL and REDIS_URL are set. Every other setting of the engine is taken from the
environment as it is.
"""


def parse(arguments: Sequence[str] | None) -> Namespace:
    """`run` of the result does what is wanted, given the result, and returns an exit code."""
    parser = ArgumentParser(
        prog="order-engine",
        usage="order-engine COMMAND ...",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(
        prog="order-engine", metavar="COMMAND", required=True, help=argparse.SUPPRESS
    )

    def add(name: str, run: Callable[[Namespace], int], about: str) -> ArgumentParser:
        command = commands.add_parser(
            name, description=about, formatter_class=RawDescriptionHelpFormatter
        )
        command.set_defaults(run=run)
        return command

    add("demo", _demo, f"Send five orders at once through a whole engine, then stop.\n\n{SERVERS}")
    _up_arguments(add("up", _up, f"Run a whole engine until Ctrl-C.\n\n{SERVERS}"))
    _submit_arguments(add("submit", _submit, "Place an order and print its id."))
    _watch_arguments(add("watch", _watch, "Print an order's steps as they happen, to the last."))
    _top_arguments(add("top", _top, "Show what a running engine does, until Ctrl-C."))
    _migrate_arguments(add("migrate", _migrate, "Bring a database's tables up to date."))
    return parser.parse_args(arguments)


def _demo(wanted: Namespace) -> int:
    from services.cli import demo

    return demo.run()


def _up_arguments(command: ArgumentParser) -> None:
    command.add_argument(
        "--port", type=int, default=8000, help="of the API, 8000 unless given; another if taken"
    )


def _up(wanted: Namespace) -> int:
    from services.cli import up

    return up.run(wanted.port)


def _submit_arguments(command: ArgumentParser) -> None:
    command.add_argument("sell", metavar="SELL", help="the token to give: a symbol or an address")
    command.add_argument("buy", metavar="BUY", help="the token to get")
    command.add_argument("amount", metavar="AMOUNT", help="to give, in SELL's smallest unit")
    command.add_argument("--slippage-bps", type=int, metavar="N", help="tolerance, in 0.01 %%")
    command.add_argument("--min-out", metavar="N", help="the least to get, in BUY's smallest unit")
    command.add_argument("--client-order-id", metavar="ID", help="your own name for the order")
    command.add_argument("--idempotency-key", metavar="KEY", help="makes a repeat safe")
    command.add_argument("--watch", action="store_true", help="then follow it to its end")
    _url_argument(command)


def _submit(wanted: Namespace) -> int:
    from services.cli import client, submit

    order = client.NewOrder(
        wanted.sell,
        wanted.buy,
        wanted.amount,
        slippage_bps=wanted.slippage_bps,
        min_out=wanted.min_out,
        client_order_id=wanted.client_order_id,
    )
    key = wanted.idempotency_key
    return submit.run(order, url=wanted.url, idempotency_key=key, watch=wanted.watch)


def _watch_arguments(command: ArgumentParser) -> None:
    command.add_argument("order_id", metavar="ORDER_ID")
    command.add_argument("--from-seq", type=int, default=1, metavar="N", help="the first to print")
    _url_argument(command)


def _watch(wanted: Namespace) -> int:
    from services.cli import watch

    return watch.run(wanted.order_id, url=wanted.url, from_seq=wanted.from_seq)


def _top_arguments(command: ArgumentParser) -> None:
    command.add_argument(
        "--api",
        action="append",
        type=_process_url,
        metavar="URL",
        help=f"of an API, {URL} unless given; may be repeated",
    )
    command.add_argument(
        "--worker",
        action="append",
        type=_process_url,
        metavar="URL",
        help=f"of a worker's metrics, {WORKER_URL} unless given; may be repeated",
    )
    command.add_argument(
        "--every", type=_pause, default=1, metavar="SECONDS", help="between looks, 1 unless given"
    )
    command.add_argument("--once", action="store_true", help="look twice, print one frame, and end")


def _top(wanted: Namespace) -> int:
    from services.cli.top import live

    apis, workers = wanted.api or [URL], wanted.worker or [WORKER_URL]
    return live.run(apis, workers, every=wanted.every, once=wanted.once)


def _migrate_arguments(command: ArgumentParser) -> None:
    command.add_argument(
        "--database-url", metavar="URL", help="$DATABASE_URL unless given (it may hold a password)"
    )


def _migrate(wanted: Namespace) -> int:
    from services.cli import migrate

    database_url = wanted.database_url or os.environ.get("DATABASE_URL")
    if not database_url:
        raise CliError("say which database: set DATABASE_URL or pass --database-url")
    return migrate.run(database_url)


def _url_argument(command: ArgumentParser) -> None:
    command.add_argument(
        "--url", type=_url, default=URL, metavar="URL", help=f"of the API, {URL} unless given"
    )


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text} does not start with http:// or https://")
    try:
        has_host = bool(urlsplit(text).hostname and urlsplit(text).port != 0)
    except ValueError:
        has_host = False
    if not has_host:
        raise argparse.ArgumentTypeError(f"{text} names no host, or a port that cannot be")
    return text.rstrip("/")


def _process_url(text: str) -> str:
    """The address of its metrics will do."""
    return _url(text).removesuffix("/metrics").rstrip("/")


def _pause(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0.2 <= seconds <= 60:
        raise argparse.ArgumentTypeError(f"{text} is not from 0.2 to 60 seconds")
    return seconds
