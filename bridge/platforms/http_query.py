"""Values of a query, percent-encoded by hand: a URL class knows UTF-8 only, and the platform may want Windows-1251."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote_from_bytes

from bridge.text import charsets

_SAFE = ","
"""A comma may stand in a query as it is."""

_REMEMBERED = 1024
"""Characters; two alphabets, digits and marks are some 200, and strangers' texts must not fill the memory."""


class Quoter:
    """Encodes and quotes texts in one encoding. By the character, from memory: every SMS goes through here."""

    __slots__ = ("_encoding", "_known")

    def __init__(self, encoding: Literal["utf-8", "windows-1251"]) -> None:
        self._encoding = encoding
        self._known = _Characters(encoding)

    def __call__(self, text: str) -> str:
        try:
            return "".join(map(self._known.__getitem__, text))
        except UnicodeEncodeError:  # a character that the encoding lacks decides for the whole text
            raw, _ = charsets.encode_query(text, self._encoding)
            return quote_from_bytes(raw, safe=_SAFE)


class _Characters(dict[str, str]):
    """Character → what stands for it in the query."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    def __missing__(self, char: str) -> str:
        quoted = quote_from_bytes(char.encode(self._encoding), safe=_SAFE)
        if len(self) < _REMEMBERED:
            self[char] = quoted
        return quoted
