"""Who wrote a message, for people and for the record. Pure."""

from __future__ import annotations

from telegram import Message, User

from bridge.telegram.chats import ANONYMOUS_ADMIN


def from_machine(message: Message) -> bool:
    """Another bot, or a post that Telegram copied here from a linked channel: nobody at this desk wrote it."""
    if message.is_automatic_forward:
        return True
    user = message.from_user
    return user is not None and user.is_bot and message.sender_chat is None


def author(user: User | None, title: str | None = None) -> str:
    """For people, in histories and logs."""
    if user is None:
        return "?"
    if user.id == ANONYMOUS_ADMIN:
        return f"{title or user.full_name} (anonymous)"
    return f"{user.full_name} ({user.id})"
