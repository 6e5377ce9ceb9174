"""How numbers, names, reason codes and times are written for people. Pure: the present time is passed in.

A text from outside never gets a line of its own here, so no name or number can pass for a conversation's code.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo

from bridge.model.base import DAY, HOUR, MINUTE, Json, Language, Ms
from bridge.model.chat import Conversation
from bridge.model.contact import Contact
from bridge.telegram.client.message import one_line
from bridge.telegram.texts import known, say
from bridge.value import value_object

_MAX_TOPIC_NAME = 128
"""Telegram's limit for the name of a topic, in characters."""
_DATE_TIME = {"ru": "%d.%m.%Y %H:%M", "en": "%Y-%m-%d %H:%M"}


def number(subscriber: str) -> str:
    """Writes international numbers with a plus, and short numbers and sender names as they are."""
    plain = one_line(subscriber, 32)
    return f"+{plain}" if plain.isascii() and plain.isdigit() and len(plain) >= 10 else plain


def subscriber_line(subscriber: str, contact: Contact | None, language: Language) -> str:
    if contact is not None and contact.name:
        return say(language, "head.contact", {"name": one_line(contact.name, 64), "number": number(subscriber)})
    return say(language, "head.from", {"number": number(subscriber)})


def topic_name(conversation: Conversation, contact: Contact | None) -> str:
    name = one_line(contact.name, 80) if contact is not None else ""
    shown = number(conversation.subscriber)
    return (f"{name} {shown}" if name else shown)[:_MAX_TOPIC_NAME] or conversation.code


def code_line(conversation: Conversation | None) -> str:
    """The last line of every message about a conversation."""
    return "" if conversation is None else f"\n#{conversation.code}"


def reason(code: str, language: Language) -> str:
    """A reason code in words; a code without a text is shown as it is."""
    if not code:
        return say(language, "reason.unknown")
    for prefix in ("reason", "suppression"):
        if known(language, f"{prefix}.{code}"):
            return say(language, f"{prefix}.{code}")
    return one_line(code, 64)


def readable(params: Mapping[str, Json], language: Language) -> Mapping[str, Json]:
    """Parameters of a text as people read them: codes become words, money gets two decimals, line breaks go."""
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


# ------------------------------------------------ times


def moment(at: Ms, zone: tzinfo, language: Language, *, seconds: bool = False) -> str:
    """Date and time. A time outside the calendar, which a wrong clock wrote, is shown as a number."""
    try:
        when = datetime.fromtimestamp(at / 1000, zone)
    except (OverflowError, ValueError, OSError):
        return str(at)
    return when.strftime(_DATE_TIME[language] + (":%S" if seconds else ""))


def until_when(at: Ms, now: Ms, zone: tzinfo, language: Language) -> str:
    """The end of a period: only the time if it is today, otherwise date and time."""
    day, today = (midnight(each, zone) for each in (at, now))
    return f"{datetime.fromtimestamp(at / 1000, zone):%H:%M}" if day == today else moment(at, zone, language)


def midnight(now: Ms, zone: tzinfo, days_back: int = 0) -> Ms:
    """The beginning of the day, or of an earlier one, in that zone."""
    today = datetime.fromtimestamp(now / 1000, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return int(datetime.fromordinal(today.toordinal() - days_back).replace(tzinfo=zone).timestamp() * 1000)


@value_object
class Zones:
    """The time zone of each account's platform: most of its subscribers and operators live there."""

    of: Mapping[str, tzinfo]

    def shown(self, at: Ms, account: str, now: Ms) -> str:
        """``14:05``; with the date if it is not today."""
        zone = self.of.get(account, UTC)
        local, today = (datetime.fromtimestamp(ms / 1000, zone) for ms in (at, now))
        if local.date() == today.date():
            return f"{local:%H:%M}"
        return f"{local:%d.%m %H:%M}" if local.year == today.year else f"{local:%d.%m.%Y %H:%M}"


def length(ms: Ms, language: Language) -> str:
    """A length of time in its two largest units: "2 h 10 min"."""
    parts = ((ms // DAY, "length.days"), (ms % DAY // HOUR, "length.hours"), (ms % HOUR // MINUTE, "length.minutes"))
    shown = [say(language, text_id, {"count": count}) for count, text_id in parts if count]
    return " ".join(shown[:2]) or say(language, "length.minutes", {"count": 1})
