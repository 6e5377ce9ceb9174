"""Tests the callback listener at its start, on real connections.

:func:`prove_long_lines` tests that long calls are received; otherwise the listener does not start.
:func:`ordinary_answers_work` tests that connections can answer ordinary calls themselves; otherwise aiohttp answers all
calls.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import closing

import structlog
from aiohttp import web

from bridge.config import CallbackSettings
from bridge.errors import BridgeError
from bridge.web.access import ConnectionCounter, Limits
from bridge.web.answers import text
from bridge.web.callback import Answer, Route
from bridge.web.connection import CallbackServer
from bridge.web.health import LIVE_PATH
from bridge.web.throttled_log import ThrottledLog

log = structlog.get_logger()

LENGTH = 20_000
"""Bytes of the long request line."""
TIMEOUT = 5.0
"""Seconds for each test."""


async def prove_long_lines(host: str, port: int) -> None:
    """Send our own listener a request line of 20 kB with a raw byte. It must answer 200.

    If aiohttp dropped the option for a longer line without an error, the listener would refuse long SMS for ever, and
    the team would not notice.
    :raises BridgeError: the listener cannot receive a long callback.
    """
    line = b"GET %b?x=\xcf%b HTTP/1.1\r\n" % (LIVE_PATH.encode(), b"a" * LENGTH)
    try:
        async with asyncio.timeout(TIMEOUT):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(line + b"Host: localhost\r\nConnection: close\r\n\r\n")
                answer = await reader.read(64)
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        raise BridgeError(f"the callback listener does not answer its own test ({type(error).__name__})") from error
    if answer.split(b" ", 2)[1:2] != [b"200"]:
        raise BridgeError("the callback listener refuses long request lines: long SMS would never get in")


async def ordinary_answers_work() -> bool:
    """Send an ordinary call, a call for aiohttp and a third call in one segment. Send a fourth after their answers.

    All must be answered in order, and only the first without aiohttp. A failure is logged; it costs only speed.
    """
    endpoint = ProofEndpoint()
    server = CallbackServer(endpoint, counter=ConnectionCounter(Limits()), throttled_log=ThrottledLog())
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        try:
            async with asyncio.timeout(TIMEOUT):
                bodies = await _ask(server, ours, theirs)
        except Exception as error:
            # Every class of error: aiohttp can still answer all calls, whatever is wrong in this environment.
            log.warning("ordinary_answers_switched_off", error=type(error).__name__)
            return False
        finally:
            await server.shutdown(TIMEOUT)
    if (bodies, endpoint.ordinary_calls) != ([b"1", b"2", b"3", b"4"], 1):
        log.warning("ordinary_answers_switched_off", error="unexpected answers")
        return False
    return True


async def _ask(server: CallbackServer, ours: socket.socket, theirs: socket.socket) -> list[bytes]:
    await asyncio.get_running_loop().connect_accepted_socket(server.connect, ours)
    reader, writer = await asyncio.open_unix_connection(sock=theirs)
    try:
        writer.write(_request(1) + _request(2, b"Connection: keep-alive\r\n") + _request(3))
        bodies = [await _body(reader) for _ in range(3)]
        writer.write(_request(4))
        return [*bodies, await _body(reader)]
    finally:
        writer.close()


def _request(number: int, header: bytes = b"") -> bytes:
    return b"GET /?%d HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % (number, header)


async def _body(reader: asyncio.StreamReader) -> bytes:
    await reader.readuntil(b"\r\n\r\n")
    return await reader.readexactly(1)


class ProofEndpoint:
    """Answers each call with its query."""

    def __init__(self) -> None:
        self.ordinary_calls = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        return text(request.rel_url.raw_query_string.encode())

    def ordinary(self, raw: bytes, remote: str, forwarded: Callable[[], Sequence[str]]) -> tuple[Route, bytes]:
        return Route.of("", CallbackSettings()), raw.partition(b"?")[2]

    def take(self, remote: str, route: Route, query: bytes, answer: Answer) -> None:
        self.ordinary_calls += 1
        asyncio.get_running_loop().call_soon(answer, 200, query)
