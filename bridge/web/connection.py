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

Whatever fails on the way to a handler ends in the parser's own error path and there in
:meth:`handle_error`, which answers constants: aiohttp's own page shows the request line, and an id in it
would pass for an acknowledgement.
"""

from __future__ import annotations

import asyncio
import re
from enum import Enum, auto
from typing import TYPE_CHECKING

from aiohttp import EMPTY_PAYLOAD, web
from aiohttp.http import RawRequestMessage

from bridge.web.access import KEEPALIVE, ConnectionGate
from bridge.web.answers import plain
from bridge.web.quiet import Quiet

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

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

    __slots__ = ("_admitted_as", "_buffer", "_ended", "_gate", "_head_timer", "_scanned", "_stage")

    def __init__(
        self, server: web.Server, *, gate: ConnectionGate, quiet: Quiet, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(server, quiet=quiet, loop=loop, keepalive=gate.limits.keepalive, max_line=MAX_LINE)
        self._gate = gate
        self._admitted_as: str | None = None
        self._stage = _Stage.FRAMING
        self._buffer = bytearray()
        self._scanned = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        remote = str(peer[0]) if isinstance(peer, tuple) else ""
        if not self._gate.admit(remote):
            self._quiet.warning("too_many_connections", remote=remote)
            self._stage = _Stage.DEAF
            assert isinstance(transport, asyncio.Transport)
            transport.abort()
            return
        self._admitted_as = remote
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_head_timer()
        self._buffer.clear()
        if self._admitted_as is not None:
            self._gate.leave(self._admitted_as)
            self._admitted_as = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Also called by aiohttp with nothing, when its queue of parsed requests has drained."""
        if self._stage is _Stage.VERBATIM:
            self._parse(data)
            return
        if self._stage is _Stage.DEAF:
            return
        self._buffer += data
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
        return not idle

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
        if not buffer or len(self._messages) >= self._max_msg_queue_size:
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
        self._feed(head)
        return True

    def _feed(self, head: bytes) -> None:
        before = self._request_count
        self._parse(repaired(head))
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
        full = len(self._messages) >= self._max_msg_queue_size
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
