"""What of a chat message could go out as an SMS, and what a person is to be asked before it does. Pure."""

from __future__ import annotations

from telegram import Message

from bridge.frozen import frozen
from bridge.model.contact import Contact
from bridge.model.sms import Ask
from bridge.telegram.message import trimmed
from bridge.telegram.notes import Notes
from bridge.text import parts
from bridge.text.plainer import cheaper

MAP = "https://maps.google.com/?q={latitude:.6f},{longitude:.6f}"
"""Opens in whatever map the telephone has, and is short enough for one SMS."""


@frozen
class Words:
    """The words of a message, and why they are not simply its text."""

    text: str
    ask: Ask | None = None
    by_command: bool = False
    """A command sends them: its message shows others, and editing it changes nothing."""


@frozen
class Outgoing:
    """An SMS as it would leave, and why its author is asked first; sent at once where there is no reason."""

    text: str
    parts: int
    asks: tuple[Ask, ...]


def words(message: Message) -> Words | None:
    """None where there is nothing that an SMS could carry: a voice, a sticker, a picture without a word."""
    if message.text is not None:
        return Words(text=trimmed(message.text))
    if message.location is not None:
        at = message.location
        link = MAP.format(latitude=at.latitude, longitude=at.longitude)
        where = [trimmed(message.venue.title), trimmed(message.venue.address)] if message.venue is not None else []
        return Words(text="\n".join([", ".join(filter(None, where)), link]).strip(), ask=Ask.PLACE)
    caption = trimmed(message.caption or "")
    return Words(text=caption, ask=Ask.CAPTION) if caption else None


def judged(
    wanted: Words, *, contact: Contact, notes: Notes, confirm_parts: int, replace: bool, first: tuple[Ask, ...] = ()
) -> Outgoing:
    """``replace``: put plain characters in place of dear ones. ``first``: why it is asked about in any case."""
    text = wanted.text
    plain = cheaper(text)
    if plain is not None and replace:
        text, plain = plain, None
    count = parts.split(text).count
    found = {
        Ask.OPTED_OUT: contact.opted_out,
        Ask.BLOCKED: contact.blocked,
        Ask.NOTE_INSIDE: notes.inside(text),
        Ask.DEAR: plain is not None,
        Ask.COMMAND_PARTS if wanted.by_command else Ask.PARTS: count > confirm_parts,
    }
    asks = (*first, *((wanted.ask,) if wanted.ask is not None else ()), *(ask for ask, holds in found.items() if holds))
    return Outgoing(text=text, parts=count, asks=asks)
