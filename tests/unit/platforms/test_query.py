"""Encoding texts for a query: character by character from a cache, with the same bytes as in one piece."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.platforms.http import fits_a_request_line
from bridge.platforms.http_query import Quoter
from bridge.text import charsets

Encoding = Literal["utf-8", "windows-1251"]
ENCODINGS: list[Encoding] = ["utf-8", "windows-1251"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(text=st.text() | st.text("абвгдЁё№ «»—a1 ,&=%+~\ud83d\ude00\r\n"))
@example(text="😀")
@example(text="\ud83d\ude00")
@example(text="\ud83d")
@example(text="\x98")
def test_it_is_what_encoding_the_whole_text_gives(encoding: Encoding, text: str) -> None:
    quote = Quoter(encoding)
    raw, _ = charsets.encode_query(text, encoding)
    for _ in range(2):  # the second time from memory
        assert quote(text) == quote_from_bytes(raw, safe=",")
    assert fits_a_request_line(quote(text)) or not text


def test_strangers_texts_do_not_fill_the_memory() -> None:
    quote = Quoter("utf-8")
    every_plane = "".join(map(chr, range(0x4E00, 0x9000)))
    assert quote(every_plane) == quote_from_bytes(every_plane.encode())
    assert len(quote._known) <= 1024
