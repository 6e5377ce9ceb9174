"""How a post gets into a chat: which topic, in how many messages, around what Telegram dislikes.

It decides nothing about when: pace, order and what becomes of a failure are the poster's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import structlog

from bridge.model.alert import Alert
from bridge.model.base import HOUR, MINUTE, InboundId, Ms, PostId
from bridge.model.chat import Conversation, EarlierMessages, Post, PostedMessage
from bridge.model.inbound import Inbound
from bridge.model.post import (
    AlertPayload,
    InboundPayload,
    NoticePayload,
    OpeningPayload,
    StatusPayload,
    TopicPayload,
)
from bridge.model.record import HistoryLine
from bridge.model.sms import SmsState
from bridge.ports.chats import ChatStore, PostStore
from bridge.ports.clock import Clock
from bridge.ports.desk import DeskStore, DraftStore
from bridge.ports.record import QueryStore
from bridge.ports.sending import AccountStore
from bridge.telegram.chats import Chat, Language
from bridge.telegram.client.api import Api
from bridge.telegram.client.errors import PASSING, ApiError, FailureKind
from bridge.telegram.client.message import Message, one_line
from bridge.telegram.client.notes import AlbumCaptions
from bridge.telegram.client.rate_limit import RateLimiter
from bridge.telegram.posts import bursts, render
from bridge.telegram.posts.opening import OpeningMarker
from bridge.telegram.posts.status import StatusMarker
from bridge.telegram.posts.topics import Topics
from bridge.telegram.texts import say
from bridge.telegram.texts.times import Zones
from bridge.value import value_object

log = structlog.get_logger()

STAND_IN = 5
"""How often Telegram may refuse a subscriber's message before one without its text takes its place."""
LATE: Ms = 5 * MINUTE
"""An SMS shown later than that says when it came."""
NEW_TALK: Ms = 12 * HOUR
"""After such a silence the head says what came before."""
COUNTED = 100
"""Earlier SMS are counted no further."""
RECAP = 5
"""Lines of the talk that a new topic in a deleted one's place begins with."""
_NEVER_SAID = frozenset({SmsState.DRAFT, SmsState.CANCELLED})
"""Words that somebody thought better of are no part of a talk."""
_GONE_WELL = frozenset({SmsState.QUEUED, SmsState.SENDING, SmsState.SENT, SmsState.DELIVERED, SmsState.UNCONFIRMED})
"""Nothing needs to be said of these beside their text."""


class PublisherStore(ChatStore, PostStore, DeskStore, DraftStore, AccountStore, QueryStore, Protocol):
    """The parts of the store that showing things needs."""


@value_object
class RenderContext:
    """What is the same for all posts of all chats."""

    many_accounts: bool
    zones: Zones
    albums: AlbumCaptions


class PostPublisher:
    """Of one chat."""

    def __init__(
        self, *, api: Api, store: PublisherStore, limiter: RateLimiter, clock: Clock, manner: RenderContext
    ) -> None:
        self._api = api
        self._store = store
        self._limiter = limiter
        self._clock = clock
        self._manner = manner
        self._topics = Topics(api, store, limiter)
        self.fates = StatusMarker(api, store, limiter, clock)
        self._openings = OpeningMarker(api, store, limiter, clock)
        self._pieces: dict[tuple[PostId, int, int | None, int], list[int]] = {}
        """Message ids of what already stands of a text of several pieces, by post, chat, topic and number of pieces."""

    # ------------------------------------------------ what is shown

    async def show(self, post: Post, chat: Chat, refusal: str) -> tuple[Sequence[Post], PostedMessage]:
        """The posts that were shown with it, itself first. :raises ApiError: it was not shown, or not whole.

        ``refusal``: why Telegram refuses to show a subscriber's message.
        """
        match post.payload:
            case StatusPayload():

                async def answer(message: Message) -> int:
                    return await self._say(post, chat, message, self._thread(post, chat))

                return [post], await self.fates.show(post, chat, answer)
            case InboundPayload():
                return await self._show_inbound(post, chat, refusal)
            case OpeningPayload():

                async def begin(messages: Sequence[Message]) -> PostedMessage:
                    return await self._show_in_conversation(post, chat, messages)

                return [post], await self._openings.show(post, chat, begin)
            case TopicPayload(renamed=renamed):
                if chat.topics and post.conversation is not None:
                    await self._topics.refresh(post.conversation, chat, post.contact, post.priority, renamed=renamed)
                return [post], PostedMessage(chat_id=chat.id)
            case NoticePayload() as payload:
                if payload.only_draft and (post.sms is None or post.sms.state is not SmsState.DRAFT):
                    # Decided before it could be said.
                    return [post], PostedMessage(chat_id=chat.id)
                if payload.unless_album and await self._manner.albums.handled(payload.unless_album):
                    return [post], PostedMessage(chat_id=chat.id)
                message = render.notice(post, payload, chat.language)
                if payload.edits is not None:
                    await self._reworded(post, chat, payload.edits, message)
                    return [post], PostedMessage(chat_id=chat.id)
                sent = await self._say(post, chat, message, self._thread(post, chat))
                return [post], PostedMessage(chat_id=chat.id, message_id=sent)
            case AlertPayload() as payload:
                sent = await self._say(post, chat, render.alert(post, payload, chat.language), None)
                return [post], PostedMessage(chat_id=chat.id, message_id=sent)

    async def _show_inbound(self, post: Post, chat: Chat, refusal: str) -> tuple[Sequence[Post], PostedMessage]:
        posts, messages = await self._messages(post, chat, refusal)
        return posts, await self._show_in_conversation(post, chat, messages)

    async def _show_in_conversation(self, post: Post, chat: Chat, messages: Sequence[Message]) -> PostedMessage:
        """In its topic, which is made if there is none; elsewhere where it stands."""
        if not chat.topics or post.conversation is None:
            return await self._send_all(post, chat, messages, None)
        for attempt in (1, 2):
            thread, new, refused = await self._topic(post, post.conversation, chat)
            if new and post.conversation.thread_id is not None:
                await self._send(post, chat, await self._recap(post, post.conversation, chat), thread)
            try:
                posted = await self._send_all(post, chat, messages, thread)
            except ApiError as error:
                if error.kind is not FailureKind.THREAD_GONE or thread is None or attempt == 2:
                    raise
                await self._topics.forget(post.conversation, chat, thread)
                continue
            if refused is not None:
                # Told only now: a group that takes nothing at all has another trouble than its topics.
                await self._no_topics(chat, refused)
            return posted
        raise AssertionError("unreachable")

    async def _messages(self, post: Post, chat: Chat, refusal: str) -> tuple[Sequence[Post], Sequence[Message]]:
        """The SMS, or with those of the same subscriber that wait behind it what fits into one message."""
        now, many = self._clock.now(), self._manner.many_accounts
        more = await self._before(post.inbound, chat, now) if post.inbound is not None else ()
        behind = await self._store.posts_behind(post, limit=bursts.MOST - 1)
        posts = bursts.mergeable(post, behind, now)
        if len(posts) > 1:

            def shown(sms: Inbound) -> str:
                return self._manner.zones.shown(sms.received_at, sms.account, now)

            if found := bursts.merged(posts, chat.language, shown, many_accounts=many, more=more):
                message, count = found
                return posts[:count], [message]
        if post.inbound is not None and now - post.inbound.received_at >= LATE:
            at = self._manner.zones.shown(post.inbound.received_at, post.inbound.account, now)
            more = [*more, say(chat.language, "head.received", {"at": at})]
        withheld = refusal if post.attempts >= STAND_IN else ""
        return [post], render.inbound(post, chat.language, many_accounts=many, withheld=withheld, more=more)

    async def _before(self, sms: Inbound, chat: Chat, now: Ms) -> Sequence[str]:
        """What came of this number before, where a talk begins."""
        earlier = await self._store.earlier(sms.subscriber, sms.id, limit=COUNTED)
        if earlier.last_at is None:
            return () if await self._written_to(sms) else [say(chat.language, "head.first")]
        if sms.received_at - earlier.last_at < NEW_TALK:
            return ()
        return [say(chat.language, "head.earlier", self._counted(earlier, earlier.last_at, sms.account, now))]

    async def _written_to(self, sms: Inbound) -> bool:
        """Did anybody write to this number before it ever wrote?"""
        told = await self._store.history(sms.subscriber, limit=bursts.MOST)
        return any(story.what == "out" and story.at < sms.received_at and _told(story, None) for story in told)

    def _counted(self, earlier: EarlierMessages, last_at: Ms, account: str, now: Ms) -> dict[str, str]:
        many = earlier.count >= COUNTED
        return {
            "count": f"{COUNTED - 1}+" if many else str(earlier.count),
            "last": self._manner.zones.shown(last_at, account, now),
        }

    async def _recap(self, post: Post, conversation: Conversation, chat: Chat) -> Message:
        before = post.inbound.id if post.inbound is not None else None
        # The SMS that waits, and what waits behind it, are shown right after.
        told = [
            story
            for story in await self._store.history(conversation.subscriber, limit=bursts.MOST)
            if _told(story, before)
        ]
        lines = [self._line(story, chat.language) for story in told[-RECAP:]]
        return render.recap(conversation, post.contact, chat.language, lines)

    def _line(self, story: HistoryLine, language: Language) -> str:
        arrow = "→" if story.what == "out" else "←"
        at = self._manner.zones.shown(story.at, story.account, self._clock.now())
        said = f"{at} {arrow} {one_line(story.text, 200)}"
        if story.what != "out" or story.state in _GONE_WELL:
            return said
        # Whoever reads on from here must not take for said what did not arrive.
        return f"{said} [{say(language, f'fate.{story.state}')}]"

    # ------------------------------------------------ where

    async def _topic(
        self, post: Post, conversation: Conversation, chat: Chat
    ) -> tuple[int | None, bool, ApiError | None]:
        """The conversation's topic, and whether it is new; None where the group has no topics now and why, so that
        the message still gets there."""

        try:
            thread, new = await self._topics.thread(conversation, chat, post.contact, post.priority)
        except ApiError as error:
            if error.kind not in (FailureKind.NO_TOPICS, FailureKind.CHAT_GONE, FailureKind.REFUSED):
                raise
            return None, False, error
        if new:
            key, params = f"telegram:topics:{chat.name}", {"chat": chat.name}
            await self._store.clear_alert(key, "alert.telegram_topics_ok", {**params}, self._clock.now())
        return thread, new, None

    async def _no_topics(self, chat: Chat, error: ApiError) -> None:
        log.warning("topics_refused", chat=chat.name, detail=error.detail)
        params = {"chat": chat.name, "detail": error.detail}
        alert = Alert(key=f"telegram:topics:{chat.name}", text="alert.telegram_topics", params=params)
        await self._store.raise_alert(alert, self._clock.now())

    def _thread(self, post: Post, chat: Chat) -> int | None:
        if isinstance(post.payload, NoticePayload) and post.payload.thread_id is not None and anchored(post, chat):
            return post.payload.thread_id
        return post.conversation.thread_id if chat.topics and post.conversation is not None else None

    # ------------------------------------------------ sending

    async def _send_all(self, post: Post, chat: Chat, messages: Sequence[Message], thread: int | None) -> PostedMessage:
        # What is there already is not said again when a later piece has to wait.
        place = (post.id, chat.id, thread, len(messages))
        sent = self._pieces.setdefault(place, [])
        for message in messages[len(sent) :]:
            sent.append(await self._send(post, chat, message, thread))
        self._pieces = {place: ids for place, ids in self._pieces.items() if place[0] != post.id}
        # The other pieces of a long text find their conversation by its code.
        return PostedMessage(chat_id=chat.id, message_id=sent[0] if sent else None, thread_id=thread)

    async def _say(self, post: Post, chat: Chat, message: Message, thread: int | None) -> int:
        """Into the topic; where that was deleted, into the group: words for a person must not vanish with it."""
        try:
            return await self._send(post, chat, message, thread)
        except ApiError as error:
            if error.kind is not FailureKind.THREAD_GONE or thread is None:
                raise
        return await self._send(post, chat, message, None)

    async def _reworded(self, post: Post, chat: Chat, message_id: int, message: Message) -> None:
        """What stands there says something else from now on. What is gone, or too old, is worth no words of its own."""
        if not anchored(post, chat):
            return
        await self._limiter.take(chat.id, post.priority)
        try:
            await self._api.edit(chat.id, message_id, message)
        except ApiError as error:
            if error.kind not in (FailureKind.MESSAGE_GONE, FailureKind.NOT_MODIFIED, FailureKind.REFUSED):
                raise

    async def _send(self, post: Post, chat: Chat, message: Message, thread: int | None) -> int:
        """One message; around a closed topic and around formatting that Telegram dislikes."""
        plain = opened = False
        reply_to = post.reply_to if anchored(post, chat) else None
        for _ in range(3):
            await self._limiter.take(chat.id, post.priority)
            try:
                sent = await self._api.send(chat.id, message, thread_id=thread, reply_to=reply_to, plain=plain)
            except ApiError as error:
                if error.kind is FailureKind.TOPIC_CLOSED and thread is not None:
                    thread, opened = await self._reopened(post, chat, thread), True
                elif error.kind in (FailureKind.ENTITIES, FailureKind.REFUSED) and not plain:
                    plain = True
                else:
                    raise
            else:
                if opened and post.conversation is not None and post.conversation.closed_at is not None:
                    # Opened for these words alone: the conversation stays closed, and its topic must not tell else.
                    await self._topics.refresh(post.conversation, chat, None, post.priority, renamed=False)
                return sent
        raise ApiError(FailureKind.REFUSED, "neither plain nor formatted")

    async def _reopened(self, post: Post, chat: Chat, thread: int) -> int | None:
        await self._limiter.take(chat.id, post.priority)
        try:
            await self._api.reopen_topic(chat.id, thread)
        except ApiError as error:
            if error.kind in PASSING:
                raise
            if error.kind is not FailureKind.NOT_MODIFIED:
                log.warning("topic_stays_closed", chat=chat.name, thread_id=thread, detail=error.detail)
                return None
        return thread


def _told(story: HistoryLine, before: InboundId | None) -> bool:
    """Was it said before this SMS of the subscriber's?"""
    if story.what == "out":
        return story.state not in _NEVER_SAID
    return before is None or story.inbound_id is None or story.inbound_id < before


def anchored(post: Post, chat: Chat) -> bool:
    """Do the post's message and topic numbers mean this chat? Not if the group moved after it was written."""
    if isinstance(post.payload, NoticePayload | OpeningPayload) and post.payload.chat_id is not None:
        return post.payload.chat_id == chat.id
    return not post.chat.startswith("id:") or post.chat == f"id:{chat.id}"
