"""Counts what operators did while the bridge was down, from the updates that came after a start. Pure.

Telegram dates messages but not presses. Updates come in the order in which things happened, so a press is at least as
old as the message that follows it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from telegram import Message, Update
from telegram.ext import filters

from bridge.model.base import Ms
from bridge.model.chat import StoredUpdate
from bridge.pipeline.watches.downtime import ON_ITS_WAY, WaitingUpdates
from bridge.telegram.chats import Chats
from bridge.telegram.commands.spec import addressee
from bridge.telegram.incoming import IncomingMessage, millis
from bridge.telegram.notes import Notes


def count_waiting(
    updates: Iterable[StoredUpdate], began: Ms, chats: Chats, notes: Notes, bot_name: str = ""
) -> WaitingUpdates:
    """Counts the messages, edits and presses that waited for the start at ``began``.

    :param updates: those received since ``began``, in their order. Unreadable ones are skipped; the processor parks
        them.
    :param bot_name: in lower case; empty if unknown.
    """
    messages = edits = presses = undated = 0
    for stored in updates:
        update = _parsed(stored)
        if update is None:
            continue
        if update.callback_query is not None:
            under = update.callback_query.message
            if under is not None and chats.by_id(under.chat.id) is not None:
                at_once = stored.received_at <= began + ON_ITS_WAY
                presses, undated = presses + at_once, undated + (not at_once)
        elif _before(update.message, began) or _before(update.edited_message, began):
            # The presses that came before this message happened before it.
            presses, undated = presses + undated, 0
            messages += _for_us(update, _incoming(update.message, chats), notes, bot_name)
            edits += _for_us(update, _incoming(update.edited_message, chats), notes, bot_name)
    return WaitingUpdates(messages=messages, edits=edits, presses=presses)


def _parsed(stored: StoredUpdate) -> Update | None:
    try:
        return Update.de_json(json.loads(stored.raw), None)
    except Exception:  # the library raises errors of any class here
        return None


def _incoming(message: Message | None, chats: Chats) -> IncomingMessage | None:
    chat = chats.by_id(message.chat.id) if message is not None else None
    return None if message is None or chat is None else IncomingMessage(raw=message, chat=chat, bot_id=0)


def _before(message: Message | None, began: Ms) -> bool:
    return message is not None and millis(message.edit_date or message.date) < began - ON_ITS_WAY


def _for_us(update: Update, message: IncomingMessage | None, notes: Notes, bot_name: str) -> bool:
    """Whether it is a command or a person's message in a conversation, and no message among colleagues."""
    if message is None or message.from_machine or notes.is_note(message.text):
        return False
    if filters.StatusUpdate.ALL.check_update(update):
        return False
    if bot_name and addressee(message.text) not in ("", bot_name):
        return False
    replied = message.replied_to
    to_bot = replied is not None and replied.from_user is not None and replied.from_user.is_bot
    return message.is_command or message.thread_id is not None or to_bot
