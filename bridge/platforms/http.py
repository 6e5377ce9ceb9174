"""The values of an HTTP request that costs money: limits, the answer, and the reason if there is no answer.

A GET is sent at most once, and the caller learns whether it may have reached the platform. The client in
``http_client`` keeps that promise. It knows no platform and writes no log. It catches the exceptions of libraries,
because their text may hold the whole URL, with the password and the SMS.
"""

from __future__ import annotations

from enum import StrEnum

from bridge.model.base import SECOND, Ms
from bridge.value import value_object

# Apache closes an idle connection after 5 s by default, nginx after 75 s. If the server closes a connection just as a
# request is written, the outcome of that request is unknown, so the client closes its idle connections first.
MAX_IDLE: Ms = 4 * SECOND


@value_object
class HttpLimits:
    """Time limits in milliseconds, and how much of a body to read, in bytes."""

    total: Ms = 45 * SECOND
    connect: Ms = 5 * SECOND
    """Limit for getting a connection, the wait for a free one included. When it passes, nothing has been sent."""
    sock_connect: Ms = 5 * SECOND
    """Limit for connecting to one address. A host name may have several."""
    sock_read: Ms = 30 * SECOND
    """Longest time without a byte from the server."""
    body: int = 64 * 1024


class HttpFault(StrEnum):
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

    A body without a length and without chunks ends with the connection, so a cut in such a body cannot be noticed.
    """

    status: int
    body: bytes
    whole: bool = True
    """False if the body was longer than the limit; ``body`` is its beginning."""


@value_object
class NoAnswer:
    """The request got no usable answer."""

    fault: HttpFault
    left: bool
    """True if a byte of the request may have left this machine. False is certain, True is not."""


def fits_a_request_line(text: str) -> bool:
    """True for ASCII without white space. Such a text cannot end the request line or one of its words."""
    return text.isascii() and text.split() == [text]
