"""Commands that show what is stored, and the button under a history: history, info, why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo

from bridge.model.base import InboundId, Json, Language, Ms
from bridge.model.chat import Conversation
from bridge.model.inbound import Inbound
from bridge.model.record import HistoryLine
from bridge.model.routing_outcome import RoutingOutcome
from bridge.model.sms import Sms, SmsState
from bridge.rules import RuleSet
from bridge.telegram.buttons.dispatch import UNKNOWN, ButtonPress, PressResult
from bridge.telegram.buttons.kinds import ButtonKind, button
from bridge.telegram.chats import Chat
from bridge.telegram.client.message import ChatMessage, one_line
from bridge.telegram.commands.call import Answer, Call, UsageError, conversation_of, no_arguments, pages, quoted
from bridge.telegram.context import OperatorContext
from bridge.telegram.incoming import Notice
from bridge.telegram.texts import known, say
from bridge.telegram.texts.labels import moment, number, reason, subscriber_line, until_when

MAX_LINES = 15
"""Lines of a history at a time."""
_MAX_ACTIONS = 5
_MAX_ANSWERS = 5
FAR_FUTURE: Ms = 10**15
"""Later than every time in the store, and short enough for a button."""
_STATES = {state: "answer.sending" if state is SmsState.SENDING else f"status.{state}" for state in SmsState}


# ---------------------------------------------------------------- history


async def history(context: OperatorContext, call: Call) -> Sequence[ChatMessage]:
    no_arguments(call)
    return await _history(context, call.chat, conversation_of(call), before=FAR_FUTURE)


async def history_pressed(context: OperatorContext, press: ButtonPress) -> PressResult:
    """``<code>:<time>``: sends the lines of a history before that time."""
    code, _, before = press.data.partition(":")
    conversation = await context.conversation_by_code(press.chat, code)
    if conversation is None or not (before.isascii() and before.isdecimal() and len(before) <= 16):
        return UNKNOWN
    messages = await _history(context, press.chat, conversation, before=int(before))
    context.transient.send(press.chat, messages, thread_id=press.thread_id, reply_to=press.message.message_id)
    return PressResult(answer="pressed.past", keeps_buttons=True)


async def _history(
    context: OperatorContext, chat: Chat, conversation: Conversation, *, before: Ms
) -> Sequence[ChatMessage]:
    language, zone = chat.language, context.zone(conversation)
    found, older = await context.store.conversation_lines(conversation.subscriber, before=before, limit=MAX_LINES)
    if not found:
        return pages([say(language, "answer.no_history")], conversation=conversation)
    buttons = []
    if older:
        buttons.append(button(say(language, "button.past"), ButtonKind.HISTORY, conversation.code, found[0].at))
    return pages([_line(each, zone, language) for each in found], conversation=conversation, buttons=buttons)


def _line(said: HistoryLine, zone: tzinfo, language: Language) -> str:
    at = moment(said.at, zone, language)
    match said.what:
        case "in":
            return f"{at} ← {quoted(said.text) or say(language, 'head.empty')}"
        case "act":
            action = say(language, f"action.{said.state}", {"detail": one_line(said.text, 64)})
            return f"{at} · {one_line(said.author, 64)}: {action}"
    by = f" — {one_line(said.author, 64)}" if said.author else ""
    return f"{at} → {quoted(said.text)} [{_state(SmsState(said.state), language)}{by}]"


def _state(state: SmsState, language: Language) -> str:
    return say(language, _STATES[state])


# ---------------------------------------------------------------- info


async def info(context: OperatorContext, call: Call) -> Answer:
    """Shows all about the message replied to; without one, all about the conversation."""
    no_arguments(call)
    sms, inbound = await _subject(context, call)
    if sms is not None:
        lines = await _about_sms(context, call, sms)
    elif inbound is not None:
        lines = await _about_inbound(context, call, inbound)
    else:
        return await _about_conversation(context, call, conversation_of(call))
    return pages(lines, conversation=call.conversation)


async def _subject(context: OperatorContext, call: Call) -> tuple[Sms | None, Inbound | None]:
    """The SMS to which the message replied to belongs: one of ours, or a subscriber's."""
    replied_to = call.message.replied_to
    if replied_to is None:
        return None, None
    written = await context.store.sms_of_message(call.message.chat_id, replied_to.message_id)
    if written is not None:
        return written, None
    subject = await context.store.message_subject(call.message.chat_id, replied_to.message_id)
    if subject.sms_id is not None:
        return await context.store.get_sms(subject.sms_id), None
    return None, await _inbound(context, subject.inbound_id)


async def _inbound(context: OperatorContext, inbound_id: InboundId | None) -> Inbound | None:
    return await context.store.get_inbound(inbound_id) if inbound_id is not None else None


async def _about_sms(context: OperatorContext, call: Call, sms: Sms) -> list[str]:
    language, zone = call.chat.language, context.zone(call.conversation)
    lines = [
        say(language, "answer.sms", {"id": sms.id, "number": number(sms.recipient)}),
        say(language, "answer.sms_by", {"account": sms.account, "sender": one_line(sms.sender_name, 32)}),
        say(language, "answer.author", {"author": one_line(sms.author, 128) or "—"}),
        say(language, "answer.parts", {"parts": sms.parts}),
    ]
    if sms.platform_ids:
        lines.append(say(language, "answer.platform_ids", {"ids": one_line(", ".join(sms.platform_ids), 500)}))
    if sms.platform_status:
        lines.append(say(language, "answer.platform_status", {"status": one_line(sms.platform_status, 200)}))
    if sms.retry_of is not None:
        lines.append(say(language, "answer.retry_of", {"id": sms.retry_of}))
    lines.append("")
    lines += [_move(each, zone, language) for each in await context.store.sms_history(sms.id)]
    return [*lines, "", say(language, "answer.text", {"text": quoted(sms.text)})]


def _move(move: HistoryLine, zone: tzinfo, language: Language) -> str:
    """One line of an SMS's history. The detail may begin with the code of a reason, or only repeat the state."""
    words = [f"{moment(move.at, zone, language, seconds=True)} {_state(SmsState(move.state), language)}"]
    code, _, rest = move.detail.partition(" ")
    if code == move.state:
        detail = rest
    elif known(language, f"reason.{code}"):
        words.append(reason(code, language))
        detail = rest
    else:
        detail = move.detail
    if detail:
        words.append(one_line(detail, 200))
    if move.author and move.what == "move":
        words.append(one_line(move.author, 64))
    return " · ".join(words)


async def _about_inbound(context: OperatorContext, call: Call, inbound: Inbound) -> list[str]:
    language, zone = call.chat.language, context.zone(call.conversation)
    to = {"receiver": one_line(inbound.receiver, 32), "account": inbound.account}
    lines = [
        say(language, "answer.inbound", {"id": inbound.id, "number": number(inbound.subscriber)}),
        say(language, "answer.inbound_to", to),
        say(language, "answer.received", {"at": moment(inbound.received_at, zone, language, seconds=True)}),
    ]
    if inbound.date is not None:
        lines.append(say(language, "answer.written", {"at": moment(inbound.date, zone, language, seconds=True)}))
    lines.append(say(language, "answer.smsid", {"smsid": one_line(inbound.smsid, 64)}))
    if inbound.repeats:
        lines.append(say(language, "answer.repeats", {"repeats": inbound.repeats}))
    lines += _why(context.rulebook.rules, inbound, language)
    for sms in await context.store.answers_to(inbound, limit=_MAX_ANSWERS):
        params: dict[str, Json] = {"id": sms.id, "state": _state(sms.state, language), "text": quoted(sms.text)}
        lines.append(say(language, "answer.answered", params))
    return lines


async def _about_conversation(
    context: OperatorContext, call: Call, conversation: Conversation
) -> Sequence[ChatMessage]:
    language, zone, now = call.chat.language, context.zone(conversation), call.now
    contact = await context.store.contact(conversation.subscriber)
    lines = [subscriber_line(conversation.subscriber, contact, language), _route_line(conversation, language)]
    times = {"answer.first_seen": contact.first_seen_at, "answer.last_seen": conversation.last_inbound_at}
    lines += [
        say(language, text_id, {"at": moment(at, zone, language)}) for text_id, at in times.items() if at is not None
    ]
    if contact.tags:
        lines.append(say(language, "answer.tags", {"tags": one_line(", ".join(contact.tags), 500)}))
    lines += [f"{one_line(name, 64)}: {one_line(value, 200)}" for name, value in contact.values.items()]
    flags = {
        "answer.opted_out": contact.opted_out,
        "answer.blocked": contact.blocked,
        "answer.robot_off": contact.robot_off,
    }
    lines += [say(language, text_id) for text_id, holds in flags.items() if holds]
    if not contact.robot_off and contact.robot_paused_until > now:
        until = until_when(contact.robot_paused_until, now, zone, language)
        lines.append(say(language, "answer.robot_paused", {"until": until}))
    if conversation.claimed_until > now:
        until = until_when(conversation.claimed_until, now, zone, language)
        claimed = {"name": one_line(conversation.claimed_name, 64), "until": until}
        lines.append(say(language, "answer.claimed", claimed))
    if conversation.closed_at is not None:
        lines.append(say(language, "answer.closed", {"at": moment(conversation.closed_at, zone, language)}))
    if actions := await context.store.actions_on(conversation.subscriber, limit=_MAX_ACTIONS):
        lines += ["", *(_line(action, zone, language) for action in actions)]
    word = "close" if conversation.closed_at is None else "open"
    buttons = [
        button(say(language, "button.history"), ButtonKind.HISTORY, conversation.code, FAR_FUTURE),
        button(say(language, f"button.{word}"), ButtonKind.CONVERSATION, word, conversation.code),
    ]
    return pages(lines, conversation=conversation, buttons=buttons)


def _route_line(conversation: Conversation, language: Language) -> str:
    """The number that the subscriber wrote to, and the account. If an operator wrote first, there is no number yet."""
    if not conversation.receiver:
        return say(language, "answer.conversation_begun", {"account": conversation.account})
    receiver = one_line(conversation.receiver, 32)
    return say(language, "answer.conversation_by", {"receiver": receiver, "account": conversation.account})


# ---------------------------------------------------------------- why


async def why(context: OperatorContext, call: Call) -> Answer:
    """Explains the SMS replied to, or, if that is an automatic reply, the SMS that it answered; otherwise the
    subscriber's latest."""
    no_arguments(call)
    sms, inbound = await _subject(context, call)
    if sms is not None:
        inbound = await _inbound(context, sms.inbound_id)
        if inbound is None:
            return Notice(text="result.no_rule_behind")
    if inbound is None and call.conversation is not None:
        inbound = await _inbound(context, call.conversation.last_inbound_id)
        if inbound is None:
            return Notice(text="result.no_sms_yet")
    if inbound is None:
        raise UsageError
    text = say(call.chat.language, "answer.text", {"text": one_line(inbound.text, 200)})
    lines = _why(context.rulebook.rules, inbound, call.chat.language)
    return pages([text, *lines], conversation=call.conversation)


def _why(rules: RuleSet, inbound: Inbound, language: Language) -> Iterator[str]:
    """Says which rule decided, in which version, and what was done."""
    if inbound.rules_version is None:
        yield say(language, "answer.not_routed")
        return
    found = next((rule for rule in rules.rules if rule.name == inbound.rule), None)
    if inbound.rule is None:
        yield say(language, "answer.no_rule")
    elif found is None:
        yield say(language, "answer.rule_gone", {"rule": one_line(inbound.rule, 64)})
    else:
        where: dict[str, Json] = {"rule": one_line(inbound.rule, 64), "file": found.file, "line": found.line}
        yield say(language, "answer.rule", where)
    if rules.version == inbound.rules_version:
        yield say(language, "answer.version", {"version": inbound.rules_version})
    else:
        yield say(language, "answer.version_was", {"version": inbound.rules_version, "now": rules.version})
    yield say(language, "answer.outcome", {"outcome": outcome(inbound.outcome, language)})


def outcome(routed: RoutingOutcome | None, language: Language) -> str:
    """The outcome of routing, in words."""
    if routed is None:
        return "—"
    if routed.fault is not None:
        return say(language, "outcome.quarantined", {"reason": reason(routed.fault, language)})
    results = [say(language, f"outcome.{result.replace(' ', '_')}") for result in routed.results]
    suppressed = [
        say(language, "outcome.suppressed", {"reason": reason(each, language)}) for each in routed.suppressions
    ]
    return ", ".join([*results, *suppressed, *(one_line(word, 100) for word in routed.unknown)]) or "—"
