"""A chat message before it is sent, and functions that make a text fit to be shown. Pure.

Lengths and offsets are in UTF-16 code units, as Telegram counts them. Formatting is by entities: unlike markup, they
cannot be broken by the text of an SMS.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from bridge.value import value_object

MAX_UNITS = 4096
"""UTF-16 units in one Telegram message."""

_JOINERS = frozenset("\u200c\u200d")
"""Format characters that scripts need or that join emoji. All others are removed."""
_KEPT_CONTROLS = frozenset("\n\t")
_BLANKS = frozenset("\u034f\u115f\u1160\u2800\u3164\uffa0")
"""Invisible characters that Unicode counts as letters, marks or symbols."""


@value_object
class Entity:
    kind: str
    """Telegram's name of the formatting, such as ``bold``."""
    offset: int
    length: int


@value_object
class Button:
    label: str
    data: str


@value_object
class ChatMessage:
    """A message for a chat, before it is sent."""

    text: str
    entities: tuple[Entity, ...] = ()
    buttons: tuple[Button, ...] = ()
    silent: bool = False


def units(text: str) -> int:
    """The length of ``text`` in UTF-16 code units."""
    return len(text) + sum(1 for char in text if ord(char) > 0xFFFF)


def clean(text: str) -> str:
    """A text from outside without control and direction characters. Line breaks stay.

    A right-to-left override in an SMS would change how the lines around it look.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(char for char in lines if _shown(char))


def _shown(char: str) -> bool:
    if char in _KEPT_CONTROLS or char in _JOINERS:
        return True
    # Removed: Cc control, Cf format (direction marks, zero-width space), Cs lone surrogate. Kept: Co private, Cn
    # unassigned.
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs")


def trimmed(text: str) -> str:
    """A text without invisible characters at its ends. Those inside it belong to scripts and emoji, and stay.

    An invisible character before a note or a command must not turn it into an SMS. A text of only such characters
    becomes empty.
    """
    start, end = 0, len(text)
    while start < end and _unseen(text[start]):
        start += 1
    while start < end and _unseen(text[end - 1]) and not _variation(text[end - 1]):
        end -= 1
    return text[start:end] if any(not _unseen(char) for char in text[start:end]) else ""


def _unseen(char: str) -> bool:
    return char.isspace() or char in _BLANKS or _variation(char) or unicodedata.category(char) in ("Cc", "Cf")


def _variation(char: str) -> bool:
    """A variation selector changes the look of the character before it, and must stay with it."""
    return "\ufe00" <= char <= "\ufe0f"


def one_line(text: str, most: int = 128) -> str:
    """The text on one line of at most ``most`` characters, for names and notes within a line."""
    line = " ".join(clean(text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def pieces(text: str, room: int) -> Iterator[str]:
    """Cuts a text into pieces of at most ``room`` units, at the end of a line or a word if one is near.

    Nothing is lost; an empty text is one empty piece.
    """
    rest = text
    while units(rest) > room:
        cut = _cut(rest, room)
        yield rest[:cut]
        rest = rest[cut:]
    yield rest


def _cut(text: str, room: int) -> int:
    used = 0
    end = 0
    for end, char in enumerate(text):  # noqa: B007 - the index is wanted after the loop
        used += 2 if ord(char) > 0xFFFF else 1
        if used > room:
            break
    for separator in ("\n", " "):
        at = text.rfind(separator, end // 2, end)
        if at > 0:
            return at + 1
    # Do not cut between a letter and its combining marks or variation selector, nor at a joiner.
    back = end
    while back > end - 16 and back > 1 and (_clings(text[back]) or text[back - 1] == "\u200d"):
        back -= 1
    return back if back > end - 16 else end


def _clings(char: str) -> bool:
    return char == "\u200d" or unicodedata.category(char) in ("Mn", "Me", "Sk")
