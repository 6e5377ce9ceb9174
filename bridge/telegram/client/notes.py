"""What is a note among colleagues, by its first line, and which albums have one under a picture.

A note never leaves, so in doubt a line is one. An ellipsis at the beginning of a text is not: people begin so.
"""

from __future__ import annotations

from collections import deque

from bridge.telegram.client.message import trimmed

DOT = "."
"""Marks a note beside the mark of the settings: the quickest to type."""


class NotedAlbums:
    """Albums whose caption is a note, by the key that an SMS of their caption would have.

    A stop forgets them, which costs a word that need not be said.
    """

    def __init__(self) -> None:
        self._keys: deque[str] = deque(maxlen=100)

    def add(self, key: str) -> None:
        self._keys.append(key)

    def __contains__(self, key: str) -> bool:
        return key in self._keys


class Notes:
    def __init__(self, mark: str) -> None:
        self._mark = mark

    def is_note(self, text: str) -> bool:
        """A note as a whole: its first line decides."""
        return self._marked(text)

    def inside(self, text: str) -> bool:
        """A later line looks like a note: perhaps pasted, perhaps meant for colleagues."""
        _, *later = trimmed(text).splitlines() or [""]
        return any(self._marked(line) for line in later)

    def _marked(self, text: str) -> bool:
        begins = trimmed(text)
        if self._mark and begins.startswith(self._mark):
            return True
        return begins.startswith(DOT) and not begins.startswith(DOT * 2)
