"""Finds typing mistakes: one wrong key in a word, or a whole word in the other keyboard layout.

Pure tables and comparisons. The rules decide which mistakes they forgive.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_LATIN: Final = "`qwertyuiop[]asdfghjkl;'zxcvbnm,.~QWERTYUIOP{}ASDFGHJKL:\"ZXCVBNM<>"
_CYRILLIC: Final = "ёйцукенгшщзхъфывапролджэячсмитьбюЁЙЦУКЕНГШЩЗХЪФЫВАПРОЛДЖЭЯЧСМИТЬБЮ"
_TO_CYRILLIC: Final = str.maketrans(_LATIN, _CYRILLIC)
_TO_LATIN: Final = str.maketrans(_CYRILLIC, _LATIN)


def other_layout(text: str) -> str:
    """The text that the same keys give in the other layout: ``инфо`` for ``byaj``. Other characters stay."""
    has_cyrillic = any("\u0400" <= char <= "\u04ff" for char in text)
    return text.translate(_TO_LATIN if has_cyrillic else _TO_CYRILLIC)


def one_edit_apart(one: str, other: str) -> bool:
    """Whether one letter is missing, added or different, or two neighbours are swapped."""
    if len(one) > len(other):
        one, other = other, one
    if len(other) - len(one) > 1 or one == other:
        return False
    at = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    if len(one) < len(other):
        return one[at:] == other[at + 1 :]
    swapped = one[at : at + 2] == other[at : at + 2][::-1] and one[at + 2 :] == other[at + 2 :]
    return swapped or one[at + 1 :] == other[at + 1 :]


def without_one_letter(word: str) -> Iterator[str]:
    """The word, and the word without each of its letters in turn. Two words one edit apart share one of these."""
    yield word
    for at in range(len(word)):
        yield word[:at] + word[at + 1 :]
