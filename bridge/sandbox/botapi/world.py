"""Chats, people, topics and messages, as the servers of Telegram keep them. Knows no HTTP and no Bot API method."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from bridge.model.base import Json, Ms
from bridge.ports.clock import Clock
from bridge.sandbox.botapi.params import to_integer
from bridge.sandbox.botapi.refusal import bad_request, forbidden, upgraded
from bridge.value import value_object

ANONYMOUS_ADMIN = 1087968824
"""Id of the user that stands for an administrator who writes as the group."""

ChatKind = Literal["private", "group", "supergroup"]
BotStatus = Literal["administrator", "member", "absent", "kicked", "left"]


class EventKind(StrEnum):
    """The kinds of visible events in a chat."""

    POST = "post"
    EDIT = "edit"
    DELETE = "delete"
    REACTION = "reaction"
    TOPIC = "topic"
    BUTTON = "button"
    ANSWER = "answer"
    """The bot answered the press of a button; ``text`` is the text of the pop-up."""
    MEMBER = "member"


@value_object
class ChatEvent:
    """A visible event in a chat. The sandbox prints it as one line."""

    kind: EventKind
    who: str
    """First name of the person, or of the bot."""
    by_bot: bool
    chat_id: int
    chat: str
    """Title of the chat."""
    text: str
    thread_id: int | None = None
    topic: str = ""
    message_id: int | None = None
    reply_to: int | None = None
    buttons: tuple[tuple[str, str], ...] = ()
    """(text, callback data) of the buttons under the message."""


@dataclass(kw_only=True, slots=True)
class User:
    """A person or a bot."""

    id: int
    first_name: str
    username: str = ""
    is_bot: bool = False
    language_code: str = ""


@dataclass(kw_only=True, slots=True)
class Topic:
    """A topic of a forum."""

    thread_id: int
    """Also the id of the message that created it."""
    name: str
    by_bot: bool
    closed: bool = False
    deleted: bool = False


@dataclass(kw_only=True, slots=True)
class Message:
    """A message in a chat; service messages are messages, too."""

    id: int
    sender: User
    date: Ms
    text: str = ""
    """The text, or the caption of another kind of message."""
    entities: list[Json] = field(default_factory=list)
    content: dict[str, Json] = field(default_factory=dict)
    """The fields of a message that is not plain text: ``photo``, ``voice``, ``forum_topic_created`` …"""
    thread_id: int | None = None
    reply_to: int | None = None
    reply_markup: dict[str, Json] | None = None
    reactions: tuple[str, ...] = ()
    """The reactions of the bot."""
    edited: Ms | None = None
    deleted: bool = False
    service: bool = False
    anonymous: bool = False
    silent: bool = False
    link_preview: bool = True

    @property
    def by_bot(self) -> bool:
        return self.sender.is_bot and not self.anonymous


@dataclass(kw_only=True, slots=True)
class Chat:
    """A chat with its history, and the bot's membership and rights in it."""

    id: int
    title: str
    kind: ChatKind
    forum: bool
    bot_is: BotStatus
    can_manage_topics: bool
    can_delete_messages: bool
    reactions: Literal["all", "none"] | tuple[str, ...]
    history: dict[int, Message] = field(default_factory=dict)
    """All messages by id, deleted ones too."""
    topics: dict[int, Topic] = field(default_factory=dict)
    members: dict[int, str] = field(default_factory=dict)
    """User id → ``creator``, ``administrator`` or ``member``."""
    upgraded_to: int | None = None
    was_in: bool = True
    """True if the bot has ever been in this chat: Telegram tells "kicked" from "not found"."""

    @property
    def is_group(self) -> bool:
        return self.kind != "private"

    @property
    def messages(self) -> list[Message]:
        """The messages that the chat shows now, oldest first, without service messages."""
        return [m for m in self.history.values() if not m.deleted and not m.service]

    @property
    def from_bot(self) -> list[Message]:
        """The :attr:`messages` of the bot."""
        return [m for m in self.messages if m.by_bot]

    def in_topic(self, thread_id: int | None) -> list[Message]:
        """The messages of one topic. None: General, or a chat without topics."""
        return [m for m in self.messages if m.thread_id == thread_id]

    def alive(self, message_id: int | None) -> Message | None:
        message = self.history.get(message_id) if message_id is not None else None
        return None if message is None or message.deleted else message

    def topic(self, thread_id: int | None) -> Topic | None:
        topic = self.topics.get(thread_id) if thread_id is not None else None
        return None if topic is None or topic.deleted else topic

    def topic_message(self, message: Message) -> bool:
        """True if the message is in a topic; a thread id alone does not mean a topic."""
        return self.forum and message.thread_id in self.topics


class World:
    """All chats of one bot. Each supergroup counts its message ids; all other chats share one counter."""

    def __init__(self, *, clock: Clock, bot: User, notify: Callable[[ChatEvent], None]) -> None:
        self.clock = clock
        self.bot = bot
        self.chats: dict[int, Chat] = {}
        self.users: dict[int, User] = {bot.id: bot}
        self._notify = notify
        self._shared_ids = itertools.count(1)
        self._own_ids: dict[int, itertools.count[int]] = {}

    def user(self, user_id: int) -> User:
        """A person. :raises LookupError: the person was not added."""
        return self.users[user_id]

    def chat(self, chat_id: int) -> Chat:
        """The chat in which a person acts. :raises LookupError: the chat was not added."""
        return self.chats[chat_id]

    def writable(self, chat_id_text: str) -> Chat:
        """The chat that a call of the bot names. :raises Refusal: the bot cannot reach it."""
        if not chat_id_text:
            raise bad_request("chat_id is empty")
        chat_id = to_integer(chat_id_text)
        chat = self.chats.get(chat_id) if chat_id is not None else None
        if chat is None or (chat.bot_is == "absent" and not chat.was_in):
            raise bad_request("chat not found")
        if chat.upgraded_to is not None:
            raise upgraded(chat.upgraded_to)
        if chat.bot_is == "kicked":
            if chat.kind == "private":
                raise forbidden("bot was blocked by the user")
            raise forbidden(f"bot was kicked from the {chat.kind} chat")
        if chat.bot_is in ("left", "absent"):
            raise forbidden(f"bot is not a member of the {chat.kind} chat")
        return chat

    def new_message_id(self, chat: Chat) -> int:
        if chat.kind == "supergroup":
            return next(self._own_ids.setdefault(chat.id, itertools.count(1)))
        return next(self._shared_ids)

    def add_message(self, chat: Chat, message: Message) -> Message:
        """Put a complete message into the chat."""
        assert message.id not in chat.history
        chat.history[message.id] = message
        return message

    def add_service(self, chat: Chat, sender: User, content: dict[str, Json], thread_id: int | None) -> Message:
        message_id = self.new_message_id(chat)
        return self.add_message(
            chat,
            Message(
                id=message_id,
                sender=sender,
                date=self.clock.now(),
                content=content,
                thread_id=message_id if "forum_topic_created" in content else thread_id,
                service=True,
            ),
        )

    def add_topic(self, chat: Chat, name: str, creator: User, icon_color: int) -> Topic:
        content: dict[str, Json] = {"forum_topic_created": {"name": name, "icon_color": icon_color}}
        created = self.add_service(chat, creator, content, None)
        topic = Topic(thread_id=created.id, name=name, by_bot=creator is self.bot)
        chat.topics[topic.thread_id] = topic
        self.tell(EventKind.TOPIC, chat, creator, name, thread_id=topic.thread_id, message_id=created.id)
        return topic

    def remove_topic(self, chat: Chat, topic: Topic) -> None:
        """Delete a topic with its messages."""
        topic.deleted = True
        for message in chat.history.values():
            if message.thread_id == topic.thread_id:
                message.deleted = True

    def thread_of_reply(self, chat: Chat, replied: Message) -> int | None:
        """The thread of a reply: the topic of the message it answers, else a thread that is no topic."""
        if replied.thread_id is not None:
            return replied.thread_id
        return replied.id if chat.kind == "supergroup" else None

    def tell(
        self,
        kind: EventKind,
        chat: Chat,
        who: User,
        text: str,
        *,
        thread_id: int | None = None,
        message_id: int | None = None,
        reply_to: int | None = None,
        buttons: Sequence[tuple[str, str]] = (),
    ) -> None:
        topic = chat.topics.get(thread_id) if thread_id is not None else None
        self._notify(
            ChatEvent(
                kind=kind,
                who=who.first_name,
                by_bot=who is self.bot,
                chat_id=chat.id,
                chat=chat.title,
                text=text,
                thread_id=topic.thread_id if topic else None,
                topic=topic.name if topic else "",
                message_id=message_id,
                reply_to=reply_to,
                buttons=tuple(buttons),
            )
        )
