"""The platform's side of the callback under load: many connections, each message brought until it is acknowledged.

Bare protocols with keep-alive, so that the bridge and not its driver is what a scenario spends its time on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast
from urllib.parse import quote, urlsplit

from bridge.sandbox.sendpage import PLATFORM_TIME

CALL_AGAIN = 0.01
"""Seconds until the next call where the bridge is down or did not acknowledge."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as it is called; the same object for each repetition, byte by byte the same."""

    smsid: str
    sender: str
    text: str
    request: bytes


Source = Callable[[], Delivery | None]
"""The next delivery to make, or None when there is none now."""


class Callers:
    """Connections of the platform that make what ``source`` hands out, until :meth:`stop`.

    A delivery whose answer did not come, or holds no acknowledgement, is made again by the same connection: before
    anything else, as soon as the port answers.
    """

    def __init__(
        self, callback_url: str, connections: int, source: Source, acknowledged: Callable[[Delivery], None]
    ) -> None:
        parts = urlsplit(callback_url)
        assert parts.hostname
        assert parts.port
        self.address = (parts.hostname, parts.port)
        self.count = 0
        """Acknowledgements so far, repetitions too."""
        self.refused = 0
        """Answers without an acknowledgement."""
        self._source = source
        self._acknowledged = acknowledged
        self._wanted: list[tuple[int, asyncio.Future[None]]] = []
        self._stopping = False
        self._lines = [_Line(self) for _ in range(connections)]

    def start(self) -> None:
        for line in self._lines:
            line.begin()

    async def until(self, count: int, seconds: float) -> None:
        """Until so many were acknowledged. :raises TimeoutError: they were not."""
        if self.count >= count:
            return
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wanted.append((count, reached))
        try:
            async with asyncio.timeout(seconds):
                await reached
        except TimeoutError:
            raise TimeoutError(f"{self.count} of {count} callbacks acknowledged within {seconds:.0f} s") from None
        finally:
            self._wanted = [one for one in self._wanted if one[1] is not reached]

    async def stop(self, seconds: float) -> None:
        """Finish what is under way and hand out nothing more. :raises TimeoutError: it was not acknowledged."""
        self._stopping = True
        try:
            async with asyncio.timeout(seconds):
                for line in self._lines:
                    await line.idle.wait()
        except TimeoutError:
            busy = sum(not line.idle.is_set() for line in self._lines)
            raise TimeoutError(f"{busy} callbacks were not acknowledged within {seconds:.0f} s") from None
        finally:
            self.close()

    def close(self) -> None:
        """At once, whatever is under way."""
        self._stopping = True
        for line in self._lines:
            line.close()

    # ------------------------------------------------ called by the connections

    def take(self) -> Delivery | None:
        return None if self._stopping else self._source()

    def answered(self, delivery: Delivery) -> None:
        self.count += 1
        self._acknowledged(delivery)
        for count, reached in self._wanted:
            if self.count >= count and not reached.done():
                reached.set_result(None)


class _Line(asyncio.Protocol):
    """One connection after the other; one delivery at a time."""

    def __init__(self, callers: Callers) -> None:
        self.idle = asyncio.Event()
        """Nothing is under way."""
        self.idle.set()
        self._callers = callers
        self._delivery: Delivery | None = None
        self._transport: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._later: asyncio.TimerHandle | None = None
        self._buffer = b""
        self._closed = False

    def begin(self) -> None:
        if not self._closed:
            self._connecting = asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        with suppress(OSError):
            await asyncio.get_running_loop().create_connection(lambda: self, *self._callers.address)
            return
        self._soon(self.begin)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._buffer = b""
        self._go_on()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
        if len(body) < length or self._delivery is None:
            return
        self._buffer = body[length:]
        if f"smsid={self._delivery.smsid}".encode() in body:
            delivery, self._delivery = self._delivery, None
            self._callers.answered(delivery)
            self._go_on()
        else:
            self._callers.refused += 1
            self._soon(self._go_on)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self._closed:
            self._soon(self.begin)

    def close(self) -> None:
        self._closed = True
        if self._later is not None:
            self._later.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
        if self._transport is not None:
            self._transport.abort()

    def _go_on(self) -> None:
        """Make the delivery under way, again if it was made before; or the next one."""
        if self._closed or self._transport is None:
            return
        if self._delivery is None:
            self._delivery = self._callers.take()
        if self._delivery is None:
            self.idle.set()
            self._soon(self._go_on)
            return
        self.idle.clear()
        self._transport.write(self._delivery.request)

    def _soon(self, what: Callable[[], None]) -> None:
        if self._later is not None:
            self._later.cancel()
        self._later = asyncio.get_running_loop().call_later(CALL_AGAIN, what)


def delivery(callback_url: str, *, smsid: str, sender: str, text: str) -> Delivery:
    """A callback as the platform makes it, dated now."""
    parts = urlsplit(callback_url)
    date = quote(f"{datetime.now(UTC).astimezone(PLATFORM_TIME):%Y-%m-%d %H:%M:%S}")
    query = f"date={date}&text={quote(text)}&smsid={smsid}&sender={sender}&receiver=1234&prefix="
    request = f"GET {parts.path}?{query} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
    return Delivery(smsid=smsid, sender=sender, text=text, request=request)


def one_by_one(deliveries: Sequence[Delivery]) -> Source:
    """Each once, in this order."""
    left = iter(deliveries)
    return lambda: next(left, None)
