"""How notices, alerts and the state of an operator's SMS look in a chat. Pure.

It shows only what the store holds. Every message about a conversation ends with the conversation's code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bridge.model.base import Json, Language, Ms
from bridge.model.chat import Conversation, Post
from bridge.model.post import AlertPayload, NoticePayload, OpeningPayload
from bridge.model.sms import CORRECTIONS, UNDECIDED, ConfirmationReason, Sms, SmsState
from bridge.telegram.buttons.kinds import ButtonKind, button
from bridge.telegram.client.message import Button, ChatMessage, clean, one_line, pieces
from bridge.telegram.posts.inbound import bold_head, split
from bridge.telegram.texts import say
from bridge.telegram.texts.labels import code_line, number, readable, reason, subscriber_line
from bridge.text import parts
from bridge.text.gsm7_substitution import costly_characters, with_gsm7_characters
from bridge.value import value_object

# ------------------------------------------------ notices and alerts


def notice(post: Post, payload: NoticePayload, language: Language) -> ChatMessage:
    text = say(language, payload.text, readable(payload.params, language))
    return ChatMessage(text=text + code_line(post.conversation), buttons=_offers(payload, post.conversation, language))


def _offers(payload: NoticePayload, conversation: Conversation | None, language: Language) -> tuple[Button, ...]:
    if conversation is None:
        return ()
    return tuple(
        button(say(language, f"button.{word}"), ButtonKind.CONVERSATION, word, conversation.code)
        for word in payload.buttons
    )


_WITH_PLATFORM_WORDS = frozenset({"alert.account_fault", "alert.sms_failed", "alert.sender_name"})
"""Alerts whose ``detail`` is the platform's own answer; it gets a line that says so."""


def alert(post: Post, payload: AlertPayload, language: Language) -> ChatMessage:
    """An alert for the admin chat, with the SMS it is about, and with buttons if a person must decide."""
    lines = [say(language, payload.text, readable(payload.params, language)).strip()]
    if payload.text in _WITH_PLATFORM_WORDS and (detail := one_line(str(payload.params.get("detail") or ""), 300)):
        lines.append(say(language, "status.platform_says", {"detail": detail}))
    buttons: tuple[Button, ...] = ()
    if post.inbound is not None:
        sender = number(post.inbound.subscriber or post.inbound.sender)
        lines += ["", sender, _quoted(post.inbound.text, language)]
    if post.sms is not None:
        to = {"number": number(post.sms.recipient), "account": post.sms.account}
        lines += ["", say(language, "head.sms_to", to), _quoted(post.sms.text, language)]
        buttons = _decision_buttons(post.sms, language)
    return ChatMessage(text="\n".join(lines) + code_line(post.conversation), buttons=buttons)


def _quoted(text: str, language: Language) -> str:
    """Quotes the beginning of a text, with ``>`` before each line: an alert may have no code, and no line of the text
    may pass for one.

    The store has the whole text. Its chat shows it, too, if it was forwarded.
    """
    shown = clean(text).strip() or say(language, "head.empty")
    quoted = "\n".join(f"> {line}" for line in shown.split("\n"))
    first = next(pieces(quoted, 1500))
    return first if first == quoted else first + "…"


# ------------------------------------------------ the state of an SMS


@value_object
class StatusView:
    """How the state of an SMS looks on the operator's message."""

    emoji: str
    """The reaction."""
    line: str
    """The state in words: the answer under the message, or the status line where reactions are refused."""
    needs_words: bool
    """A reaction is not enough: the bot also writes an answer under the message."""
    mark: str
    """Identifies the answer: two views with the same mark have the same answer."""
    buttons: tuple[Button, ...] = ()


# Every emoji here is in Telegram's list of reactions; ✅ ❌ ⏳ are not.
_EMOJI: Mapping[SmsState, str] = {
    SmsState.DRAFT: "✍",
    SmsState.QUEUED: "👀",
    SmsState.SENDING: "👀",
    SmsState.SENT: "🕊",
    SmsState.DELIVERED: "👍",
    SmsState.UNDELIVERED: "💔",
    SmsState.EXPIRED: "💔",
    SmsState.FAILED: "💔",
    SmsState.CANCELLED: "💔",
    SmsState.STALE: "💔",
    SmsState.UNCONFIRMED: "😴",
    SmsState.PARKED: "🤔",
    SmsState.UNCERTAIN: "🤔",
    SmsState.ABANDONED: "🤔",
}
REACTIONS = frozenset(_EMOJI.values())
"""Every reaction that an operator's message may get."""


def status(sms: Sms, conversation: Conversation | None, language: Language, now: Ms) -> StatusView:
    view = confirmation(sms, language, now) or _state(sms, language)
    return replace(view, line=view.line + code_line(conversation))


def _state(sms: Sms, language: Language) -> StatusView:
    emoji, correction = _EMOJI[sms.state], not CORRECTIONS.isdisjoint(sms.confirmation_reasons)
    if sms.reason == UNDECIDED:
        line = say(language, "status.undecided_correction" if correction else "status.undecided")
        return StatusView(emoji=emoji, line=line, needs_words=True, mark=UNDECIDED)
    partly = sms.state is SmsState.SENT and sms.platform_status.casefold().startswith("partly")
    word = "partly" if partly else "queued" if sms.state is SmsState.SENDING else str(sms.state)
    if sms.state is SmsState.CANCELLED and correction:
        # Under a reply that may have arrived, "not sent" alone would seem to be about the reply itself.
        word = "cancelled_correction"
    line = say(language, f"status.{word}")
    needs_words = partly or sms.state.is_failed or sms.state.needs_person or sms.state.never_left
    if needs_words and sms.reason not in ("", sms.state) and sms.state is not SmsState.STALE:  # its line has the reason
        line = say(language, "status.reason", {"state": line, "reason": reason(sms.reason, language)})
    if needs_words and sms.detail:
        line += "\n" + say(language, "status.platform_says", {"detail": one_line(sms.detail, 300)})
    if sms.state.needs_person:
        line += "\n" + say(language, "status.twice")
    return StatusView(
        emoji=emoji,
        line=line,
        needs_words=needs_words,
        mark="partly" if partly else str(sms.state),
        buttons=_decision_buttons(sms, language),
    )


def _decision_buttons(sms: Sms, language: Language) -> tuple[Button, ...]:
    """Buttons to send the SMS again or to leave it as it is, if its state needs one."""
    if sms.state.needs_person:
        return (
            button(say(language, "button.again_anyway"), ButtonKind.SEND_AGAIN, sms.id),
            button(say(language, "button.leave"), ButtonKind.LEAVE, sms.id),
        )
    if sms.state.is_failed:
        return (button(say(language, "button.again"), ButtonKind.SEND_AGAIN, sms.id),)
    return ()


# ------------------------------------------------ what an operator is asked before an SMS leaves

ASKED = "asked"
"""The mark of each confirmation begins with this word."""

_SEND_BUTTONS: Mapping[ConfirmationReason, str] = {
    ConfirmationReason.CAPTION: "button.release_caption",
    ConfirmationReason.LOCATION: "button.release_location",
    ConfirmationReason.CORRECTS_SENT: "button.release_new",
    ConfirmationReason.CORRECTS_UNCLEAR: "button.release_new",
    ConfirmationReason.CORRECTS_UNSENT: "button.release_new",
}
"""The label of the send button for reasons where "Send" alone would not say what is sent."""


def confirmation(sms: Sms, language: Language, now: Ms) -> StatusView | None:
    """The question under a draft, or the button that stops an SMS before it leaves. None if neither applies now."""
    reasons, emoji = sms.confirmation_reasons, _EMOJI[sms.state]
    stop = button(say(language, "button.stop"), ButtonKind.STOP, sms.id)
    undo = sms.state is SmsState.QUEUED and ConfirmationReason.UNDO in reasons
    if undo and not sms.attempts and now < sms.due_at:
        line = say(language, "confirmation.undo")
        return StatusView(emoji=emoji, line=line, needs_words=True, mark=f"{ASKED} undo", buttons=(stop,))
    if sms.state is not SmsState.DRAFT:
        return None
    plain = with_gsm7_characters(sms.text)
    lines = [say(language, f"confirmation.{each}", _counts(sms, plain, language)) for each in reasons]
    send = next((_SEND_BUTTONS[each] for each in reasons if each in _SEND_BUTTONS), "button.release")
    buttons = [button(say(language, send), ButtonKind.RELEASE, sms.id, sms.parts)]
    if plain is not None and ConfirmationReason.COSTLY in reasons:
        buttons.insert(0, button(say(language, "button.plain"), ButtonKind.RELEASE_PLAIN, sms.id, sms.parts))
    return StatusView(
        emoji=emoji,
        line="\n".join(lines) or say(language, "status.draft"),
        needs_words=True,
        mark=f"{ASKED} {' '.join(reasons)} {sms.parts} {len(sms.text)}",
        buttons=(*buttons, stop),
    )


def _counts(sms: Sms, plain: str | None, language: Language) -> Mapping[str, Json]:
    signs = (say(language, "confirmation.space") if sign.isspace() else sign for sign in costly_characters(sms.text))
    return {
        "parts": sms.parts,
        "chars": len(sms.text),
        "plain": parts.split(plain).count if plain is not None else sms.parts,
        "signs": " ".join(signs),
    }


# ------------------------------------------------ an SMS by which an operator began a conversation


def opening(post: Post, payload: OpeningPayload, sms: Sms, language: Language, now: Ms) -> Sequence[ChatMessage]:
    """The first messages of the conversation. The first one says if the SMS has not left."""
    if post.conversation is None:
        return ()
    who = subscriber_line(post.conversation.subscriber, post.contact, language)
    head = bold_head(who, [say(language, "head.begun", {"author": one_line(payload.author, 64)})])
    state = _unsent(sms, language, now)
    first = replace(head, text=f"{head.text}\n{state}") if state else head
    return split(first, clean(sms.text).strip("\n"), code_line(post.conversation), language, next_head=head)


def _unsent(sms: Sms, language: Language, now: Ms) -> str:
    """Why the SMS has not left; empty if it may be on its way."""
    if sms.state is SmsState.DRAFT or sms.state.never_left:
        return say(language, f"status.{sms.state}")
    asked = confirmation(sms, language, now)
    return asked.line if asked is not None else ""
