"""The usual client: connections of our own, so that a GET leaves once and we know whether it left.

It asks, and that is all: no second try, no redirect, no proxy, no cookie, nothing unpacked, and no task or timer for
each request. Why not a library's client: docs/decisions/0004-http-client.md.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import TypeAlias

from yarl import URL

from bridge.platforms.http import IDLE, Answer, Fault, HttpLimits, NoAnswer, fits_a_request_line
from bridge.platforms.http_line import Line
from bridge.value import value_object

SWEEP = 0.1
"""Seconds between two looks at what is overdue. One timer for all connections instead of one a request: a limit for an
answer may be exceeded by as much."""

TURNS = 4
"""Of the loop, after which a dropped line has closed its socket, TLS included."""

_Waiter: TypeAlias = "asyncio.Future[Line | Fault | None]"
"""Gets a line; None for the right to open one; or why there is none."""


@value_object
class _Server:
    host: str
    port: int
    secure: bool
    before: bytes
    """The request up to the query."""
    after: bytes
    """The rest of it."""


class DirectClient:
    """Implements :class:`bridge.platforms.http.OnceClient`."""

    def __init__(
        self,
        address: str,
        *,
        connections: int,
        limits: HttpLimits | None = None,
        tls: ssl.SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """An ``address`` that is none shows at the first request, as ``Fault.INVALID_URL``."""
        limits = limits or HttpLimits()
        self.buffer = memoryview(bytearray(64 * 1024))
        self._server = _server(address, headers or {})
        self._tls = (tls or _default_tls()) if self._server is not None and self._server.secure else None
        self._total = limits.total / 1000
        self._connect = limits.connect / 1000
        self._sock_connect = limits.sock_connect / 1000
        self._read = limits.sock_read / 1000
        self._body = limits.body
        self._most = connections
        self._taken = 0
        """Lines that are open or being opened."""
        self._lines: set[Line] = set()
        self._idle: list[Line] = []
        """The one used last stands last and is used first, so that those too many grow old."""
        self._waiting: deque[_Waiter] = deque()
        """For a line, in the order they came. Some may have given up."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def get(self, query: str) -> Answer | NoAnswer:
        server = self._server
        if server is None or not fits_a_request_line(query):
            return NoAnswer(fault=Fault.INVALID_URL, left=False)
        if self._closed:
            return NoAnswer(fault=Fault.CLIENT_ERROR, left=False)
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        line = self._rested(now) or await self._another(server, now)
        if not isinstance(line, Line):
            return NoAnswer(fault=line, left=False)
        answer = line.ask(b"".join((server.before, query.encode("ascii"), server.after)), now + self._total)
        try:
            return await answer
        except BaseException:
            line.abandon(answer)
            raise

    async def close(self) -> None:
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        while self._give(Fault.CLIENT_ERROR):
            pass
        for line in tuple(self._lines):
            line.fail(Fault.DISCONNECTED)
        for _ in range(TURNS):
            await asyncio.sleep(0)

    # ------------------------------------------------------------ called by lines

    def free(self, line: Line) -> None:
        if not self._give(line):
            self._idle.append(line)

    def lost(self, line: Line) -> None:
        if line in self._lines:
            self._lines.remove(line)
            if line in self._idle:
                self._idle.remove(line)
            self._release()

    # ------------------------------------------------------------ a line for a request

    def _rested(self, now: float) -> Line | None:
        """An idle line that is as good as known to be open."""
        while self._idle:
            line = self._idle.pop()
            if now - line.heard < IDLE / 1000 and line.quiet():
                return line
            line.drop()
        return None

    async def _another(self, server: _Server, now: float) -> Line | Fault:
        """Wait for a line or open one, whichever there is room for. Nothing has left whatever happens here."""
        until = now + min(self._connect, self._total)
        while not self._closed:
            if self._taken < self._most:
                self._taken += 1
                return await self._open(server, until)
            given = await self._wait(until)
            if given is None:
                return await self._open(server, until)
            if not isinstance(given, Line) or given.quiet():
                return given
            given.drop()  # closed by the other side since it was given
        return Fault.CLIENT_ERROR

    async def _wait(self, until: float) -> Line | Fault | None:
        assert self._loop is not None
        waiter: _Waiter = self._loop.create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout_at(until):
                return await waiter
        except BaseException as error:
            # Too late or cancelled, perhaps after it was given something: that goes to the next one.
            given = waiter.result() if waiter.done() and not waiter.cancelled() else Fault.CONNECT_TIMEOUT
            if given is None:
                self._release()
            elif isinstance(given, Line) and given.open:
                self.free(given)
            if isinstance(error, TimeoutError):
                return Fault.CONNECT_TIMEOUT
            raise

    def _give(self, what: Line | Fault | None) -> bool:
        """To the first that still waits; False where nobody does."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(what)
                return True
        return False

    def _release(self) -> None:
        """A line less: another may be opened."""
        if not self._give(None):
            self._taken -= 1

    async def _open(self, server: _Server, until: float) -> Line | Fault:
        try:
            async with asyncio.timeout_at(until):
                line = await self._connected(server, until)
        except BaseException as error:
            self._release()
            if not isinstance(error, Exception):
                raise
            return _fault(error)
        if self._closed or not line.open:
            # The other side said something or hung up before it was asked: nothing has left, for certain.
            line.drop()
            self._release()
            return Fault.CLIENT_ERROR if self._closed else Fault.NOT_CONNECTED
        self._lines.add(line)
        self._watch()
        return line

    async def _connected(self, server: _Server, until: float) -> Line:
        """Try the server's addresses in turn, and leave time for each of them."""
        assert self._loop is not None
        loop = self._loop
        addresses = await self._resolved(server)
        name = server.host.rstrip(".") if server.secure else None
        error: OSError = ConnectionError()
        for number, address in enumerate(addresses):
            share = (until - loop.time()) / (len(addresses) - number)
            line = Line(self, loop, self._body)
            try:
                async with asyncio.timeout(min(self._sock_connect, share)):
                    await loop.create_connection(lambda line=line: line, *address, ssl=self._tls, server_hostname=name)
                return line
            except BaseException as failed:
                line.drop()  # it may have been open already
                if not isinstance(failed, OSError):  # a TimeoutError and all of TLS's errors are such
                    raise
                error = failed
        raise error

    async def _resolved(self, server: _Server) -> Sequence[tuple[str, int]]:
        assert self._loop is not None
        try:
            return ((str(ip_address(server.host)), server.port),)
        except ValueError:
            found = await self._loop.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
        return tuple((str(address[0]), int(address[1])) for *_, address in found)

    # ------------------------------------------------------------ time

    def _watch(self) -> None:
        """Have a timer as long as there is something that can be overdue."""
        if self._timer is None and not self._closed and self._lines:
            assert self._loop is not None
            self._timer = self._loop.call_later(SWEEP, self._sweep)

    def _sweep(self) -> None:
        """End what is overdue."""
        assert self._loop is not None
        self._timer = None
        now = self._loop.time()
        for line in tuple(self._lines):
            if line.busy:
                if line.overdue(now, self._read):
                    line.fail(Fault.READ_TIMEOUT)
            elif now - line.heard >= IDLE / 1000:
                line.drop()
        self._watch()


def _server(address: str, headers: Mapping[str, str]) -> _Server | None:
    try:
        url = URL(address)
        port = url.port
    except ValueError:
        return None
    if url.scheme not in {"http", "https"} or not url.raw_host or port is None or "@" in url.raw_authority:
        return None
    lines = {"Host": url.host_port_subcomponent, "Accept": "*/*", "Accept-Encoding": "identity", **headers}
    if not all(word and word.isascii() and word.isprintable() for line in lines.items() for word in line):
        return None
    after = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return _Server(
        host=url.raw_host,
        port=port,
        secure=url.scheme == "https",
        before=f"GET {url.raw_path}?".encode("ascii"),
        after=f" HTTP/1.1\r\n{after}\r\n".encode("ascii"),
    )


def _default_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(("http/1.1",))
    return context


def _fault(error: Exception) -> Fault:
    """Why there is no connection. What the error says stays here: it may name more than its class."""
    match error:
        case socket.gaierror():
            return Fault.DNS
        case ssl.SSLError():
            return Fault.TLS
        case TimeoutError():
            return Fault.CONNECT_TIMEOUT
        case OSError():
            return Fault.NOT_CONNECTED
        case ValueError():
            return Fault.INVALID_URL
        case _:
            return Fault.CLIENT_ERROR
