"""Shows the state of an SMS on the operator's message: by a reaction, and by an answer if a person must act.

Only the latest state is shown. The shown state is stored with the post, so no state is shown twice.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from bridge.model.chat import Post, PostedMessage
from bridge.model.sms import CORRECTIONS, Sms, SmsState
from bridge.ports.clock import Clock
from bridge.ports.store import Store
from bridge.telegram.chats import Chat
from bridge.telegram.client.errors import ApiError, FailureKind
from bridge.telegram.client.message import ChatMessage
from bridge.telegram.client.sender import ChatSender
from bridge.telegram.posts.post_sender import PostSender
from bridge.telegram.posts.render import ASKED, StatusView, status
from bridge.value import value_object

_NO_REACTIONS = frozenset({FailureKind.REACTION_REFUSED, FailureKind.REFUSED, FailureKind.CHAT_GONE})
"""Failures after which the chat gets a status line instead of a reaction. Sending the line shows whether the chat takes
messages at all."""


@value_object
class ShownStatus:
    """What the chat shows about an SMS now."""

    emoji: str = ""
    said: str = ""
    """The mark of the answer (:attr:`StatusView.mark`); empty if there is no answer."""
    answer: int | None = None
    """Message id of the answer or of the status line."""
    chat: int = 0
    """The chat of ``answer``. A group that got a new id counts its messages from 1 again."""
    line: bool = False
    """The chat refuses reactions: the answer is a status line, which shows every state."""

    @classmethod
    def parse(cls, text: str) -> ShownStatus:
        return cls(**json.loads(text)) if text else cls()

    def in_chat(self, chat_id: int) -> ShownStatus:
        """What of it this chat shows: an answer in the group's former chat does not count."""
        return self if self.chat == chat_id else replace(self, chat=chat_id, answer=None)

    def __str__(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))


class StatusMarker:
    def __init__(self, sender: ChatSender, posts: PostSender, store: Store, clock: Clock) -> None:
        self._sender = sender
        self._posts = posts
        self._store = store
        self._clock = clock
        self._refusing: set[int] = set()
        """Chats that refused a reaction and have taken none since."""

    def needs_message(self, post: Post, chat: Chat) -> bool:
        """True if showing the state takes a message or an edit. A reaction alone has its own budget and need not
        wait for that of messages."""
        was = ShownStatus.parse(post.shown).in_chat(chat.id)
        if was.line or was.answer is not None or chat.id in self._refusing or post.sms is None:
            return True
        return self._view(post, post.sms, chat).needs_words

    async def mark(self, post: Post, chat: Chat) -> PostedMessage:
        """Shows the state of the SMS, and returns what the chat shows now.

        :raises ApiError: a failure of the chat. A message that is gone and a refused reaction do not count as such.
        """
        sms = post.sms
        was = ShownStatus.parse(post.shown).in_chat(chat.id)
        if sms is None or sms.message_id is None or sms.state is SmsState.ABANDONED or await self._is_superseded(sms):
            # An abandoned SMS keeps its reaction: the operator who abandoned it pressed a button, and knows.
            return PostedMessage(chat_id=chat.id, shown=post.shown)
        now = was
        if sms.chat_id == chat.id and not was.line and (was.emoji or not is_offered_correction(sms)):
            now = await self._react(sms.message_id, self._view(post, sms, chat), was, chat)
        # The view is made again: while the reaction waited, the time of the button that stops the SMS may have ended.
        now = await self._answer(post, sms, self._view(post, sms, chat), now, chat)
        return PostedMessage(chat_id=chat.id, message_id=now.answer, shown=str(now))

    def _view(self, post: Post, sms: Sms, chat: Chat) -> StatusView:
        return status(sms, post.conversation, chat.language, self._clock.now())

    async def _is_superseded(self, sms: Sms) -> bool:
        """True if it was sent again or corrected: the message shows the newer SMS."""
        if is_offered_correction(sms):
            return False
        if sms.chat_id is None or sms.message_id is None:
            return True
        latest = await self._store.shown_on_message(sms.chat_id, sms.message_id)
        return latest is not None and latest.id != sms.id

    async def _react(self, message_id: int, view: StatusView, was: ShownStatus, chat: Chat) -> ShownStatus:
        if view.emoji == was.emoji:
            return was
        try:
            await self._sender.react(chat, message_id, view.emoji)
        except ApiError as error:
            if error.kind not in _NO_REACTIONS:
                raise
            self._refusing.add(chat.id)
            return replace(was, line=True)
        self._refusing.discard(chat.id)
        return replace(was, emoji=view.emoji)

    async def _answer(self, post: Post, sms: Sms, view: StatusView, was: ShownStatus, chat: Chat) -> ShownStatus:
        said = f"{view.mark}:{sms.platform_status}" if was.line else view.mark
        if was.said == said or (was.answer is None and not view.needs_words and not was.line):
            return was
        message = ChatMessage(text=view.line, buttons=view.buttons)
        if was.answer is not None:
            answered = was.said.startswith(ASKED) and not view.needs_words and not was.line
            if answered and await self._sender.delete(chat, was.answer, post.priority):
                return replace(was, said="", answer=None)
            if await self._sender.edit(chat, was.answer, message, post.priority):
                return replace(was, said=said)
        return replace(was, said=said, answer=await self._posts.send_reply(post, chat, message))


def is_offered_correction(sms: Sms) -> bool:
    """True for a corrected text that no operator released: the reaction still shows the state of the first text."""
    undecided = sms.state in (SmsState.DRAFT, SmsState.CANCELLED, SmsState.STALE)
    return undecided and not CORRECTIONS.isdisjoint(sms.confirmation_reasons)
