"""What stands under a message whose SMS waits for a person's word, or may still be stopped. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.model.base import Json, Ms
from bridge.model.sms import ConfirmationReason, Sms, SmsState
from bridge.telegram.buttons.kinds import ButtonKind, button
from bridge.telegram.chats import Language
from bridge.telegram.client.message import Button
from bridge.telegram.texts import say
from bridge.text import parts
from bridge.text.gsm7_substitution import costly_characters, with_gsm7_characters
from bridge.value import value_object

ASKED = "asked"
"""Begins the mark of every question."""

_WORDS_OF_SEND: Mapping[ConfirmationReason, str] = {
    ConfirmationReason.CAPTION: "button.release_caption",
    ConfirmationReason.PLACE: "button.release_place",
    ConfirmationReason.CORRECTS_SENT: "button.release_new",
    ConfirmationReason.CORRECTS_UNCLEAR: "button.release_new",
    ConfirmationReason.CORRECTS_UNSENT: "button.release_new",
}
"""Where "send" alone would leave open what is sent."""


@value_object
class ConfirmationView:
    text: str
    buttons: tuple[Button, ...]
    mark: str
    """Another one for another question about the same SMS."""


def question(sms: Sms, language: Language, now: Ms) -> ConfirmationView | None:
    """None where nothing is open, or the moment is over in which something could be stopped."""
    stop = button(say(language, "button.stop"), ButtonKind.STOP, sms.id)
    if (
        sms.state is SmsState.QUEUED
        and ConfirmationReason.UNDO in sms.confirmation_reasons
        and not sms.attempts
        and now < sms.due_at
    ):
        return ConfirmationView(text=say(language, "ask.undo"), buttons=(stop,), mark=f"{ASKED} undo")
    if sms.state is not SmsState.DRAFT:
        return None
    plain = with_gsm7_characters(sms.text)
    params = _params(sms, plain, language)
    lines = [say(language, f"ask.{ask}", params) for ask in sms.confirmation_reasons]
    buttons = [button(say(language, _send(sms)), ButtonKind.RELEASE, sms.id, sms.parts)]
    if plain is not None and ConfirmationReason.COSTLY in sms.confirmation_reasons:
        buttons.insert(0, button(say(language, "button.plain"), ButtonKind.RELEASE_PLAIN, sms.id, sms.parts))
    return ConfirmationView(
        text="\n".join(lines) or say(language, "fate.draft"),
        buttons=(*buttons, stop),
        mark=f"{ASKED} {' '.join(sms.confirmation_reasons)} {sms.parts} {len(sms.text)}",
    )


def _params(sms: Sms, plain: str | None, language: Language) -> Mapping[str, Json]:
    return {
        "parts": sms.parts,
        "chars": len(sms.text),
        "plain": parts.split(plain).count if plain is not None else sms.parts,
        "signs": " ".join(
            say(language, "ask.space") if sign.isspace() else sign for sign in costly_characters(sms.text)
        ),
    }


def _send(sms: Sms) -> str:
    return next((_WORDS_OF_SEND[ask] for ask in sms.confirmation_reasons if ask in _WORDS_OF_SEND), "button.release")
