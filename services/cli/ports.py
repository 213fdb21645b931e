"""Finds TCP ports on 127.0.0.1 for servers that come, go, and come back on the same port."""

import secrets
import socket
from collections.abc import Callable

from services.cli.errors import CliError, Died

# Below the range from which Linux (32768) and macOS (49152) number outgoing connections: while a
# server is down, a client that keeps dialling its port could otherwise be given that very port
# as its own, connect to itself, and keep the server from coming back.
LOWEST, HIGHEST = 15_000, 32_000
TRIES = 5


def free_port() -> int:
    """Free now; nobody keeps it free until it is used."""
    for _ in range(100):
        # Not `random`: two test runs with one seed would choose the same ports.
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST)
        if is_free(port):
            return port
    raise CliError(f"no free port found between {LOWEST} and {HIGHEST} on 127.0.0.1")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: connections that ended lately do not make a port taken, listeners do.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError:
            return False
    return True


def listen_somewhere(start: Callable[[int], None]) -> int:
    """The port on which `start` succeeded. A port lost to another process costs another try."""
    for _ in range(TRIES - 1):
        port = free_port()
        try:
            start(port)
        except Died:
            continue
        return port
    port = free_port()
    start(port)
    return port
