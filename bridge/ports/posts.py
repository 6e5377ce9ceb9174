"""The part of the store that queues the posts of each chat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bridge.model.base import Ms, PostId
from bridge.model.chat import Post, PostedMessage
from bridge.model.post import NewPost, PostPriority


class PostStore(Protocol):
    async def add_post(self, post: NewPost, now: Ms) -> bool:
        """Write the post. False where a post with this key exists."""

    async def claim_posts(
        self, chats: Sequence[str], *, now: Ms, limit: int, least: PostPriority = ...
    ) -> Sequence[Post]:
        """Due posts of these chats by priority, then id; none more urgent than ``least``.

        Never a post whose conversation has an earlier unposted one of kind ``inbound`` or ``notice``. A ``status`` post
        waits for no other: it is shown on the operator's own message. Only reads: a chat has one poster.
        """

    async def posts_behind(self, post: Post, *, limit: int) -> Sequence[Post]:
        """The posts (``inbound``, ``notice``) that wait behind it in its conversation, due or not, in order."""

    async def posts_done(self, posts: Sequence[Post], posted: PostedMessage, now: Ms) -> None:
        """Mark posts as posted that stand in one message: one post, or several of one conversation. All or none.

        Remembers that the message belongs to the conversation, inbound and sms of the last of them, and the topic if
        one was made. A ``status`` post that was written again meanwhile (its revision moved) stays due.
        """

    async def post_retry(self, post_id: PostId, due_at: Ms, error: str) -> None:
        """Postpone a post that could not be sent, with the reason."""

    async def post_dropped(self, post_id: PostId, error: str, now: Ms) -> None:
        """Give up on a post for good; it stays in the store with its error. Never for a subscriber's message."""

    async def count_sms_to_post(self, *, limit: int) -> int:
        """The number of subscribers' SMS that wait to be shown, in all chats, counted up to ``limit``."""

    async def count_waiting_posts(self, chats: Sequence[str], *, conversations: int, posts: int) -> tuple[int, int]:
        """The numbers of conversations and of SMS that wait to be shown, each counted up to its limit in each chat."""

    async def open_backlog(self, key: str, chats: Sequence[str], chat: str, now: Ms) -> bool:
        """Post in ``chat``, ahead of them, how many SMS wait in ``chats``. False where this backlog is open already."""

    async def close_backlog(self, key: str, now: Ms) -> None:
        """Close an open backlog, and edit its message, if it was posted, to say that it is over."""
