"""Which updates waited for a start: Telegram dates messages but not presses, and keeps their order."""

from __future__ import annotations

import json

from bridge.config import TelegramSettings
from bridge.model.base import MINUTE, SECOND, Json, Ms
from bridge.model.chat import StoredUpdate
from bridge.pipeline.watches.downtime import WaitingUpdates
from bridge.telegram.chats import Chats
from bridge.telegram.downtime_updates import count_waiting
from bridge.telegram.notes import Notes

BEGAN: Ms = 1_800_000_000_000
CHAT = -1001
CHATS = Chats(TelegramSettings(chats={"support": {"id": CHAT}}), {})
PERSON: Json = {"id": 1001, "is_bot": False, "first_name": "Anna"}


def message(at: Ms, text: str = "/status", chat: int = CHAT) -> dict[str, Json]:
    where: Json = {"id": chat, "type": "supergroup", "title": "Support"}
    return {"message_id": 7, "date": at // SECOND, "chat": where, "from": PERSON, "text": text}


def press(chat: int = CHAT) -> dict[str, Json]:
    under = message(BEGAN - 60 * MINUTE, chat=chat)
    return {"callback_query": {"id": "1", "from": PERSON, "chat_instance": "1", "data": "x", "message": under}}


def count(*updates: tuple[Ms, dict[str, Json]]) -> WaitingUpdates:
    stored = [
        StoredUpdate(update_id=number, raw=json.dumps({"update_id": number, **body}), received_at=BEGAN + after)
        for number, (after, body) in enumerate(updates)
    ]
    return count_waiting(stored, BEGAN, CHATS, Notes("//"), "our_bot")


def test_a_press_waited_if_it_came_at_once_or_before_a_message_that_waited() -> None:
    late, fresh = {"message": message(BEGAN - MINUTE)}, {"message": message(BEGAN + MINUTE)}
    assert count((SECOND, press())) == WaitingUpdates(presses=1)
    assert count((MINUTE, press()), (MINUTE, late), (MINUTE, press())) == WaitingUpdates(messages=1, presses=1)
    assert count((MINUTE, press()), (MINUTE, fresh)) == WaitingUpdates()


def test_updates_that_are_not_for_the_bridge_are_not_counted() -> None:
    at = BEGAN - MINUTE
    assert count((0, {"message": message(at, "lunch?")}), (0, {"message": message(at, "// note")})) == WaitingUpdates()
    assert count((0, {"message": message(at, chat=-5)}), (0, press(chat=-5))) == WaitingUpdates()
    to_others, to_us = message(at, "/weather@OtherBot"), message(at, "/status@Our_Bot")
    assert count((0, {"message": to_others}), (0, {"message": to_us})) == WaitingUpdates(messages=1)
    topic: dict[str, Json] = {"is_topic_message": True, "message_thread_id": 5, "forum_topic_closed": {}}
    assert count((0, {"message": {**message(at, ""), **topic}})) == WaitingUpdates(), "a topic that was closed"


def test_an_unreadable_update_does_not_hide_the_next_ones() -> None:
    assert count((0, {"message": {"chat": 5}}), (0, {"edited_message": message(BEGAN - MINUTE)})) == WaitingUpdates(
        edits=1
    )
