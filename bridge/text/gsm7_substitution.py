"""Typographic characters that make a Latin SMS twice as dear, and what may stand in their place. Pure.

One «, — or … forces the whole text into UCS-2: 70 characters a part instead of 160. Editors and telephones put them in
by themselves. A text with Cyrillic letters or emoji is UCS-2 in any case, and is left as its author wrote it.
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
    # Spaces that look like one: no-break, narrow, thin, figure.
    **dict.fromkeys("\u00a0\u202f\u2009\u2007", " "),
}
_TABLE: Final = str.maketrans(dict(_PLAIN))


def with_gsm7_characters(text: str) -> str | None:
    """The text with plain characters, where only such ones make it dear; None where that saves nothing.

    Every character outside GSM-7 must have a plain one, or nothing is gained.
    """
    now = parts.split(text)
    if not now.forcing or not _PLAIN.keys() >= set(now.forcing):
        return None
    plain = text.replace("№ ", "№").translate(_TABLE)
    return plain if parts.split(plain).count < now.count else None


def costly_characters(text: str) -> tuple[str, ...]:
    """The characters that :func:`cheaper` replaces, each once, in the order they appear."""
    return tuple(char for char in parts.split(text).forcing if char in _PLAIN)
