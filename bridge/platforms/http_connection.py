"""One connection to a server. It carries one request at a time and reports the outcome.

Nothing has left before :meth:`Connection.ask`, and anything may have left after it. So every ``NoAnswer`` made here has
``left=True``, and every one made in ``http_client`` has ``left=False``. The connection ends when the server sends bytes
that no request asked for, bytes after an answer, or anything that breaks the rules of HTTP. A doubtful answer counts as
no answer.
"""

from __future__ import annotations

import asyncio
import re
import select
from typing import Protocol, cast

import httptools

from bridge.platforms.http import Answer, HttpFault, NoAnswer

MAX_HEAD = 64 * 1024
"""Limit for status line and headers in bytes, interim answers included."""

# llhttp does not say whether the head tells where the body ends (a "framed" body). This pattern decides it when the
# connection ends. In doubt the body counts as framed, because a cut answer must never pass for a whole one.
_FRAMED = re.compile(rb"^(?:content-length|transfer-encoding)[ \t]*:", re.IGNORECASE | re.MULTILINE)


class ConnectionPool(Protocol):
    """The owner of the connections. Its methods run in the loop and do not wait."""

    buffer: memoryview
    """All connections of one loop read into this buffer; it is in use only during one read callback. It is a memoryview
    because asyncio's TLS slices it for the second record of a read: a slice of a bytearray is a copy, and those bytes
    would be lost."""

    def free(self, connection: Connection) -> None:
        """The connection has answered and can take another request."""

    def lost(self, connection: Connection) -> None:
        """The connection takes no more requests. Called once for each connection that was open."""


class Connection(asyncio.BufferedProtocol):
    """Handles one connection: the callbacks of the event loop, and those of the parser."""

    __slots__ = (
        "_answer",
        "_body",
        "_body_limit",
        "_complete",
        "_dropped",
        "_extra_message",
        "_head",
        "_head_complete",
        "_keep_alive",
        "_loop",
        "_parser",
        "_poll",
        "_pool",
        "_transport",
        "_until",
        "alive",
        "last_activity",
    )

    def __init__(self, pool: ConnectionPool, loop: asyncio.AbstractEventLoop, body_limit: int) -> None:
        self._pool = pool
        self._loop = loop
        self._body_limit = body_limit
        self._answer: asyncio.Future[Answer | NoAnswer] | None = None
        self._parser = httptools.HttpResponseParser(self)
        # As lenient as aiohttp's client: old scripts end lines with a bare LF, old servers pad the sizes of chunks. The
        # length of a body stays strict: a length together with chunks, or two lengths, are no answer.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._poll = select.poll()
        self._begin(until=0)
        self._dropped = False
        self.alive = False
        """True while the connection is open and no end from the server has been noticed."""
        self.last_activity = 0.0
        """Time of the last read or request, by the loop's clock, in seconds."""

    # ------------------------------------------------------------ called by the pool

    @property
    def busy(self) -> bool:
        return self._answer is not None

    @property
    def open(self) -> bool:
        return self.alive and not self._transport.is_closing()

    def nothing_arrived(self) -> bool:
        """True if nothing has arrived on an idle connection: no end, no reset, no bytes.

        Asks the operating system, because the loop may not have reported an event yet. This keeps a request off a
        connection that the server has just closed, where its outcome would be unknown. Do not ask about a connection
        that has never been used: the TLS handshake leaves bytes of its own there.
        """
        return self.alive and not self._transport.is_closing() and not self._poll.poll(0)

    def ask(self, request: bytes, until: float) -> asyncio.Future[Answer | NoAnswer]:
        """Write the request. The future never raises; a caller that stops waiting for it calls :meth:`abandon`.

        ``until`` is the deadline, by the loop's clock, in seconds.
        """
        self._begin(until)
        self._answer = answer = self._loop.create_future()
        self.last_activity = self._loop.time()
        try:
            self._transport.write(request)
        except Exception:
            self.fail(HttpFault.CLIENT_ERROR)
        return answer

    def abandon(self, answer: asyncio.Future[Answer | NoAnswer]) -> None:
        """Drop the connection if it still waits for this answer. A connection with another request goes on."""
        if self._answer is answer:
            self.drop()

    def overdue(self, now: float, read_limit: float) -> bool:
        """True if the deadline has passed, or nothing was read for ``read_limit`` seconds."""
        return now >= self._until or now - self.last_activity >= read_limit

    def fail(self, fault: HttpFault) -> None:
        """End the connection. A request on it gets ``fault``."""
        self._settle(NoAnswer(fault=fault, left=True))
        self.drop()

    def drop(self) -> None:
        """End the connection at once. Bytes that are still in the write buffer are not sent."""
        self._answer = None
        self._dropped = True
        if self.alive:
            self.alive = False
            # Not inside a callback of the transport: uvloop's TLS uses the transport again when the callback returns.
            self._loop.call_soon(self._transport.abort)
            self._pool.lost(self)

    # ------------------------------------------------------------ called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._dropped:  # dropped while it was being opened; the loop opened it all the same
            self._transport.abort()
            return
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        self.alive = True

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._pool.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._answer is None:
            self.drop()  # no request is waiting: these bytes must not become the answer to the next one
            return
        self.last_activity = self._loop.time()
        data = bytes(self._pool.buffer[:nbytes])
        if not self._head_complete:
            self._head += data
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            broken_body = self._head_complete and not self._complete
            self.fail(HttpFault.BROKEN_BODY if broken_body else HttpFault.BAD_HTTP)
            return
        if self._complete:
            self._end_of_message()
        elif len(self._body) > self._body_limit:
            self._answered()
            self.drop()
        elif not self._head_complete and len(self._head) > MAX_HEAD:
            self.fail(HttpFault.BAD_HTTP)

    def eof_received(self) -> None:
        if self._answer is None:
            self.drop()
        elif self._head_complete and _FRAMED.search(self._head) is None:
            self._answered()  # a body that ends with the connection
            self.drop()
        else:
            self._end_early()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_early()
        del self._parser  # breaks the reference cycle

    # ------------------------------------------------------------ called by the parser

    def on_message_begin(self) -> None:
        self._extra_message = self._complete

    def on_headers_complete(self) -> None:
        self._head_complete = True

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            self._head_complete = False  # an interim answer such as 100 or 103: the final one follows
            return
        self._complete = True
        self._keep_alive = self._parser.should_keep_alive()

    # ------------------------------------------------------------

    def _begin(self, until: float) -> None:
        self._until = until
        self._head = self._body = b""
        self._head_complete = self._complete = self._extra_message = self._keep_alive = False

    def _end_of_message(self) -> None:
        if self._extra_message:
            # The server sent more than it announced, so it is unknown which part is the answer to this request.
            self.fail(HttpFault.BAD_HTTP)
            return
        self._answered()
        if self._keep_alive and self._transport.get_write_buffer_size() == 0:
            self._pool.free(self)
        else:
            self.drop()

    def _answered(self) -> None:
        body = self._body
        whole = len(body) <= self._body_limit
        status = self._parser.get_status_code()
        self._settle(Answer(status=status, body=body if whole else body[: self._body_limit], whole=whole))

    def _end_early(self) -> None:
        self.fail(HttpFault.BROKEN_BODY if self._head_complete else HttpFault.DISCONNECTED)

    def _settle(self, result: Answer | NoAnswer) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result(result)
