"""Runs the command that the arguments name, and turns its end into an exit code."""

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from services.cli.arguments import parse
from services.cli.errors import CliError


def main(arguments: Sequence[str] | None = None) -> int:
    """0 done, 1 failed (told on stderr), 2 wrong use, 130 interrupted."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as `nohup` wants it
            signal.signal(number, _interrupt)
    wanted = parse(arguments)
    try:
        return int(wanted.run(wanted))
    except CliError as error:
        print(f"order-engine: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # as in `order-engine demo | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Lets SIGTERM and SIGHUP unwind as Ctrl-C does, so that all that was started is stopped."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
