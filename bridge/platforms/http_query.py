"""Percent-encodes the values of a query: URL classes know only UTF-8, and the platform may expect Windows-1251."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote_from_bytes

from bridge.text import charsets

_SAFE = ","
"""Characters that are not encoded; a comma is allowed in a query."""

_REMEMBERED = 1024
"""Most characters in the cache. Two alphabets with digits and marks are about 200; foreign texts must not fill the
memory."""


class Quoter:
    """Percent-encodes texts in one encoding, character by character from a cache, because every SMS passes here."""

    __slots__ = ("_encoding", "_known")

    def __init__(self, encoding: Literal["utf-8", "windows-1251"]) -> None:
        self._encoding = encoding
        self._known = _Characters(encoding)

    def __call__(self, text: str) -> str:
        try:
            return "".join(map(self._known.__getitem__, text))
        except UnicodeEncodeError:  # the encoding lacks a character, so the whole text is encoded otherwise
            raw, _ = charsets.encode_query(text, self._encoding)
            return quote_from_bytes(raw, safe=_SAFE)


class _Characters(dict[str, str]):
    """A cache: the encoded form of each character."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    def __missing__(self, char: str) -> str:
        quoted = quote_from_bytes(char.encode(self._encoding), safe=_SAFE)
        if len(self) < _REMEMBERED:
            self[char] = quoted
        return quoted
