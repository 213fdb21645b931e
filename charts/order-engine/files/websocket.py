"""A WebSocket to read from, in plain Python: RFC 6455 as far as a reader needs it."""

import base64
import os
import socket
import ssl
import time
from collections.abc import Iterator
from hashlib import sha1
from urllib.parse import urlsplit

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
CONTINUATION, TEXT, CLOSE, PING = 0x0, 0x1, 0x8, 0x9
PONG = 0xA
FINAL, MASKED = 0x80, 0x80


class Broken(Exception):
    """The connection was refused, or ended without a close frame. Its text says how."""


class Reader:
    """Iterates over the texts that the server sends; `code` is what it closed with, at the end."""

    def __init__(self, url: str, deadline: float) -> None:
        """Connect to an http(s) URL. Nothing waits past `deadline`, of `time.monotonic`."""
        self.code: int | None = None
        self._deadline = deadline
        self._socket = _connect(url, deadline)
        try:
            self._unread = _shake_hands(self._socket, url)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[str]:
        text = b""
        while self.code is None:
            final, opcode, payload = self._frame()
            if opcode == PING:
                self._send(PONG, payload)
            elif opcode == CLOSE:
                self.code = int.from_bytes(payload[:2], "big") if payload else 1005
                self._send(CLOSE, payload[:2])
            elif opcode in (TEXT, CONTINUATION):
                text += payload
                if final:
                    yield text.decode()
                    text = b""

    def close(self) -> None:
        self._socket.close()

    def _frame(self) -> tuple[bool, int, bytes]:
        first, second = self._take(2)
        length = second & 0x7F
        if length > 125:
            length = int.from_bytes(self._take(2 if length == 126 else 8), "big")
        return bool(first & FINAL), first & 0x0F, self._take(length)

    def _take(self, count: int) -> bytes:
        while len(self._unread) < count:
            self._socket.settimeout(max(0.001, self._deadline - time.monotonic()))
            try:
                more = self._socket.recv(65536)
            except TimeoutError:
                raise Broken("the server sent nothing more in time") from None
            if not more:
                raise Broken("the server hung up without a close frame")
            self._unread += more
        taken, self._unread = self._unread[:count], self._unread[count:]
        return taken

    def _send(self, opcode: int, payload: bytes) -> None:
        """A control frame. A client's frames are masked: RFC 6455, 5.3."""
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        self._socket.sendall(bytes([FINAL | opcode, MASKED | len(payload)]) + mask + masked)


def _connect(url: str, deadline: float) -> socket.socket:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    address = (parts.hostname or "", parts.port or (443 if secure else 80))
    plain = socket.create_connection(address, max(0.001, deadline - time.monotonic()))
    if not secure:
        return plain
    return ssl.create_default_context().wrap_socket(plain, server_hostname=parts.hostname)


def _shake_hands(connection: socket.socket, url: str) -> bytes:
    """Turn the connection into a WebSocket; what was read past the answer. Raises `Broken`."""
    parts = urlsplit(url)
    key = base64.b64encode(os.urandom(16)).decode()
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
    ]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    told = b""
    while b"\r\n\r\n" not in told:
        more = connection.recv(65536)
        if not more:
            raise Broken("the server hung up instead of answering the handshake")
        told += more
    head, _, rest = told.partition(b"\r\n\r\n")
    _check(head.decode("latin-1"), key)
    return rest


def _check(head: str, key: str) -> None:
    status, *lines = head.split("\r\n")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    # SHA-1 proves here that a WebSocket answered, not who.
    wanted = base64.b64encode(sha1((key + GUID).encode(), usedforsecurity=False).digest()).decode()
    if " 101 " not in f"{status} " or headers.get("sec-websocket-accept") != wanted:
        raise Broken(f"no WebSocket is served there: {status}")
