"""Writes the objects of the world in the JSON of the Bot API."""

from __future__ import annotations

from bridge.model.base import SECOND, Json
from bridge.sandbox.botapi.world import ANONYMOUS_ADMIN, Chat, Message, User

_ADMIN_RIGHTS = (
    "can_manage_chat",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_change_info",
    "can_invite_users",
    "can_pin_messages",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
)


def user_json(user: User) -> dict[str, Json]:
    body: dict[str, Json] = {"id": user.id, "is_bot": user.is_bot, "first_name": user.first_name}
    if user.username:
        body["username"] = user.username
    if user.language_code:
        body["language_code"] = user.language_code
    return body


def chat_json(chat: Chat) -> dict[str, Json]:
    if chat.kind == "private":
        return {"id": chat.id, "first_name": chat.title, "type": "private"}
    body: dict[str, Json] = {"id": chat.id, "title": chat.title, "type": chat.kind}
    if chat.forum:
        body["is_forum"] = True
    return body


def message_json(chat: Chat, message: Message, *, nested: bool = False) -> dict[str, Json]:
    """``Message``. ``nested``: the message is in ``reply_to_message``, where Telegram leaves out the next reply."""
    body: dict[str, Json] = {"message_id": message.id}
    if message.anonymous:
        body["from"] = {
            "id": ANONYMOUS_ADMIN,
            "is_bot": True,
            "first_name": "Group",
            "username": "GroupAnonymousBot",
        }
        body["sender_chat"] = chat_json(chat)
    else:
        body["from"] = user_json(message.sender)
    body["chat"] = chat_json(chat)
    body["date"] = message.date // SECOND
    if message.edited is not None:
        body["edit_date"] = message.edited // SECOND
    if message.thread_id is not None:
        body["message_thread_id"] = message.thread_id
        if chat.topic_message(message):
            body["is_topic_message"] = True
    if not nested and (replied := _replied(chat, message)) is not None:
        body["reply_to_message"] = message_json(chat, replied, nested=True)
    body |= _content(message)
    if message.reply_markup is not None:
        body["reply_markup"] = message.reply_markup
    return body


def _replied(chat: Chat, message: Message) -> Message | None:
    """The message that this one replies to. In a topic, a message without a reply refers to the topic's first one."""
    if message.reply_to is not None:
        return chat.alive(message.reply_to)
    if chat.topic_message(message) and message.id != message.thread_id:
        return chat.alive(message.thread_id)
    return None


def _content(message: Message) -> dict[str, Json]:
    body: dict[str, Json] = {}
    media = bool(message.content)
    if message.text:
        body["caption" if media else "text"] = message.text
    if message.entities:
        body["caption_entities" if media else "entities"] = list(message.entities)
    return body | message.content


def bot_member_json(bot: User, chat: Chat) -> dict[str, Json]:
    """``ChatMember`` of the bot itself."""
    body: dict[str, Json] = {"user": user_json(bot), "status": chat.bot_is}
    if chat.bot_is == "absent":
        body["status"] = "left"
    if chat.bot_is == "kicked":
        body["until_date"] = 0
    if chat.bot_is == "administrator":
        body |= {"can_be_edited": False, "is_anonymous": False, "can_promote_members": False}
        body |= dict.fromkeys(_ADMIN_RIGHTS, True)
        body["can_delete_messages"] = chat.can_delete_messages
        if chat.kind == "supergroup":
            body["can_manage_topics"] = chat.can_manage_topics
    return body


def member_json(user: User, status: str) -> dict[str, Json]:
    """``ChatMember`` of a person."""
    body: dict[str, Json] = {"user": user_json(user), "status": status}
    if status in ("administrator", "creator"):
        body["is_anonymous"] = False
    if status == "administrator":
        body |= {"can_be_edited": False, "can_promote_members": False, "can_delete_messages": True}
        body |= dict.fromkeys(_ADMIN_RIGHTS, True)
        body["can_manage_topics"] = True
    return body


def chat_full_json(chat: Chat) -> dict[str, Json]:
    """``ChatFullInfo``."""
    body = chat_json(chat) | {
        "accent_color_id": 0,
        "max_reaction_count": 11,
        "accepted_gift_types": dict.fromkeys(
            (
                "unlimited_gifts",
                "limited_gifts",
                "unique_gifts",
                "premium_subscription",
                "gifts_from_channels",
            ),
            False,
        ),
    }
    if chat.reactions == "none":
        body["available_reactions"] = []
    elif chat.reactions != "all":
        body["available_reactions"] = [{"type": "emoji", "emoji": emoji} for emoji in chat.reactions]
    return body
