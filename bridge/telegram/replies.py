"""An operator's reply as an SMS: the text that can be sent, the reasons to ask its author first, and the edits.

A draft is an SMS that waits for a person's decision; its row keeps the reasons (``ConfirmationReason``). The question
and its buttons show that state under the message (``posts.render.confirmation``). This module sends nothing to a chat.
"""

from __future__ import annotations

import structlog
from telegram import Message

from bridge.model.base import Ms
from bridge.model.chat import Conversation
from bridge.model.contact import Contact
from bridge.model.sms import CORRECTIONS, Change, ConfirmationReason, Move, NewSms, Rewrite, Sms
from bridge.pipeline import compose
from bridge.telegram.chats import Chat
from bridge.telegram.client.message import trimmed
from bridge.telegram.context import OperatorContext
from bridge.telegram.incoming import IncomingMessage
from bridge.telegram.notes import Notes
from bridge.text import parts
from bridge.text.gsm7_substitution import with_gsm7_characters
from bridge.value import value_object

log = structlog.get_logger()

MAP = "https://maps.google.com/?q={latitude:.6f},{longitude:.6f}"
"""Opens in any map application, and is short enough for one SMS."""


@value_object
class SendableText:
    """The text of a message that an SMS can carry."""

    text: str
    reason: ConfirmationReason | None = None
    """Why the author is asked first: set if the text is not that of the message, but a caption or a link to a map."""
    by_command: bool = False
    """A command sends it: its message shows another text, and an edit of the message changes nothing."""


@value_object
class PreparedSms:
    """An SMS as it would leave, and why its author is asked first. Without a reason it is sent at once."""

    text: str
    parts: int
    confirmation_reasons: tuple[ConfirmationReason, ...]


@value_object
class Reply:
    """An operator's reply in a conversation."""

    key: str
    """Made from the message: the same however often the message is processed."""
    sendable: SendableText
    conversation: Conversation
    chat: Chat
    chat_id: int
    message_id: int
    """The message under which the delivery status is shown."""
    author: str


def reply_of(message: IncomingMessage, conversation: Conversation, sendable: SendableText, key: str) -> Reply:
    return Reply(
        key=key,
        sendable=sendable,
        conversation=conversation,
        chat=message.chat,
        chat_id=message.chat_id,
        message_id=message.id,
        author=message.author,
    )


def sendable_text(message: Message) -> SendableText | None:
    """The text that an SMS can carry; None for a voice message, a sticker, a picture without a caption."""
    if message.text is not None:
        return SendableText(text=trimmed(message.text))
    if message.location is not None:
        at = message.location
        link = MAP.format(latitude=at.latitude, longitude=at.longitude)
        where = [trimmed(message.venue.title), trimmed(message.venue.address)] if message.venue is not None else []
        text = "\n".join([", ".join(filter(None, where)), link]).strip()
        return SendableText(text=text, reason=ConfirmationReason.LOCATION)
    caption = trimmed(message.caption or "")
    return SendableText(text=caption, reason=ConfirmationReason.CAPTION) if caption else None


def same_text(sms: Sms, sendable: SendableText) -> bool:
    """Whether the SMS has this text already, perhaps with plain characters in place of costly ones."""
    return sms.text in (sendable.text, with_gsm7_characters(sendable.text))


def prepare(
    sendable: SendableText,
    *,
    contact: Contact,
    notes: Notes,
    confirm_parts: int,
    replace: bool,
    given_reasons: tuple[ConfirmationReason, ...] = (),
) -> PreparedSms:
    """The SMS as it would leave, and the reasons to ask its author first.

    :param replace: put plain characters in place of costly ones.
    :param given_reasons: reasons that hold in any case.
    """
    text = sendable.text
    plain = with_gsm7_characters(text)
    if plain is not None and replace:
        text, plain = plain, None
    count = parts.split(text).count
    too_long = ConfirmationReason.COMMAND_PARTS if sendable.by_command else ConfirmationReason.PARTS
    found = {
        ConfirmationReason.OPTED_OUT: contact.opted_out,
        ConfirmationReason.BLOCKED: contact.blocked,
        ConfirmationReason.NOTE_INSIDE: notes.inside(text),
        ConfirmationReason.COSTLY: plain is not None,
        too_long: count > confirm_parts,
    }
    own = (sendable.reason,) if sendable.reason is not None else ()
    return PreparedSms(
        text=text,
        parts=count,
        confirmation_reasons=(*given_reasons, *own, *(reason for reason, holds in found.items() if holds)),
    )


# ---------------------------------------------------------------- what a reply and its edits write


async def write(context: OperatorContext, reply: Reply) -> Sms:
    """Stores the SMS of a reply: one for each key. It is a draft if its author must be asked first.

    :raises KeyError: the conversation's account is not in the configuration any more.
    """
    now = context.clock.now()
    stored = await _store(context, reply, await _prepared(context, reply), reply.key, now)
    takeover = context.settings.guards.takeover
    if takeover is not None:
        await context.store.take_over(reply.conversation.subscriber, now + takeover, now)
    log.info(
        "reply_written",
        sms_id=stored.id,
        conversation_id=reply.conversation.id,
        parts=stored.parts,
        confirmation_reasons=" ".join(stored.confirmation_reasons) or None,
    )
    return stored


async def apply_edit(context: OperatorContext, reply: Reply, latest: Sms) -> None:
    """Gives the message's new text to its SMS while the SMS waits. After that it offers the text as a new SMS.

    :param latest: the latest SMS that came from the message.
    :raises KeyError: as :func:`write`.
    """
    shown = await context.store.shown_on_message(reply.chat_id, reply.message_id) or latest
    if same_text(latest, reply.sendable):
        # Telegram also reports a new link preview as an edit.
        return
    if shown.id != latest.id and same_text(shown, reply.sendable):
        # Edited back to the text that left: there is nothing to correct any more.
        await withdraw(context, latest, reply.author)
        return
    if not latest.state.is_waiting or not await _rewritten(context, reply, latest):
        await _offer(context, reply, latest, await context.store.get_sms(shown.id) or shown)


async def withdraw(context: OperatorContext, sms: Sms, author: str) -> bool:
    """Cancels an SMS that waits. False: it does not wait any more."""
    done = await context.store.move(sms.id, Move.CANCEL, context.clock.now(), Change(author=author))
    if done:
        log.info("sms_withdrawn", sms_id=sms.id)
    return done


async def _rewritten(context: OperatorContext, reply: Reply, latest: Sms) -> bool:
    """Gives an SMS that waits the new text. False: it left before the edit was handled."""
    now = context.clock.now()
    corrections = tuple(reason for reason in latest.confirmation_reasons if reason in CORRECTIONS)
    outgoing = await _prepared(context, reply, corrections)
    reasons, undo = outgoing.confirmation_reasons, context.settings.telegram.undo or 0
    new = Rewrite(
        text=outgoing.text,
        parts=outgoing.parts,
        confirmation_reasons=reasons or ((ConfirmationReason.UNDO,) if undo else ()),
        draft=bool(reasons),
        # The due time of a draft is when it began to wait for a decision.
        due_at=now if reasons else now + undo,
        author=reply.author,
    )
    done = await context.store.rewrite(latest.id, latest.text, new, now)
    if done:
        joined = " ".join(reasons) or None
        log.info("sms_rewritten", sms_id=latest.id, parts=new.parts, confirmation_reasons=joined)
    return done


async def _offer(context: OperatorContext, reply: Reply, latest: Sms, shown: Sms) -> None:
    """Offers a correction: one for each SMS of the message, however often the edit is processed."""
    reason = ConfirmationReason.CORRECTS_SENT
    if shown.state.never_left:
        reason = ConfirmationReason.CORRECTS_UNSENT
    elif shown.state.may_have_left:
        reason = ConfirmationReason.CORRECTS_UNCLEAR
    outgoing = await _prepared(context, reply, (reason,))
    stored = await _store(context, reply, outgoing, f"{reply.key}:after:{latest.id}", context.clock.now())
    log.info("correction_offered", sms_id=stored.id, corrects=shown.id)


async def _prepared(
    context: OperatorContext, reply: Reply, given_reasons: tuple[ConfirmationReason, ...] = ()
) -> PreparedSms:
    telegram = context.settings.telegram
    return prepare(
        reply.sendable,
        contact=await context.store.contact(reply.conversation.subscriber),
        notes=Notes(telegram.note_mark),
        confirm_parts=telegram.confirm_parts,
        replace=reply.chat.settings.replace,
        given_reasons=given_reasons,
    )


async def _store(context: OperatorContext, reply: Reply, outgoing: PreparedSms, key: str, now: Ms) -> Sms:
    sms: NewSms = compose.operator_sms(
        context.settings,
        reply.conversation,
        text=outgoing.text,
        key=key,
        author=reply.author,
        now=now,
        chat_id=reply.chat_id,
        message_id=reply.message_id,
        confirmation_reasons=outgoing.confirmation_reasons,
        undo=context.settings.telegram.undo or 0,
    )
    return await context.store.operator_reply(sms, now)
