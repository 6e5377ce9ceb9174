"""Replaces typographic characters that double the price of a Latin SMS with plain ones. Pure.

One «, — or … forces the whole text into UCS-2: 70 characters a part instead of 160. Editors and telephones insert these
characters on their own. A text with Cyrillic letters or emoji is UCS-2 anyway and stays as its author wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bridge.text import parts

_PLAIN: Final[Mapping[str, str]] = {
    **dict.fromkeys("«»“”„‟″", '"'),
    **dict.fromkeys("‘’‚‛′‹›", "'"),
    **dict.fromkeys("—–―−‑‒", "-"),
    "…": "...",
    "№": "No ",
    "•": "-",
    # Characters that look like a space: no-break, narrow, thin, figure.
    **dict.fromkeys("\u00a0\u202f\u2009\u2007", " "),
}
_TABLE: Final = str.maketrans(dict(_PLAIN))


def with_gsm7_characters(text: str) -> str | None:
    """The text with plain characters that fit into GSM-7; None if that saves no part.

    Parts are saved only if every character outside of GSM-7 has a plain replacement.
    """
    now = parts.split(text)
    if not now.ucs2_characters or not _PLAIN.keys() >= set(now.ucs2_characters):
        return None
    plain = text.replace("№ ", "№").translate(_TABLE)
    return plain if parts.split(plain).count < now.count else None


def costly_characters(text: str) -> tuple[str, ...]:
    """The characters outside of GSM-7 that have a plain replacement, each once, in the order of the text."""
    return tuple(char for char in parts.split(text).ucs2_characters if char in _PLAIN)
