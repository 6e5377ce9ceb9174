"""Shows in a chat what the store says is to be shown: one loop for each chat, at the pace that Telegram allows.

A subscriber's message is never given up. What Telegram may or may not have carried out is posted again: every post
carries its conversation's id, so a doubled one is recognised, and a lost one would not be missed by anybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import structlog

from bridge.model.alert import Alert
from bridge.model.base import MINUTE, SECOND, Ms, PostId
from bridge.model.chat import Post
from bridge.model.post import PostKind, PostPriority
from bridge.pipeline.retry import LONGEST_POST, backoff
from bridge.pipeline.signals import Signal
from bridge.pipeline.worker import IDLE, run_steps
from bridge.ports.clock import Clock
from bridge.telegram.chats import Chat, Chats
from bridge.telegram.client.api import Api
from bridge.telegram.client.errors import CHAT_WIDE, ApiError, FailureKind
from bridge.telegram.client.rate_limit import RateLimiter
from bridge.telegram.posts.digest import BacklogDigest
from bridge.telegram.posts.publisher import PostPublisher, PublisherStore, RenderContext
from bridge.telegram.updates.connection import TelegramConnection

log = structlog.get_logger()

BATCH = 10
"""Small, so that a new SMS overtakes a row of reactions soon."""
TRIES = 3
"""How often Telegram may refuse a post that is not a subscriber's message before it is given up."""
LAST_MOMENT = 2.0
"""Seconds that a stop waits for the post under way."""
LONGEST_AWAY: Ms = 1 * MINUTE
LONGEST_SHUT: Ms = 10 * MINUTE


class ChatPoster:
    """One chat of the configuration, wherever it moves."""

    def __init__(
        self,
        name: str,
        *,
        chats: Chats,
        api: Api,
        store: PublisherStore,
        limiter: RateLimiter,
        link: TelegramConnection,
        clock: Clock,
        manner: RenderContext,
    ) -> None:
        self.name = name
        self.signal = Signal()
        self._chats = chats
        self._store = store
        self._limiter = limiter
        self._link = link
        self._clock = clock
        self._showing = PostPublisher(api=api, store=store, limiter=limiter, clock=clock, manner=manner)
        self._backlog = BacklogDigest(store, chats, clock)
        self._reached = False
        """The last call of all came through."""
        self._failures = 0
        self._shut = False
        self._away_at: Ms | None = None
        """When Telegram could last not be reached, by the clock that nobody sets."""
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
        if self._away_at is not None and self._link.back_at > self._away_at:
            # Whoever asks for updates has reached it: no need to wait until it is tried again here.
            self._away_at = None
            self._limiter.reached(chat.id)
        wait = self._limiter.wait(chat.id, PostPriority.INBOUND)
        if not wait:
            if self._reached:
                # Only then: what waits while nothing can be said is counted when it can.
                await self._backlog.look(chat)
            wait, worked = await self._work(chat, PostPriority.AHEAD)
            if worked:
                return 0
        # Reactions have a budget of their own, and must not wait for the messages'.
        if not (later := self._limiter.wait_reaction(chat.id)):
            later, worked = await self._work(chat, PostPriority.REACTION)
            if worked:
                return 0
        return min(wait, later or IDLE) or IDLE

    async def _work(self, chat: Chat, least: PostPriority) -> tuple[Ms, bool]:
        """Show one batch, as far as there is room: how long until there is more, and whether to look again at once."""
        addresses, now = self._chats.addresses(chat), self._clock.now()
        limit = BATCH if self._reached else 1
        posts = await self._store.claim_posts(addresses, now=now, limit=limit, least=least)
        longest: Ms = 0
        worked = False
        for post in posts:
            if wait := self._room(post, chat):
                longest = wait if not longest else min(longest, wait)
                continue
            worked = True
            if not await to_the_end(self._deliver(post, chat)):
                break
        return longest, worked

    def _room(self, post: Post, chat: Chat) -> Ms:
        """How long until there is room for it."""
        if post.kind is PostKind.STATUS and not self._showing.fates.takes_words(post, chat):
            return self._limiter.wait_reaction(chat.id)
        return self._limiter.wait(chat.id, post.priority)

    async def _deliver(self, post: Post, chat: Chat) -> bool:
        """False if the rest of the batch must be looked at anew."""
        try:
            posts, posted = await self._showing.show(post, chat, self._refusals.get(post.id, ""))
        except ApiError as error:
            return await self._failed(post, chat, error)
        await self._store.posts_done(posts, posted, self._clock.now())
        self._refusals.pop(post.id, None)
        log.debug("posted", post_id=post.id, kind=post.kind, chat=chat.name, posts=len(posts))
        await self._reachable(chat)
        return True

    # ------------------------------------------------ what goes wrong

    async def _failed(self, post: Post, chat: Chat, error: ApiError) -> bool:
        now = self._clock.now()
        if error.kind is FailureKind.MIGRATED and error.new_chat_id is not None:
            await self._store.chat_migrated(chat.id, error.new_chat_id, now)
            self._chats.learn(await self._store.chat_aliases())
            log.info("chat_migrated", chat=chat.name, chat_id=error.new_chat_id)
            return False
        if error.kind in CHAT_WIDE:
            await self._pause(chat, error)
            return False
        if post.kind is PostKind.INBOUND or post.attempts + 1 < TRIES:
            wait = backoff(post.attempts + 1, 0.5, first=5 * SECOND, longest=LONGEST_POST)
            log.warning("post_refused", post_id=post.id, chat=chat.name, failure=error.kind, detail=error.detail)
            if post.kind is PostKind.INBOUND:
                self._refusals[post.id] = error.detail
            await self._store.post_retry(post.id, now + wait, str(error))
        else:
            log.error("post_dropped", post_id=post.id, chat=chat.name, failure=error.kind, detail=error.detail)
            await self._store.post_dropped(post.id, str(error), now)
        return True

    async def _pause(self, chat: Chat, error: ApiError) -> None:
        """Only this chat waits; the post stays due as it is."""
        self._reached = False
        now = self._clock.monotonic()
        if error.kind is FailureKind.LATER:
            log.warning("telegram_flood_limit", chat=chat.name, wait=error.retry_after)
            self._limiter.pause(chat.id, error.retry_after)
            return
        self._failures += 1
        longest = LONGEST_SHUT if error.kind is FailureKind.CHAT_GONE else LONGEST_AWAY
        self._limiter.away(chat.id, backoff(self._failures, 0.5, longest=longest))
        self._away_at = None if error.kind is FailureKind.CHAT_GONE else now
        if self._failures == 1 or (error.kind is FailureKind.CHAT_GONE and not self._shut):
            log.warning("chat_waits", chat=chat.name, failure=error.kind, detail=error.detail)
        if error.kind is FailureKind.CHAT_GONE and not self._shut:
            self._shut = True
            await self._tell(f"telegram:chat:{chat.name}", "alert.telegram_chat", chat, error)

    async def _reachable(self, chat: Chat) -> None:
        self._reached = True
        if self._failures:
            log.info("chat_goes_on", chat=chat.name)
            self._failures = 0
        if self._shut:
            self._shut = False
            await self._all_clear(f"telegram:chat:{chat.name}", "alert.telegram_chat_ok", chat)

    async def _tell(self, key: str, text: str, chat: Chat, error: ApiError) -> None:
        alert = Alert(key=key, text=text, params={"chat": chat.name, "detail": error.detail})
        await self._store.raise_alert(alert, self._clock.now())

    async def _all_clear(self, key: str, text: str, chat: Chat) -> None:
        await self._store.clear_alert(key, text, {"chat": chat.name}, self._clock.now())


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
