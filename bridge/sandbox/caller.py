"""The simulated platform as a client: it calls the bridge's callback as a plain PHP script on a socket does.

Why it exists: HTTP libraries refuse to send requests that the real platform may send (Windows-1251 bytes in the request
line, ``%ZZ``, lines of 60 kB). So this module writes the request and reads the answer itself. The only decision here is
the platform's own naive test for an acknowledgement.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import quote, urlsplit

from bridge.value import value_object

MAX_ANSWER = 64 * 1024
TIMEOUT_S = 10.0


class CallEncoding(StrEnum):
    """How the text of an inbound SMS is written into the callback's URL."""

    UTF_8 = "utf-8"
    WINDOWS_1251 = "windows-1251"
    RAW_UTF_8 = "raw-utf-8"
    """Letters as bare bytes in the request line; white space and the characters of URLs are escaped."""
    RAW_1251 = "raw-1251"


@value_object
class HttpAnswer:
    """The answer to one request, or the reason why there is none."""

    status: int
    """0 if no HTTP answer came."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    error: str = ""
    """Why no whole answer came: the class of the exception, or ``not http``."""


def encode_query(fields: Mapping[str, str], encoding: CallEncoding) -> bytes:
    """Write ``name=value&…`` in the given order.

    :raises UnicodeEncodeError: Windows-1251 does not have a character.
    """
    charset = "cp1251" if encoding in (CallEncoding.WINDOWS_1251, CallEncoding.RAW_1251) else "utf-8"
    raw = encoding in (CallEncoding.RAW_UTF_8, CallEncoding.RAW_1251)
    return b"&".join(name.encode() + b"=" + _escape(value.encode(charset), raw) for name, value in fields.items())


def _escape(value: bytes, raw: bool) -> bytes:
    if not raw:
        return quote(value, safe="").encode()
    return b"".join(
        bytes([byte]) if byte >= 0x80 else quote(bytes([byte]), safe="").encode()
        for byte in value  # one byte at a time, so that the raw bytes of the text stay as they are
    )


def is_acknowledged(smsid: str, body: bytes) -> bool:
    """The naive test of a platform: True if ``smsid=<id>`` or ``id_sms=<id>`` is anywhere in the body, whatever the
    status is."""
    wanted = smsid.encode("latin-1", "replace")
    return b"smsid=" + wanted in body or b"id_sms=" + wanted in body


async def call(url: str, raw_query: bytes, *, method: str = "GET", timeout_s: float = TIMEOUT_S) -> HttpAnswer:
    """Send one request on a connection of its own, with the query as given. Errors of the server do not raise.

    :raises ValueError: ``url`` is not a plain ``http://`` address.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("the callback's URL must begin with http:// and name a host")
    query = b"&".join(part for part in (parts.query.encode(), raw_query) if part)
    target = (parts.path or "/").encode() + (b"?" + query if query else b"")
    length = b"Content-Length: 0\r\n" if method not in ("GET", "HEAD") else b""
    request = b"%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: PHP\r\nAccept: */*\r\n%sConnection: close\r\n\r\n" % (
        method.encode(),
        target,
        parts.netloc.rpartition("@")[2].encode(),
        length,
    )
    try:
        async with asyncio.timeout(timeout_s):
            return await _exchange(parts.hostname, parts.port or 80, request)
    except (OSError, EOFError, asyncio.LimitOverrunError) as error:  # TimeoutError is an OSError
        return HttpAnswer(status=0, headers={}, body=b"", error=type(error).__name__)


async def _exchange(host: str, port: int, request: bytes) -> HttpAnswer:
    reader, writer = await asyncio.open_connection(host, port, limit=MAX_ANSWER)
    try:
        writer.write(request)
        await writer.drain()
        return await _read_answer(reader)
    finally:
        writer.close()


async def _read_answer(reader: asyncio.StreamReader) -> HttpAnswer:
    head = await reader.readuntil(b"\r\n\r\n")
    line, *rest = head[:-4].split(b"\r\n")
    words = line.split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        return HttpAnswer(status=0, headers={}, body=head, error="not http")
    named = (header.partition(b":") for header in rest)
    headers = {name.decode("latin-1").strip().lower(): value.decode("latin-1").strip() for name, _, value in named}
    declared = headers.get("content-length", "")
    wanted = min(int(declared), MAX_ANSWER) if declared.isdigit() else MAX_ANSWER
    body = b""
    while len(body) < wanted:
        block = await reader.read(wanted - len(body))
        if not block:
            break
        body += block
    return HttpAnswer(status=int(words[1]), headers=headers, body=body)
