"""What people had done in the chats while nothing ran, by the updates that came after a start. Pure.

Telegram dates what was written; a press bears no date, but updates come in the order in which things happened.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from telegram import Message, Update
from telegram.ext import filters

from bridge.model.base import Ms
from bridge.model.chat import StoredUpdate
from bridge.pipeline.watches.downtime import ON_ITS_WAY, WaitingUpdates
from bridge.telegram.buttons.dispatch import millis
from bridge.telegram.chats import Chats
from bridge.telegram.client.authors import from_machine
from bridge.telegram.client.notes import Notes
from bridge.telegram.commands.spec import addressee
from bridge.telegram.conversations import answered
from bridge.telegram.operator_messages import is_command, written


def waited(updates: Iterable[StoredUpdate], began: Ms, chats: Chats, notes: Notes, me: str = "") -> WaitingUpdates:
    """``updates`` came since ``began``, in their order; what cannot be read is on record as parked.

    ``me``: the bot's name in lower case; empty: not known.
    """
    messages = edits = presses = undated = 0
    for stored in updates:
        update = _read(stored)
        if update is None:
            continue
        if update.callback_query is not None:
            pressed_under = update.callback_query.message
            if pressed_under is not None and chats.by_id(pressed_under.chat.id) is not None:
                at_once = stored.received_at <= began + ON_ITS_WAY
                presses, undated = presses + at_once, undated + (not at_once)
        elif _before(update.message, began) or _before(update.edited_message, began):
            # Whatever stands ahead of it happened earlier.
            presses, undated = presses + undated, 0
            messages += _for_us(update, update.message, chats, notes, me)
            edits += _for_us(update, update.edited_message, chats, notes, me)
    return WaitingUpdates(messages=messages, edits=edits, presses=presses)


def _read(stored: StoredUpdate) -> Update | None:
    try:
        return Update.de_json(json.loads(stored.raw), None)
    except Exception:  # whatever the library trips over
        return None


def _before(message: Message | None, began: Ms) -> bool:
    at: datetime | None = None if message is None else message.edit_date or message.date
    return at is not None and millis(at) < began - ON_ITS_WAY


def _for_us(update: Update, message: Message | None, chats: Chats, notes: Notes, me: str) -> bool:
    """A person's words in a conversation, or a command; not what colleagues say among themselves."""
    if message is None or chats.by_id(message.chat.id) is None or from_machine(message):
        return False
    text = written(message)
    if notes.is_note(text) or filters.StatusUpdate.ALL.check_update(update):
        return False
    if me and addressee(text) not in ("", me):
        return False
    replied = answered(message)
    to_bot = replied is not None and replied.from_user is not None and replied.from_user.is_bot
    return is_command(text) or bool(message.is_topic_message) or to_bot
