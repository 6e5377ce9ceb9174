"""The HTTP client for the platform: it sends a GET once and knows whether the request left this machine.

It makes no second attempt and follows no redirect. It uses no proxy, no cookie and no compression, and needs no task or
timer for each request. docs/decisions/0004-http-client.md says why this is not a library's client.
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

from bridge.platforms.http import MAX_IDLE, Answer, HttpFault, HttpLimits, NoAnswer, fits_a_request_line
from bridge.platforms.http_connection import Connection
from bridge.value import value_object

SWEEP_INTERVAL = 0.1
"""Seconds between two searches for overdue connections. One timer serves all connections, so an answer may exceed its
time limit by this much."""

CLOSING_TURNS = 4
"""Turns of the event loop after which a dropped connection has closed its socket, with TLS too."""

_Waiter: TypeAlias = "asyncio.Future[Connection | HttpFault | None]"
"""Receives a free connection, None for the right to open one, or the reason why there is none."""


@value_object
class _Server:
    host: str
    port: int
    secure: bool
    before: bytes
    """The bytes of each request before the query."""
    after: bytes
    """The bytes of each request after the query."""


class HttpClient:
    """An HTTP client for one address of one server. Its connections belong to the loop of the first request."""

    def __init__(
        self,
        address: str,
        *,
        connections: int,
        limits: HttpLimits | None = None,
        tls: ssl.SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """An invalid ``address`` is no error here. Each request then returns ``HttpFault.INVALID_URL``."""
        limits = limits or HttpLimits()
        self.buffer = memoryview(bytearray(64 * 1024))
        self._server = _server(address, headers or {})
        self._tls = (tls or _default_tls()) if self._server is not None and self._server.secure else None
        self._total = limits.total / 1000
        self._connect = limits.connect / 1000
        self._sock_connect = limits.sock_connect / 1000
        self._read = limits.sock_read / 1000
        self._body = limits.body
        self._max_connections = connections
        self._open_count = 0
        """Connections that are open or being opened."""
        self._connections: set[Connection] = set()
        self._idle: list[Connection] = []
        """A stack: the connection used last is used first, so that surplus connections grow old and are closed."""
        self._waiting: deque[_Waiter] = deque()
        """Requests that wait for a connection, in order of arrival. Cancelled ones may still be among them."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def get(self, query: str) -> Answer | NoAnswer:
        """Send one GET. ``query`` is percent-encoded already; nothing encodes it again.

        A cancelled call raises ``CancelledError``, and its request may have left by then.
        """
        server = self._server
        if server is None or not fits_a_request_line(query):
            return NoAnswer(fault=HttpFault.INVALID_URL, left=False)
        if self._closed:
            return NoAnswer(fault=HttpFault.CLIENT_ERROR, left=False)
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        connection = self._idle_connection(now) or await self._open_or_wait(server, now)
        if not isinstance(connection, Connection):
            return NoAnswer(fault=connection, left=False)
        answer = connection.ask(b"".join((server.before, query.encode("ascii"), server.after)), now + self._total)
        try:
            return await answer
        except BaseException:
            connection.abandon(answer)
            raise

    async def close(self) -> None:
        """Close all connections. Requests under way get no answer, and later ones are not sent."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        while self._hand_to_waiter(HttpFault.CLIENT_ERROR):
            pass
        for connection in tuple(self._connections):
            connection.fail(HttpFault.DISCONNECTED)
        for _ in range(CLOSING_TURNS):
            await asyncio.sleep(0)

    # ------------------------------------------------------------ called by connections

    def free(self, connection: Connection) -> None:
        if not self._hand_to_waiter(connection):
            self._idle.append(connection)

    def lost(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
            if connection in self._idle:
                self._idle.remove(connection)
            self._release()

    # ------------------------------------------------------------ a connection for a request

    def _idle_connection(self, now: float) -> Connection | None:
        """An idle connection that is almost certainly open. Drops the others that it finds."""
        while self._idle:
            connection = self._idle.pop()
            if now - connection.last_activity < MAX_IDLE / 1000 and connection.nothing_arrived():
                return connection
            connection.drop()
        return None

    async def _open_or_wait(self, server: _Server, now: float) -> Connection | HttpFault:
        """Open a connection if the limit allows it, else wait for one. In either case nothing has been sent yet."""
        until = now + min(self._connect, self._total)
        while not self._closed:
            if self._open_count < self._max_connections:
                self._open_count += 1
                return await self._open(server, until)
            given = await self._wait(until)
            if given is None:
                return await self._open(server, until)
            if not isinstance(given, Connection) or given.nothing_arrived():
                return given
            given.drop()  # the server closed it after another request had freed it
        return HttpFault.CLIENT_ERROR

    async def _wait(self, until: float) -> Connection | HttpFault | None:
        assert self._loop is not None
        waiter: _Waiter = self._loop.create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout_at(until):
                return await waiter
        except BaseException as error:
            # This wait timed out or was cancelled, perhaps after it received a connection. The next waiter gets that.
            given = waiter.result() if waiter.done() and not waiter.cancelled() else HttpFault.CONNECT_TIMEOUT
            if given is None:
                self._release()
            elif isinstance(given, Connection) and given.open:
                self.free(given)
            if isinstance(error, TimeoutError):
                return HttpFault.CONNECT_TIMEOUT
            raise

    def _hand_to_waiter(self, result: Connection | HttpFault | None) -> bool:
        """Hand ``result`` to the first request that still waits. False if none does."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(result)
                return True
        return False

    def _release(self) -> None:
        """A connection ended, so another may be opened."""
        if not self._hand_to_waiter(None):
            self._open_count -= 1

    async def _open(self, server: _Server, until: float) -> Connection | HttpFault:
        try:
            async with asyncio.timeout_at(until):
                connection = await self._connected(server, until)
        except BaseException as error:
            self._release()
            if not isinstance(error, Exception):
                raise
            return _fault(error)
        if self._closed or not connection.open:
            # The server closed the connection or sent something before the request: certainly nothing has left.
            connection.drop()
            self._release()
            return HttpFault.CLIENT_ERROR if self._closed else HttpFault.NOT_CONNECTED
        self._connections.add(connection)
        self._watch()
        return connection

    async def _connected(self, server: _Server, until: float) -> Connection:
        """Try the addresses of the server in turn. Each gets an equal share of the time that is left."""
        assert self._loop is not None
        loop = self._loop
        addresses = await self._resolved(server)
        name = server.host.rstrip(".") if server.secure else None
        error: OSError = ConnectionError()
        for number, address in enumerate(addresses):
            share = (until - loop.time()) / (len(addresses) - number)
            made = Connection(self, loop, self._body)
            try:
                async with asyncio.timeout(min(self._sock_connect, share)):
                    await loop.create_connection(lambda made=made: made, *address, ssl=self._tls, server_hostname=name)
                return made
            except BaseException as failed:
                made.drop()  # it may have been open already
                if not isinstance(failed, OSError):  # TimeoutError and the errors of TLS are OSErrors
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
        """Start the timer if a connection can become overdue."""
        if self._timer is None and not self._closed and self._connections:
            assert self._loop is not None
            self._timer = self._loop.call_later(SWEEP_INTERVAL, self._sweep)

    def _sweep(self) -> None:
        """Fail overdue requests and drop connections that were idle for too long."""
        assert self._loop is not None
        self._timer = None
        now = self._loop.time()
        for connection in tuple(self._connections):
            if connection.busy:
                if connection.overdue(now, self._read):
                    connection.fail(HttpFault.READ_TIMEOUT)
            elif now - connection.last_activity >= MAX_IDLE / 1000:
                connection.drop()
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


def _fault(error: Exception) -> HttpFault:
    """Why the connection failed. Only the class counts: the text of the error may hold secrets."""
    match error:
        case socket.gaierror():
            return HttpFault.DNS
        case ssl.SSLError():
            return HttpFault.TLS
        case TimeoutError():
            return HttpFault.CONNECT_TIMEOUT
        case OSError():
            return HttpFault.NOT_CONNECTED
        case ValueError():
            return HttpFault.INVALID_URL
        case _:
            return HttpFault.CLIENT_ERROR
