"""The text of a message that an SMS can carry, and the reasons to ask first, in the order people read them."""

from __future__ import annotations

import pytest
from telegram import Message

from bridge.model.base import Json
from bridge.model.contact import Contact
from bridge.model.sms import ConfirmationReason
from bridge.telegram.notes import Notes
from bridge.telegram.replies import SendableText, prepare, sendable_text

PLACE: dict[str, Json] = {"latitude": 55.751244, "longitude": 37.618423}
LINK = "https://maps.google.com/?q=55.751244,37.618423"
LONG = "слово " * 40 + "конец"


def message(**content: Json) -> Message:
    made = Message.de_json({"message_id": 1, "date": 0, "chat": {"id": -1, "type": "group"}, **content}, None)
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"text": " Good day "}, SendableText(text="Good day")),
        ({"caption": "The price list "}, SendableText(text="The price list", reason=ConfirmationReason.CAPTION)),
        ({"location": PLACE}, SendableText(text=LINK, reason=ConfirmationReason.LOCATION)),
        (
            {"location": PLACE, "venue": {"location": PLACE, "title": "Shop", "address": "Main Street 1"}},
            SendableText(text=f"Shop, Main Street 1\n{LINK}", reason=ConfirmationReason.LOCATION),
        ),
        ({"caption": "\u200b"}, None),
        ({"contact": {"phone_number": "+79001234567", "first_name": "Boris"}}, None),
        ({"dice": {"value": 6, "emoji": "🎲"}}, None),
    ],
)
def test_the_text_that_an_sms_can_carry(content: dict[str, Json], expected: SendableText | None) -> None:
    assert sendable_text(message(**content)) == expected


def confirmation_reasons(
    wanted: SendableText, *, contact: Contact | None = None, confirm_parts: int = 3
) -> tuple[ConfirmationReason, ...]:
    known = contact or Contact(subscriber="79", version=0)
    return prepare(
        wanted, contact=known, notes=Notes("//"), confirm_parts=confirm_parts, replace=False
    ).confirmation_reasons


def test_nothing_is_asked_about_a_plain_reply() -> None:
    assert confirmation_reasons(SendableText(text="Good day")) == ()


def test_every_reason_is_named() -> None:
    both = Contact(subscriber="79", version=1, opted_out=True, blocked=True)
    wanted = SendableText(text=LONG + "\n// he lies", reason=ConfirmationReason.CAPTION)
    assert confirmation_reasons(wanted, contact=both) == (
        ConfirmationReason.CAPTION,
        ConfirmationReason.OPTED_OUT,
        ConfirmationReason.BLOCKED,
        ConfirmationReason.NOTE_INSIDE,
        ConfirmationReason.PARTS,
    )


def test_as_many_parts_as_allowed_are_not_asked_about() -> None:
    assert confirmation_reasons(SendableText(text=LONG), confirm_parts=4) == ()
    assert confirmation_reasons(SendableText(text=LONG), confirm_parts=3) == (ConfirmationReason.PARTS,)


def test_parts_are_counted_after_the_replacement() -> None:
    text = "Your order is ready — come and pick it up. " * 3
    known = Contact(subscriber="79", version=0)
    outgoing = prepare(SendableText(text=text), contact=known, notes=Notes("//"), confirm_parts=1, replace=True)
    assert (outgoing.text, outgoing.parts, outgoing.confirmation_reasons) == (text.replace("—", "-"), 1, ())
