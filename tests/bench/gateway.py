"""The platform's send page, as lean as it can be in Python: the measured program must be the limit, not the measuring.

It answers what the platform answers, remembers who got an SMS, and looks at a request only as far as a mistake of the
bridge would show: to whom, about which word, once. The strict one is ``bridge.sandbox.platform``.
"""

from __future__ import annotations

import asyncio
import time
from typing import cast

from tests.bench.load import SCRIPT
from tests.bench.tally import Tally

_ASKED = f"GET {SCRIPT}?".encode()
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: keep-alive\r\nContent-Length: "
_ID = _HEAD + b"9\r\n\r\n%d"
_STATUS_WORDS = b"deliver\n2026-01-01 12:00:00"
_STATUS = _HEAD + b"%d\r\n\r\n%b" % (len(_STATUS_WORDS), _STATUS_WORDS)
_BALANCE_WORDS = b"1000000.00\nRUR\n"
_BALANCE = _HEAD + b"%d\r\n\r\n%b" % (len(_BALANCE_WORDS), _BALANCE_WORDS)
_NOTHING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
_DIGITS = 11
"""Length of every subscriber's number."""


class Gateway:
    """The state that all connections share."""

    def __init__(self) -> None:
        self.tally: Tally | None = None
        """The tally of the wave under way. Without one the page knows no recipients."""
        self.polls = 0
        """Questions about delivery."""
        self._id = 100_000_000

    async def start(self) -> str:
        """Returns the base URL."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def stop(self) -> None:
        self._server.close()

    def answer(self, buffer: bytes, start: int, end: int) -> bytes:
        """To the request whose head is ``buffer[start:end]``."""
        tally = self.tally
        at = buffer.find(b"dadr=", start, end) + 5
        if tally is None or at < 5 or not buffer.startswith(_ASKED, start):
            return self._other(buffer[start:end])
        place = tally.places.get(buffer[at : at + _DIGITS])
        if place is None or buffer.find(tally.marks[place], start, end) < 0:
            tally.strange += 1
        elif tally.replied[place]:
            tally.doubled += 1
        else:
            tally.replied[place] = time.perf_counter()
            tally.ended()
        self._id += 1
        return _ID % self._id

    def _other(self, head: bytes) -> bytes:
        if head.startswith(_ASKED) and b"dadr=" not in head:
            if b"smsid=" in head:
                self.polls += 1
                return _STATUS
            if b"balance=1" in head:
                return _BALANCE
        if self.tally is not None:
            self.tally.strange += 1
        return _NOTHING


class _Connection(asyncio.Protocol):
    """Never closed by this side. Requests may come in pieces and several at once."""

    def __init__(self, gateway: Gateway) -> None:
        self._answer = gateway.answer
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data
        start, answers = 0, []
        while (end := buffer.find(b"\r\n\r\n", start)) >= 0:
            answers.append(self._answer(buffer, start, end))
            start = end + 4
        self._buffer = buffer[start:]
        if answers:
            self._transport.write(b"".join(answers))
