"""Decodes and encodes texts in UTF-8 and Windows-1251, the encodings that platforms of this family use.

Decoding tries strict UTF-8 first and then Windows-1251; it does not guess by statistics. The bytes of a short text can
be valid in both: those of ``и`` in UTF-8 are ``Рё`` in Windows-1251. So the configuration of an account can name one
encoding. Nothing here raises.
"""

from __future__ import annotations

from typing import Literal


def decode(raw: bytes, encoding: Literal["auto", "utf-8", "windows-1251"]) -> str:
    """The text of percent-decoded bytes, without NUL (PostgreSQL refuses it) and without lone surrogates.

    A byte that the encoding does not define (0x98 in Windows-1251) becomes U+FFFD.
    """
    if encoding == "utf-8":
        text = raw.decode("utf-8", "replace")
    elif encoding == "windows-1251":
        text = raw.decode("cp1251", "replace")
    else:
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            text = raw.decode("cp1251", "replace")
    return text.replace("\0", "")


def encode_query(text: str, encoding: Literal["utf-8", "windows-1251"]) -> tuple[bytes, str]:
    """The bytes to percent-encode, and their encoding.

    If Windows-1251 lacks a character (emoji, some Kazakh and Tatar letters), the whole text is encoded in UTF-8: a
    character must never become ``?``. Half a surrogate pair is not a character and becomes U+FFFD.
    """
    if encoding == "windows-1251":
        try:
            return text.encode("cp1251"), "windows-1251"
        except UnicodeEncodeError:
            pass  # not a fault: the text needs UTF-8
    try:
        return text.encode("utf-8"), "utf-8"
    except UnicodeEncodeError:
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return whole.encode("utf-8"), "utf-8"
