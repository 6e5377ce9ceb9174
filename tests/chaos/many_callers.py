"""Callers by the thousand that want nothing but a place: they connect once and stay until they are thrown out."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

ALL_TRY = 5.0
"""Seconds for all callers to come."""
SAID = (b"", b"GET /sms.php?smsid=12", b"GET /sms.php?smsid=34&text=a HTTP/1.1\r\nHost: bridge\r\nX-Ha")
"""The bytes that callers send: none, half a request line, half of the headers."""
MORE_THAN_IT_TAKES = 900
QUESTION = b"GET /nowhere HTTP/1.1\r\nHost: bridge\r\n\r\n"
QUESTIONS = 60_000
"""Requests of a caller that never reads: many more answers than the network buffers hold."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wave:
    name: str
    callers: int
    addresses: int = 200
    """The number of addresses that they come from: 127.0.0.2 and on."""
    says: tuple[bytes, ...] = SAID
    deaf: int = 0
    """Callers that never read, beside the others."""
    files_later: int | None = None
    """The number of further files that the service may open once it runs."""
    world: Mapping[str, str] = field(default_factory=dict)
    """Variables of ``sabotage.narrow``."""


class ManyCallers:
    """Connections that are opened once and held until the other side has had enough."""

    def __init__(self, port: int, wave: Wave) -> None:
        self._port = port
        self._wave = wave
        self._tasks: list[asyncio.Task[None]] = []
        self._deaf: list[socket.socket] = []
        self.full = asyncio.Event()
        """More have come than the listener takes."""
        self._connected = 0

    async def come(self) -> None:
        """Returns when all have tried; who is not even let in to wait goes on trying."""
        for _ in range(self._wave.deaf):
            sock = await self._deaf_socket()
            self._tasks.append(asyncio.create_task(self._ask_and_ask(sock)))
        tried = [asyncio.Event() for _ in range(self._wave.callers)]
        self._tasks += [asyncio.create_task(self._hold(number, event)) for number, event in enumerate(tried)]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ALL_TRY):
                await asyncio.gather(*(event.wait() for event in tried))

    async def go(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for sock in self._deaf:
            sock.close()

    async def _hold(self, number: int, tried: asyncio.Event) -> None:
        block, last = divmod(2 + number % self._wave.addresses, 250)
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", self._port, local_addr=(f"127.0.{block}.{last + 1}", 0)
            )
        except OSError:
            return
        finally:
            tried.set()
        self._connected += 1
        if self._connected >= min(self._wave.callers, MORE_THAN_IT_TAKES):
            self.full.set()
        try:
            writer.write(self._wave.says[number % len(self._wave.says)])
            while await reader.read(4096):
                pass
        except OSError:
            return
        finally:
            writer.close()

    async def _deaf_socket(self) -> socket.socket:
        sock = socket.socket()
        self._deaf.append(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self._port))
        return sock

    async def _ask_and_ask(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().sock_sendall(sock, QUESTION * QUESTIONS)


def make_room_for(connections: int) -> None:
    """The crowd's own files: it lives in this process. As many as may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 200
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
