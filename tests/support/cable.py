"""A TCP connection that can be cut: between a client and a server, after exactly so many bytes."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class Cable:
    """Listens on a port of its own and leads to `address`. What passes is not understood, only counted."""

    def __init__(self, address: str, *, cut_after: int | None = None) -> None:
        """`cut_after`: bytes from the client after which both sides are reset; None: never."""
        self._host, _, self._port = address.rpartition(":")
        self._left = cut_after
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server
        self.was_cut = asyncio.Event()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        self._cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.was_cut.is_set():
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection(self._host, int(self._port))
        self._writers |= {writer, back}
        for source, sink, counted in ((reader, back, True), (there, writer, False)):
            task = asyncio.create_task(self._carry(source, sink, counted=counted))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, counted: bool) -> None:
        try:
            while data := await source.read(65_536):
                if counted and self._left is not None:
                    data = data[: self._left]
                    self._left -= len(data)
                sink.write(data)
                await sink.drain()
                if self._left == 0:
                    self._cut()
                    return
        except ConnectionError:
            pass
        finally:
            sink.close()

    def _cut(self) -> None:
        self.was_cut.set()
        for writer in self._writers:
            writer.transport.abort()
