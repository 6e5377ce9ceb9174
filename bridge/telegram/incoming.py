"""An operator's message as the handlers read it: author, text, chat and topic, from Telegram's update. Pure.

Chat and message ids stay as they are in the update. If they followed a group to its new id, an old update would look
new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from telegram import Message, MessageOriginUser, User

from bridge.model.base import Json, Ms
from bridge.model.chat import Conversation
from bridge.model.post import NewPost, NoticePayload, PostPriority
from bridge.telegram.chats import ANONYMOUS_ADMIN, Chat
from bridge.telegram.client.message import trimmed
from bridge.value import value_object


class Refusal(StrEnum):
    """Why a message, or an edit of it, must not leave. The text ids are ``notice.<refusal>``, and for commands
    ``result.<refusal>``."""

    NOT_OPERATOR = "not_operator"
    ANONYMOUS = "anonymous"
    """An anonymous administrator wrote it, and the chat does not admit them."""
    FORWARDED = "forwarded"
    """It may be another subscriber's or a colleague's text: the author did not write it here."""
    VIA_BOT = "via_bot"
    """Another bot made the text, and its author may not have read it."""
    BEFORE_RESTORE = "before_restore"
    """It may have been handled before the restoration; the restored copy does not know."""
    UNKNOWN_COMMAND = "unknown_command"
    TEXT_ONLY = "text_only"
    """It has nothing that an SMS can carry."""
    EMPTY = "empty"


@value_object
class IncomingMessage:
    """A message that was written in a chat of the configuration."""

    raw: Message
    chat: Chat
    bot_id: int

    @property
    def chat_id(self) -> int:
        return self.raw.chat.id

    @property
    def id(self) -> int:
        return self.raw.message_id

    @property
    def text(self) -> str:
        """The text, or the caption of a picture, without invisible characters at its ends."""
        return trimmed(self.raw.text or self.raw.caption or "")

    @property
    def is_command(self) -> bool:
        """Whether it begins with a slash, even if no bot knows the command."""
        return self.text.startswith("/")

    @property
    def from_machine(self) -> bool:
        """Whether another bot wrote it, or Telegram copied it here from a linked channel."""
        user = self.raw.from_user
        by_bot = user is not None and user.is_bot and self.raw.sender_chat is None
        return by_bot or bool(self.raw.is_automatic_forward)

    @property
    def author(self) -> str:
        """For histories and logs: name and id."""
        return author(self.raw.from_user, self.raw.author_signature)

    @property
    def user_id(self) -> int | None:
        """The author's id; None where the author writes as a chat."""
        user = self.raw.from_user
        return None if user is None or self.raw.sender_chat is not None else user.id

    @property
    def name(self) -> str:
        """The author's name alone; of an anonymous administrator as :attr:`author`."""
        user = self.raw.from_user
        return self.author if user is None or self.raw.sender_chat is not None else user.full_name

    @property
    def on_behalf_of(self) -> int | None:
        """The chat or channel that the author writes as."""
        return self.raw.sender_chat.id if self.raw.sender_chat is not None else None

    @property
    def sent_at(self) -> Ms:
        return millis(self.raw.date)

    @property
    def changed_at(self) -> Ms:
        """When it got its present text."""
        return millis(self.raw.edit_date or self.raw.date)

    @property
    def thread_id(self) -> int | None:
        """Its topic's id; None outside topics."""
        return self.raw.message_thread_id if self.raw.is_topic_message else None

    @property
    def replied_to(self) -> Message | None:
        """The message this one replies to. Telegram marks each message in a topic as a reply to the topic's creation;
        that does not count."""
        replied = self.raw.reply_to_message
        if replied is None or replied.forum_topic_created is not None:
            return None
        if self.raw.is_topic_message and replied.message_id == self.raw.message_thread_id:
            return None
        return replied

    @property
    def replies_elsewhere(self) -> bool:
        """Whether it replies to a post of the bot in another topic or chat. Then the post belongs to one conversation,
        and the topic or chat of this message to another."""
        origin = self.raw.external_reply.origin if self.raw.external_reply is not None else None
        return isinstance(origin, MessageOriginUser) and origin.sender_user.id == self.bot_id

    @property
    def in_topic_of_bot(self) -> bool:
        """Whether the bot made the topic of this message. A message that replies to another one does not show that."""
        first = self.raw.reply_to_message
        return first is not None and first.forum_topic_created is not None and from_bot(first, self.bot_id)

    @property
    def refusal(self) -> Refusal | None:
        """Why the message is refused for its author or its origin; None if it is not."""
        user = self.raw.from_user
        user_id = user.id if user is not None else None
        if not self.chat.admits(user_id, on_behalf_of=self.on_behalf_of):
            return Refusal.ANONYMOUS if user_id == ANONYMOUS_ADMIN else Refusal.NOT_OPERATOR
        if self.raw.forward_origin is not None:
            return Refusal.FORWARDED
        return Refusal.VIA_BOT if self.raw.via_bot is not None else None

    def key(self, purpose: str) -> str:
        """The key of one effect of this message: the same however often the message is processed. The messages of an
        album share their keys, except for the purpose ``sms``."""
        album = self.raw.media_group_id if purpose != "sms" else None
        which = f"album {album}" if album is not None else self.id
        return f"tg:{self.bot_id}:{self.chat_id}:{which}:{purpose}"


@value_object
class Notice:
    """A short answer by text id. It is stored: a restart does not lose it, and it is sent once."""

    text: str
    params: Mapping[str, Json] = field(default_factory=dict)
    buttons: tuple[str, ...] = ()
    """Buttons about the conversation: ``open``, ``close``, ``claim``."""

    def post_under(
        self,
        message: IncomingMessage,
        *,
        key: str,
        conversation: Conversation | None,
        due_at: Ms,
        priority: PostPriority = PostPriority.FAILURE,
        unless_album: str = "",
    ) -> NewPost:
        """The post that shows it as a reply to ``message``.

        The post is addressed by the chat's name, not by its id: it stands ahead of the conversation's later posts, so
        it must not wait for a group that the name no longer means. Its message ids belong to the message's chat.

        :param unless_album: the key of an album's caption; nothing is posted if that caption was handled by then.
        """
        payload = NoticePayload(
            text=self.text,
            params=self.params,
            buttons=self.buttons,
            chat_id=message.chat_id,
            thread_id=message.thread_id,
            unless_album=unless_album,
        )
        return NewPost(
            chat=message.chat.name,
            priority=priority,
            key=key,
            payload=payload,
            conversation_id=conversation.id if conversation is not None else None,
            reply_to=message.id,
            due_at=due_at,
        )


def author(user: User | None, title: str | None = None) -> str:
    """For histories and logs: name and id. :param title: an anonymous administrator's, as Telegram shows it."""
    if user is None:
        return "?"
    if user.id == ANONYMOUS_ADMIN:
        return f"{title or user.full_name} (anonymous)"
    return f"{user.full_name} ({user.id})"


def from_bot(message: Message, bot_id: int) -> bool:
    return message.from_user is not None and message.from_user.id == bot_id


def millis(moment: datetime) -> Ms:
    return int(moment.timestamp() * 1000)
