"""Publishes one post of a chat. It decides what the post says, in how many messages, and together with which others.

The poster decides when a post is published, and what happens after a failure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

from bridge.model.base import MINUTE, Ms
from bridge.model.chat import Post, PostedMessage
from bridge.model.inbound import Inbound
from bridge.model.post import (
    AlertPayload,
    InboundPayload,
    NoticePayload,
    OpeningPayload,
    StatusPayload,
    TopicPayload,
)
from bridge.model.sms import Sms, SmsState
from bridge.ports.clock import Clock
from bridge.ports.store import Store
from bridge.telegram.chats import Chat
from bridge.telegram.client.message import ChatMessage
from bridge.telegram.client.sender import ChatSender
from bridge.telegram.notes import AlbumCaptions
from bridge.telegram.posts import inbound, render
from bridge.telegram.posts.history import History
from bridge.telegram.posts.post_sender import PostSender, has_ids_of
from bridge.telegram.posts.status import StatusMarker
from bridge.telegram.posts.topics import Topics
from bridge.telegram.texts import say
from bridge.telegram.texts.labels import Zones
from bridge.value import value_object

WITHHELD_AFTER = 5
"""After this many refusals by Telegram a subscriber's SMS is shown without its text."""
LATE_AFTER: Ms = 5 * MINUTE
"""An SMS that is shown this long after it came, or later, says when it came."""


@value_object
class RenderContext:
    """Values that the posts of all chats need."""

    many_accounts: bool
    """More than one account is configured, so each message names its account."""
    zones: Zones
    albums: AlbumCaptions


class PostPublisher:
    """Publishes the posts of one chat."""

    def __init__(self, sender: ChatSender, store: Store, clock: Clock, context: RenderContext) -> None:
        self._sender = sender
        self._store = store
        self._clock = clock
        self._context = context
        self._topics = Topics(sender, store, clock)
        self._history = History(store, context.zones, clock)
        self._posts = PostSender(sender, self._topics, self._history)
        self._marker = StatusMarker(sender, self._posts, store, clock)

    def needs_message(self, post: Post, chat: Chat) -> bool:
        """False if publishing the post takes a reaction only."""
        return not isinstance(post.payload, StatusPayload) or self._marker.needs_message(post, chat)

    async def publish(self, post: Post, chat: Chat, refusal: str) -> tuple[Sequence[Post], PostedMessage]:
        """Returns the posts that were published together, ``post`` first.

        ``refusal``: why Telegram refused the post before.
        :raises ApiError: it was not published, or not as a whole.
        """
        match post.payload:
            case StatusPayload():
                return [post], await self._marker.mark(post, chat)
            case InboundPayload():
                posts, messages = await self._inbound_messages(post, chat, refusal)
                return posts, await self._posts.send_in_conversation(post, chat, messages)
            case OpeningPayload() as payload:
                return [post], await self._publish_opening(post, payload, chat)
            case NoticePayload() as payload:
                return [post], await self._publish_notice(post, payload, chat)
            case AlertPayload() as payload:
                sent = await self._posts.send_reply(post, chat, render.alert(post, payload, chat.language))
                return [post], PostedMessage(chat_id=chat.id, message_id=sent)
            case TopicPayload(renamed=renamed):
                if chat.topics and post.conversation is not None:
                    if renamed:
                        await self._topics.rename(post.conversation, chat, post.contact, post.priority)
                    await self._topics.open_or_close(post.conversation, chat, post.priority)
                return [post], PostedMessage(chat_id=chat.id)

    # ------------------------------------------------ a subscriber's SMS

    async def _inbound_messages(
        self, post: Post, chat: Chat, refusal: str
    ) -> tuple[Sequence[Post], Sequence[ChatMessage]]:
        """Makes the messages of the SMS. SMS of the same subscriber that wait behind it go into the same message, as
        many as fit."""
        now, many, sms = self._clock.now(), self._context.many_accounts, post.inbound
        if sms is None:
            return [post], ()

        def shown(each: Inbound) -> str:
            return self._context.zones.shown(each.received_at, each.account, now)

        more = await self._history.introduction(sms, chat.language)
        behind = await self._store.posts_behind(post, limit=inbound.MAX_MERGED - 1)
        posts = inbound.mergeable(post, behind, now)
        if len(posts) > 1:
            merged = inbound.merged(posts, chat.language, shown, many_accounts=many, more=more)
            if merged is not None:
                message, count = merged
                return posts[:count], [message]
        if now - sms.received_at >= LATE_AFTER:
            more = [*more, say(chat.language, "head.received", {"at": shown(sms)})]
        withheld = refusal if post.attempts >= WITHHELD_AFTER else ""
        return [post], inbound.single(post, chat.language, many_accounts=many, withheld=withheld, more=more)

    # ------------------------------------------------ notices

    async def _publish_notice(self, post: Post, payload: NoticePayload, chat: Chat) -> PostedMessage:
        posted = PostedMessage(chat_id=chat.id)
        if payload.only_draft and (post.sms is None or post.sms.state is not SmsState.DRAFT):
            return posted
        if payload.unless_album and await self._context.albums.handled(payload.unless_album):
            return posted
        message = render.notice(post, payload, chat.language)
        if payload.edits is None:
            return replace(posted, message_id=await self._posts.send_reply(post, chat, message))
        if has_ids_of(post, chat):
            await self._sender.edit(chat, payload.edits, message, post.priority)
        return posted

    # ------------------------------------------------ an SMS by which an operator began a conversation

    async def _publish_opening(self, post: Post, payload: OpeningPayload, chat: Chat) -> PostedMessage:
        """Sends the opening, or edits its first message, which shows the state of the SMS."""
        sms = await self._latest(post)
        messages = render.opening(post, payload, sms, chat.language, self._clock.now()) if sms is not None else ()
        if not messages:
            return PostedMessage(chat_id=chat.id, shown=post.shown)
        if not post.shown:
            posted = await self._posts.send_in_conversation(post, chat, messages)
            return replace(posted, shown=_shown(chat.id, posted.message_id, messages[0]))
        chat_id, message_id, *_ = json.loads(post.shown)
        shown = _shown(chat_id, message_id, messages[0])
        if chat_id == chat.id and shown != post.shown:
            await self._sender.edit(chat, message_id, messages[0], post.priority)
        return PostedMessage(chat_id=chat.id, shown=shown)

    async def _latest(self, post: Post) -> Sms | None:
        """The latest SMS of the command's message: the first one may have been sent again."""
        sms = post.sms
        if sms is None or sms.chat_id is None or sms.message_id is None:
            return sms
        return await self._store.shown_on_message(sms.chat_id, sms.message_id) or sms


def _shown(chat_id: int, message_id: int | None, message: ChatMessage) -> str:
    """Chat id, message id and a hash of the text, as JSON. The text of an SMS is stored only in the row of the SMS."""
    mark = hashlib.sha256(message.text.encode("utf-8", "replace")).hexdigest()[:16]
    return json.dumps([chat_id, message_id, mark])
