"""A TCP proxy that can be cut: what goes through it is then held back, or the line is broken."""

import asyncio
from contextlib import suppress
from typing import Self

CHUNK = 64 * 1024


class Proxy:
    """Listens on `port` and passes everything on to `target`, both on this machine."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self._open.set()
        self._break()
        if self._serving:
            await asyncio.wait(self._serving)

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def cut(self) -> None:
        """Hold back every byte from now on: nobody is told that the line is dead."""
        self._open.clear()

    def heal(self, *, broken: bool) -> None:
        """Pass on what was held back, or break every line that was there, then go on."""
        if broken:
            self._break()
        self._open.set()

    def _break(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        self._writers.add(writer)
        onward: asyncio.StreamWriter | None = None
        try:
            await self._open.wait()
            answers, onward = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(onward)
            there = asyncio.create_task(self._pump(reader, onward))
            back = asyncio.create_task(self._pump(answers, writer))
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
            for each in (there, back):
                each.cancel()
        except OSError:
            pass
        finally:
            for each_writer in (writer, onward):
                if each_writer is not None:
                    self._writers.discard(each_writer)
                    each_writer.close()
                    with suppress(OSError):
                        await each_writer.wait_closed()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
