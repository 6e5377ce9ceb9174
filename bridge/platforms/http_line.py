"""One connection to a server. It carries one request at a time and tells what became of it.

Nothing has left before :meth:`Line.ask`, and anything may have left after it: so each ``NoAnswer`` made here says
``left``, and none made in ``http_direct`` does. What is read by nobody's request, what stands behind an answer and what
breaks the rules of HTTP ends the connection; where that throws doubt on an answer, there is none.
"""

from __future__ import annotations

import asyncio
import re
import select
from typing import Protocol, cast

import httptools

from bridge.platforms.http import Answer, Fault, NoAnswer

HEAD = 64 * 1024
"""Bytes of status line and headers, those of interim answers included."""

# llhttp tells no one how a body is framed. At an end of the connection this finds out, and errs towards "framed": a cut
# answer is never taken for a whole one.
_FRAMED = re.compile(rb"^(?:content-length|transfer-encoding)[ \t]*:", re.IGNORECASE | re.MULTILINE)


class Keeper(Protocol):
    """Who holds the lines. All of its methods are called in the loop, and none of them waits."""

    buffer: memoryview
    """Where all lines of one loop read into; used between a read and the end of its callback only. A view, because
    asyncio's TLS slices it for the second record of a read; a slice of a bytearray is a copy, and the bytes lost."""

    def free(self, line: Line) -> None:
        """It has answered and can be asked again."""

    def lost(self, line: Line) -> None:
        """It can not be asked any more. Called once, also for a line that was never handed out."""


class Line(asyncio.BufferedProtocol):
    __slots__ = (
        "_answer",
        "_body",
        "_body_limit",
        "_complete",
        "_head",
        "_headed",
        "_keep",
        "_keeper",
        "_loop",
        "_over",
        "_parser",
        "_poll",
        "_spare",
        "_status",
        "_transport",
        "_until",
        "alive",
        "heard",
    )

    def __init__(self, keeper: Keeper, loop: asyncio.AbstractEventLoop, body_limit: int) -> None:
        self._keeper = keeper
        self._loop = loop
        self._body_limit = body_limit
        self._answer: asyncio.Future[Answer | NoAnswer] | None = None
        self._parser = httptools.HttpResponseParser(self)
        # As lenient as aiohttp's client: old scripts end lines with LF alone, old servers pad the sizes of chunks. How
        # long a body is stays strict: both a length and chunks, or two lengths, are no answer.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._poll = select.poll()
        self._begin(until=0)
        self._over = False
        self.alive = False
        """Open, and not known to be closed by the other side."""
        self.heard = 0.0
        """When something was last read, or asked; in the loop's time."""

    # ------------------------------------------------------------ for the keeper

    @property
    def busy(self) -> bool:
        return self._answer is not None

    @property
    def open(self) -> bool:
        return self.alive and not self._transport.is_closing()

    def quiet(self) -> bool:
        """Whether nothing has come on an idle connection: no end, no reset, no bytes.

        Asks the system, for the loop may not have got round to telling us. It is what keeps a request from a connection
        that the server has just closed, where its fate would be unknown. Not for one that was never used: TLS has words
        of its own there.
        """
        return self.alive and not self._transport.is_closing() and not self._poll.poll(0)

    def ask(self, request: bytes, until: float) -> asyncio.Future[Answer | NoAnswer]:
        """Write the request. The future never fails; who stops waiting for it says so to :meth:`abandon`."""
        self._begin(until)
        self._answer = answer = self._loop.create_future()
        self.heard = self._loop.time()
        try:
            self._transport.write(request)
        except Exception:
            self.fail(Fault.CLIENT_ERROR)
        return answer

    def abandon(self, answer: asyncio.Future[Answer | NoAnswer]) -> None:
        """Nobody waits for it any more. By now the line may carry another request; then it goes on."""
        if self._answer is answer:
            self.drop()

    def overdue(self, now: float, read_limit: float) -> bool:
        return now >= self._until or now - self.heard >= read_limit

    def fail(self, fault: Fault) -> None:
        """End the connection, and with it the request on it, if any."""
        self._settle(NoAnswer(fault=fault, left=True))
        self.drop()

    def drop(self) -> None:
        """End the connection; what was not written yet is not written any more."""
        self._answer = None
        self._over = True
        if self.alive:
            self.alive = False
            # Not from inside a callback of the transport: uvloop's TLS goes on to use it when we return.
            self._loop.call_soon(self._transport.abort)
            self._keeper.lost(self)

    # ------------------------------------------------------------ called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._over:  # given up while it was being opened, and the loop finished it all the same
            self._transport.abort()
            return
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        self.alive = True

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._keeper.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._answer is None:
            self.drop()  # nobody has asked: whatever it is, it must not become the next request's answer
            return
        self.heard = self._loop.time()
        data = bytes(self._keeper.buffer[:nbytes])
        if not self._headed:
            self._head += data
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            broken_body = self._headed and not self._complete
            self.fail(Fault.BROKEN_BODY if broken_body else Fault.BAD_HTTP)
            return
        if self._complete:
            self._end_of_message()
        elif len(self._body) > self._body_limit:
            self._answered()
            self.drop()
        elif not self._headed and len(self._head) > HEAD:
            self.fail(Fault.BAD_HTTP)

    def eof_received(self) -> None:
        if self._answer is None:
            self.drop()
        elif self._headed and _FRAMED.search(self._head) is None:
            self._answered()  # a body that ends where the connection does
            self.drop()
        else:
            self._cut()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cut()
        del self._parser  # it holds us, and we hold it

    # ------------------------------------------------------------ called by the parser

    def on_message_begin(self) -> None:
        self._spare = self._complete

    def on_headers_complete(self) -> None:
        self._headed = True

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            self._headed = False  # "go on" or "soon": the answer is still to come
            return
        self._complete = True
        self._keep = self._parser.should_keep_alive()

    # ------------------------------------------------------------

    def _begin(self, until: float) -> None:
        self._until = until
        self._head = self._body = b""
        self._headed = self._complete = self._spare = self._keep = False

    def _end_of_message(self) -> None:
        if self._spare:
            # More than was announced. Which part of it is the answer to our request is anybody's guess.
            self.fail(Fault.BAD_HTTP)
            return
        self._answered()
        if self._keep and self._transport.get_write_buffer_size() == 0:
            self._keeper.free(self)
        else:
            self.drop()

    def _answered(self) -> None:
        body = self._body
        whole = len(body) <= self._body_limit
        status = self._parser.get_status_code()
        self._settle(Answer(status=status, body=body if whole else body[: self._body_limit], whole=whole))

    def _cut(self) -> None:
        self.fail(Fault.BROKEN_BODY if self._headed else Fault.DISCONNECTED)

    def _settle(self, result: Answer | NoAnswer) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result(result)
