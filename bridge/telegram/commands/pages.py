"""Long answers as messages that Telegram takes, and times and numbers as people read them. Pure.

A line from outside never stands at the beginning of a line of ours, so none can pass for a conversation's code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo

from bridge.model.base import Ms
from bridge.model.chat import Conversation
from bridge.telegram.chats import Language
from bridge.telegram.client.message import LIMIT, Button, Message, clean, pieces, units

_FORMS = {"ru": "%d.%m.%Y %H:%M", "en": "%Y-%m-%d %H:%M"}


def paged(
    lines: Iterable[str], *, conversation: Conversation | None = None, buttons: Sequence[Button] = ()
) -> Sequence[Message]:
    """The lines in as few messages as they need, none of them cut that has room in one; buttons under the last."""
    code = "" if conversation is None else f"\n#{conversation.code}"
    texts = list(_texts(lines, LIMIT - units(code)))
    messages = [Message(text=text + code) for text in texts]
    if messages and buttons:
        messages[-1] = replace(messages[-1], buttons=tuple(buttons))
    return tuple(messages)


def _texts(lines: Iterable[str], room: int) -> Iterator[str]:
    page = ""
    for line in lines:
        for piece in pieces(line, room):
            longer = f"{page}\n{piece}" if page else piece
            if units(longer) > room:
                yield page
                longer = piece
            page = longer
    if page:
        yield page


def quoted(text: str) -> str:
    """A subscriber's or an operator's text behind words of ours: its further lines are set in."""
    return clean(text).strip().replace("\n", "\n  ")


def moment(at: Ms, zone: tzinfo, language: Language, *, seconds: bool = False) -> str:
    try:
        when = datetime.fromtimestamp(at / 1000, zone)
    except (OverflowError, ValueError, OSError):  # a clock that was wrong wrote it
        return str(at)
    return when.strftime(_FORMS[language] + (":%S" if seconds else ""))


def until_when(at: Ms, now: Ms, zone: tzinfo, language: Language) -> str:
    """The time alone where it is today's."""
    day, today = (midnight(each, zone) for each in (at, now))
    return f"{datetime.fromtimestamp(at / 1000, zone):%H:%M}" if day == today else moment(at, zone, language)


def midnight(now: Ms, zone: tzinfo, days_back: int = 0) -> Ms:
    """The beginning of the day, as the people of that zone count it."""
    today = datetime.fromtimestamp(now / 1000, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return int(datetime.fromordinal(today.toordinal() - days_back).replace(tzinfo=zone).timestamp() * 1000)
