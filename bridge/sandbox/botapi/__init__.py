"""Telegram's Bot API, simulated over real HTTP on loopback for the tests and for ``sms-bridge sandbox``.

It gives Telegram's answers, refusals included, with Telegram's codes and words. It refuses methods and values that it
does not simulate. It must never be more lenient than Telegram, and knows no other part of this program.
"""

from __future__ import annotations

from bridge.sandbox.botapi.api import OPERATOR, TOKEN, SimulatedBotApi
from bridge.sandbox.botapi.people import MessageKind
from bridge.sandbox.botapi.reactions import FREE_REACTIONS
from bridge.sandbox.botapi.server import ApiOutage, Call
from bridge.sandbox.botapi.world import ANONYMOUS_ADMIN, Chat, ChatEvent, EventKind, Message, Topic, User

__all__ = [
    "ANONYMOUS_ADMIN",
    "FREE_REACTIONS",
    "OPERATOR",
    "TOKEN",
    "ApiOutage",
    "Call",
    "Chat",
    "ChatEvent",
    "EventKind",
    "Message",
    "MessageKind",
    "SimulatedBotApi",
    "Topic",
    "User",
]
