"""A GET that costs money: asked at most once, and the caller learns whether it may have arrived.

This module is the contract: what is asked of a client, and the values it answers with. Two clients keep it:
``http_direct`` is the usual one, ``http_aiohttp`` is the one for what only aiohttp can do. Neither knows a platform,
logs, or lets a library's exception out: their texts may hold the whole URL, hence the password and the SMS.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from bridge.model.base import SECOND, Ms
from bridge.value import value_object

# Apache closes an idle connection after 5 s by default, nginx after 75. Nobody knows the fate of a request that meets a
# connection which is just being closed, so ours are given up first.
IDLE: Ms = 4 * SECOND


@value_object
class HttpLimits:
    """How long to wait for what, in milliseconds, and how much of a body to read, in bytes."""

    total: Ms = 45 * SECOND
    connect: Ms = 5 * SECOND
    """For a connection of one's own, waiting for a free one included: over before anything has left."""
    sock_connect: Ms = 5 * SECOND
    """For one address of the server; a name may have several."""
    sock_read: Ms = 30 * SECOND
    body: int = 64 * 1024


class Fault(StrEnum):
    """Why there is no answer."""

    INVALID_URL = "invalid_url"
    DNS = "dns"
    NOT_CONNECTED = "not_connected"
    CONNECT_TIMEOUT = "connect_timeout"
    TLS = "tls"
    DISCONNECTED = "disconnected"
    READ_TIMEOUT = "read_timeout"
    BAD_HTTP = "bad_http"
    BROKEN_BODY = "broken_body"
    CLIENT_ERROR = "client_error"


@value_object
class Answer:
    """A complete HTTP answer of any status.

    A body without length or chunks ends where the connection does, so of such a one nobody can tell that it is cut.
    """

    status: int
    body: bytes
    whole: bool = True
    """False where the body was longer than the limit and is cut."""


@value_object
class NoAnswer:
    fault: Fault
    left: bool
    """Whether a byte of the request may have left this machine. False is a certainty, True is not."""


class OnceClient(Protocol):
    """An HTTP client for one address of one server. Its connections belong to the loop of its first request."""

    async def get(self, query: str) -> Answer | NoAnswer:
        """Ask once. ``query`` is percent-encoded already, in whatever encoding; nothing re-encodes it.

        Cancellation propagates, and the request may have left by then.
        """

    async def close(self) -> None:
        """Give up all connections. What is under way gets no answer, and what comes after is not sent."""


class ClientMaker(Protocol):
    def __call__(
        self,
        address: str,
        *,
        connections: int,
        limits: HttpLimits | None = None,
        tls: ssl.SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> OnceClient: ...


def fits_a_request_line(text: str) -> bool:
    """Whether nothing in it could end the line or a word of it: no white space of any kind, ASCII only."""
    return text.isascii() and text.split() == [text]
