"""How numbers, names and reason codes are written for people. Pure.

Text from outside never gets a line of its own here: no name or number can pass for a conversation's code.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridge.model.base import Json, Language
from bridge.model.chat import Conversation
from bridge.model.contact import Contact
from bridge.telegram.client.message import one_line
from bridge.telegram.texts import known, say
from bridge.telegram.texts.times import length

_TOPIC_NAME = 128
"""Telegram's limit for the name of a topic, in characters."""


def number(subscriber: str) -> str:
    """International numbers with a plus; short numbers and sender names as they are."""
    plain = one_line(subscriber, 32)
    return f"+{plain}" if plain.isascii() and plain.isdigit() and len(plain) >= 10 else plain


def subscriber_line(subscriber: str, contact: Contact | None, language: Language) -> str:
    if contact is not None and contact.name:
        return say(language, "head.contact", {"name": one_line(contact.name, 64), "number": number(subscriber)})
    return say(language, "head.from", {"number": number(subscriber)})


def topic_name(conversation: Conversation, contact: Contact | None) -> str:
    name = one_line(contact.name, 80) if contact is not None else ""
    shown = number(conversation.subscriber)
    return (f"{name} {shown}" if name else shown)[:_TOPIC_NAME] or conversation.code


def code_line(conversation: Conversation | None) -> str:
    """The last line of every message about a conversation."""
    return "" if conversation is None else f"\n#{conversation.code}"


def reason(code: str, language: Language) -> str:
    """A reason code in words; a code without a text is shown as it is."""
    if not code:
        return say(language, "reason.unknown")
    for prefix in ("reason", "held"):
        if known(language, f"{prefix}.{code}"):
            return say(language, f"{prefix}.{code}")
    return one_line(code, 64)


def readable(params: Mapping[str, Json], language: Language) -> Mapping[str, Json]:
    """Parameters of a text: codes become words, money gets two decimals, and nothing breaks the line."""
    shown: dict[str, Json] = {}
    for name, value in params.items():
        if name == "reason":
            shown[name] = reason(str(value or ""), language)
        elif name == "lasted" and isinstance(value, int):
            shown[name] = length(value, language)
        elif name in ("number", "subscriber"):
            shown[name] = number(str(value))
        elif isinstance(value, float):
            shown[name] = f"{value:.2f}"
        elif isinstance(value, str):
            shown[name] = one_line(value, 300)
        else:
            shown[name] = value
    return shown
