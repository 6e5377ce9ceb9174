"""What a message says about the past: at the start of a conversation, and in a topic that replaces a deleted one."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.model.base import HOUR, InboundId, Language, Ms
from bridge.model.chat import Conversation, Post
from bridge.model.inbound import Inbound
from bridge.model.record import HistoryLine
from bridge.model.sms import SmsState
from bridge.ports.clock import Clock
from bridge.ports.store import Store
from bridge.telegram.chats import Chat
from bridge.telegram.client.message import ChatMessage, one_line
from bridge.telegram.posts.inbound import recap
from bridge.telegram.texts import say
from bridge.telegram.texts.labels import Zones

NEW_CONVERSATION: Ms = 12 * HOUR
"""An SMS that comes after a pause of this length or longer says what came before it."""
_MAX_COUNTED = 100
"""Earlier SMS are counted up to this number."""
_RECAP_LINES = 5
"""A topic that replaces a deleted one begins with this many of the latest SMS."""
_MAX_READ = 50
"""SMS that one query reads from the store."""
_NEVER_SAID = frozenset({SmsState.DRAFT, SmsState.CANCELLED})
"""The operator has not decided yet, or decided against these SMS: they are no part of the conversation."""
_WITHOUT_REMARK = frozenset(
    {SmsState.QUEUED, SmsState.SENDING, SmsState.SENT, SmsState.DELIVERED, SmsState.UNCONFIRMED}
)
"""States that need no remark beside the text."""


class History:
    def __init__(self, store: Store, zones: Zones, clock: Clock) -> None:
        self._store = store
        self._zones = zones
        self._clock = clock

    async def introduction(self, sms: Inbound, language: Language) -> Sequence[str]:
        """Words for the head of an SMS that begins a conversation, or resumes it after a long pause."""
        earlier = await self._store.earlier_messages(sms.subscriber, sms.id, limit=_MAX_COUNTED)
        if earlier.last_at is None:
            return () if await self._written_to(sms) else [say(language, "head.first")]
        if sms.received_at - earlier.last_at < NEW_CONVERSATION:
            return ()
        count = f"{_MAX_COUNTED - 1}+" if earlier.count >= _MAX_COUNTED else str(earlier.count)
        last = self._zones.shown(earlier.last_at, sms.account, self._clock.now())
        return [say(language, "head.earlier", {"count": count, "last": last})]

    async def _written_to(self, sms: Inbound) -> bool:
        """True if the subscriber got an SMS before writing the first one."""
        lines = await self._store.history(sms.subscriber, limit=_MAX_READ)
        return any(line.what == "out" and line.at < sms.received_at and _was_said(line, None) for line in lines)

    async def recap(self, conversation: Conversation, chat: Chat, post: Post) -> ChatMessage:
        """The first message of a new topic in place of a deleted one: the SMS before ``post``."""
        before = post.inbound.id if post.inbound is not None else None
        lines = await self._store.history(conversation.subscriber, limit=_MAX_READ)
        said = [line for line in lines if _was_said(line, before)]
        shown = [self._line(line, chat.language) for line in said[-_RECAP_LINES:]]
        return recap(conversation, post.contact, chat.language, shown)

    def _line(self, line: HistoryLine, language: Language) -> str:
        arrow = "→" if line.what == "out" else "←"
        at = self._zones.shown(line.at, line.account, self._clock.now())
        said = f"{at} {arrow} {one_line(line.text, 200)}"
        if line.what != "out" or line.state in _WITHOUT_REMARK:
            return said
        # Without the state a reader of the topic would take it for delivered.
        return f"{said} [{say(language, f'status.{line.state}')}]"


def _was_said(line: HistoryLine, before: InboundId | None) -> bool:
    """True if the line is history. ``before``: the SMS that is about to be posted; it and later ones are not yet."""
    if line.what == "out":
        return line.state not in _NEVER_SAID
    return before is None or line.inbound_id is None or line.inbound_id < before
