"""Two small proxies on loopback, as real as a client needs: HTTP (forwarding and CONNECT) and SOCKS5, with or without a
name and a password. They note whom they were asked for, so that a test sees what went through."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter


class Proxy:
    """The common part: a listener, a record of the requests, and the copying of bytes both ways."""

    scheme = ""

    def __init__(self, user: str = "", password: str = "") -> None:
        self._user = user
        self._password = password
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.asked: list[str] = []
        """``CONNECT host:port`` or ``POST host:port`` of what was let through."""
        self.refused = 0

    @property
    def url(self) -> str:
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        who = f"{self._user}:{self._password}@" if self._user else ""
        return f"{self.scheme}://{who}127.0.0.1:{port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        raise NotImplementedError

    async def _join(self, reader: Reader, writer: Writer, host: str, port: int, before: bytes, first: bytes) -> None:
        """``before`` goes back to the caller once the connection stands, ``first`` to the other end."""
        there_reader, there_writer = await asyncio.open_connection(host, port)
        try:
            writer.write(before)
            there_writer.write(first)
            await asyncio.gather(copied(reader, there_writer), copied(there_reader, writer))
        finally:
            there_writer.close()


class HttpProxy(Proxy):
    scheme = "http"

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        method, target, _ = line.split(" ")
        if self._user and f"Basic {self._ticket()}" not in "\n".join(fields):
            self.refused += 1
            writer.write(b"HTTP/1.1 407 Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            return
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            self.asked.append(f"CONNECT {target}")
            await self._join(reader, writer, host, int(port), b"HTTP/1.1 200 Connection established\r\n\r\n", b"")
            return
        parts = urlsplit(target)
        self.asked.append(f"{method} {parts.netloc}")
        kept = [each for each in fields if not each.lower().startswith(("proxy-", "connection:"))]
        # One request a connection: what follows on it would have to be taken apart, too.
        first = "\r\n".join([line.replace(f"{parts.scheme}://{parts.netloc}", ""), "Connection: close", *kept])
        await self._join(reader, writer, parts.hostname or "", parts.port or 80, b"", first.encode("latin-1"))

    def _ticket(self) -> str:
        return base64.b64encode(f"{self._user}:{self._password}".encode()).decode()


class SocksProxy(Proxy):
    scheme = "socks5"

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        _, count = await reader.readexactly(2)
        offered = await reader.readexactly(count)
        wanted = 2 if self._user else 0
        if wanted not in offered:
            self.refused += 1
            writer.write(b"\x05\xff")
            return
        writer.write(bytes([5, wanted]))
        if self._user and not await self._admitted(reader, writer):
            return
        _, _, _, kind = await reader.readexactly(4)
        if kind == 1:
            host = ".".join(map(str, await reader.readexactly(4)))
        else:
            (length,) = await reader.readexactly(1)
            host = (await reader.readexactly(length)).decode()
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.asked.append(f"CONNECT {host}:{port}")
        await self._join(reader, writer, host, port, b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00", b"")

    async def _admitted(self, reader: Reader, writer: Writer) -> bool:
        given: list[str] = []
        await reader.readexactly(1)
        for _ in range(2):
            (length,) = await reader.readexactly(1)
            given.append((await reader.readexactly(length)).decode())
        right = given == [self._user, self._password]
        self.refused += not right
        writer.write(b"\x01\x00" if right else b"\x01\x01")
        await writer.drain()
        return right


async def copied(reader: Reader, writer: Writer) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
        writer.write_eof() if writer.can_write_eof() else writer.close()


@asynccontextmanager
async def proxy(kind: Callable[..., Proxy] = HttpProxy, user: str = "", password: str = "") -> AsyncIterator[Proxy]:
    made = kind(user, password)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
