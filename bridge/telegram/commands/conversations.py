"""Commands and buttons about a conversation: sms, close, open, claim."""

from __future__ import annotations

import re
from dataclasses import replace

from bridge.config import Settings
from bridge.model.actions import ActionKind
from bridge.model.base import HOUR, Json, Ms
from bridge.model.chat import Conversation
from bridge.model.post import NewPost, OpeningPayload, PostPriority, opening_key
from bridge.schema.values import parse_duration
from bridge.telegram import replies
from bridge.telegram.buttons.dispatch import DECIDED, UNKNOWN, ButtonPress, PressResult
from bridge.telegram.chats import Chat
from bridge.telegram.client.message import one_line, trimmed
from bridge.telegram.commands.call import Call, UsageError, change, command_reply, conversation_of, no_arguments
from bridge.telegram.commands.contacts import OFF
from bridge.telegram.context import ActionSource, OperatorContext
from bridge.telegram.incoming import IncomingMessage, Notice, from_bot
from bridge.telegram.notes import Notes
from bridge.telegram.texts.labels import number, until_when
from bridge.text import phones

DEFAULT_CLAIM: Ms = 2 * HOUR
"""How long a claim holds if the operator names no time."""
MAX_CLAIM: Ms = 24 * 7 * HOUR
_PRESSES = {
    "close": (ActionKind.CLOSE, PressResult(answer="pressed.close", decision="decided.close")),
    "open": (ActionKind.OPEN, PressResult(answer="pressed.open", decision="decided.open")),
    "claim": (ActionKind.CLAIM, PressResult(answer="pressed.claim", decision="decided.claim")),
}
_WORD = re.compile(r"\S+")
_LIKE_A_NUMBER = re.compile(r"[+()\d][()\d\-–.]*")
_MIN_DIGITS = 10
"""Fewest digits of a number written in groups. A shorter number has no spaces: digits behind it are text."""


async def sms(context: OperatorContext, call: Call) -> Notice | None:
    """Writes to a number first, in the conversation to which the number's answers will come."""
    addressed = _recipient_and_text(call.rest, context.settings)
    if isinstance(addressed, Notice):
        return addressed
    recipient, text = addressed
    if Notes(context.settings.telegram.note_mark).is_note(text):
        # A note for colleagues never leaves, also not as the text after a number.
        return Notice(text="result.sms_note")
    known = await context.store.conversation_with(call.chat.name, recipient)
    account = known.account if known is not None else next(iter(context.settings.accounts))
    if account not in context.settings.accounts:
        return Notice(text="notice.no_account", params={"account": account})
    conversation = await context.store.begin_conversation(call.chat.name, recipient, account=account, now=call.now)
    written = await replies.write(context, command_reply(call, text, conversation))
    opening = NewPost(
        chat=call.chat.name,
        priority=PostPriority.FAILURE,
        key=opening_key(call.message.chat_id, call.message.id),
        payload=OpeningPayload(author=call.message.name, chat_id=call.message.chat_id),
        conversation_id=conversation.id,
        sms_id=written.id,
        # In the conversation's topic there is no message to reply to.
        reply_to=None if call.chat.topics else call.message.id,
        due_at=call.now,
    )
    await context.store.add_post(opening, call.now)
    return None


async def close(context: OperatorContext, call: Call) -> None:
    no_arguments(call)
    done = Notice(text="result.closed", buttons=("open",))
    await change(context, call, ActionKind.CLOSE, done, already="result.closed_already")


async def reopen(context: OperatorContext, call: Call) -> None:
    no_arguments(call)
    await change(context, call, ActionKind.OPEN, Notice(text="result.opened"), already="result.opened_already")


async def claim(context: OperatorContext, call: Call) -> Notice | None:
    conversation = conversation_of(call)
    if call.message.user_id is None:
        return Notice(text="result.claim_anonymous")
    if call.rest.casefold() in OFF:
        done = Notice(text="result.released")
        await change(context, call, ActionKind.RELEASE, done, already="result.released_already")
        return None
    length = _claim_length(call.rest)
    if claimed_by_colleague(conversation, call.message.user_id, call.now):
        params = claim_params(context, conversation, call.chat, call.now)
        return Notice(text="result.claim_taken", params=params, buttons=("claim",))
    until = call.now + length
    shown = until_when(until, call.now, context.zone(conversation), call.chat.language)
    done = Notice(text="result.claimed", params={"name": call.message.name, "until": shown})
    await change(context, call, ActionKind.CLAIM, done, already=done.text, detail=call.message.name, until=until)
    return None


async def conversation_pressed(context: OperatorContext, press: ButtonPress) -> PressResult:
    """``<close | open | claim>:<code>``: closes, opens or claims the conversation with that code."""
    word, _, code = press.data.partition(":")
    conversation = await context.conversation_by_code(press.chat, code)
    pressed = _PRESSES.get(word)
    if conversation is None or pressed is None:
        return UNKNOWN
    kind, result = pressed
    detail, until = "", 0
    if kind is ActionKind.CLAIM:
        now = context.clock.now()
        detail, until = one_line(press.name, 64), now + DEFAULT_CLAIM
        shown = until_when(until, now, context.zone(conversation), press.chat.language)
        result = replace(result, params={"until": shown})
    changed = await context.act(kind, conversation, press.source, detail=detail, until=until)
    return result if changed else DECIDED


async def topic_changed(context: OperatorContext, message: IncomingMessage) -> None:
    """Closes or opens the conversation of a topic that a person closed or opened in Telegram itself.

    Telegram decides who may manage topics, and shows the change, so the bot says nothing about it. A topic that was
    renamed in Telegram keeps that name until the next ``/name``: a name that colleagues give a topic must not get into
    texts for the subscriber.
    """
    raw, thread_id = message.raw, message.raw.message_thread_id
    if not message.chat.topics or thread_id is None:
        return
    if from_bot(raw, context.bot_id) or message.sent_at < context.restored_at:
        # The bot's own change, or one before the store was restored: an SMS may have opened the topic since.
        return
    conversation = await context.store.conversation_of_topic(message.chat_id, thread_id)
    if conversation is None or conversation.thread_id != thread_id:
        # The topic belongs to no conversation, or its conversation has another topic now.
        return
    kind = ActionKind.CLOSE if raw.forum_topic_closed is not None else ActionKind.OPEN
    line = (message.chat_id, message.id)
    source = ActionSource(key=message.key("line"), author=message.author, topic_line=line)
    await context.act(kind, conversation, source)


async def tell_claimed(context: OperatorContext, message: IncomingMessage, conversation: Conversation) -> None:
    """Tells the author of a reply that a colleague has claimed the conversation; once for each claim."""
    now = context.clock.now()
    if not claimed_by_colleague(conversation, message.user_id, now):
        return
    notice = Notice(text="result.claimed_by", params=claim_params(context, conversation, message.chat, now))
    key = f"claimed:{conversation.id}:{conversation.claimed_until}:{message.user_id}"
    post = notice.post_under(message, key=key, conversation=conversation, due_at=now, priority=PostPriority.STATUS)
    await context.store.add_post(post, now)


def claimed_by_colleague(conversation: Conversation, user_id: int | None, now: Ms) -> bool:
    return conversation.claimed_until > now and conversation.claimed_by != user_id


def claim_params(context: OperatorContext, conversation: Conversation, chat: Chat, now: Ms) -> dict[str, Json]:
    until = until_when(conversation.claimed_until, now, context.zone(conversation), chat.language)
    return {"name": one_line(conversation.claimed_name, 64), "until": until, "number": number(conversation.subscriber)}


def _recipient_and_text(rest: str, settings: Settings) -> tuple[str, str] | Notice:
    """Splits a call into number and text; a notice says which of them is missing. A number may be written in groups.
    The first whole number counts.

    :raises UsageError: nothing there looks like a number.
    """
    end, written = 0, ""
    for word in _WORD.finditer(rest):
        if not _LIKE_A_NUMBER.fullmatch(word[0]):
            break
        end, written = word.end(), f"{written} {word[0]}".strip()
        recipient = phones.normalise(written, settings.region)
        enough = " " not in written or len(recipient) >= _MIN_DIGITS
        text = trimmed(rest[end:])
        if enough and text and phones.can_be_answered(recipient, ()):
            return recipient, text
    if not written:
        raise UsageError
    if phones.can_be_answered(phones.normalise(written, settings.region), ()):
        return Notice(text="result.sms_no_text")
    return Notice(text="result.sms_no_number", params={"written": one_line(written, 32)})


def _claim_length(rest: str) -> Ms:
    """How long a claim holds. :raises UsageError: no duration, or one out of range."""
    try:
        length = parse_duration(rest.replace(" ", "")) if rest else DEFAULT_CLAIM
    except ValueError:
        raise UsageError from None
    if not 0 < length <= MAX_CLAIM:
        raise UsageError
    return length
