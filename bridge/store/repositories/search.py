"""Finds one page of a search. Python compares the texts, since neither engine folds the case of Cyrillic letters."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bridge.model.actions import SearchHit, SearchPage, SearchQuery, SearchScope
from bridge.model.chat import Conversation
from bridge.store.repositories.contacts import get_contact
from bridge.store.repositories.conversations import conversations_with
from bridge.store.schema.mapping import read_tuple
from bridge.store.schema.tables import CONVERSATION
from bridge.store.statement import Statement
from bridge.store.transaction import Row, Tx

# A person waits for the result, so each statement reads a limited number of rows, the newest first.
SEARCH_CONVERSATIONS = Statement(f"""
SELECT {CONVERSATION.of("v")}, COALESCE(c.name, '') AS name, COALESCE(c.tags, '[]') AS tags
FROM conversation AS v LEFT JOIN contact AS c ON c.subscriber = v.subscriber
WHERE v.id < :before ORDER BY v.id DESC LIMIT :limit
""")
SEARCH_INBOUND = Statement(
    "SELECT id, subscriber, text, received_at AS at FROM inbound WHERE id < :before ORDER BY id DESC LIMIT :limit"
)
SEARCH_SMS = Statement("""
SELECT id, recipient AS subscriber, text, created_at AS at FROM sms WHERE id < :before ORDER BY id DESC LIMIT :limit
""")

_STATEMENTS = {
    SearchScope.CONVERSATIONS: SEARCH_CONVERSATIONS,
    SearchScope.INBOUND: SEARCH_INBOUND,
    SearchScope.SMS: SEARCH_SMS,
}
Matcher = Callable[..., bool]


def found_page(wanted: SearchQuery, tx: Tx) -> SearchPage:
    """Search the next page: the newest rows with an id below ``wanted.before``."""
    hits = partial(_by_name, wanted) if wanted.scope is SearchScope.CONVERSATIONS else _ByText(wanted, tx).hits
    matches, found = matcher(wanted.text), dict[int, SearchHit]()
    # Reads the whole page at once, since the conversations of matching rows are read while the loop runs.
    page = tx.all(_STATEMENTS[wanted.scope], {"before": wanted.before, "limit": wanted.rows})
    last = None
    for last in page:
        for hit in hits(last, matches):
            found.setdefault(hit.conversation.id, hit)
        if len(found) >= wanted.limit:
            break
    whole = last is None or (last is page[-1] and len(page) < wanted.rows)
    at = None if last is None or wanted.scope is SearchScope.CONVERSATIONS else last["at"]
    return SearchPage(found=tuple(found.values()), rest=0 if whole or last is None else last["id"], at=at)


def _by_name(wanted: SearchQuery, row: Row, matches: Matcher) -> list[SearchHit]:
    *columns, name, tags = row
    conversation = CONVERSATION.read(columns)
    if not _in_chats(wanted, conversation) or not matches(conversation.subscriber, name, *read_tuple(tags)):
        return []
    return [SearchHit(row=conversation.id, conversation=conversation, name=name)]


class _ByText:
    """Finds rows by their text, and the conversations that they belong to."""

    def __init__(self, wanted: SearchQuery, tx: Tx) -> None:
        self._wanted = wanted
        self._tx = tx
        self._known: dict[str, list[tuple[Conversation, str]]] = {}

    def hits(self, row: Row, matches: Matcher) -> list[SearchHit]:
        if not matches(row["text"]):
            return []
        subscriber = row["subscriber"]
        if subscriber not in self._known:
            self._known[subscriber] = self._conversations(subscriber)
        return [
            SearchHit(row=row["id"], conversation=conversation, name=name, at=row["at"], text=row["text"])
            for conversation, name in self._known[subscriber]
        ]

    def _conversations(self, subscriber: str) -> list[tuple[Conversation, str]]:
        """The subscriber's conversations in the wanted chats, each with the subscriber's name."""
        found = [each for each in conversations_with(self._tx, subscriber) if _in_chats(self._wanted, each)]
        if not found:
            return []
        name = get_contact(self._tx, subscriber).name
        return [(conversation, name) for conversation in found]


def _in_chats(wanted: SearchQuery, conversation: Conversation) -> bool:
    return wanted.chats is None or conversation.chat in wanted.chats


def matcher(text: str) -> Matcher:
    """Make a function that tells whether one of several values contains ``text``.

    It ignores case, takes ё for е, and finds a number whatever punctuation ``text`` has.
    """
    words = _plain(text)
    digits = "".join(char for char in text if char.isdigit())
    number = digits if len(digits) >= 3 and not any(char.isalpha() for char in text) else None

    def matches(*values: str) -> bool:
        return any(words in _plain(value) or (number is not None and number in value) for value in values)

    return matches


def _plain(text: str) -> str:
    return text.casefold().replace("ё", "е")
