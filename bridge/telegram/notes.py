"""Notes among colleagues, and captions of albums.

A note never leaves as an SMS, so in doubt a text is a note. A text that begins with an ellipsis is no note.
"""

from __future__ import annotations

from collections import deque

from bridge.ports.store import Store
from bridge.telegram.client.message import trimmed

DOT = "."


class AlbumCaptions:
    """Knows which captions of albums were handled. A caption is known by the key that its SMS has or would have.

    If the caption of an album was handled, the bot says nothing about the album's pictures without a caption.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._notes: deque[str] = deque(maxlen=100)
        """Keys of captions that are notes. A stop loses them; then an author gets one notice too many."""

    def add_note(self, key: str) -> None:
        self._notes.append(key)

    async def handled(self, key: str) -> bool:
        """Whether the caption was a note, or became an SMS (about which the author was asked)."""
        return key in self._notes or await self._store.sms_of_key(key) is not None


class Notes:
    """Recognises notes by their mark: a dot, or ``note_mark`` of the settings."""

    def __init__(self, mark: str) -> None:
        self._mark = mark

    def is_note(self, text: str) -> bool:
        """Whether the whole text is a note: its beginning decides."""
        begins = trimmed(text)
        if self._mark and begins.startswith(self._mark):
            return True
        return begins.startswith(DOT) and not begins.startswith(DOT * 2)

    def inside(self, text: str) -> bool:
        """Whether a line after the first looks like a note. It may be pasted text, or meant for colleagues."""
        _, *later = trimmed(text).splitlines() or [""]
        return any(self.is_note(line) for line in later)
