"""One page of a search, within one transaction. Letters are compared here: no engine folds Cyrillic ones by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from bridge.model.actions import SearchHit, SearchPage, SearchQuery, SearchScope
from bridge.model.chat import Conversation
from bridge.store import rows, sql
from bridge.store.transaction import Params, Row, Tx

Holds = Callable[..., bool]
_STATEMENTS = {SearchScope.TALKS: sql.FIND_TALKS, SearchScope.INBOUND: sql.FIND_IN, SearchScope.SMS: sql.FIND_OUT}


def found_page(wanted: SearchQuery, tx: Tx) -> SearchPage:
    hits = partial(_by_name, wanted) if wanted.among is SearchScope.TALKS else _ByText(wanted, tx).hits
    holds, found = matcher(wanted.text), dict[int, SearchHit]()
    # Whole, and not row by row: what belongs to a row that matches is asked for meanwhile.
    page = tx.all(_STATEMENTS[wanted.among], {"before": wanted.before, "limit": wanted.rows})
    last = None
    for last in page:
        for hit in hits(last, holds):
            found.setdefault(hit.conversation.id, hit)
        if len(found) >= wanted.limit:
            break
    whole = last is None or (last is page[-1] and len(page) < wanted.rows)
    at = None if last is None or wanted.among is SearchScope.TALKS else last["at"]
    return SearchPage(found=tuple(found.values()), rest=0 if whole or last is None else last["id"], at=at)


def _by_name(wanted: SearchQuery, row: Row, holds: Holds) -> list[SearchHit]:
    tags = () if row["tags"] == "[]" else json.loads(row["tags"])
    if not _counts(wanted, row["chat"]) or not holds(row["subscriber"], row["name"], *tags):
        return []
    return [SearchHit(row=row["id"], conversation=rows.conversation(row), name=row["name"])]


class _ByText:
    def __init__(self, wanted: SearchQuery, tx: Tx) -> None:
        self._wanted = wanted
        self._tx = tx
        self._known: dict[str, list[tuple[Conversation, str]]] = {}

    def hits(self, row: Row, holds: Holds) -> list[SearchHit]:
        if not holds(row["text"]):
            return []
        who = row["subscriber"]
        if who not in self._known:
            self._known[who] = self._talks(who)
        return [
            SearchHit(row=row["id"], conversation=talk, name=name, at=row["at"], text=row["text"])
            for talk, name in self._known[who]
        ]

    def _talks(self, subscriber: str) -> list[tuple[Conversation, str]]:
        who: Params = {"subscriber": subscriber}
        held = self._tx.all(sql.CONVERSATIONS_WITH, who)
        talks = [rows.conversation(row) for row in held if _counts(self._wanted, row["chat"])]
        if not talks:
            return []
        name = rows.contact(self._tx.one(sql.GET_CONTACT, who), subscriber).name
        return [(talk, name) for talk in talks]


def _counts(wanted: SearchQuery, chat: str) -> bool:
    return wanted.chats is None or chat in wanted.chats


def matcher(text: str) -> Holds:
    """Letters of either case, е for ё; a number with or without its plus, brackets and dashes."""
    words = _plain(text)
    digits = "".join(char for char in text if char.isdigit())
    number = digits if len(digits) >= 3 and not any(char.isalpha() for char in text) else None

    def holds(*values: str) -> bool:
        return any(words in _plain(value) or (number is not None and number in value) for value in values)

    return holds


def _plain(text: str) -> str:
    return text.casefold().replace("ё", "е")
