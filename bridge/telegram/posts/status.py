"""The fate of an SMS, on the operator's message that it came from: a reaction, and one answer where a person must act.

Only the latest state is shown, and nothing is said twice: what was shown is kept with the post.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace

from bridge.model.chat import Post, PostedMessage
from bridge.model.sms import CORRECTIONS, Sms, SmsState
from bridge.ports.clock import Clock
from bridge.ports.desk import DraftStore
from bridge.telegram.chats import Chat
from bridge.telegram.client.api import Api
from bridge.telegram.client.errors import ApiError, FailureKind
from bridge.telegram.client.message import Message
from bridge.telegram.client.rate_limit import RateLimiter
from bridge.telegram.posts.confirmation import ASKED
from bridge.telegram.posts.render import StatusView, fate
from bridge.value import value_object

Say = Callable[[Message], Awaitable[int]]
"""Posts the answer where the operator's message stands, and returns its id; keeps the pace by itself."""


_NO_REACTIONS = frozenset({FailureKind.REACTION_REFUSED, FailureKind.REFUSED, FailureKind.CHAT_GONE})
"""Whether the chat as a whole is shut shows with the status line, which is said instead."""


@value_object
class ShownStatus:
    """What stands in the chat now."""

    emoji: str = ""
    said: str = ""
    """What the answer tells of (``StatusView.mark``); empty without an answer."""
    answer: int | None = None
    """Message id of the answer or, where reactions are refused, of the status line."""
    chat: int = 0
    """Where that is; after the group moved its message numbers mean others."""
    line: bool = False
    """The chat refuses reactions: the answer is a status line that tells of every state."""

    @classmethod
    def parse(cls, text: str) -> ShownStatus:
        return cls(**json.loads(text)) if text else cls()

    def within(self, chat_id: int) -> ShownStatus:
        """As far as it still stands in this chat."""
        return self if self.chat == chat_id else replace(self, chat=chat_id, answer=None)

    def __str__(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))


class StatusMarker:
    def __init__(self, api: Api, store: DraftStore, limiter: RateLimiter, clock: Clock) -> None:
        self._api = api
        self._store = store
        self._limiter = limiter
        self._clock = clock
        self._refusing: set[int] = set()
        """Chats that refused a reaction and have taken none since."""

    def takes_words(self, post: Post, chat: Chat) -> bool:
        """Whether showing it takes a message or an edit: the chat's budget has room for few of these, and reactions
        must not wait behind them."""
        was = ShownStatus.parse(post.shown).within(chat.id)
        if was.line or was.answer is not None or chat.id in self._refusing or post.sms is None:
            return True
        return self._want(post, post.sms, chat).speak

    async def show(self, post: Post, chat: Chat, say: Say) -> PostedMessage:
        """:raises ApiError: for what concerns the chat; a message that is gone or a refused reaction does not."""
        sms = post.sms
        was = ShownStatus.parse(post.shown).within(chat.id)
        if sms is None or sms.message_id is None or await self._superseded(sms):
            return PostedMessage(chat_id=chat.id, shown=post.shown)
        if sms.state is SmsState.ABANDONED:
            # Whoever decided so saw it where the buttons were; the reaction stays what it was.
            return PostedMessage(chat_id=chat.id, shown=post.shown)
        now = was
        if sms.chat_id == chat.id and not was.line and (was.emoji or not offered(sms)):
            now = await self._react(sms.message_id, self._want(post, sms, chat), was, chat)
        # Looked at anew: the reaction may have had to wait, and a button that comes too late is none.
        now = await self._speak(post, sms, self._want(post, sms, chat), now, chat, say)
        return PostedMessage(chat_id=chat.id, message_id=now.answer, shown=str(now))

    def _want(self, post: Post, sms: Sms, chat: Chat) -> StatusView:
        return fate(sms, post.conversation, chat.language, self._clock.now())

    async def _superseded(self, sms: Sms) -> bool:
        """Sent again, or corrected: the newer SMS of the same message is what its reaction tells of."""
        if offered(sms):
            return False
        if sms.chat_id is None or sms.message_id is None:
            return True
        latest = await self._store.shown_on_message(sms.chat_id, sms.message_id)
        return latest is not None and latest.id != sms.id

    async def _react(self, message_id: int, want: StatusView, was: ShownStatus, chat: Chat) -> ShownStatus:
        if want.emoji == was.emoji:
            return was
        await self._limiter.take_reaction(chat.id)
        try:
            await self._api.react(chat.id, message_id, want.emoji)
        except ApiError as error:
            if error.kind in _NO_REACTIONS:
                self._refusing.add(chat.id)
                return replace(was, line=True)
            if error.kind not in (FailureKind.MESSAGE_GONE, FailureKind.NOT_MODIFIED):
                raise
        else:
            self._refusing.discard(chat.id)
        return replace(was, emoji=want.emoji)

    async def _speak(
        self, post: Post, sms: Sms, want: StatusView, was: ShownStatus, chat: Chat, say: Say
    ) -> ShownStatus:
        said = f"{want.mark}:{sms.platform_status}" if was.line else want.mark
        if was.said == said or (was.answer is None and not want.speak and not was.line):
            return was
        answered = was.said.startswith(ASKED) and not want.speak and not was.line
        if answered and was.answer is not None and await self._deleted(post, chat, was.answer):
            return replace(was, said="", answer=None)
        message = Message(text=want.line, buttons=want.buttons)
        if was.answer is not None and await self._edited(post, chat, was.answer, message):
            return replace(was, said=said)
        return replace(was, said=said, answer=await say(message))

    async def _deleted(self, post: Post, chat: Chat, message_id: int) -> bool:
        """A question that was answered has nothing left to say. False: Telegram does not let us (it is too old)."""
        await self._limiter.take(chat.id, post.priority)
        try:
            await self._api.delete(chat.id, message_id)
        except ApiError as error:
            if error.kind is FailureKind.REFUSED:
                return False
            if error.kind is not FailureKind.MESSAGE_GONE:
                raise
        return True

    async def _edited(self, post: Post, chat: Chat, message_id: int, message: Message) -> bool:
        await self._limiter.take(chat.id, post.priority)
        try:
            await self._api.edit(chat.id, message_id, message)
        except ApiError as error:
            if error.kind is FailureKind.MESSAGE_GONE:
                return False
            if error.kind is not FailureKind.NOT_MODIFIED:
                raise
        return True


def offered(sms: Sms) -> bool:
    """A correction that nobody has let go: the reaction goes on telling what became of the first text."""
    return sms.state in (SmsState.DRAFT, SmsState.CANCELLED, SmsState.STALE) and not CORRECTIONS.isdisjoint(
        sms.confirmation_reasons
    )
