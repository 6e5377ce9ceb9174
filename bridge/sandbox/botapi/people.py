"""The actions of people in the chats. Each one changes the world and queues the update that Telegram would send."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from enum import StrEnum

from bridge.model.base import SECOND, Json
from bridge.sandbox.botapi.formatting import find_commands
from bridge.sandbox.botapi.markup import buttons
from bridge.sandbox.botapi.render import bot_member_json, chat_json, message_json, user_json
from bridge.sandbox.botapi.state import ApiState, PressedButton
from bridge.sandbox.botapi.world import BotStatus, Chat, EventKind, Message, User


class MessageKind(StrEnum):
    """The kinds of messages that people send. The values are Telegram's field names."""

    TEXT = "text"
    PHOTO = "photo"
    VOICE = "voice"
    AUDIO = "audio"
    VIDEO = "video"
    VIDEO_NOTE = "video_note"
    STICKER = "sticker"
    DOCUMENT = "document"
    LOCATION = "location"
    CONTACT = "contact"
    POLL = "poll"
    DICE = "dice"


class People:
    """Carries out the actions of people. Methods that create something return its id."""

    def __init__(self, state: ApiState) -> None:
        self._state = state
        self._world = state.world
        self._queries = itertools.count(4_382_000_000_000_000_001)
        self._files = itertools.count(1)

    def says(
        self,
        chat: Chat,
        text: str,
        *,
        user: User,
        kind: MessageKind,
        thread_id: int | None,
        reply_to: int | None,
        anonymous: bool,
        entities: Sequence[Json] | None,
    ) -> int:
        replied = None if reply_to is None else chat.history[reply_to]
        if replied is not None and thread_id is None:
            thread_id = self._world.thread_of_reply(chat, replied)
        elif thread_id is not None and chat.topic(thread_id) is None:
            raise LookupError(f"no topic {thread_id} in chat {chat.id}")
        message = self._world.add_message(
            chat,
            Message(
                id=self._world.new_message_id(chat),
                sender=user,
                date=self._world.clock.now(),
                text=text,
                entities=list(find_commands(text) if entities is None else entities),
                content=self._content(kind),
                thread_id=thread_id,
                reply_to=reply_to,
                anonymous=anonymous,
            ),
        )
        if not self._private_to_people(chat, message, replied):
            self._put(chat, "message", message)
        self._notify(EventKind.POST, chat, message)
        return message.id

    def edits(self, chat: Chat, message_id: int, text: str) -> int:
        message = chat.history[message_id]
        message.text, message.entities, message.edited = text, find_commands(text), self._world.clock.now()
        if not self._private_to_people(chat, message, None):
            self._put(chat, "edited_message", message)
        self._notify(EventKind.EDIT, chat, message)
        return message.id

    def presses(self, chat: Chat, message_id: int, data: str, user: User, *, stale: bool) -> str:
        """Press a button. ``stale``: the person's screen may still show a button that is gone.

        :raises LookupError: no such button.
        """
        message = chat.history[message_id]
        shown = [value for _, value in buttons(message.reply_markup)]
        if not stale and data not in shown:
            raise LookupError(f"message {message_id} has the buttons {shown}, not {data!r}")
        query_id = str(next(self._queries))
        self._state.presses[query_id] = PressedButton(at=self._world.clock.now(), chat=chat, message_id=message_id)
        body: dict[str, Json] = {
            "id": query_id,
            "from": user_json(user),
            "message": message_json(chat, message),
            "chat_instance": str(-chat.id),
            "data": data,
        }
        self._state.updates.put("callback_query", body)
        self._world.tell(EventKind.BUTTON, chat, user, data, thread_id=message.thread_id, message_id=message_id)
        return query_id

    def reacts(self, chat: Chat, message_id: int, emoji: str, user: User) -> None:
        """Set a reaction. The bot gets the update only if it is an administrator and asked for ``message_reaction``."""
        self._world.tell(EventKind.REACTION, chat, user, emoji, message_id=message_id)
        if chat.bot_is == "administrator":
            new: list[Json] = [{"type": "emoji", "emoji": emoji}] if emoji else []
            body: dict[str, Json] = {
                "chat": chat_json(chat),
                "message_id": message_id,
                "user": user_json(user),
                "date": self._seconds(),
                "old_reaction": [],
                "new_reaction": new,
            }
            self._state.updates.put("message_reaction", body)

    def creates_topic(self, chat: Chat, name: str, user: User) -> int:
        topic = self._world.add_topic(chat, name, user, 7322096)
        self._put(chat, "message", chat.history[topic.thread_id])
        return topic.thread_id

    def closes_topic(self, chat: Chat, thread_id: int, user: User, *, closed: bool) -> None:
        chat.topics[thread_id].closed = closed
        what = "forum_topic_closed" if closed else "forum_topic_reopened"
        self._service(chat, user, {what: {}}, thread_id)

    def renames_topic(self, chat: Chat, thread_id: int, user: User, name: str) -> None:
        chat.topics[thread_id].name = name
        self._service(chat, user, {"forum_topic_edited": {"name": name}}, thread_id)

    def deletes_topic(self, chat: Chat, thread_id: int, user: User) -> None:
        """Delete a topic. The bot gets no update about it."""
        topic = chat.topics[thread_id]
        self._world.remove_topic(chat, topic)
        self._world.tell(EventKind.DELETE, chat, user, topic.name, thread_id=thread_id)

    def deletes_message(self, chat: Chat, message_id: int, user: User) -> None:
        """Delete a message. The bot gets no update about it."""
        chat.history[message_id].deleted = True
        self._world.tell(EventKind.DELETE, chat, user, "", message_id=message_id)

    def migrates(self, old: Chat, new: Chat, user: User) -> None:
        """Turn a plain group into a supergroup: each gets a service message, and the old id is dead."""
        old.upgraded_to = new.id
        self._service(old, user, {"migrate_to_chat_id": new.id}, None)
        self._service(new, user, {"migrate_from_chat_id": old.id}, None)

    def changes_bot(self, chat: Chat, status: BotStatus, user: User) -> None:
        """Add, promote, demote or remove the bot. The bot always gets an update about its own status."""
        before = bot_member_json(self._world.bot, chat)
        chat.bot_is = status
        chat.was_in = chat.was_in or status in ("administrator", "member")
        body: dict[str, Json] = {
            "chat": chat_json(chat),
            "from": user_json(user),
            "date": self._seconds(),
            "old_chat_member": before,
            "new_chat_member": bot_member_json(self._world.bot, chat),
        }
        self._state.updates.put("my_chat_member", body)
        self._world.tell(EventKind.MEMBER, chat, user, status)

    def _private_to_people(self, chat: Chat, message: Message, replied: Message | None) -> bool:
        """True if privacy mode hides the message from the bot. In groups it then gets only commands, mentions of it
        and replies to it."""
        if not self._state.options.privacy or not chat.is_group or chat.bot_is == "administrator":
            return False
        command = re.match(r"/\w+(@(\w+))?", message.text)
        to_us = command is not None and command[2] in (None, self._world.bot.username)
        return not (to_us or f"@{self._world.bot.username}" in message.text or (replied and replied.by_bot))

    def _service(self, chat: Chat, user: User, content: dict[str, Json], thread_id: int | None) -> None:
        message = self._world.add_service(chat, user, content, thread_id)
        self._put(chat, "message", message)
        self._notify(EventKind.TOPIC if thread_id else EventKind.POST, chat, message)

    def _put(self, chat: Chat, kind: str, message: Message) -> None:
        if chat.bot_is in ("administrator", "member"):
            self._state.updates.put(kind, message_json(chat, message))

    def _notify(self, kind: EventKind, chat: Chat, message: Message) -> None:
        text = message.text or ", ".join(message.content)
        self._world.tell(
            kind,
            chat,
            message.sender,
            text,
            thread_id=message.thread_id,
            message_id=message.id,
            reply_to=message.reply_to,
        )

    def _seconds(self) -> int:
        return self._world.clock.now() // SECOND

    def _content(self, kind: MessageKind) -> dict[str, Json]:
        if kind is MessageKind.TEXT:
            return {}
        number = next(self._files)
        file: dict[str, Json] = {
            "file_id": f"file-{number}",
            "file_unique_id": f"unique-{number}",
            "file_size": 4096,
        }
        size: dict[str, Json] = {"width": 320, "height": 240}
        contents: dict[MessageKind, Json] = {
            MessageKind.PHOTO: [file | size],
            MessageKind.VOICE: file | {"duration": 3, "mime_type": "audio/ogg"},
            MessageKind.AUDIO: file | {"duration": 3, "mime_type": "audio/mpeg"},
            MessageKind.VIDEO_NOTE: file | {"length": 240, "duration": 3},
            MessageKind.DICE: {"emoji": "🎲", "value": 3},
            MessageKind.VIDEO: file | size | {"duration": 3},
            MessageKind.STICKER: file
            | size
            | {"type": "regular", "is_animated": False, "is_video": False, "emoji": "👍"},
            MessageKind.DOCUMENT: file | {"file_name": "price.pdf", "mime_type": "application/pdf"},
            MessageKind.LOCATION: {"latitude": 55.751244, "longitude": 37.618423},
            MessageKind.CONTACT: {"phone_number": "+79001234567", "first_name": "Boris"},
            MessageKind.POLL: {
                "id": str(number),
                "question": "Lunch?",
                "options": [{"persistent_id": word, "text": word, "voter_count": 0} for word in ("yes", "no")],
                "total_voter_count": 0,
                "is_closed": False,
                "is_anonymous": True,
                "type": "regular",
                "allows_multiple_answers": False,
                "allows_revoting": True,
                "members_only": False,
            },
        }
        return {kind.value: contents[kind]}
