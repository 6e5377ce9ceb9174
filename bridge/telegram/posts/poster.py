"""Publishes the posts that the store has for a chat: one loop for each chat, within the rate limit.

A subscriber's SMS is tried until it is posted. If the outcome of a call is unknown, the post is sent again: people
recognise a double by the conversation's code in it, but a loss would go unnoticed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import structlog

from bridge.model.alert import Alert
from bridge.model.base import MINUTE, SECOND, Ms, PostId
from bridge.model.chat import Post
from bridge.model.post import PostKind, PostPriority
from bridge.pipeline.retry import MAX_POST_BACKOFF, backoff
from bridge.pipeline.signals import Signal
from bridge.pipeline.worker import IDLE, run_steps
from bridge.ports.clock import Clock
from bridge.ports.posts import PostStore
from bridge.ports.store import Store
from bridge.telegram.chats import Chat, Chats
from bridge.telegram.client.errors import CHAT_WIDE, ApiError, FailureKind
from bridge.telegram.client.rate_limit import GROUP, RateLimiter
from bridge.telegram.posts.publisher import PostPublisher
from bridge.telegram.updates.connection import TelegramConnection

log = structlog.get_logger()

BATCH = 10
"""Posts claimed at once. Few, so that a new SMS soon overtakes a row of reactions."""
MAX_TRIES = 3
"""A post other than a subscriber's SMS is given up after this many refusals."""
STOP_GRACE = 2.0
"""Seconds that a stop waits for the post that is being sent."""
MAX_AWAY: Ms = 1 * MINUTE
"""Longest pause before a chat that could not be reached is tried again."""
MAX_SHUT_OUT: Ms = 10 * MINUTE
"""The same for a chat that shut the bot out."""
MANY_CONVERSATIONS = GROUP[0]
"""Conversations whose SMS can be shown within a minute, with one message each."""
MANY_SMS = 20 * MANY_CONVERSATIONS
"""SMS that can be shown within a minute if few subscribers wrote them: their SMS share messages."""


class ChatPoster:
    """Publishes the posts of one configured chat, also after the group got another id."""

    def __init__(
        self,
        name: str,
        *,
        chats: Chats,
        store: Store,
        limiter: RateLimiter,
        connection: TelegramConnection,
        clock: Clock,
        publisher: PostPublisher,
    ) -> None:
        self.name = name
        self.signal = Signal()
        self._chats = chats
        self._store = store
        self._limiter = limiter
        self._connection = connection
        self._clock = clock
        self._publisher = publisher
        self._digest = BacklogDigest(store, chats, clock)
        self._reached = False
        """The last call succeeded."""
        self._failures = 0
        """Calls in a row that did not reach the chat."""
        self._shut_out = False
        """The chat shut the bot out, and the admin chat knows."""
        self._away_at: Ms | None = None
        """Monotonic time of the last call that did not reach Telegram; None after one that did."""
        self._refusals: dict[PostId, str] = {}
        """Why Telegram refused a subscriber's SMS, by post."""

    async def run(self) -> None:
        """Runs until cancelled."""
        await run_steps(f"posts {self.name}", self.step, self.signal, self._clock)

    async def step(self) -> Ms:
        """Posts what is due and fits into the rate limit; returns milliseconds until there may be more."""
        chat = self._chats.by_name(self.name)
        if chat is None or self._chats.addresses(chat)[0] != self.name:
            # Two configured chats are now the same group: the poster of the first one works for both.
            return IDLE
        if self._away_at is not None and self._connection.back_at > self._away_at:
            # The update loop has reached Telegram since then, so the pause ends early.
            self._away_at = None
            self._limiter.reached(chat.id)
        wait = self._limiter.wait(chat.id, PostPriority.INBOUND)
        if not wait:
            if self._reached:
                await self._digest.update(chat)
            wait, worked = await self._work(chat, PostPriority.AHEAD)
            if worked:
                return 0
        # Reactions have a budget of their own and do not wait for the messages.
        if not (later := self._limiter.wait_reaction(chat.id)):
            later, worked = await self._work(chat, PostPriority.REACTION)
            if worked:
                return 0
        return min(wait, later or IDLE) or IDLE

    async def _work(self, chat: Chat, least: PostPriority) -> tuple[Ms, bool]:
        """Posts one batch, as far as it fits.

        Returns the wait until the next post fits, and whether anything was tried.
        """
        addresses, now = self._chats.addresses(chat), self._clock.now()
        limit = BATCH if self._reached else 1
        posts = await self._store.claim_posts(addresses, now=now, limit=limit, least=least)
        shortest: Ms = 0
        worked = False
        for post in posts:
            if wait := self._wait(post, chat):
                shortest = min(shortest, wait) if shortest else wait
                continue
            worked = True
            if not await finish(self._deliver(post, chat)):
                break
        return shortest, worked

    def _wait(self, post: Post, chat: Chat) -> Ms:
        if self._publisher.needs_message(post, chat):
            return self._limiter.wait(chat.id, post.priority)
        return self._limiter.wait_reaction(chat.id)

    async def _deliver(self, post: Post, chat: Chat) -> bool:
        """False if the rest of the batch must be claimed anew."""
        try:
            posts, posted = await self._publisher.publish(post, chat, self._refusals.get(post.id, ""))
        except ApiError as error:
            return await self._failed(post, chat, error)
        await self._store.posts_done(posts, posted, self._clock.now())
        self._refusals.pop(post.id, None)
        log.debug("post_published", post_id=post.id, kind=post.kind, chat=chat.name, posts=len(posts))
        await self._succeeded(chat)
        return True

    # ------------------------------------------------ failures

    async def _failed(self, post: Post, chat: Chat, error: ApiError) -> bool:
        now = self._clock.now()
        if error.kind is FailureKind.MIGRATED and error.new_chat_id is not None:
            await self._store.chat_migrated(chat.id, error.new_chat_id, now)
            self._chats.set_aliases(await self._store.chat_aliases())
            log.info("chat_migrated", chat=chat.name, chat_id=error.new_chat_id)
            return False
        if error.kind in CHAT_WIDE:
            await self._pause(chat, error)
            return False
        if post.kind is PostKind.INBOUND or post.attempts + 1 < MAX_TRIES:
            wait = backoff(post.attempts + 1, 0.5, first=5 * SECOND, longest=MAX_POST_BACKOFF)
            log.warning("post_refused", post_id=post.id, chat=chat.name, failure=error.kind, detail=error.detail)
            if post.kind is PostKind.INBOUND:
                self._refusals[post.id] = error.detail
            await self._store.post_retry(post.id, now + wait, str(error))
        else:
            log.error("post_dropped", post_id=post.id, chat=chat.name, failure=error.kind, detail=error.detail)
            await self._store.post_dropped(post.id, str(error), now)
        return True

    async def _pause(self, chat: Chat, error: ApiError) -> None:
        """Pauses the chat. The post stays due."""
        self._reached = False
        if error.kind is FailureKind.LATER:
            return
        shut = error.kind is FailureKind.CHAT_GONE
        self._failures += 1
        self._limiter.away(chat.id, backoff(self._failures, 0.5, longest=MAX_SHUT_OUT if shut else MAX_AWAY))
        self._away_at = None if shut else self._clock.monotonic()
        if self._failures == 1 or (shut and not self._shut_out):
            log.warning("chat_paused", chat=chat.name, failure=error.kind, detail=error.detail)
        if shut and not self._shut_out:
            self._shut_out = True
            params = {"chat": chat.name, "detail": error.detail}
            alert = Alert(key=_alert_key(chat), text="alert.telegram_chat", params=params)
            await self._store.raise_alert(alert, self._clock.now())

    async def _succeeded(self, chat: Chat) -> None:
        self._reached = True
        if self._failures:
            log.info("chat_resumed", chat=chat.name)
            self._failures = 0
        if self._shut_out:
            self._shut_out = False
            now = self._clock.now()
            await self._store.clear_alert(_alert_key(chat), "alert.telegram_chat_ok", {"chat": chat.name}, now)


def _alert_key(chat: Chat) -> str:
    return f"telegram:chat:{chat.name}"


class BacklogDigest:
    """Tells a chat, once, how many SMS wait if they take longer than a minute. When all are posted, the same message
    says so. A row in the store keeps an open digest."""

    def __init__(self, store: PostStore, chats: Chats, clock: Clock) -> None:
        self._store = store
        self._chats = chats
        self._clock = clock
        self._open: bool | None = None
        """Whether a digest is open; saves a query. None: not known, an earlier run may have left one open."""

    async def update(self, chat: Chat) -> None:
        addresses = self._chats.addresses(chat)
        conversations, sms = await self._store.count_waiting_posts(
            addresses, conversations=MANY_CONVERSATIONS + 1, posts=MANY_SMS + 1
        )
        key, now = f"backlog:{chat.name}", self._clock.now()
        if conversations > MANY_CONVERSATIONS or sms > MANY_SMS:
            if self._open is not True:
                await self._store.open_backlog(key, addresses, chat.name, now)
                self._open = True
        elif not sms and self._open is not False:
            await self._store.close_backlog(key, now)
            self._open = False


async def finish(work: Coroutine[None, None, bool]) -> bool:
    """Awaits ``work``. A stop gives it ``STOP_GRACE`` seconds more, because a message that is sent but not recorded is
    sent twice."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=STOP_GRACE)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
