"""The store's verbs for what is shown in chats and what comes from there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bridge.model.base import ConversationId, InboundId, Ms, PostId
from bridge.model.chat import Conversation, EarlierMessages, Post, PostedMessage, StoredUpdate, UpdateState
from bridge.model.post import NewPost, PostPriority
from bridge.model.record import Downtime


class ChatStore(Protocol):
    async def claim_posts(
        self, chats: Sequence[str], *, now: Ms, limit: int, least: PostPriority = ...
    ) -> Sequence[Post]:
        """Due posts of these chats by priority, then id, none more urgent than ``least``; never one whose conversation
        has an earlier unposted one of kind ``inbound`` or ``notice`` ahead of it. A ``fate`` waits for none: it shows
        on the operator's own message. Reads only: a chat has one poster."""

    async def post_retry(self, post_id: PostId, due_at: Ms, error: str) -> None: ...

    async def post_dropped(self, post_id: PostId, error: str, now: Ms) -> None:
        """Give up on a post for good (only for what is not a subscriber's message); kept with its error."""

    async def sms_to_come(self, *, limit: int) -> int:
        """How many of the subscribers' SMS wait to be shown, in all chats, counted no further than ``limit``."""

    async def add_post(self, post: NewPost, now: Ms) -> bool:
        """False if a post with this key exists."""

    async def conversation_of(self, chat_id: int, message_id: int) -> Conversation | None:
        """By a message of ours or of an operator that was stored for it.

        By exactly this chat id: message numbers restart in a migrated group, and a stranger's message there must not
        find an old conversation. What was posted before the move is found by its code.
        """

    async def conversation_of_topic(self, chat_id: int, thread_id: int) -> Conversation | None: ...

    async def conversation_of_code(self, chat: str, code: str) -> Conversation | None: ...

    async def conversation(self, conversation_id: ConversationId) -> Conversation | None: ...

    async def set_topic(self, conversation_id: ConversationId, chat_id: int, thread_id: int | None) -> None:
        """Store the conversation's topic, or forget a deleted one (None). A forgotten topic still finds its
        conversation by :meth:`conversation_of_topic`."""

    async def chat_migrated(self, old_id: int, new_id: int, now: Ms) -> None:
        """The group became a supergroup. Rows keep the old id and are found by it; topics are forgotten."""

    async def chat_aliases(self) -> dict[int, int]:
        """Old chat id → the newest id, chains resolved."""


class PostStore(Protocol):
    """For a chat with more to show than it takes, and for what stands around a talk."""

    async def posts_behind(self, post: Post, *, limit: int) -> Sequence[Post]:
        """What waits behind it in its conversation (``inbound``, ``notice``), due or not, in order."""

    async def posts_done(self, posts: Sequence[Post], posted: PostedMessage, now: Ms) -> None:
        """Mark as posted, all or none, what stands in one message: one post, or several of one conversation. Remember
        (chat id, message id) → conversation, inbound and sms of the last of them, and the topic if one was made.

        A ``fate`` row written again meanwhile (revision moved) stays due."""

    async def posts_ahead(self, chats: Sequence[str], *, talks: int, posts: int) -> tuple[int, int]:
        """How many conversations and how many SMS wait to be shown, each counted no further than its limit a chat."""

    async def open_backlog(self, key: str, chats: Sequence[str], chat: str, now: Ms) -> bool:
        """Say in ``chat``, ahead of them, how many SMS wait in ``chats``; once until it is closed."""

    async def close_backlog(self, key: str, now: Ms) -> None:
        """Where one is open, and what was said of it stands in the chat: a post that makes it say that it is over."""

    async def earlier(self, subscriber: str, before: InboundId, *, limit: int) -> EarlierMessages:
        """What this number wrote before that message, counted up to ``limit``."""

    async def conversation_with(self, chat: str, subscriber: str) -> Conversation | None: ...


class WatchStore(Protocol):
    """For what people are told because nothing happened."""

    async def remind(self, *, until: Ms, after: Ms, now: Ms, limit: int) -> int:
        """Remind of talks that wait for a person since a moment in ``(after, until]``, each in its chat and once until
        somebody answers; not where the team has not seen the SMS yet. Returns how many."""

    async def remind_of_drafts(self, *, until: Ms, now: Ms, limit: int) -> int:
        """Remind of drafts that wait for a word since ``until`` or longer, each under its message and once; not where
        the question was not shown yet, and not of corrections. Returns how many."""

    async def expire_drafts(self, *, before: Ms, now: Ms, limit: int) -> int:
        """Call stale what waits for a word since then or longer. Returns how many."""

    async def last_called(self, account: str) -> Ms | None:
        """When the account's latest inbound came; None where it is not among the newest of all accounts."""

    async def last_sign(self) -> Ms | None:
        """The latest moment at which a bridge surely ran on this store."""

    async def note_downtime(self, downtime: Downtime) -> None:
        """Keep it until it is reported, over any number of stops. Several nodes may note the same one: it is known
        by its beginning, and the latest end counts."""

    async def unreported_downtimes(self) -> Sequence[Downtime]:
        """Those that the team was not told of yet, the oldest first."""

    async def downtimes_reported(self, downtimes: Sequence[Downtime], post: NewPost | None, now: Ms) -> None:
        """Mark them as reported, and write the post that reports them; None where nothing had waited."""

    async def arrived_late(self, *, after: Ms, before: Ms, since: Ms = 0) -> int:
        """Inbound messages that had waited for a start at ``before``: received since, and dated by the platform between
        the two; or received earlier and routed since. Of these only what is dated ``since`` or later: the rest had
        waited for an earlier start, and is counted with it."""


class UpdateStore(Protocol):
    async def store_updates(self, bot_id: int, updates: Sequence[StoredUpdate]) -> int:
        """Commit raw updates; known ones are skipped. Returns how many were new."""

    async def pending_updates(self, bot_id: int, *, limit: int) -> Sequence[StoredUpdate]:
        """Unprocessed ones in the order of arrival."""

    async def updates_since(self, bot_id: int, since: Ms) -> Sequence[StoredUpdate]:
        """What was received since then, processed or not, in the order of arrival; of very many the newest."""

    async def finish_update(self, bot_id: int, update_id: int, state: UpdateState, error: str, now: Ms) -> None: ...

    async def purge_updates(self, before: Ms, *, limit: int) -> int:
        """Forget so many of the processed updates received before then; parked ones stay. Returns how many."""
