"""One connection of the callback listener: what reaches aiohttp's parser, how long it may take, how it fails.

The platform may send a text as raw bytes (Windows-1251 or UTF-8), and a sender that does not encode letters
does not encode spaces either. aiohttp's C parser answers both with 400 before any handler runs, and the SMS
never gets in. Two ways out were tried: the pure-Python parser lets raw bytes through, costs 27 µs a request
instead of 5 µs and still refuses spaces; percent-encoding the request line before the C parser sees it
costs 2 µs and takes both. So each request head is held back until it is whole, its line is repaired if it
needs that, and the C parser gets one head at a time. The parser must then have found exactly one request:
where it did not, the connection is refused, so the two readings of the stream can never drift apart. Only
``GET`` without a body is framed here; from any other request on the bytes go to aiohttp as they came (the
answer closes the connection anyway), so header lines and bodies are never touched.

Nearly every request is an ordinary one: ``GET`` with header lines that change nothing. Such a one is answered by
the endpoint straight from here, without a request object and tasks of aiohttp's, which cost more than all the
rest of taking it. It is so only while aiohttp has nothing to do on this connection, and the next head waits until
it is answered, so answers keep their order.

Whatever fails on the way to a handler ends in the parser's own error path and there in
:meth:`handle_error`, which answers constants: aiohttp's own page shows the request line, and an id in it
would pass for an acknowledgement.
"""

from __future__ import annotations

import asyncio
import re
from enum import Enum, auto
from typing import TYPE_CHECKING, cast

from aiohttp import EMPTY_PAYLOAD, web
from aiohttp.http import RawRequestMessage

from bridge.web.access import KEEPALIVE, ConnectionGate
from bridge.web.answers import plain, raw
from bridge.web.quiet import Quiet

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

    from bridge.web.callback import CallbackEndpoint as Endpoint
    from bridge.web.callback import Route

MAX_LINE = 65_536
"""Bytes of a request line, after percent-encoding. aiohttp's 8,190 refuse an SMS of 1,600 Cyrillic letters
for ever."""
MAX_FIELD = 8_190
MAX_HEAD = MAX_LINE + 32_768
"""Bytes of a request line with all its header lines."""
MAX_SKIPPED = 1_048_576
"""Bytes of a head that is too long which are still read, so that the refusal is not lost in a connection
reset."""
LINGERING = 2.0
"""Seconds for which a body nobody wanted is read before the connection is closed."""

MAX_ORDINARY = 16_384
"""Bytes of a head that may be answered from here."""
MAX_ORDINARY_LINES = 4_096
"""Bytes of its header lines; aiohttp judges longer ones."""

_ORDINARY = re.compile(rb"GET (/[!-~]*) HTTP/1\.1\r\n((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*\r\n)*)\r\n")
# What speaks of a body, of another protocol, or of the connection's end.
_MEANINGFUL = re.compile(
    rb"^(?:content-length|transfer-encoding|connection|upgrade|expect|te|trailer|proxy-connection|keep-alive):",
    re.IGNORECASE | re.MULTILINE,
)
_FORWARDED = re.compile(rb"^x-forwarded-for:[ \t]*([^\r]*)", re.IGNORECASE | re.MULTILINE)
_END_OF_HEAD = re.compile(rb"\n\r?\n")
_CLEAN_LINE = re.compile(rb"[A-Z]+ [!-~]+ HTTP/1\.[01]\r?\n")
_SLOPPY_GET = re.compile(rb"GET ([^\r\n]+) (HTTP/1\.[01])(?=\r?\n)")
_UNSAFE = re.compile(rb"[^!-~]")
_PERCENT = {bytes([code]): b"%%%02X" % code for code in range(256)}
_UNPARSABLE = b"\0\r\n\r\n"
"""Sends the parser into its error path, whatever state it is in between two requests."""


class _Stage(Enum):
    FRAMING = auto()
    """Collecting a head."""
    SKIPPING = auto()
    """Reading past a head that is too long."""
    VERBATIM = auto()
    """After a request that is no plain GET: aiohttp frames the rest by itself."""
    DEAF = auto()
    """The refusal is under way; nothing more is read."""


def repaired(head: bytes) -> bytes:
    """The head with the target of its GET line percent-encoded where a byte may not stand raw; else the
    same object."""
    if _CLEAN_LINE.match(head):
        return head
    sloppy = _SLOPPY_GET.match(head)
    if sloppy is None:
        return head
    target = _UNSAFE.sub(lambda byte: _PERCENT[byte[0]], sloppy[1])
    return b"GET %b %b%b" % (target, sloppy[2], head[sloppy.end() :])


def _forwarded(header_lines: bytes) -> list[str]:
    return [line.decode("latin-1") for line in _FORWARDED.findall(header_lines)]


class PlainErrors(web.RequestHandler):
    """aiohttp's connection with error answers and error logs that show nothing of the request."""

    __slots__ = ("_quiet",)

    def __init__(
        self,
        server: web.Server,
        *,
        quiet: Quiet,
        loop: asyncio.AbstractEventLoop,
        keepalive: float = KEEPALIVE,
        max_line: int = MAX_FIELD,
    ) -> None:
        super().__init__(
            server,
            loop=loop,
            # None is the documented way to switch it off: it would log SMS texts and the secret.
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=keepalive,
            lingering_time=LINGERING,
            auto_decompress=False,
            max_line_size=max_line,
            max_field_size=MAX_FIELD,
        )
        self._quiet = quiet

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """aiohttp's own would put ``message``, which quotes the request, into the body and the log."""
        self._quiet.warning(
            "request_unreadable",
            remote=request.remote,
            status=status,
            error=type(exc).__name__ if exc else None,
        )
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        return plain(status, close=True)

    def log_exception(self, *args: object, **kw: object) -> None:
        exc = kw.get("exc_info")
        self._quiet.warning("http_failed", error=type(exc).__name__ if isinstance(exc, BaseException) else None)


class CallbackConnection(PlainErrors):
    """The framing described above, a time limit for request heads, and a place at the gate."""

    __slots__ = (
        "_admitted_as",
        "_answering",
        "_buffer",
        "_ended",
        "_endpoint",
        "_gate",
        "_head_timer",
        "_holding",
        "_scanned",
        "_stage",
        "_write_timer",
    )

    def __init__(
        self,
        server: web.Server,
        endpoint: Endpoint,
        *,
        gate: ConnectionGate,
        quiet: Quiet,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(server, quiet=quiet, loop=loop, keepalive=gate.limits.keepalive, max_line=MAX_LINE)
        self._endpoint = endpoint
        self._gate = gate
        self._answering: asyncio.Task[None] | None = None
        self._holding = False
        self._admitted_as: str | None = None
        self._stage = _Stage.FRAMING
        self._buffer = bytearray()
        self._scanned = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        remote = str(peer[0]) if isinstance(peer, tuple) else ""
        if not self._gate.admit(remote):
            self._quiet.warning("too_many_connections", remote=remote)
            self._stage = _Stage.DEAF
            cast(asyncio.Transport, transport).abort()  # uvloop's is no instance of it
            return
        self._admitted_as = remote
        super().connection_made(transport)
        # Who never says a word is given no longer than who says half of one.
        self._head_timer = self._loop.call_later(self._gate.limits.head_timeout, self._head_is_late)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_head_timer()
        self._stop_write_timer()
        self._buffer.clear()
        if self._admitted_as is not None:
            self._gate.leave(self._admitted_as)
            self._admitted_as = None
        if self._waiter is not None and self._waiter.done() and self._task_handler is not None:
            # aiohttp is about to take up a request of which nothing is left, and would trip over that.
            self._task_handler.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Who asks and asks and reads no answer would keep the place for ever."""
        super().pause_writing()
        self._write_timer = self._loop.call_later(self._gate.limits.keepalive, self._nobody_reads)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_write_timer()

    def data_received(self, data: bytes) -> None:
        """Also called by aiohttp with nothing, when its queue of parsed requests has drained."""
        if self._stage is _Stage.VERBATIM:
            self._parse(data)
            return
        if self._stage is _Stage.DEAF:
            return
        self._buffer += data
        if self._answering is not None:
            self._hold()
            return
        while self._stage is _Stage.FRAMING and self._next_head():
            pass
        if self._stage is _Stage.SKIPPING:
            self._skip()
        self._watch_head()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio's own protocol allows it
        """Who shuts the sending side down may still wait for answers: close after the last one, not now."""
        self._ended = True
        if self._awaits_head():
            self._refuse()
        idle = not self._messages and (not self._request_count or self._waiter is not None)
        # The last answer may have left a moment ago, and aiohttp not yet be back to wait for more.
        self._loop.call_soon(self._close_if_idle)
        return not idle or self._answering is not None

    def _close_if_idle(self) -> None:
        if self._waiter is not None and not self._messages and self._answering is None:
            self.force_close()  # what was written still leaves

    async def finish_response(
        self, request: BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        finished = await super().finish_response(request, resp, start_time)
        if self._ended and not self._messages:
            self.close()
        return finished

    def _next_head(self) -> bool:
        """Hand one whole head to the parser. False where there is none yet, or the parser's queue is full."""
        buffer = self._buffer
        if buffer and not self._scanned and buffer[0] in b"\r\n":
            del buffer[: len(buffer) - len(buffer.lstrip(b"\r\n"))]  # allowed between requests
        if not buffer or self._answering is not None or len(self._messages) >= self._max_msg_queue_size:
            return False
        if not 0x41 <= buffer[0] <= 0x5A:  # no method begins so: TLS, or noise
            self._refuse()
            return False
        end = _END_OF_HEAD.search(buffer, self._scanned)
        if (end.end() if end else len(buffer)) > MAX_HEAD:
            self._stage = _Stage.SKIPPING
            self._scanned = 0
            return False
        if end is None:
            self._scanned = max(len(buffer) - 2, 0)
            return False
        head = bytes(buffer[: end.end()])
        del buffer[: end.end()]
        self._scanned = 0
        self._stop_head_timer()
        head = repaired(head)
        if not self._answer_from_here(head):
            self._feed(head)
        return True

    # ------------------------------------------------ ordinary calls

    def _answer_from_here(self, head: bytes) -> bool:
        waiter = self._waiter
        if len(head) > MAX_ORDINARY or self._messages or waiter is None or waiter.done() or self._paused:
            return False
        found = _ORDINARY.fullmatch(head)
        if found is None:
            return False
        lines = found[2]
        if len(lines) > MAX_ORDINARY_LINES or _MEANINGFUL.search(lines):
            return False
        remote = self._admitted_as or ""
        call = self._endpoint.ordinary(found[1], remote, lambda: _forwarded(lines))
        if call is None:
            return False
        self._answering = self._loop.create_task(self._answer(remote, *call))
        return True

    async def _answer(self, remote: str, route: Route, query: bytes) -> None:
        try:
            status, body = await self._endpoint.take(remote, route, query)
        finally:
            self._answering = None
        if self.transport is None:
            return
        self.transport.write(raw(status, body))
        self._await_next()

    def _await_next(self) -> None:
        if self._holding:
            self._holding = False
            cast(asyncio.Transport, self.transport).resume_reading()
        # aiohttp closes what is idle for longer; it looks at this time.
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)
        if self._buffer:
            self.data_received(b"")
        if self._ended and self._answering is None and not self._messages:
            self.force_close()

    def _process_keepalive(self) -> None:
        if self._answering is not None:
            self._keepalive_handle = None  # begun anew after the answer
        else:
            super()._process_keepalive()

    def _hold(self) -> None:
        """Whoever sends on and on behind a call that is in work is not read for a while."""
        if len(self._buffer) > MAX_HEAD and not self._holding:
            self._holding = True
            cast(asyncio.Transport, self.transport).pause_reading()

    async def shutdown(self, timeout: float | None = 15.0) -> None:
        """Calls in work had their time (:meth:`Listeners.close`); what is left is not answered."""
        if self._answering is not None:
            self._answering.cancel()
        await super().shutdown(timeout)

    # ------------------------------------------------ all others

    def _feed(self, head: bytes) -> None:
        before = self._request_count
        self._parse(head)
        if self._request_count != before + 1:
            self._refuse()
            return
        message, payload = self._messages[-1]
        if not isinstance(message, RawRequestMessage):
            self._stage = _Stage.DEAF  # an error is queued, and its answer closes the connection
        elif message.method != "GET" or message.upgrade or payload is not EMPTY_PAYLOAD:
            self._stage = _Stage.VERBATIM
            rest = bytes(self._buffer)
            self._buffer.clear()
            if rest:
                self._parse(rest)

    def _parse(self, data: bytes) -> None:
        try:
            super().data_received(data)
        except Exception as error:
            # The parser raises what it likes for a target it cannot take apart; asyncio would log it with
            # the target.
            self._quiet.warning("request_unreadable", error=type(error).__name__)
            self.force_close()

    def _skip(self) -> None:
        """Forget what was read of a head that is too long; refuse at its end, or when it does not end."""
        buffer = self._buffer
        ended = _END_OF_HEAD.search(buffer) is not None
        self._scanned += len(buffer)
        if ended or self._scanned > MAX_SKIPPED:
            self._refuse()
        else:
            self._scanned -= len(buffer[-2:])
            del buffer[:-2]

    def _refuse(self) -> None:
        """Answer 400 after what was asked before, and close."""
        self._stage = _Stage.DEAF
        self._buffer.clear()
        self._stop_head_timer()
        self._parse(_UNPARSABLE)

    def _awaits_head(self) -> bool:
        """A head has begun and is not whole. (Whole ones wait in the buffer while the parser's queue is full.)"""
        if self._stage is _Stage.SKIPPING:
            return True
        full = self._answering is not None or len(self._messages) >= self._max_msg_queue_size
        return self._stage is _Stage.FRAMING and bool(self._buffer) and not full

    def _watch_head(self) -> None:
        waiting = self._awaits_head()
        if not waiting:
            self._stop_head_timer()
        elif self._head_timer is None:
            self._head_timer = self._loop.call_later(self._gate.limits.head_timeout, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_timer = None
        self._quiet.warning("request_incomplete", remote=self._admitted_as)
        self._refuse()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _nobody_reads(self) -> None:
        self._quiet.warning("answers_not_read", remote=self._admitted_as)
        if self.transport is not None:
            self.transport.abort()

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
