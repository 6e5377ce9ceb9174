"""The platform's calls: bare protocols, requests that were written before, and one of two ways to press.

Closed loop: every connection brings its next message as soon as its last one was answered, which finds the limit.
Paced: so many messages a second, whatever the bridge does. Their latency counts from the moment they were due, not
from the moment a connection became free for them: else a bridge that stands still would look fast, because nobody
asks it anything meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from itertools import cycle
from typing import cast
from urllib.parse import urlsplit

from tests.bench.tally import Tally

BEAT = 0.001
"""Seconds between two bunches of a paced wave."""


class Clients:
    """Brings the messages of one wave."""

    def __init__(
        self, callback_urls: Sequence[str], requests: Sequence[bytes], tally: Tally, rate: float | None
    ) -> None:
        self._addresses = [_address(url) for url in callback_urls]
        """Connections go to each in turn."""
        self._requests = requests
        self._tally = tally
        self._rate = rate
        self._next = 0
        self._due = 0
        """The number of messages that may have left by now."""
        self._callers: list[_Caller] = []
        self._idle: deque[_Caller] = deque()

    async def connect(self, connections: int) -> None:
        loop = asyncio.get_running_loop()
        for _, address in zip(range(min(connections, len(self._requests))), cycle(self._addresses), strict=False):
            _, caller = await loop.create_connection(lambda: _Caller(self), *address)
            self._callers.append(caller)

    async def bring(self) -> None:
        """Start, and return when every message was answered and replied to."""
        if self._rate is None:
            self._due = len(self._requests)
            self._send_idle()
            await self._tally.done.wait()
            return
        stop = threading.Event()
        beat = threading.Thread(target=self._beat, args=(asyncio.get_running_loop(), stop), daemon=True)
        beat.start()
        try:
            await self._tally.done.wait()
        finally:
            stop.set()
            beat.join()

    def close(self) -> None:
        for caller in self._callers:
            caller.close()

    # ------------------------------------------------ of the connections

    def free(self, caller: _Caller) -> None:
        if self._next < self._due:
            self._send(caller)
        else:
            self._idle.append(caller)

    def answered(self, place: int, *, acknowledged: bool) -> None:
        if acknowledged:
            self._tally.acked[place] = time.perf_counter()
        else:
            self._tally.unanswered += 1
        self._tally.ended()

    def lost(self, caller: _Caller) -> None:
        """The platform would connect again; here the message counts as unanswered, and the rest has to do."""
        if caller in self._idle:
            self._idle.remove(caller)

    def _send(self, caller: _Caller) -> None:
        place, self._next = self._next, self._next + 1
        if self._rate is None:
            self._tally.due[place] = time.perf_counter()
        caller.bring(place, self._tally.smsids[place], self._requests[place])

    def _send_idle(self) -> None:
        while self._idle and self._next < self._due:
            self._send(self._idle.popleft())

    # ------------------------------------------------ the pace

    def _beat(self, loop: asyncio.AbstractEventLoop, stop: threading.Event) -> None:
        """In a thread of its own, because a loop's timers are no finer than a millisecond."""
        start, beats = time.perf_counter() + BEAT, 0
        while self._due < len(self._requests) and not stop.is_set():
            time.sleep(max(0.0, start + beats * BEAT - time.perf_counter()))
            loop.call_soon_threadsafe(self._fall_due, start + beats * BEAT, beats)
            beats += 1

    def _fall_due(self, moment: float, beats: int) -> None:
        assert self._rate is not None
        first, due = self._due, min(int((beats + 1) * BEAT * self._rate), len(self._requests))
        for place in range(first, due):
            self._tally.due[place] = moment
        self._due = due
        if due > first and self._idle:
            self._tally.late.append(time.perf_counter() - moment)
        self._send_idle()


class _Caller(asyncio.Protocol):
    """One keep-alive connection of the platform."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._buffer = b""
        self._place: int | None = None
        self._smsid = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._clients.free(self)

    def bring(self, place: int, smsid: bytes, request: bytes) -> None:
        self._place, self._smsid = place, smsid
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data
        end = buffer.find(b"\r\n\r\n")
        body = end + 4
        if end < 0 or self._place is None or len(buffer) < body + _length(buffer[:end]):
            self._buffer = buffer
            return
        self._buffer = b""
        place, self._place = self._place, None
        good = buffer.startswith(b"HTTP/1.1 200 ") and buffer[body:].strip() == self._smsid
        self._clients.answered(place, acknowledged=good)
        self._clients.free(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._clients.lost(self)
        if self._place is not None:
            self._clients.answered(self._place, acknowledged=False)

    def close(self) -> None:
        self._transport.close()


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


def _length(head: bytes) -> int:
    at = head.find(b"Content-Length:")
    if at < 0:
        head = head.lower()
        at = head.find(b"content-length:")
    return 0 if at < 0 else int(head[at + 15 :].split(b"\r\n", 1)[0])
