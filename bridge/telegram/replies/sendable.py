"""What of a chat message could go out as an SMS, and what a person is to be asked before it does. Pure."""

from __future__ import annotations

from telegram import Message

from bridge.model.contact import Contact
from bridge.model.sms import ConfirmationReason
from bridge.telegram.client.message import trimmed
from bridge.telegram.client.notes import Notes
from bridge.text import parts
from bridge.text.gsm7_substitution import with_gsm7_characters
from bridge.value import value_object

MAP = "https://maps.google.com/?q={latitude:.6f},{longitude:.6f}"
"""Opens in whatever map the telephone has, and is short enough for one SMS."""


@value_object
class Words:
    """The words of a message, and why they are not simply its text."""

    text: str
    ask: ConfirmationReason | None = None
    by_command: bool = False
    """A command sends them: its message shows others, and editing it changes nothing."""


@value_object
class Outgoing:
    """An SMS as it would leave, and why its author is asked first; sent at once where there is no reason."""

    text: str
    parts: int
    confirmation_reasons: tuple[ConfirmationReason, ...]


def words(message: Message) -> Words | None:
    """None where there is nothing that an SMS could carry: a voice, a sticker, a picture without a word."""
    if message.text is not None:
        return Words(text=trimmed(message.text))
    if message.location is not None:
        at = message.location
        link = MAP.format(latitude=at.latitude, longitude=at.longitude)
        where = [trimmed(message.venue.title), trimmed(message.venue.address)] if message.venue is not None else []
        return Words(text="\n".join([", ".join(filter(None, where)), link]).strip(), ask=ConfirmationReason.PLACE)
    caption = trimmed(message.caption or "")
    return Words(text=caption, ask=ConfirmationReason.CAPTION) if caption else None


def judged(
    wanted: Words,
    *,
    contact: Contact,
    notes: Notes,
    confirm_parts: int,
    replace: bool,
    first: tuple[ConfirmationReason, ...] = (),
) -> Outgoing:
    """``replace``: put plain characters in place of dear ones. ``first``: why it is asked about in any case."""
    text = wanted.text
    plain = with_gsm7_characters(text)
    if plain is not None and replace:
        text, plain = plain, None
    count = parts.split(text).count
    found = {
        ConfirmationReason.OPTED_OUT: contact.opted_out,
        ConfirmationReason.BLOCKED: contact.blocked,
        ConfirmationReason.NOTE_INSIDE: notes.inside(text),
        ConfirmationReason.COSTLY: plain is not None,
        ConfirmationReason.COMMAND_PARTS if wanted.by_command else ConfirmationReason.PARTS: count > confirm_parts,
    }
    confirmation_reasons = (
        *first,
        *((wanted.ask,) if wanted.ask is not None else ()),
        *(ask for ask, holds in found.items() if holds),
    )
    return Outgoing(text=text, parts=count, confirmation_reasons=confirmation_reasons)
