"""``/find`` and its button: searches everything that is stored, the newest first, a page at a time.

Names come first, then the texts of both directions together, in the order of their times. Between two pages the store's
reader is free for others. A search ends when it has found enough or has looked at ``MAX_ROWS`` rows. A press on its
button goes on from there.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence

from telegram import Message

from bridge.model.actions import SearchHit, SearchQuery, SearchScope
from bridge.model.base import ConversationId, Ms
from bridge.ports.store import Store
from bridge.telegram.buttons.dispatch import UNKNOWN, ButtonPress, PressResult
from bridge.telegram.buttons.kinds import ButtonKind, button
from bridge.telegram.chats import Chat
from bridge.telegram.client.message import ChatMessage, one_line
from bridge.telegram.client.transient_replies import Search
from bridge.telegram.commands.call import Call, UsageError, pages
from bridge.telegram.commands.spec import parse
from bridge.telegram.context import OperatorContext
from bridge.telegram.conversations import topic_link
from bridge.telegram.texts import say
from bridge.telegram.texts.labels import moment, number
from bridge.value import value_object

MAX_HITS = 10
PAGE_ROWS = 5_000
"""Most rows that one query looks at."""
MAX_ROWS = 200_000
"""Most rows that the search for one answer looks at: they take about a second."""
_MIN_LENGTH = 2
"""Fewest characters of a search text."""
_HIGHEST = 2**53
"""Higher than every id and every time. Three numbers of this size fit into the data of a button."""
_POSITION = re.compile(r"([0-9]{1,19})\.([0-9]{1,19})\.([0-9]{1,19})")


@value_object
class Position:
    """How far a search got. Of each kind of row, those with lower ids are still to be looked at."""

    conversations: int = _HIGHEST
    inbound: int = _HIGHEST
    sms: int = _HIGHEST

    @classmethod
    def parse(cls, text: str) -> Position | None:
        found = _POSITION.fullmatch(text)
        if found is None:
            return None
        conversations, inbound, sms = (min(int(digits), _HIGHEST) for digits in found.groups())
        return cls(conversations=conversations, inbound=inbound, sms=sms)

    def __str__(self) -> str:
        return f"{self.conversations}.{self.inbound}.{self.sms}"


START = Position()


@value_object
class SearchResult:
    found: Sequence[SearchHit]
    rest: Position | None = None
    """Where to go on; None: everything was looked at."""
    back_to: Ms | None = None
    """All texts since this time were looked at. None: all texts were, or none."""


async def find(context: OperatorContext, call: Call) -> Search:
    if len(call.rest) < _MIN_LENGTH:
        raise UsageError
    return Search(find=lambda: _found(context, call.chat, call.rest, START))


async def search_pressed(context: OperatorContext, press: ButtonPress) -> PressResult:
    """``<position>``: goes on with a search from there. The command that the list answers has the search text."""
    start = Position.parse(press.data)
    if start is None or not isinstance(press.message, Message):
        return UNKNOWN
    asked = press.message.reply_to_message
    written = parse(asked.text or "") if asked is not None else None
    if asked is None or written is None or written.command.name != "find" or not written.rest:
        return PressResult(answer="pressed.search_gone")
    chat, sought = press.chat, written.rest
    further = Search(find=lambda: _found(context, chat, sought, start))
    context.transient.send(chat, further, thread_id=press.thread_id, reply_to=asked.message_id)
    return PressResult(answer="pressed.past", keeps_buttons=True)


async def _found(context: OperatorContext, chat: Chat, text: str, start: Position) -> Sequence[ChatMessage]:
    """Searches the conversations of this chat; in the admin chat those of all chats."""
    language = chat.language
    everywhere = chat.name == context.chats.admin_name
    result = await search(context.store, text, None if everywhere else context.chats.names(chat), start)
    lines: list[str] = []
    for hit in result.found:
        conversation = hit.conversation
        shown = number(conversation.subscriber)
        if hit.name:
            shown = f"{one_line(hit.name, 64)}, {shown}"
        # The code has no line of its own, so a reply to this list belongs to no conversation.
        lines.append(f"• {shown} (#{conversation.code})")
        if chat.topics and conversation.thread_id is not None and conversation.chat == chat.name:
            lines[-1] += f" {topic_link(chat.id, conversation.thread_id)}"
        if hit.at is not None:
            at = moment(hit.at, context.zone(conversation), language)
            lines.append(f"   {at} {one_line(hit.text, 120)}")
    if not lines:
        lines.append(say(language, "answer.nothing_found"))
    if result.back_to is not None:
        lines.append(say(language, "answer.searched_back", {"at": moment(result.back_to, context.zone(), language)}))
    further = [button(say(language, "button.older"), ButtonKind.SEARCH, result.rest)] if result.rest else ()
    return pages(lines, buttons=further)


# ---------------------------------------------------------------- the search itself


async def search(
    store: Store,
    text: str,
    chats: Sequence[str] | None,
    start: Position = START,
    *,
    page_rows: int = PAGE_ROWS,
    max_rows: int = MAX_ROWS,
) -> SearchResult:
    """Searches names first, then texts, until enough is found or ``max_rows`` rows were looked at.

    :param chats: names of the chats whose conversations are searched; None: all.
    """
    names = _Rows(SearchScope.CONVERSATIONS, start.conversations)
    texts = (_Rows(SearchScope.INBOUND, start.inbound), _Rows(SearchScope.SMS, start.sms))
    kinds = (names, *texts)
    found: dict[ConversationId, SearchHit] = {}
    left = max_rows
    while len(found) < MAX_HITS and (rows := max(kinds, key=lambda each: each.max_time)).has_more:
        if rows.hits:
            hit = rows.hits.popleft()
            found.setdefault(hit.conversation.id, hit)
        elif left <= 0:
            break
        else:
            left -= page_rows
            await rows.read(store, text, chats, page_rows)
    ends = [each.position for each in kinds]
    rest = Position(conversations=ends[0], inbound=ends[1], sms=ends[2]) if any(ends) else None
    back_to = max(each.max_time for each in texts)
    # It is above every time before the first text was looked at, and below every time after the last one.
    known = rest is not None and not names.has_more and 0 < back_to < _HIGHEST
    return SearchResult(found=tuple(found.values()), rest=rest, back_to=back_to if known else None)


class _Rows:
    """The rows of one kind, as far as they were read."""

    def __init__(self, scope: SearchScope, rest: int) -> None:
        self._scope = scope
        self._rest = rest
        self._at: Ms = _HIGHEST
        self.hits: deque[SearchHit] = deque()

    async def read(self, store: Store, text: str, chats: Sequence[str] | None, rows: int) -> None:
        query = SearchQuery(text=text, chats=chats, scope=self._scope, before=self._rest, rows=rows, limit=MAX_HITS)
        page = await store.find(query)
        self.hits.extend(page.found)
        self._rest = page.rest
        self._at = _HIGHEST if page.at is None else page.at

    @property
    def has_more(self) -> bool:
        return bool(self.hits or self._rest)

    @property
    def max_time(self) -> Ms:
        """Upper bound: no row that is still to be returned was written later. Names count as later than all texts."""
        if self.hits:
            at = self.hits[0].at
            return _HIGHEST if at is None else at
        return self._at if self._rest else -1

    @property
    def position(self) -> int:
        return self.hits[0].row + 1 if self.hits else self._rest
