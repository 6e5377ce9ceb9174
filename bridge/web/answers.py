"""The answers of the callback listener except the acknowledgement: constants, without any part of the request.

A platform searches the answer for the id. If it found the id in an error page, it would take the error for an
acknowledgement, and the SMS would be lost. So no body here contains a formatted value.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from types import MappingProxyType

from aiohttp import web
from aiohttp.hdrs import CACHE_CONTROL, CONTENT_TYPE, SERVER
from multidict import CIMultiDict, CIMultiDictProxy

TEXT_HEADERS = CIMultiDictProxy(
    CIMultiDict(
        {
            CONTENT_TYPE: "text/plain; charset=utf-8",
            # An acknowledgement from a cache would be false.
            CACHE_CONTROL: "no-store",
            SERVER: "sms-bridge",
        }
    )
)
JSON_HEADERS = CIMultiDictProxy(CIMultiDict({**TEXT_HEADERS, CONTENT_TYPE: "application/json"}))

BODIES = MappingProxyType(
    {
        200: b"ok\n",
        400: b"bad request\n",
        403: b"forbidden\n",
        404: b"not found\n",
        405: b"method not allowed\n",
        413: b"no such body is taken here\n",
        500: b"internal error\n",
        503: b"not available now, try again later\n",
    }
)


def plain(status: int, *, close: bool = False) -> web.Response:
    """The constant answer for a status. A status without an answer of its own gets the answer of 500."""
    status = status if status in BODIES else 500
    response = web.Response(status=status, body=BODIES[status], headers=TEXT_HEADERS)
    if status == 405:
        response.headers["Allow"] = "GET"
    if close:
        response.force_close()
    return response


def text(body: bytes) -> web.Response:
    return web.Response(body=body, headers=TEXT_HEADERS)


def answer_bytes(status: int, body: bytes) -> bytes:
    """An answer as bytes, on a connection that stays open. The same headers as :func:`text` and :func:`plain`."""
    return b"%b%bContent-Length: %d\r\n\r\n%b" % (_HEADS[status], _date(int(time.time())), len(body), body)


_HEADS = {
    status: b"HTTP/1.1 %d %b\r\n%b"
    % (
        status,
        HTTPStatus(status).phrase.encode(),
        b"".join(f"{name}: {value}\r\n".encode() for name, value in TEXT_HEADERS.items()),
    )
    for status in BODIES
}


@lru_cache(maxsize=2)
def _date(second: int) -> bytes:
    return f"Date: {formatdate(second, usegmt=True)}\r\n".encode()
