"""The client on aiohttp, for a way to the platform that the direct one does not know, such as through a proxy.

aiohttp repeats a GET by itself when the server closes the connection after reading it, and follows redirects; this
module exists to switch both off and to reduce all that can happen to two values. Its exceptions hold the whole URL,
hence the password and the SMS: none gets out.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from types import SimpleNamespace

import aiohttp
from yarl import URL

from bridge.platforms.http import IDLE, Answer, Fault, HttpLimits, NoAnswer, fits_a_request_line


class _Broken(Exception):
    """The connection broke under a request. Not one of the classes after which aiohttp sends a GET again."""


class _Flight:
    """One request on its way."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = False

    async def guard(self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        """Middleware. It stands between the connection and aiohttp's retry, which is what makes it work."""
        try:
            return await handler(request)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            # No connection, so nothing left; aiohttp does not repeat these. They come first because a
            # ClientConnectorError is a ClientOSError.
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
            self.left = True  # marked already, unless aiohttp stops telling us: then "may have left" is the safe side
            raise _Broken from None


async def _mark_left(
    session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    # aiohttp calls this right before the first byte is written, so an unset mark is proof that nothing left.
    flight = context.trace_request_ctx
    if isinstance(flight, _Flight):
        flight.left = True


class AiohttpClient:
    """Implements :class:`bridge.platforms.http.OnceClient`. The session is opened by the first request."""

    def __init__(
        self,
        address: str,
        *,
        connections: int,
        limits: HttpLimits | None = None,
        tls: ssl.SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._address = address
        self._connections = connections
        self._limits = limits or HttpLimits()
        self._tls = tls
        self._headers = dict(headers or {})
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def get(self, query: str) -> Answer | NoAnswer:
        if not fits_a_request_line(query):
            return NoAnswer(fault=Fault.INVALID_URL, left=False)
        flight = _Flight()
        try:
            return await self._ask(URL(f"{URL(self._address)}?{query}", encoded=True), flight)
        except asyncio.CancelledError:
            # aiohttp cancels who waits for a connection when it is closed; only we cancel a task.
            task = asyncio.current_task()
            if not self._closed or (task is not None and task.cancelling()):
                raise
            return NoAnswer(fault=Fault.CLIENT_ERROR, left=flight.left)
        except Exception as error:
            # All of them, on purpose: whatever aiohttp raises may carry the URL, and the caller needs no more
            # than the phase it happened in.
            return NoAnswer(fault=_fault(error, flight.left), left=flight.left)

    async def close(self) -> None:
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _ask(self, url: URL, flight: _Flight) -> Answer:
        async with self._open().get(
            url, allow_redirects=False, middlewares=(flight.guard,), trace_request_ctx=flight
        ) as response:
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > self._limits.body:
                    response.close()  # the rest of it is nobody's interest, nor is this connection
                    break
            whole = len(body) <= self._limits.body
            return Answer(status=response.status, body=bytes(body[: self._limits.body]), whole=whole)

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise RuntimeError("the client is closed")
        if self._session is None:
            self._session = self._new_session()
        return self._session

    def _new_session(self) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_mark_left)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._connections,
                keepalive_timeout=IDLE / 1000,
                ssl=self._tls if self._tls is not None else True,
            ),
            timeout=aiohttp.ClientTimeout(
                total=self._limits.total / 1000,
                connect=self._limits.connect / 1000,
                sock_connect=self._limits.sock_connect / 1000,
                sock_read=self._limits.sock_read / 1000,
            ),
            # Plain bodies: nothing to unpack, nothing that unpacks to gigabytes.
            headers={"Accept-Encoding": "identity", **self._headers},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,  # a proxy of the environment might repeat a GET
            trace_configs=[trace],
        )


def _fault(error: Exception, left: bool) -> Fault:
    """Names what went wrong; what it means for the request is told by the flight's mark alone."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return Fault.DNS
        case aiohttp.ClientSSLError() | ssl.SSLError() | ssl.CertificateError():
            return Fault.TLS
        case TimeoutError():
            return Fault.READ_TIMEOUT if left else Fault.CONNECT_TIMEOUT
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return Fault.INVALID_URL
        case aiohttp.ClientPayloadError():
            return Fault.BROKEN_BODY
        case aiohttp.ClientResponseError():
            return Fault.BAD_HTTP
        case _Broken() | aiohttp.ClientConnectionError() | OSError():
            return Fault.DISCONNECTED if left else Fault.NOT_CONNECTED
        case ValueError() if not left:
            return Fault.INVALID_URL
        case _:
            return Fault.CLIENT_ERROR
