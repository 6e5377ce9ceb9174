"""``/t`` and its buttons: sends a canned reply of the configuration by its name, or lists all of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from telegram import Message

from bridge.errors import TemplateFailed
from bridge.model.base import Ms
from bridge.model.chat import Conversation
from bridge.model.sms import Sms
from bridge.rules.canned import OPERATOR, Canned
from bridge.rules.templates import ContactView, Variables
from bridge.telegram import replies
from bridge.telegram.buttons.dispatch import DECIDED, UNKNOWN, ButtonPress, PressResult
from bridge.telegram.buttons.kinds import ButtonKind, button
from bridge.telegram.client.message import Button, ChatMessage, one_line
from bridge.telegram.commands.call import Answer, Call, command_reply, conversation_of, pages
from bridge.telegram.commands.conversations import claimed_by_colleague
from bridge.telegram.context import OperatorContext
from bridge.telegram.incoming import Notice
from bridge.telegram.replies import Reply, SendableText, same_text
from bridge.telegram.texts import say
from bridge.text import folding

_MAX_PREVIEW = 80
"""Characters of each text in the list."""
_MAX_BUTTONS = 40
"""Most buttons under the list; Telegram takes 100. The other replies can be sent by name."""


async def canned_reply(context: OperatorContext, call: Call) -> Answer | None:
    """Sends a canned reply by its name; without a name lists all of them."""
    conversation = conversation_of(call)
    if not context.canned:
        return Notice(text="result.no_replies")
    if not call.rest:
        return await _list(context, call, conversation)
    wanted = call.rest.casefold()
    reply = next((reply for name, reply in context.canned.items() if name.casefold() == wanted), None)
    if reply is None:
        names = one_line(", ".join(context.canned), 250)
        return Notice(text="result.no_such_reply", params={"name": one_line(call.rest, 64), "names": names})
    text = await _text(context, reply, conversation, operator=call.message.name, now=call.now)
    if isinstance(text, Notice):
        return text
    sent = await _send(context, command_reply(call, text, conversation))
    return sent if isinstance(sent, Notice) else None


async def canned_pressed(context: OperatorContext, press: ButtonPress) -> PressResult:
    """``<code>:<mark>``: sends a reply. A list sends one reply, however many operators press and however often."""
    code, _, mark = press.data.partition(":")
    conversation = await context.conversation_by_code(press.chat, code)
    # A reply whose text changed since has another mark.
    reply = next((reply for reply in context.canned.values() if reply.mark == mark), None)
    if conversation is None or reply is None:
        return UNKNOWN
    now = context.clock.now()
    text = await _text(context, reply, conversation, operator=press.name, now=now)
    if isinstance(text, Notice):
        return _nothing_sent(text)
    chosen = _pressed_reply(context, press, conversation, SendableText(text=text, by_command=True))
    sent = await _send(context, chosen)
    if isinstance(sent, Notice):
        return _nothing_sent(sent)
    if sent.author != chosen.author or not same_text(sent, chosen.sendable):
        return DECIDED
    if claimed_by_colleague(conversation, press.source.user_id, now):
        params = {"name": reply.name, "holder": one_line(conversation.claimed_name, 64)}
        return PressResult(answer="pressed.canned_claimed", params=params, decision="decided.canned")
    return PressResult(answer="pressed.canned", params={"name": reply.name}, decision="decided.canned")


async def _list(context: OperatorContext, call: Call, conversation: Conversation) -> Sequence[ChatMessage]:
    """Lists each reply as this subscriber would get it. A press on its button sends it."""
    lines = [say(call.chat.language, "answer.replies")]
    buttons: list[Button] = []
    variables = await _variables(context, conversation, call.message.name, call.now)
    for reply in context.canned.values():
        try:
            preview = one_line(reply.render(variables), _MAX_PREVIEW)
        except TemplateFailed:
            preview = say(call.chat.language, "answer.reply_not_here")
        lines.append(f"• {reply.name}: {preview}")
        buttons.append(button(reply.name, ButtonKind.CANNED, conversation.code, reply.mark))
    return pages(lines, conversation=conversation, buttons=buttons[:_MAX_BUTTONS])


async def _text(
    context: OperatorContext, reply: Canned, conversation: Conversation, *, operator: str, now: Ms
) -> str | Notice:
    """The reply with its variables filled in, or why that is not possible."""
    try:
        return reply.render(await _variables(context, conversation, operator, now))
    except TemplateFailed as error:
        return Notice(text="result.reply_failed", params={"name": reply.name, "error": str(error)})


async def _variables(context: OperatorContext, conversation: Conversation, operator: str, now: Ms) -> Variables:
    """The variables of a rule, taken from the subscriber's latest SMS, and the operator."""
    contact = await context.store.contact(conversation.subscriber)
    latest = conversation.last_inbound_id
    inbound = await context.store.get_inbound(latest) if latest is not None else None
    text = inbound.text if inbound is not None else ""
    return {
        "text": text,
        "args": text,
        "words": tuple(word.folded for word in folding.analyse(text).words),
        "sender": inbound.sender if inbound is not None else conversation.subscriber,
        "receiver": conversation.receiver,
        "prefix": "",
        "date": f"{datetime.fromtimestamp(now / 1000, context.zone(conversation)):%Y-%m-%d %H:%M}",
        "account": conversation.account,
        "contact": ContactView(name=contact.name, tags=contact.tags, own=contact.values),
        OPERATOR: operator,
    }


async def _send(context: OperatorContext, reply: Reply) -> Sms | Notice:
    """Stores the SMS and returns it, or the one that an earlier press stored. A notice says why there is none."""
    try:
        return await replies.write(context, reply)
    except KeyError:
        return Notice(text="notice.no_account", params={"account": reply.conversation.account})


def _pressed_reply(
    context: OperatorContext, press: ButtonPress, conversation: Conversation, sendable: SendableText
) -> Reply:
    message = press.message
    # The status is shown on the command that the list answers, as if the command had named the reply.
    asked = message.reply_to_message if isinstance(message, Message) else None
    return Reply(
        key=f"tg:{context.bot_id}:{message.chat.id}:{message.message_id}:canned",
        sendable=sendable,
        conversation=conversation,
        chat=press.chat,
        chat_id=message.chat.id,
        message_id=asked.message_id if asked is not None else message.message_id,
        author=press.source.author,
    )


def _nothing_sent(why: Notice) -> PressResult:
    """The result of a press that sent nothing. The buttons stay: another reply may be possible."""
    return PressResult(answer=why.text, params=why.params, keeps_buttons=True)
