"""Questions about the bot and its chats, for the check-up: what the configuration cannot know by itself.

Asks and changes nothing. Answers come as values of our own, so that nobody else depends on the library's classes.
"""

from __future__ import annotations

from telegram import ChatMemberAdministrator
from telegram.constants import ChatMemberStatus, ChatType

from bridge.telegram.client.api import Api
from bridge.telegram.client.errors import translated
from bridge.value import value_object


@value_object
class BotInfo:
    username: str
    hears_all: bool
    """Privacy mode is off: it hears everything in groups, also where it is no administrator."""


@value_object
class ChatInfo:
    group: bool
    forum: bool
    """Topics are on."""
    reactions: frozenset[str] | None
    """None: any."""


@value_object
class Place:
    """What the bot is in a chat."""

    status: str
    """Telegram's word."""
    inside: bool
    admin: bool
    manages_topics: bool


async def bot_info(api: Api) -> BotInfo:
    with translated():
        me = await api.bot.get_me()
        return BotInfo(username=me.username or "", hears_all=bool(me.can_read_all_group_messages))


async def chat_info(api: Api, chat_id: int) -> ChatInfo:
    chat = await api.raw_chat(chat_id)
    allowed = chat.get("available_reactions")
    return ChatInfo(
        group=chat.get("type") in (ChatType.GROUP, ChatType.SUPERGROUP),
        forum=chat.get("is_forum") is True,
        # Left out means "any", an empty list "none": the library makes one of the two.
        reactions=frozenset(each["emoji"] for each in allowed if isinstance(each, dict) and "emoji" in each)
        if isinstance(allowed, list)
        else None,
    )


async def place_in(api: Api, chat_id: int) -> Place:
    with translated():
        member = await api.bot.get_chat_member(chat_id, api.bot_id)
        admin = isinstance(member, ChatMemberAdministrator)
        return Place(
            status=member.status,
            inside=member.status not in (ChatMemberStatus.LEFT, ChatMemberStatus.BANNED),
            admin=admin,
            manages_topics=isinstance(member, ChatMemberAdministrator) and bool(member.can_manage_topics),
        )
