"""Request heads as the parsers get them."""

from __future__ import annotations

import pytest

from bridge.web.heads import HeadReader


@pytest.mark.parametrize("end", [b"\r\n\r\n", b"\n\r\n", b"\r\n\n", b"\n\n"])
def test_every_head_ends_as_each_parser_expects_it(end: bytes) -> None:
    reader = HeadReader()
    reader.feed(b"GET /sms.php?text=%d0%94 HTTP/1.1\r\nHost: bridge" + end + b"GET /next")
    assert reader.next() == b"GET /sms.php?text=%d0%94 HTTP/1.1\r\nHost: bridge\r\n\r\n"
    assert reader.next() is None
    assert reader.rest() == b"GET /next"
