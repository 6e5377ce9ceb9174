"""Connections that aiohttp answers. Their error pages are constants, and aiohttp gets one head at a time.

aiohttp's own error page and error log show the request line. The platform would take a page with the id for an
acknowledgement. So every request that fails before it reaches a handler ends in :meth:`PlainErrors.handle_error`, which
answers with constants.
"""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import TYPE_CHECKING, cast

from aiohttp import web

from bridge.web.access import KEEPALIVE
from bridge.web.answers import plain
from bridge.web.guard import ConnectionGuard
from bridge.web.heads import MAX_HEAD, MAX_LINE, HeadReader, UnreadableHead, is_plain_get
from bridge.web.throttled_log import ThrottledLog

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

MAX_FIELD = 8_190
LINGERING = 2.0
"""Seconds for which an unwanted body is read before the connection is closed."""
MAX_PENDING = 16
"""Most unanswered requests of one connection that aiohttp gets. Below the length of its own queue (32), so that aiohttp
never pauses the connection by itself."""

UNPARSABLE = b"\0\r\n\r\n"
"""Bytes that make the parser report an error, in any state between two requests."""


class PlainErrors(web.RequestHandler):
    """aiohttp's connection with error answers and error logs that show nothing of the request."""

    __slots__ = ("_throttled_log",)

    def __init__(
        self,
        server: web.Server,
        *,
        throttled_log: ThrottledLog,
        keepalive: float = KEEPALIVE,
        max_line: int = MAX_FIELD,
    ) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            # None is the documented way to switch the access log off. It would contain SMS texts and the secret.
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=keepalive,
            lingering_time=LINGERING,
            auto_decompress=False,
            max_line_size=max_line,
            max_field_size=MAX_FIELD,
        )
        self._throttled_log = throttled_log

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer with a constant. aiohttp's own method writes ``message``, which quotes the request, into the body and
        the log."""
        error = type(exc).__name__ if exc else None
        self._throttled_log.warning("request_unreadable", remote=request.remote, status=status, error=error)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        return plain(status, close=True)

    def log_exception(self, *args: object, **kw: object) -> None:
        exc = kw.get("exc_info")
        self._throttled_log.warning("http_failed", error=type(exc).__name__ if isinstance(exc, BaseException) else None)

    async def start(self) -> None:
        try:
            await super().start()
        except TypeError:
            # aiohttp may begin a request after the connection was lost. Then its request factory is gone.
            if self.transport is not None:
                raise


class _Stage(Enum):
    FRAMING = auto()
    """aiohttp gets one repaired head at a time."""
    VERBATIM = auto()
    """After a request that is not a plain GET: aiohttp gets all bytes as they arrive. Either its answer closes the
    connection or the parser refuses the rest."""
    REFUSED = auto()
    """The connection gets a refusal. No more requests are read."""


class FramedConnection(PlainErrors):
    """Gives aiohttp the heads of one connection and closes it after the last answer."""

    __slots__ = ("_ended", "_guard", "_heads", "_pending", "_reading_paused", "_stage")

    def __init__(self, server: web.Server, heads: HeadReader, guard: ConnectionGuard) -> None:
        super().__init__(server, throttled_log=guard.log, keepalive=guard.keepalive, max_line=MAX_LINE)
        self._heads = heads
        self._guard = guard
        self._stage = _Stage.FRAMING
        self._pending = 0
        """Requests that were given to aiohttp and not answered yet."""
        self._reading_paused = False
        self._ended = False
        """True if the client has shut its sending side down."""

    def take_over(self, transport: asyncio.Transport, head: bytes, *, ended: bool) -> None:
        """Take over an open connection. ``head`` is the head of its next request. ``ended``: the client has shut its
        sending side down."""
        self._guard.handed_over(self._refuse)
        super().connection_made(transport)
        self._ended = ended
        self._give_head(head)
        self._go_on()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not isinstance: uvloop's transports are not derived from asyncio's.
        if self._guard.admit(cast(asyncio.Transport, transport), self._refuse):
            super().connection_made(transport)
            self._guard.watch_head()
        else:
            self._stage = _Stage.REFUSED

    def connection_lost(self, exc: BaseException | None) -> None:
        self._guard.leave()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._guard.writing_paused()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._guard.writing_resumed()

    def data_received(self, data: bytes) -> None:
        """Handle received bytes. aiohttp, too, calls this when it resumes reading, without data."""
        if not data or self._stage is _Stage.VERBATIM:
            self._parse(data)
        elif self._stage is _Stage.FRAMING:
            self._heads.feed(data)
            self._go_on()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio's own protocol allows it
        """A client that shuts its sending side down may still wait for answers: close after the last one."""
        self._ended = True
        self._go_on()
        return self._pending > 0

    async def finish_response(
        self, request: BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        finished = await super().finish_response(request, resp, start_time)
        self._pending -= 1
        self._go_on()
        if self._ended and self._pending <= 0:
            self.close()
        return finished

    def _go_on(self) -> None:
        """Give aiohttp the heads that have arrived, but no more than :data:`MAX_PENDING` at once."""
        while self._stage is _Stage.FRAMING and self._pending < MAX_PENDING:
            try:
                head = self._heads.next()
            except UnreadableHead:
                self._refuse()
                return
            if head is None:
                self._wait_for_head()
                return
            self._give_head(head)
        full = self._stage is _Stage.FRAMING and len(self._heads) > MAX_HEAD
        if full is not self._reading_paused and self.transport is not None:
            self._reading_paused = full
            self.transport.pause_reading() if full else self.transport.resume_reading()

    def _wait_for_head(self) -> None:
        if self._reading_paused and self.transport is not None:
            self._reading_paused = False
            self.transport.resume_reading()
        if not self._heads.begun:
            self._guard.stop_watching_head()
        elif self._ended:
            self._refuse()
        else:
            self._guard.watch_head()

    def _give_head(self, head: bytes) -> None:
        self._guard.stop_watching_head()
        self._pending += 1
        if not is_plain_get(head):
            self._stage = _Stage.VERBATIM
            head += self._heads.rest()
        self._parse(head)

    def _refuse(self) -> None:
        """Answer 400 after the answers that are due, and close the connection."""
        self._stage = _Stage.REFUSED
        self._guard.stop_watching_head()
        self._heads.rest()
        self._pending += 1
        self._parse(UNPARSABLE)

    def _parse(self, data: bytes) -> None:
        try:
            super().data_received(data)
        except Exception as error:
            # The parser raises errors of many classes for a target that it cannot split. asyncio would log the error
            # with the target.
            self._throttled_log.warning("request_unreadable", error=type(error).__name__)
            self.force_close()
