"""The part of the store that queues the posts of each chat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bridge.model.base import Ms, PostId
from bridge.model.chat import Post, PostedMessage
from bridge.model.post import NewPost, PostPriority


class PostStore(Protocol):
    async def add_post(self, post: NewPost, now: Ms) -> bool:
        """Write the post. Returns False if a post with this key exists."""

    async def claim_posts(
        self, chats: Sequence[str], *, now: Ms, limit: int, least: PostPriority = ...
    ) -> Sequence[Post]:
        """The due posts of these chats, by priority, then id. Posts that are more urgent than ``least`` are left out.

        A post is left out, too, while an earlier post of kind ``inbound`` or ``notice`` in its conversation is not
        posted. A ``status`` post waits for no other, because it is shown on the operator's own message.
        The method only reads: a chat has one poster.
        """

    async def posts_behind(self, post: Post, *, limit: int) -> Sequence[Post]:
        """The posts (``inbound``, ``notice``) that wait behind this one in its conversation, due or not, in order."""

    async def posts_done(self, posts: Sequence[Post], posted: PostedMessage, now: Ms) -> None:
        """Mark the posts that one message shows as posted: one post, or several of one conversation. All or none.

        It stores that the message belongs to the conversation, the inbound and the SMS of the last post, and the topic
        if one was made. A ``status`` post that was written again since it was claimed (its revision differs) stays due.
        """

    async def post_retry(self, post_id: PostId, due_at: Ms, error: str) -> None:
        """Postpone a post that could not be sent, with the reason."""

    async def post_dropped(self, post_id: PostId, error: str, now: Ms) -> None:
        """Give up a post for good. It stays in the store with its error. Never called for a subscriber's message."""

    async def count_sms_to_post(self, *, limit: int) -> int:
        """The number of subscribers' SMS that wait to be shown, in all chats, counted up to ``limit``."""

    async def count_waiting_posts(self, chats: Sequence[str], *, conversations: int, posts: int) -> tuple[int, int]:
        """How many conversations and how many SMS wait to be shown. Each is counted up to its limit in each chat."""

    async def open_backlog(self, key: str, chats: Sequence[str], chat: str, now: Ms) -> bool:
        """Post in ``chat`` how many SMS wait in ``chats``, ahead of these SMS.

        False if this backlog is open already.
        """

    async def close_backlog(self, key: str, now: Ms) -> None:
        """Close an open backlog. If its message was posted, edit it to say that the backlog is over."""
