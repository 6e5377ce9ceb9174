"""Sends the messages of a post to their place: the topic of its conversation, or the chat itself."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.model.base import PostId
from bridge.model.chat import Post, PostedMessage
from bridge.model.post import NoticePayload, OpeningPayload
from bridge.telegram.chats import Chat
from bridge.telegram.client.errors import ApiError, FailureKind
from bridge.telegram.client.message import ChatMessage
from bridge.telegram.client.sender import ChatSender
from bridge.telegram.posts.history import History
from bridge.telegram.posts.topics import Topics


class PostSender:
    """Sends posts. Every method raises :class:`ApiError` if the post was not sent, or only a part of it."""

    def __init__(self, sender: ChatSender, topics: Topics, history: History) -> None:
        self._sender = sender
        self._topics = topics
        self._history = history
        self._sent: dict[tuple[PostId, int, int | None, int], list[int]] = {}
        """Message ids of the pieces of a long text that were sent, by post, chat, topic and number of pieces."""

    async def send_in_conversation(self, post: Post, chat: Chat, messages: Sequence[ChatMessage]) -> PostedMessage:
        """Sends ``messages`` as a part of the conversation; its topic is made if there is none."""
        if not chat.topics or post.conversation is None:
            return await self._send_pieces(post, chat, messages, None)
        for attempt in (1, 2):
            topic = await self._topics.of(post.conversation, chat, post)
            if topic.is_new and post.conversation.thread_id is not None:
                recap = await self._history.recap(post.conversation, chat, post)
                await self._send(post, chat, recap, topic.thread_id, or_group=False)
            try:
                posted = await self._send_pieces(post, chat, messages, topic.thread_id)
            except ApiError as error:
                if error.kind is not FailureKind.THREAD_GONE or topic.thread_id is None or attempt == 2:
                    raise
                await self._topics.forget(post.conversation, chat, topic.thread_id)
                continue
            if topic.refusal is not None:
                # Reported after a message was sent: if the group takes no messages, topics are not the problem.
                await self._topics.report_refusal(chat, topic.refusal)
            return posted
        raise AssertionError("unreachable")

    async def send_reply(self, post: Post, chat: Chat, message: ChatMessage) -> int:
        """Sends a message in reply to what the post is about. If the topic is gone, it goes to the group.

        Returns the message id.
        """
        return await self._send(post, chat, message, self._thread(post, chat), or_group=True)

    def _thread(self, post: Post, chat: Chat) -> int | None:
        if isinstance(post.payload, NoticePayload) and post.payload.thread_id is not None and has_ids_of(post, chat):
            return post.payload.thread_id
        return post.conversation.thread_id if chat.topics and post.conversation is not None else None

    async def _send_pieces(
        self, post: Post, chat: Chat, messages: Sequence[ChatMessage], thread_id: int | None
    ) -> PostedMessage:
        # If a later piece fails, the next attempt does not send the first ones again.
        key = (post.id, chat.id, thread_id, len(messages))
        sent = self._sent.setdefault(key, [])
        for message in messages[len(sent) :]:
            sent.append(await self._send(post, chat, message, thread_id, or_group=False))
        self._sent = {key: ids for key, ids in self._sent.items() if key[0] != post.id}
        # Only the first id is stored. A reply to a later piece finds the conversation by its code.
        return PostedMessage(chat_id=chat.id, message_id=sent[0] if sent else None, thread_id=thread_id)

    async def _send(
        self, post: Post, chat: Chat, message: ChatMessage, thread_id: int | None, *, or_group: bool
    ) -> int:
        sent = await self._sender.send(
            chat,
            message,
            post.priority,
            thread_id=thread_id,
            reply_to=post.reply_to if has_ids_of(post, chat) else None,
            or_group=or_group,
            reopen=True,
        )
        if sent.reopened and post.conversation is not None and post.conversation.closed_at is not None:
            # The conversation stays closed, so its topic is closed again.
            await self._topics.open_or_close(post.conversation, chat, post.priority)
        return sent.message_id


def has_ids_of(post: Post, chat: Chat) -> bool:
    """True if the post's message and topic ids are of this chat. A group with a new id counts from 1 again."""
    if isinstance(post.payload, NoticePayload | OpeningPayload) and post.payload.chat_id is not None:
        return post.payload.chat_id == chat.id
    return not post.chat.startswith("id:") or post.chat == f"id:{chat.id}"
