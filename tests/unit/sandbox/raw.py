"""Tools for tests of the simulators: a client and a listener of raw bytes, and a clock that tests set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from bridge.model.base import Ms
from bridge.ports.clock import Clock, Waiter
from bridge.sandbox.platform import SimulatedPlatform

NOON: Ms = 1_795_251_600_000
"""2026-11-21 09:00:00 UTC, noon in Moscow."""


class SetClock(Clock):
    """A clock that stands still; a wait moves it on."""

    def __init__(self, at: Ms = NOON) -> None:
        self.at = at

    def now(self) -> Ms:
        return self.at

    async def wait(self, event: Waiter, timeout: Ms | None) -> bool:
        self.at += timeout or 0
        return False


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """The answer that was read."""

    status: int
    body: bytes
    whole: bool
    """True if the body has as many bytes as announced."""
    raw: bytes
    reset: bool = False

    @property
    def text(self) -> str:
        return self.body.decode()


class RawClient:
    """One connection. :meth:`get` writes a request and reads one answer, however odd."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, url: str) -> RawClient:
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.port
        return cls(*await asyncio.open_connection(parts.hostname, parts.port, limit=8 * 1024 * 1024))

    async def get(self, target: str | bytes, *, method: bytes = b"GET", headers: bytes = b"") -> Heard:
        wanted = target.encode() if isinstance(target, str) else target
        self.writer.write(b"%s %s HTTP/1.1\r\nHost: platform\r\n%s\r\n" % (method, wanted, headers))
        return await self.read()

    async def read(self) -> Heard:
        async with asyncio.timeout(10):
            raw = b""
            try:
                while b"\r\n\r\n" not in raw:
                    block = await self.reader.read(65536)
                    if not block:
                        return Heard(status=0, body=b"", whole=False, raw=raw)
                    raw += block
                head, _, body = raw.partition(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                while len(body) < length:
                    block = await self.reader.read(65536)
                    if not block:
                        break
                    body += block
            except ConnectionResetError:
                return Heard(status=0, body=b"", whole=False, raw=raw, reset=True)
            status = int(head.split(b" ", 2)[1])
            return Heard(status=status, body=body, whole=len(body) == length, raw=head + b"\r\n\r\n" + body)

    async def closed(self) -> bytes:
        """The bytes that come until the connection ends."""
        async with asyncio.timeout(10):
            return await self.reader.read()

    async def close(self) -> None:
        self.writer.close()


@asynccontextmanager
async def connected(platform: SimulatedPlatform) -> AsyncIterator[RawClient]:
    client = await RawClient.open(platform.url)
    try:
        yield client
    finally:
        await client.close()


def target(**fields: str) -> str:
    """``/sendsms.php?…`` with the login of the demo account, as in the platform's document."""
    wanted: Mapping[str, str] = {"user": "demo", "pwd": "demo", **fields}
    return "/sendsms.php?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in wanted.items())


def send_target(**fields: str) -> str:
    return target(**{"sadr": "TESTSMS", "dadr": "79083730330", "text": "ибателеком", **fields})


async def ask(platform: SimulatedPlatform, wanted: str | bytes) -> Heard:
    """Send one request on a fresh connection."""
    async with connected(platform) as client:
        return await client.get(wanted)


class Callback:
    """A listener that keeps the request heads and answers with fixed bytes."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.heads: list[bytes] = []
        self._server: asyncio.Server | None = None
        self.url = ""

    async def __aenter__(self) -> Callback:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1024 * 1024)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/sms.php"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        writer.close()

    @property
    def targets(self) -> list[bytes]:
        return [head.split(b" ", 2)[1] for head in self.heads]


def http(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)
