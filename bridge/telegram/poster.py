"""Shows in a chat what the store says is to be shown: one loop for each chat, at the pace that Telegram allows.

A subscriber's message is never given up. What Telegram may or may not have carried out is posted again: every post
carries its conversation's id, so a doubled one is recognised, and a lost one would not be missed by anybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Protocol

import structlog

from bridge.model import MINUTE, SECOND, Alert, Conversation, Ms, Post, Posted, PostId, PostKind, PostPriority
from bridge.pipeline.retry import LONGEST_POST, backoff
from bridge.pipeline.signals import Signal
from bridge.pipeline.worker import IDLE, Never, run_steps
from bridge.ports import AccountStore, ChatStore, Clock, DeskStore, DraftStore
from bridge.telegram import render
from bridge.telegram.api import Api
from bridge.telegram.chats import Chat, Chats
from bridge.telegram.conversations import Topics
from bridge.telegram.fate import FateShower
from bridge.telegram.message import Message
from bridge.telegram.pace import Pace
from bridge.telegram.trouble import ApiError, Trouble

log = structlog.get_logger()

BATCH = 10
"""Small, so that a new SMS overtakes a row of reactions soon."""
TRIES = 3
"""How often Telegram may refuse a post that is not a subscriber's message before it is given up."""
STAND_IN = 5
"""How often Telegram may refuse a subscriber's message before one without its text takes its place."""
LAST_MOMENT = 2.0
"""Seconds that a stop waits for the post under way."""
LONGEST_AWAY: Ms = 1 * MINUTE
LONGEST_SHUT: Ms = 10 * MINUTE

_CHAT_WIDE = frozenset(
    {Trouble.LATER, Trouble.UNREACHABLE, Trouble.AMBIGUOUS, Trouble.CHAT_GONE, Trouble.UNAUTHORISED, Trouble.CONFLICT}
)


class PosterStore(ChatStore, DeskStore, DraftStore, AccountStore, Protocol):
    """The parts of the store that showing things needs."""


class Poster:
    """One chat of the configuration, wherever it moves."""

    def __init__(
        self, name: str, *, chats: Chats, api: Api, store: PosterStore, pace: Pace, clock: Clock, many_accounts: bool
    ) -> None:
        self.name = name
        self.signal = Signal()
        self._chats = chats
        self._api = api
        self._store = store
        self._pace = pace
        self._clock = clock
        self._many_accounts = many_accounts
        self._topics = Topics(api, store)
        self._fates = FateShower(api, store)
        self._failures = 0
        self._shut = False
        self._pieces: dict[tuple[PostId, int, int | None, int], list[int]] = {}
        """Message ids of what already stands of a text of several pieces, by post, chat, topic and number of pieces."""
        self._refusals: dict[PostId, str] = {}
        """Why Telegram refuses to show a subscriber's message."""

    async def run(self) -> None:
        await run_steps(f"posts {self.name}", self.step, self.signal, self._clock)

    async def step(self) -> Ms:
        """Post what is due and within the budget; returns milliseconds until there may be more."""
        chat = self._chats.by_name(self.name)
        if chat is None or self._chats.addresses(chat)[0] != self.name:
            # Two configured chats turned out to be one group: the first of them posts for both.
            return IDLE
        if wait := self._pace.wait(chat.id, PostPriority.INBOUND, self._clock.monotonic()):
            return wait
        posts = await self._store.claim_posts(self._chats.addresses(chat), now=self._clock.now(), limit=BATCH)
        for post in posts:
            if wait := self._pace.wait(chat.id, post.priority, self._clock.monotonic()):
                return wait
            if not await to_the_end(self._deliver(post, chat)):
                return 0
        return 0 if posts else IDLE

    async def _deliver(self, post: Post, chat: Chat) -> bool:
        """False if the rest of the batch must be looked at anew."""
        try:
            posted = await self._show(post, chat)
        except ApiError as error:
            return await self._failed(post, chat, error)
        await self._store.post_done(post, posted, self._clock.now())
        self._refusals.pop(post.id, None)
        log.debug("posted", post_id=post.id, kind=post.kind, chat=chat.name)
        await self._reachable(chat)
        return True

    # ------------------------------------------------ what is shown

    async def _show(self, post: Post, chat: Chat) -> Posted:
        async def turn() -> None:
            await self._turn(chat, post.priority)

        match post.kind:
            case PostKind.FATE:

                async def answer(message: Message) -> int:
                    return await self._say(post, chat, message, self._thread(post, chat))

                return await self._fates.show(post, chat, turn, answer)
            case PostKind.INBOUND:
                return await self._show_inbound(post, chat)
            case PostKind.OPENING:
                messages = render.opening(post, chat.language)
                return await self._show_in_conversation(post, chat, messages)
            case PostKind.TOPIC:
                if chat.topics and post.conversation is not None:
                    await self._topics.shown(post.conversation, chat, post.contact, turn)
                return Posted(chat_id=chat.id)
            case PostKind.NOTICE:
                message = render.notice(post, chat.language)
                sent = await self._say(post, chat, message, self._thread(post, chat))
                return Posted(chat_id=chat.id, message_id=sent)
            case PostKind.ALERT:
                sent = await self._say(post, chat, render.alert(post, chat.language), None)
                return Posted(chat_id=chat.id, message_id=sent)

    async def _show_inbound(self, post: Post, chat: Chat) -> Posted:
        withheld = self._refusals.get(post.id, "") if post.attempts >= STAND_IN else ""
        messages = render.inbound(post, chat.language, many_accounts=self._many_accounts, withheld=withheld)
        return await self._show_in_conversation(post, chat, messages)

    async def _show_in_conversation(self, post: Post, chat: Chat, messages: Sequence[Message]) -> Posted:
        """In its topic, which is made if there is none; elsewhere where it stands."""
        if not chat.topics or post.conversation is None:
            return await self._send_all(post, chat, messages, None)
        for attempt in (1, 2):
            thread, new, refused = await self._topic(post, post.conversation, chat)
            if new and post.conversation.thread_id is not None:
                who = render.recap(post.conversation, post.contact, chat.language)
                await self._send(post, chat, who, thread)
            try:
                posted = await self._send_all(post, chat, messages, thread)
            except ApiError as error:
                if error.trouble is not Trouble.THREAD_GONE or thread is None or attempt == 2:
                    raise
                await self._topics.forget(post.conversation, chat, thread)
                continue
            if refused is not None:
                # Told only now: a group that takes nothing at all has another trouble than its topics.
                await self._no_topics(chat, refused)
            return posted
        raise AssertionError("unreachable")

    async def _topic(
        self, post: Post, conversation: Conversation, chat: Chat
    ) -> tuple[int | None, bool, ApiError | None]:
        """The conversation's topic, and whether it is new; None where the group has no topics now and why, so that
        the message still gets there."""

        async def turn() -> None:
            await self._turn(chat, post.priority)

        try:
            thread, new = await self._topics.of(conversation, chat, post.contact, turn)
        except ApiError as error:
            if error.trouble not in (Trouble.NO_TOPICS, Trouble.CHAT_GONE, Trouble.REFUSED):
                raise
            return None, False, error
        if new:
            await self._all_clear(f"telegram:topics:{chat.name}", "alert.telegram_topics_ok", chat)
        return thread, new, None

    def _thread(self, post: Post, chat: Chat) -> int | None:
        thread = post.payload.get("thread")
        if isinstance(thread, int) and anchored(post, chat):
            return thread
        return post.conversation.thread_id if chat.topics and post.conversation is not None else None

    async def _send_all(self, post: Post, chat: Chat, messages: Sequence[Message], thread: int | None) -> Posted:
        # What is there already is not said again when a later piece has to wait.
        place = (post.id, chat.id, thread, len(messages))
        sent = self._pieces.setdefault(place, [])
        for message in messages[len(sent) :]:
            sent.append(await self._send(post, chat, message, thread))
        self._pieces = {place: ids for place, ids in self._pieces.items() if place[0] != post.id}
        # The other pieces of a long text find their conversation by its code.
        return Posted(chat_id=chat.id, message_id=sent[0] if sent else None, thread_id=thread)

    async def _say(self, post: Post, chat: Chat, message: Message, thread: int | None) -> int:
        """Into the topic; where that was deleted, into the group: words for a person must not vanish with it."""
        try:
            return await self._send(post, chat, message, thread)
        except ApiError as error:
            if error.trouble is not Trouble.THREAD_GONE or thread is None:
                raise
        return await self._send(post, chat, message, None)

    async def _send(self, post: Post, chat: Chat, message: Message, thread: int | None) -> int:
        """One message; around a closed topic and around formatting that Telegram dislikes."""
        plain = False
        reply_to = post.reply_to if anchored(post, chat) else None
        for _ in range(3):
            await self._turn(chat, post.priority)
            try:
                return await self._api.send(chat.id, message, thread_id=thread, reply_to=reply_to, plain=plain)
            except ApiError as error:
                if error.trouble is Trouble.TOPIC_CLOSED and thread is not None:
                    thread = await self._reopened(post, chat, thread)
                elif error.trouble in (Trouble.ENTITIES, Trouble.REFUSED) and not plain:
                    plain = True
                else:
                    raise
        raise ApiError(Trouble.REFUSED, "neither plain nor formatted")

    async def _reopened(self, post: Post, chat: Chat, thread: int) -> int | None:
        await self._turn(chat, post.priority)
        try:
            await self._api.reopen_topic(chat.id, thread)
        except ApiError as error:
            if error.trouble in _CHAT_WIDE and error.trouble is not Trouble.CHAT_GONE:
                raise
            if error.trouble is not Trouble.NOT_MODIFIED:
                log.warning("topic_stays_closed", chat=chat.name, thread_id=thread, detail=error.detail)
                return None
        return thread

    async def _turn(self, chat: Chat, priority: PostPriority) -> None:
        """Wait for room in the budget and take it."""
        while wait := self._pace.wait(chat.id, priority, self._clock.monotonic()):
            await self._clock.wait(Never(), wait)
        self._pace.note(chat.id, self._clock.monotonic())

    # ------------------------------------------------ what goes wrong

    async def _failed(self, post: Post, chat: Chat, error: ApiError) -> bool:
        now = self._clock.now()
        if error.trouble is Trouble.MIGRATED and error.new_chat_id is not None:
            await self._store.chat_migrated(chat.id, error.new_chat_id, now)
            self._chats.learn(await self._store.chat_aliases())
            log.info("chat_migrated", chat=chat.name, chat_id=error.new_chat_id)
            return False
        if error.trouble in _CHAT_WIDE:
            await self._pause(chat, error)
            return False
        if post.kind is PostKind.INBOUND or post.attempts + 1 < TRIES:
            wait = backoff(post.attempts + 1, 0.5, first=5 * SECOND, longest=LONGEST_POST)
            log.warning("post_refused", post_id=post.id, chat=chat.name, trouble=error.trouble, detail=error.detail)
            if post.kind is PostKind.INBOUND:
                self._refusals[post.id] = error.detail
            await self._store.post_retry(post.id, now + wait, str(error))
        else:
            log.error("post_dropped", post_id=post.id, chat=chat.name, trouble=error.trouble, detail=error.detail)
            await self._store.post_dropped(post.id, str(error), now)
        return True

    async def _pause(self, chat: Chat, error: ApiError) -> None:
        """Only this chat waits; the post stays due as it is."""
        now = self._clock.monotonic()
        if error.trouble is Trouble.LATER:
            log.warning("telegram_flood_limit", chat=chat.name, wait=error.retry_after)
            self._pace.pause(chat.id, now, error.retry_after)
            return
        self._failures += 1
        longest = LONGEST_SHUT if error.trouble is Trouble.CHAT_GONE else LONGEST_AWAY
        wait = backoff(self._failures, 0.5, longest=longest)
        self._pace.pause(chat.id, now, wait)
        if self._failures == 1 or (error.trouble is Trouble.CHAT_GONE and not self._shut):
            log.warning("chat_waits", chat=chat.name, trouble=error.trouble, detail=error.detail)
        if error.trouble is Trouble.CHAT_GONE and not self._shut:
            self._shut = True
            await self._tell(f"telegram:chat:{chat.name}", "alert.telegram_chat", chat, error)

    async def _reachable(self, chat: Chat) -> None:
        if self._failures:
            log.info("chat_goes_on", chat=chat.name)
            self._failures = 0
        if self._shut:
            self._shut = False
            await self._all_clear(f"telegram:chat:{chat.name}", "alert.telegram_chat_ok", chat)

    async def _no_topics(self, chat: Chat, error: ApiError) -> None:
        log.warning("topics_refused", chat=chat.name, detail=error.detail)
        await self._tell(f"telegram:topics:{chat.name}", "alert.telegram_topics", chat, error)

    async def _tell(self, key: str, text: str, chat: Chat, error: ApiError) -> None:
        alert = Alert(key=key, text=text, params={"chat": chat.name, "detail": error.detail})
        await self._store.raise_alert(alert, self._clock.now())

    async def _all_clear(self, key: str, text: str, chat: Chat) -> None:
        await self._store.clear_alert(key, text, {"chat": chat.name}, self._clock.now())


def anchored(post: Post, chat: Chat) -> bool:
    """Do the post's message and topic numbers mean this chat? Not if the group moved after it was written."""
    at = post.payload.get("at")
    if isinstance(at, int):
        return at == chat.id
    return not post.chat.startswith("id:") or post.chat == f"id:{chat.id}"


async def to_the_end(work: Coroutine[None, None, bool]) -> bool:
    """Wait for it; a stop gives it a moment more. What Telegram has taken and nobody noted would be said twice."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=LAST_MOMENT)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
