"""Raw HTTP/1.1 for the simulated platform: it reads GETs, keeps connections alive, and breaks them when told to.

Why it exists: a framework's server cannot cut a connection in the middle of a header, and the simulator must be faster
than the bridge that it measures. It must not know the meaning of a request. An :class:`asyncio.Protocol` needs no task
for each connection and is about twice as fast as streams.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from enum import Enum, auto
from http import HTTPStatus
from typing import Protocol, cast

from bridge.model.base import Ms
from bridge.value import value_object

MAX_HEAD = 256 * 1024
"""Bytes of a request line with its headers. A longer one gets 431 and the end of the connection."""
MAX_BODY = 64 * 1024


class Behaviour(Enum):
    """How a connection behaves while, or instead of, answering."""

    WHOLE = auto()
    HANG = auto()
    CLOSE = auto()
    """FIN without a byte."""
    RESET = auto()
    """RST without a byte."""
    HALF_HEADERS = auto()
    HALF_BODY = auto()
    TRICKLE = auto()
    NOT_HTTP = auto()


@value_object
class WireRequest:
    """A request as it came from a connection."""

    method: bytes
    target: bytes
    """As written in the request line."""
    connection: int
    """Number of the connection, from 1."""


@value_object
class WireReply:
    """An answer, and how the connection behaves with it."""

    body: bytes = b""
    status: int = 200
    headers: bytes = b""
    """Additional header lines, each with its CRLF."""
    behaviour: Behaviour = Behaviour.WHOLE
    delay: Ms = 0
    """Milliseconds before the answer; for ``TRICKLE`` between two bytes."""


class Page(Protocol):
    """The page that answers the requests of the connections."""

    def connected(self) -> int:
        """A connection was accepted. Returns its number."""

    def cut_unread(self) -> bool:
        """True if the connection must be closed now, before more bytes are read from it."""

    def answer(self, request: WireRequest) -> WireReply: ...


class BadRequest(Exception):
    """The bytes are no request that this server reads. ``status`` is the status of the answer."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


def body_length(headers: bytes) -> int:
    """The Content-Length in lower-cased header lines; 0 without one.

    :raises BadRequest: the length is unreadable or too large, or the body is chunked.
    """
    if b"\r\ntransfer-encoding:" in headers:
        raise BadRequest(HTTPStatus.LENGTH_REQUIRED)
    _, found, rest = headers.partition(b"\r\ncontent-length:")
    if not found:
        return 0
    value = rest.partition(b"\r\n")[0].strip()
    if not value.isdigit():
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    if int(value) > MAX_BODY:
        raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return int(value)


def head_of(reply: WireReply, keep_alive: bool) -> bytes:
    phrase = HTTPStatus(reply.status).phrase.encode()
    tail = b"keep-alive" if keep_alive else b"close"
    return b"HTTP/1.1 %d %s\r\nContent-Type: text/html; charset=utf-8\r\n" % (
        reply.status,
        phrase,
    ) + b"Content-Length: %d\r\n%sConnection: %s\r\n\r\n" % (len(reply.body), reply.headers, tail)


class Connection(asyncio.Protocol):
    """One client connection. It answers requests one after the other, pipelined ones too."""

    def __init__(self, page: Page, open_connections: set[Connection]) -> None:
        self._page = page
        self._open = open_connections
        self._buffer = b""
        self._busy = False
        self._keep_alive = True
        self._timer: asyncio.TimerHandle | None = None
        self._number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not derived from asyncio's
        self._transport = cast(asyncio.Transport, transport)
        self._open.add(self)
        self._number = self._page.connected()
        if self._page.cut_unread():
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)
        self._busy = True
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        if not self._busy and self._page.cut_unread():
            self.close()
            return
        self._buffer = self._buffer + data if self._buffer else data
        if len(self._buffer) > 2 * MAX_HEAD:
            self.close()
            return
        self._work()

    @property
    def idle(self) -> bool:
        return not self._busy and not self._buffer

    @property
    def closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._busy = True
        self._transport.close()

    def reset(self) -> None:
        """End with RST: the kernel drops unsent bytes and informs the other side at once."""
        self._busy = True
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def _work(self) -> None:
        """Answer the whole requests in the buffer, until one keeps the connection busy."""
        while not self._busy:
            try:
                request = self._take_request()
            except BadRequest as bad:
                self._keep_alive = False
                self._write(WireReply(status=bad.status))
                return
            if request is None:
                return
            self._reply(self._page.answer(request))

    def _take_request(self) -> WireRequest | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD:
                raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return None
        line, _, _ = self._buffer.partition(b"\r\n")
        headers = self._buffer[len(line) : end].lower() + b"\r\n"
        stop = end + 4 + body_length(headers)
        if len(self._buffer) < stop:
            return None
        words = line.split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            raise BadRequest(HTTPStatus.BAD_REQUEST)
        self._buffer = self._buffer[stop:]
        self._keep_alive = words[2] != b"HTTP/1.0" and b"\r\nconnection: close\r\n" not in headers
        return WireRequest(method=words[0], target=words[1], connection=self._number)

    def _reply(self, reply: WireReply) -> None:
        if reply.behaviour is Behaviour.WHOLE and not reply.delay:
            self._write(reply)
            return
        self._busy = True
        if reply.behaviour is Behaviour.TRICKLE:
            self._trickle(head_of(reply, self._keep_alive) + reply.body, 0, reply.delay / 1000)
        elif reply.delay:
            self._later(reply.delay / 1000, lambda: self._misbehave(reply))
        else:
            self._misbehave(reply)

    def _misbehave(self, reply: WireReply) -> None:
        match reply.behaviour:
            case Behaviour.HANG:
                pass
            case Behaviour.CLOSE:
                self.close()
            case Behaviour.RESET:
                self.reset()
            case Behaviour.HALF_HEADERS:
                self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/ht")
                self.close()
            case Behaviour.HALF_BODY:
                self._transport.write(head_of(reply, self._keep_alive) + reply.body[: len(reply.body) // 2])
                self.close()
            case Behaviour.NOT_HTTP:
                self._transport.write(reply.body)
                self.close()
            case Behaviour.WHOLE | Behaviour.TRICKLE:
                self._write(reply)
                self._go_on()

    def _trickle(self, left: bytes, at: int, gap_s: float) -> None:
        self._transport.write(left[at : at + 1])
        if at + 1 < len(left):
            self._later(gap_s, lambda: self._trickle(left, at + 1, gap_s))
        elif self._keep_alive:
            self._go_on()
        else:
            self.close()

    def _write(self, reply: WireReply) -> None:
        self._transport.write(head_of(reply, self._keep_alive) + reply.body)
        if not self._keep_alive:
            self.close()

    def _go_on(self) -> None:
        if not self._transport.is_closing():
            self._busy = False
            self._work()

    def _later(self, seconds: float, do: Callable[[], None]) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, do)


class RawServer:
    """Listens on loopback and answers by a :class:`Page`. It keeps its port when it is started again."""

    def __init__(self, page: Page, host: str, port: int) -> None:
        self._page = page
        self._host = host
        self.port = port
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self._page, self._connections), self._host, self.port, backlog=512
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening. Idle connections are closed, and those with a request in progress are reset."""
        if self._server is None:
            return
        self._server.close()
        self.close_idle()
        for connection in tuple(self._connections):
            if not connection.closing:
                connection.reset()
        await self._server.wait_closed()
        self._server = None

    def close_idle(self) -> int:
        """Close the connections that wait for a request, as an idle limit does. Returns their number."""
        idle = [connection for connection in self._connections if connection.idle]
        for connection in idle:
            connection.close()
        return len(idle)
