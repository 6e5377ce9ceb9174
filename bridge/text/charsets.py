"""The two encodings a platform of this family speaks, in both directions.

Nothing here raises and nothing here guesses by statistics: strict UTF-8 first, else Windows-1251. A
short text can be valid in both (``Рё`` in Windows-1251 is ``и`` in UTF-8), which is why an account can
force one.
"""

from __future__ import annotations

from typing import Literal


def decode(raw: bytes, encoding: Literal["auto", "utf-8", "windows-1251"]) -> str:
    """Text of percent-decoded bytes: without NUL (PostgreSQL refuses it) and without lone surrogates.

    A byte that the encoding does not define (0x98 of Windows-1251) stays visible as U+FFFD.
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
    """Bytes to percent-encode, and the encoding they are in.

    A character that Windows-1251 lacks (emoji, some Kazakh and Tatar letters) sends the whole text out
    in UTF-8: it must never turn into ``?``. Half a surrogate pair is no character in either and becomes
    U+FFFD.
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
