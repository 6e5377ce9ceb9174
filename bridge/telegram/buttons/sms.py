"""Buttons about one SMS: send again, leave it, send a draft, stop it. The store decides whether that is still possible.

A press that decides about a draft leaves the buttons where they are: the question shows the draft's state, and goes
away with its buttons when the state changes (``posts.status``). A later press removes buttons only from a second
question, which a crash has left.
"""

from __future__ import annotations

import re
from dataclasses import replace

import structlog

from bridge.model.base import SmsId
from bridge.model.sms import DRAFT_LIFE, UNDECIDED, Change, Move, Rewrite, Sms, SmsState
from bridge.telegram.buttons.dispatch import DECIDED, UNKNOWN, ButtonPress, PressResult
from bridge.telegram.chats import Chat
from bridge.telegram.context import OperatorContext
from bridge.text import parts
from bridge.text.gsm7_substitution import with_gsm7_characters

log = structlog.get_logger()

_ID = re.compile(r"[0-9]{1,18}")
_TOO_OLD = PressResult(answer="pressed.undecided")


async def send_again(context: OperatorContext, press: ButtonPress) -> PressResult:
    sms = await _sms(context, press.chat, press.data)
    if sms is None:
        return UNKNOWN
    if sms.account not in context.settings.accounts:
        return _no_account(sms)
    # One key for each SMS, not for each press: two people who press at once send it once.
    key, author = f"again:{sms.id}", press.source.author
    retry = await context.store.send_again(sms.id, key=key, author=author, now=context.clock.now())
    if retry is None or retry.author != author or not retry.state.is_under_way:
        # An earlier press sent it: nothing is sent again.
        return DECIDED
    log.info("sms_sent_again", sms_id=retry.id, retry_of=sms.id)
    return PressResult(answer="pressed.again", decision="decided.again")


async def leave(context: OperatorContext, press: ButtonPress) -> PressResult:
    sms = await _sms(context, press.chat, press.data)
    if sms is None:
        return UNKNOWN
    if not await context.store.move(sms.id, Move.ABANDON, context.clock.now(), Change(author=press.source.author)):
        return DECIDED
    log.info("sms_abandoned", sms_id=sms.id)
    return PressResult(answer="pressed.leave", decision="decided.leave")


async def release(context: OperatorContext, press: ButtonPress) -> PressResult:
    return await _release(context, press, plain=False)


async def release_plain(context: OperatorContext, press: ButtonPress) -> PressResult:
    """Puts plain characters in place of those that make the SMS longer."""
    return await _release(context, press, plain=True)


async def stop(context: OperatorContext, press: ButtonPress) -> PressResult:
    """Cancels a draft, or a reply that is held back for a moment."""
    sms = await _sms(context, press.chat, press.data)
    if sms is None:
        return UNKNOWN
    if await context.store.move(sms.id, Move.CANCEL, context.clock.now(), Change(author=press.source.author)):
        log.info("sms_stopped", sms_id=sms.id)
        return PressResult(answer="pressed.stopped", keeps_buttons=True)
    if sms.reason == UNDECIDED:
        return await _late(context, press, sms, _TOO_OLD)
    late = DECIDED if sms.state is SmsState.CANCELLED else PressResult(answer="pressed.too_late")
    return await _late(context, press, sms, late)


async def _release(context: OperatorContext, press: ButtonPress, *, plain: bool) -> PressResult:
    number, _, count = press.data.partition(":")
    sms = await _sms(context, press.chat, number)
    if sms is None:
        return UNKNOWN
    if sms.account not in context.settings.accounts:
        return _no_account(sms)
    if sms.reason == UNDECIDED or (sms.state is SmsState.DRAFT and context.clock.now() - sms.due_at >= DRAFT_LIFE):
        # It waited too long for a decision, whether the store has noted that yet or not.
        return await _late(context, press, sms, _TOO_OLD)
    if sms.state is not SmsState.DRAFT:
        return await _late(context, press, sms, DECIDED)
    if count != str(sms.parts):
        # The text changed and has another number of parts now, so the author must be asked anew.
        return PressResult(answer="pressed.changed", keeps_buttons=True)
    if not await _released(context, sms, press.source.author, plain=plain):
        return await _late(context, press, sms, DECIDED)
    log.info("sms_released", sms_id=sms.id, plain=plain)
    return PressResult(answer="pressed.released", keeps_buttons=True)


async def _late(context: OperatorContext, press: ButtonPress, sms: Sms, result: PressResult) -> PressResult:
    """The result of a press that comes too late to send or to stop the SMS.

    The status of the SMS edits its message, which may be the question about an unknown outcome by now. So the buttons
    of that message stay. A message that the store does not know is a second one, which a crash left: its buttons go.
    """
    subject = await context.store.message_subject(press.message.chat.id, press.message.message_id)
    return replace(result, keeps_buttons=subject.sms_id == sms.id)


async def _released(context: OperatorContext, sms: Sms, author: str, *, plain: bool) -> bool:
    now = context.clock.now()
    text = with_gsm7_characters(sms.text) if plain else None
    if text is None:
        return await context.store.move(sms.id, Move.RELEASE, now, Change(author=author, due_at=now))
    new = Rewrite(
        text=text,
        parts=parts.split(text).count,
        confirmation_reasons=sms.confirmation_reasons,
        draft=False,
        due_at=now,
        author=author,
    )
    return await context.store.rewrite(sms.id, sms.text, new, now)


async def _sms(context: OperatorContext, chat: Chat, number: str) -> Sms | None:
    """The SMS of a button; None where this chat may not decide about it."""
    sms = await context.store.get_sms(SmsId(int(number))) if _ID.fullmatch(number) else None
    return sms if sms is not None and await _belongs(context, sms, chat) else None


async def _belongs(context: OperatorContext, sms: Sms, chat: Chat) -> bool:
    if chat.name == context.chats.admin_name:
        return True
    if sms.chat_id is not None and context.chats.current_id(sms.chat_id) == chat.id:
        return True
    if sms.conversation_id is None:
        return False
    conversation = await context.store.conversation(sms.conversation_id)
    return conversation is not None and conversation.chat in context.chats.names(chat)


def _no_account(sms: Sms) -> PressResult:
    return PressResult(answer="pressed.no_account", params={"account": sms.account}, keeps_buttons=True)
