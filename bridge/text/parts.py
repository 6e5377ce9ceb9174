"""Counts the parts (segments) of an SMS and finds the characters that make it costly.

Pure arithmetic over GSM 03.38 and UTF-16. Only the basic alphabet and its extension table are used. A network with
national shift tables would need fewer parts, but no platform promises that, and the price must not be guessed too low.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, Literal

import gsmcodecs

from bridge.value import value_object

_SINGLE_GSM: Final = 160
_PART_GSM: Final = 153
_SINGLE_UCS: Final = 70
_PART_UCS: Final = 67

_TABLES = gsmcodecs.GSMCHARMAPS[0]
_BASIC: Final = frozenset(chr(code) for code in _TABLES["locking"]["encode"] if code != 0x1B)
_EXTENDED: Final = frozenset(chr(code) for code in _TABLES["singleShift"]["encode"] if code != 0x1B) - _BASIC
_GSM: Final = _BASIC | _EXTENDED


@value_object
class Parts:
    """The size of a text as an SMS."""

    encoding: Literal["gsm7", "ucs2"]
    count: int
    """Number of parts that are paid for. An empty text is one part."""
    units: int
    """Septets (``gsm7``) or UTF-16 units (``ucs2``) of the text itself."""
    ucs2_characters: tuple[str, ...]
    """The distinct characters that force UCS-2, in the order they appear; empty for ``gsm7``."""


@lru_cache(maxsize=1024)
def split(text: str) -> Parts:
    """Counts the parts of a text. A part never ends inside an escape pair or a surrogate pair."""
    if _GSM.issuperset(text):
        widths = [2 if char in _EXTENDED else 1 for char in text]
        return Parts(
            encoding="gsm7", count=_count(widths, _SINGLE_GSM, _PART_GSM), units=sum(widths), ucs2_characters=()
        )
    widths = [2 if char > "\uffff" else 1 for char in text]
    return Parts(
        encoding="ucs2",
        count=_count(widths, _SINGLE_UCS, _PART_UCS),
        units=sum(widths),
        ucs2_characters=tuple(dict.fromkeys(char for char in text if char not in _GSM)),
    )


def _count(widths: Iterable[int], single: int, part: int) -> int:
    total = count = used = 0
    for width in widths:
        total += width
        if count == 0 or used + width > part:
            count += 1
            used = 0
        used += width
    return 1 if total <= single else count
