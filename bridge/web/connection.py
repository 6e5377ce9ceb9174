"""One connection of the callback listener. It answers ordinary calls itself and hands all other requests to aiohttp.

Nearly every request is an ordinary call: ``GET``, with header lines that change nothing. It is answered without the
request object and the tasks of aiohttp, which cost more than all other work for a call. At the first request of another
kind aiohttp takes the connection over and keeps it (:mod:`bridge.web.aiohttp_connection`). A request waits until the
one before it is answered, so the answers keep their order.

This module uses no private part of aiohttp. At the start :mod:`bridge.web.proof` tests both ways to answer.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from aiohttp import web

from bridge.web.access import ConnectionCounter
from bridge.web.aiohttp_connection import UNPARSABLE, FramedConnection
from bridge.web.answers import answer_bytes
from bridge.web.callback import Answer, Route
from bridge.web.guard import ConnectionGuard
from bridge.web.heads import MAX_HEAD, HeadReader, UnreadableHead
from bridge.web.throttled_log import ThrottledLog

MAX_ORDINARY = 16_384
"""Most bytes of a head that is answered here."""
MAX_ORDINARY_LINES = 4_096
"""Most bytes of its header lines. aiohttp answers requests with more."""

_ORDINARY = re.compile(rb"GET (/[!-~]*) HTTP/1\.1\r\n((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*\r\n)*)\r\n")
# Header lines about a body, another protocol, or the end of the connection: aiohttp answers these requests.
_NOT_ORDINARY = re.compile(
    rb"^(?:content-length|transfer-encoding|connection|upgrade|expect|te|trailer|proxy-connection|keep-alive):",
    re.IGNORECASE | re.MULTILINE,
)
_FORWARDED = re.compile(rb"^x-forwarded-for:[ \t]*([^\r]*)", re.IGNORECASE | re.MULTILINE)


class Endpoint(Protocol):
    """Answers the requests of the callback listener."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer any request."""

    def ordinary(self, raw: bytes, remote: str, forwarded: Callable[[], Sequence[str]]) -> tuple[Route, bytes] | None:
        """The route and the query of an ordinary call. None for every request that :meth:`handle` has to answer."""

    def take(self, remote: str, route: Route, query: bytes, answer: Answer) -> None:
        """Store an ordinary call, then call ``answer``."""


class CallbackServer:
    """Makes the connections of the callback listener and ends them."""

    def __init__(
        self, endpoint: Endpoint, *, counter: ConnectionCounter, throttled_log: ThrottledLog, ordinary: bool = True
    ) -> None:
        """Without ``ordinary`` aiohttp answers all requests."""
        self.endpoint = endpoint
        self.counter = counter
        self.throttled_log = throttled_log
        self.ordinary = ordinary
        self.connections: set[CallbackConnection] = set()
        self.aiohttp = web.Server(endpoint.handle)

    def connect(self) -> asyncio.Protocol:
        """The protocol of a new connection; the factory for ``loop.create_server``."""
        return CallbackConnection(self) if self.ordinary else self.framed(HeadReader())

    def framed(self, heads: HeadReader, guard: ConnectionGuard | None = None) -> FramedConnection:
        return FramedConnection(self.aiohttp, heads, guard or self.guard())

    def guard(self) -> ConnectionGuard:
        return ConnectionGuard(self.counter, self.throttled_log)

    def stop_reading(self) -> None:
        """Close idle connections now and the others after their answer."""
        for connection in tuple(self.connections):
            connection.close()
        self.aiohttp.pre_shutdown()

    async def shutdown(self, timeout: float) -> None:
        """Cut off all connections; aiohttp waits ``timeout`` seconds for answers that are being written."""
        for connection in tuple(self.connections):
            connection.cut_off()
        await self.aiohttp.shutdown(timeout)


class CallbackConnection(asyncio.Protocol):
    """Answers ordinary calls, one after the other."""

    __slots__ = (
        "_answering",
        "_ended",
        "_guard",
        "_heads",
        "_idle_timer",
        "_idle_until",
        "_loop",
        "_reading_paused",
        "_server",
        "_transport",
        "_writing_paused",
    )

    def __init__(self, server: CallbackServer) -> None:
        self._server = server
        self._heads = HeadReader()
        self._guard = server.guard()
        self._loop = asyncio.get_running_loop()
        self._answering = False
        """Whether a call was taken that is not answered yet."""
        self._reading_paused = False
        self._writing_paused = False
        self._ended = False
        """True if no more requests will come: close the connection after the last answer."""
        self._idle_timer: asyncio.TimerHandle | None = None
        self._idle_until = 0.0

    # ------------------------------------------------------------ called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports are no instances of it
        if not self._guard.admit(self._transport, self._refuse):
            return
        self._server.connections.add(self)
        self._guard.watch_head()  # an idle connection has the same time limit as one that has sent half a request
        self._watch_idle()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._guard.leave()
        self._forget()

    def data_received(self, data: bytes) -> None:
        self._heads.feed(data)
        if not self._answering and not self._writing_paused:
            self._next()
        elif len(self._heads) > MAX_HEAD and not self._reading_paused:
            self._reading_paused = True  # the client sends more while a call is answered: do not read until then
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """A client that shuts its sending side down may still wait for answers: close after the last one."""
        self._ended = True
        if self._answering or self._writing_paused:
            return True
        if not self._heads.begun:
            return False
        self._refuse()
        return True

    def pause_writing(self) -> None:
        self._writing_paused = True
        self._guard.writing_paused()

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._guard.writing_resumed()
        if not self._answering:
            self._next()

    # ------------------------------------------------------------ called by the server

    def close(self) -> None:
        """Close the connection now if it is idle, else after the answers that are due."""
        self._ended = True
        if not self._answering and not self._heads.begun:
            self._transport.close()

    def cut_off(self) -> None:
        """Close the connection. A call that is still being answered gets no answer."""
        self._transport.close()

    # ------------------------------------------------------------

    def _next(self) -> None:
        """Begin the next request if its head is complete."""
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()
        try:
            head = self._heads.next()
        except UnreadableHead:
            self._refuse()
            return
        if head is not None:
            self._guard.stop_watching_head()
            call = self._ordinary(head)
            if call is None:
                self._hand_over(head)
            else:
                self._answering = True
                self._server.endpoint.take(self._guard.remote, *call, self._answer)
        elif not self._heads.begun:
            self._guard.stop_watching_head()
            if self._ended:
                self._transport.close()
        elif self._ended:
            self._refuse()
        else:
            self._guard.watch_head()

    def _ordinary(self, head: bytes) -> tuple[Route, bytes] | None:
        found = _ORDINARY.fullmatch(head) if len(head) <= MAX_ORDINARY else None
        if found is None:
            return None
        lines = found[2]
        if len(lines) > MAX_ORDINARY_LINES or _NOT_ORDINARY.search(lines):
            return None
        return self._server.endpoint.ordinary(found[1], self._guard.remote, lambda: _forwarded(lines))

    def _answer(self, status: int, body: bytes) -> None:
        self._answering = False
        if self._transport.is_closing():
            return
        self._transport.write(answer_bytes(status, body))
        self._watch_idle()
        if not self._writing_paused:
            self._next()

    def _refuse(self) -> None:
        self._hand_over(UNPARSABLE)

    def _hand_over(self, head: bytes) -> None:
        """Hand the connection over to aiohttp, which begins with this head."""
        if self._transport.is_closing():
            return
        self._forget()
        framed = self._server.framed(self._heads, self._guard)
        self._transport.set_protocol(framed)
        framed.take_over(self._transport, head, ended=self._ended)

    def _forget(self) -> None:
        self._server.connections.discard(self)
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    # ------------------------------------------------------------ time

    def _watch_idle(self) -> None:
        """Start the time limit for an idle connection anew. One timer serves many requests."""
        self._idle_until = self._loop.time() + self._guard.keepalive
        if self._idle_timer is None:
            self._idle_timer = self._loop.call_at(self._idle_until, self._close_if_idle)

    def _close_if_idle(self) -> None:
        self._idle_timer = None
        if self._answering:
            return  # the answer starts the timer again
        if self._loop.time() < self._idle_until:
            self._idle_timer = self._loop.call_at(self._idle_until, self._close_if_idle)
        else:
            self._transport.close()


def _forwarded(header_lines: bytes) -> list[str]:
    return [line.decode("latin-1") for line in _FORWARDED.findall(header_lines)]
