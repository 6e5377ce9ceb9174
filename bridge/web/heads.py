"""Splits the bytes of one connection into request heads and repairs their request lines.

The platform may send a text as raw bytes (Windows-1251 or UTF-8), and a sender that does not encode letters does not
encode spaces either. aiohttp's C parser refuses both with 400, and the SMS is never received. The pure-Python parser
accepts raw bytes, costs 27 µs a request instead of 5 µs and still refuses spaces. Percent-encoding the request line
before the C parser sees it costs 2 µs, and both are accepted. So each head is kept here until it is complete, and its
request line is repaired.

Only heads of ``GET`` without a body are split here. This module does no I/O and knows neither aiohttp nor a route.
"""

from __future__ import annotations

import re

MAX_LINE = 65_536
"""Bytes of a request line, after percent-encoding. aiohttp's default of 8,190 would refuse an SMS of 1,600 Cyrillic
letters each time the platform repeats it."""
MAX_HEAD = MAX_LINE + 32_768
"""Bytes of a request line with its header lines."""
MAX_SKIPPED = 1_048_576
"""Bytes that are read of a head that is too long, before it is refused. Without this a connection reset could overtake
the refusal."""

_END_OF_HEAD = re.compile(rb"\n\r?\n")
_CLEAN_LINE = re.compile(rb"[A-Z]+ [!-~]+ HTTP/1\.[01]\r?\n")
_SLOPPY_GET = re.compile(rb"GET ([^\r\n]+) (HTTP/1\.[01])(?=\r?\n)")
_UNSAFE = re.compile(rb"[^!-~]")
_PERCENT = {bytes([code]): b"%%%02X" % code for code in range(256)}
_PLAIN_GET = re.compile(rb"GET [!-~]+ HTTP/1\.[01]\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*\r\n)*\r\n")
_BODY_OR_UPGRADE = re.compile(
    rb"^(?:transfer-encoding|upgrade):|^content-length:(?![ \t]*0*[ \t]*\r$)", re.IGNORECASE | re.MULTILINE
)


class UnreadableHead(Exception):
    """The bytes do not begin like an HTTP request, or the head is too long."""


class HeadReader:
    """Collects the bytes of a connection and returns one head at a time."""

    __slots__ = ("_buffer", "_scanned", "_skipped", "_skipping")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        """Bytes at the beginning of the buffer that were searched and contain no end of a head."""
        self._skipping = False
        self._skipped = 0

    def __len__(self) -> int:
        """Number of bytes that were fed and not returned yet."""
        return len(self._buffer)

    @property
    def begun(self) -> bool:
        """True if a head has begun. After :meth:`next` returned None: True if a head has begun and is incomplete."""
        return self._skipping or bool(self._buffer)

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> bytes | None:
        """The next complete head, its request line and its end repaired. None if no head is complete yet.

        :raises UnreadableHead: the bytes are no HTTP request, or the head is too long. The connection must be refused.
        """
        buffer = self._buffer
        if self._skipping:
            self._skip()
            return None
        if buffer and not self._scanned and buffer[0] in b"\r\n":
            del buffer[: len(buffer) - len(buffer.lstrip(b"\r\n"))]  # HTTP allows empty lines between requests
        if not buffer:
            return None
        if not 0x41 <= buffer[0] <= 0x5A:  # not a letter of a method: TLS, or noise
            raise UnreadableHead
        end = _END_OF_HEAD.search(buffer, self._scanned)
        if (end.end() if end else len(buffer)) > MAX_HEAD:
            self._skipping = True
            self._skip()
            return None
        if end is None:
            self._scanned = max(len(buffer) - 2, 0)
            return None
        head = bytes(buffer[: end.end()])
        del buffer[: end.end()]
        self._scanned = 0
        if not head.endswith(b"\r\n\r\n"):
            # aiohttp's Python parser waits for exactly these bytes, and the connection would stay open.
            head = head.rstrip(b"\r\n") + b"\r\n\r\n"
        return repaired(head)

    def rest(self) -> bytes:
        """Return all remaining bytes and forget them."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def _skip(self) -> None:
        """Discard the bytes of a head that is too long. Refuse it at its end, or after :data:`MAX_SKIPPED` bytes."""
        buffer = self._buffer
        self._skipped += len(buffer)
        if self._skipped > MAX_SKIPPED or _END_OF_HEAD.search(buffer):
            raise UnreadableHead
        self._skipped -= len(buffer[-2:])
        del buffer[:-2]


def repaired(head: bytes) -> bytes:
    """The head with the target of its GET line percent-encoded where a raw byte is not allowed."""
    if _CLEAN_LINE.match(head):
        return head
    sloppy = _SLOPPY_GET.match(head)
    if sloppy is None:
        return head
    target = _UNSAFE.sub(lambda byte: _PERCENT[byte[0]], sloppy[1])
    return b"GET %b %b%b" % (target, sloppy[2], head[sloppy.end() :])


def is_plain_get(head: bytes) -> bool:
    """True for a well-formed ``GET`` without a body or an upgrade: every parser takes it for one whole request."""
    return _PLAIN_GET.fullmatch(head) is not None and not _BODY_OR_UPGRADE.search(head)
