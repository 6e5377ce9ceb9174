"""A search through everything that is stored, the newest first, a page at a time.

Names come first, then texts in the order of their times, in both directions. Between two pages the reader is free for
others. A search ends where it has found enough or has looked at very many rows, and can go on from there.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence

from bridge.model.actions import SearchHit, SearchQuery, SearchScope
from bridge.model.base import ConversationId, Ms
from bridge.ports.desk import OrderStore
from bridge.value import value_object

FOUND = 10
PAGE = 5_000
"""Rows that are looked at in one go."""
MOST = 200_000
"""Rows that are looked at before whoever asked hears how far the search got: about a second."""
_EVER = 2**53
"""Above every id and every time; three of them fit into a button."""
_WRITTEN = re.compile(r"([0-9]{1,19})\.([0-9]{1,19})\.([0-9]{1,19})")


@value_object
class Position:
    """How far a search got: of each kind what has lower ids is not looked through yet."""

    talks: int = _EVER
    inbound: int = _EVER
    sms: int = _EVER

    @classmethod
    def parse(cls, text: str) -> Position | None:
        found = _WRITTEN.fullmatch(text)
        ids = [min(int(digits), _EVER) for digits in found.groups()] if found is not None else []
        return cls(talks=ids[0], inbound=ids[1], sms=ids[2]) if ids else None

    def __str__(self) -> str:
        return f"{self.talks}.{self.inbound}.{self.sms}"


BEGIN = Position()


@value_object
class Search:
    """What a search found."""

    found: Sequence[SearchHit]
    rest: Position | None = None
    """Where to go on; None: nothing is left."""
    back_to: Ms | None = None
    """Texts since then were looked through; None: all or none were."""


class Finder:
    def __init__(self, store: OrderStore, *, page: int = PAGE, most: int = MOST) -> None:
        self._store = store
        self._page = page
        self._most = most

    async def search(self, text: str, chats: Sequence[str] | None, start: Position = BEGIN) -> Search:
        names = _Heap(SearchScope.TALKS, start.talks)
        texts = (_Heap(SearchScope.INBOUND, start.inbound), _Heap(SearchScope.SMS, start.sms))
        heaps = (names, *texts)
        found: dict[ConversationId, SearchHit] = {}
        left = self._most
        while len(found) < FOUND and (heap := max(heaps, key=lambda each: each.newest)).open:
            if heap.waiting:
                hit = heap.waiting.popleft()
                found.setdefault(hit.conversation.id, hit)
            elif left <= 0:
                break
            else:
                left -= self._page
                await self._read(heap, text, chats)
        ends = [heap.position for heap in heaps]
        rest = Position(talks=ends[0], inbound=ends[1], sms=ends[2]) if any(ends) else None
        back_to = max(heap.newest for heap in texts)
        # Before a text was looked at it is later than anything, after the last one earlier.
        known = rest is not None and not names.open and 0 < back_to < _EVER
        return Search(found=tuple(found.values()), rest=rest, back_to=back_to if known else None)

    async def _read(self, heap: _Heap, text: str, chats: Sequence[str] | None) -> None:
        wanted = SearchQuery(text=text, chats=chats, among=heap.among, before=heap.rest, rows=self._page, limit=FOUND)
        page = await self._store.find(wanted)
        heap.waiting.extend(page.found)
        heap.rest = page.rest
        heap.at = _EVER if page.at is None else page.at


class _Heap:
    """Rows of one kind, as far as they were read."""

    def __init__(self, among: SearchScope, rest: int) -> None:
        self.among = among
        self.rest = rest
        self.at: Ms = _EVER
        self.waiting: deque[SearchHit] = deque()

    @property
    def open(self) -> bool:
        return bool(self.waiting or self.rest)

    @property
    def newest(self) -> Ms:
        """No row that is still to come was written later."""
        if self.waiting:
            at = self.waiting[0].at
            return _EVER if at is None else at
        return self.at if self.rest else -1

    @property
    def position(self) -> int:
        return self.waiting[0].row + 1 if self.waiting else self.rest
