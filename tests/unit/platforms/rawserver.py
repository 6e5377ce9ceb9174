"""A server of raw sockets that misbehaves on purpose and counts what reached it.

Nothing of aiohttp is used here, because its test client switches off the behaviour under test.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

PATIENCE = 10.0
"""Seconds after which a wait of a test has failed."""


class Conn:
    """One accepted connection, for a behaviour."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def request(self) -> bytes | None:
        """The head of the next request. None if the client has gone."""
        try:
            return await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def write(self, data: bytes) -> None:
        with suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def answer(self, body: bytes, status: str = "200 OK", headers: str = "") -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        await self.write(head.encode() + body)

    async def gone(self, within: float | None = None) -> bool:
        """Wait until the client closes; False if it did not in time."""
        try:
            async with asyncio.timeout(within):
                while await self._reader.read(1024):
                    pass
        except TimeoutError:
            return False
        except ConnectionError:
            pass
        return True

    async def readable_unread(self) -> None:
        """Wait until bytes have arrived, without reading them."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]
        loop = asyncio.get_running_loop()
        came = asyncio.Event()
        fd = os.dup(self._writer.get_extra_info("socket").fileno())
        loop.add_reader(fd, came.set)
        try:
            await came.wait()
        finally:
            loop.remove_reader(fd)
            os.close(fd)

    async def rest(self) -> int:
        """The number of further bytes until the client has gone."""
        self._writer.transport.resume_reading()  # type: ignore[attr-defined]
        count = 0
        with suppress(ConnectionError):
            while data := await self._reader.read(1 << 20):
                count += len(data)
        return count

    def now(self, data: bytes) -> None:
        """Write bytes at once, past the loop: the client's loop has not noticed them when this returns."""
        assert os.write(self._writer.get_extra_info("socket").fileno(), data) == len(data)

    def end_now(self) -> None:
        """Send FIN at once, past the loop."""
        with socket.socket(fileno=os.dup(self._writer.get_extra_info("socket").fileno())) as same:
            same.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """FIN."""
        self._writer.close()

    def reset(self) -> None:
        """RST."""
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Behaviour = Callable[[Conn], Awaitable[None]]
"""Runs after a request was read. The connection takes more requests unless the behaviour closes it."""


class RawServer:
    def __init__(self) -> None:
        self.port = 0
        self.heads: list[bytes] = []
        """Requests that were read, in order."""
        self.served: list[Conn] = []
        """The connection of each request in ``heads``."""
        self.conns: list[Conn] = []
        """Connections that were accepted, in order."""
        self.unread = 0
        """Connections that were closed with unread bytes."""
        self.accepted = 0
        self.ended = 0
        """Connections that have ended."""
        self.asked = asyncio.Event()
        self.on_accept: Behaviour | None = None
        """Runs for a new connection, instead of reading from it."""
        self.close_unread_after: int | None = None
        """Close a connection after this many answers at the first byte of the next request, without reading it."""
        self._behaviours: list[Behaviour] = []
        self._last: Behaviour = ok
        self._tasks: set[asyncio.Task[None]] = set()

    def then(self, *behaviours: Behaviour) -> None:
        """Set the behaviours for the next requests, one for each; the last one is repeated."""
        self._behaviours = list(behaviours)
        self._last = behaviours[-1]

    @property
    def targets(self) -> Sequence[bytes]:
        return [head.split(b" ", 2)[1] for head in self.heads]

    @property
    def sends(self) -> Sequence[bytes]:
        return [target for target in self.targets if b"dadr=" in target]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._converse(Conn(reader, writer), writer)
        finally:
            self._tasks.discard(task)
            self.ended += 1
            writer.close()

    async def _converse(self, conn: Conn, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self.conns.append(conn)
        answered = 0
        if self.on_accept is not None:
            self.asked.set()
            await self.on_accept(conn)
            return
        while not writer.is_closing():
            if answered == self.close_unread_after:
                await conn.readable_unread()
                self.unread += 1
                conn.reset()
                return
            head = await conn.request()
            if head is None:
                return
            self.heads.append(head)
            self.served.append(conn)
            self.asked.set()
            behaviour = self._behaviours.pop(0) if self._behaviours else self._last
            await behaviour(conn)
            answered += 1

    async def stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def ok(conn: Conn) -> None:
    await conn.answer(b"1179038981")


@asynccontextmanager
async def raw_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    server = RawServer()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await server.stop()
        await listener.wait_closed()
