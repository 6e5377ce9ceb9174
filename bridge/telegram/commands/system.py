"""Commands about the bridge itself: balance, stats, status, test, rules, reload, help."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo

from bridge.errors import Problem
from bridge.model.actions import TrafficCounts
from bridge.model.answers import AccountState
from bridge.model.base import Json, Language, Ms
from bridge.model.contact import Contact
from bridge.model.decision import FiredRule, Forward, OptOutEffect
from bridge.model.record import QueueStatus
from bridge.model.sms import SmsState
from bridge.pipeline.effects import contact_facts
from bridge.rules.context import RuleMessage
from bridge.rules.explain import Explanation, explain
from bridge.telegram.client.message import ChatMessage, one_line
from bridge.telegram.commands.call import Call, UsageError, no_arguments, pages, quoted
from bridge.telegram.commands.spec import COMMANDS, parse
from bridge.telegram.context import OperatorContext
from bridge.telegram.texts import say
from bridge.telegram.texts.labels import length, midnight, moment, reason

MAX_LISTED = 50
"""Most rules, or mistakes, that one answer lists."""
_SAMPLE_NUMBER = "79001234567"
"""The sender of a text that ``/test`` tries outside conversations."""
_WEEK = 6
"""Days before today that make a week together with it."""


# ---------------------------------------------------------------- the state of the bridge


async def balance(context: OperatorContext, call: Call) -> Sequence[ChatMessage]:
    states = {state.account: state for state in (await context.store.queue_status()).accounts}
    lines = []
    for name, account in context.settings.accounts.items():
        state = states.get(name, AccountState(account=name))
        lines.append(_balance_line(state, account.callback.timezone, call.chat.language))
    return pages(lines)


async def stats(context: OperatorContext, call: Call) -> Sequence[ChatMessage]:
    language, zone = call.chat.language, context.zone()
    lines = []
    for title, days in (("answer.today", 0), ("answer.week", _WEEK)):
        counts = await context.store.traffic_since(midnight(call.now, zone, days))
        lines += [say(language, title), *_traffic(counts, language), ""]
    return pages(lines[:-1])


async def status(context: OperatorContext, call: Call) -> Sequence[ChatMessage]:
    language, zone = call.chat.language, context.zone()
    status = await context.store.queue_status()
    lines = list(_queue(status, language, call.now))
    if status.last_inbound_at is not None:
        lines.append(say(language, "answer.last_inbound", {"at": moment(status.last_inbound_at, zone, language)}))
    states = {state.account: state for state in status.accounts}
    for name in context.settings.accounts:
        lines.append(_account_line(states.get(name, AccountState(account=name)), zone, language))
    rules = context.rulebook.rules
    lines.append(say(language, "answer.rules", {"count": len(rules.rules), "version": rules.version}))
    return pages(lines)


# ---------------------------------------------------------------- rules


async def test(context: OperatorContext, call: Call) -> Sequence[ChatMessage]:
    """Shows what the rules would do with a text. In a conversation its subscriber counts as the sender."""
    if not call.rest:
        raise UsageError
    rules = context.rulebook.rules
    explained = explain(rules, await _message(context, call), call.now)
    return pages(_explained(explained, call.chat.language))


async def _message(context: OperatorContext, call: Call) -> RuleMessage:
    conversation = call.conversation
    subscriber = conversation.subscriber if conversation is not None else _SAMPLE_NUMBER
    contact = Contact(subscriber=subscriber, version=0)
    if conversation is not None:
        contact = await context.store.contact(subscriber)
    return RuleMessage(
        text=call.rest,
        sender=subscriber,
        subscriber=subscriber,
        receiver=conversation.receiver if conversation is not None else "",
        account=conversation.account if conversation is not None else next(iter(context.settings.accounts)),
        contact_name=contact.name,
        contact=contact_facts(contact),
        conversation_open=contact.robot_paused_until > call.now,
    )


async def rules(context: OperatorContext, call: Call) -> Sequence[ChatMessage]:
    """Lists the rules in the order they are tried; with a word only those whose name or file contains it."""
    language, rules = call.chat.language, context.rulebook.rules
    word = call.rest.casefold()
    chosen = [rule for rule in rules.rules if word in rule.name.casefold() or word in rule.file.casefold()]
    lines = [say(language, "answer.rules", {"count": len(rules.rules), "version": rules.version})]
    for rule in chosen[:MAX_LISTED]:
        off = "" if rule.enabled else f" ({say(language, 'answer.switched_off')})"
        lines.append(f"• {one_line(rule.name, 64)} — {one_line(rule.file, 200)}:{rule.line}{off}")
    lines += _more(len(chosen) - MAX_LISTED, language)
    return pages(lines)


async def reload(context: OperatorContext, call: Call) -> Sequence[ChatMessage]:
    no_arguments(call)
    language = call.chat.language
    done = await context.rulebook.reload()
    if done.problems:
        lines = [say(language, "answer.reload_refused", {"version": done.version})]
        lines += [_mistake(problem) for problem in done.problems[:MAX_LISTED]]
        lines += _more(len(done.problems) - MAX_LISTED, language)
    else:
        text = "answer.reloaded" if done.changed else "answer.reloaded_same"
        lines = [say(language, text, {"count": done.rules, "version": done.version})]
    return pages(lines)


# ---------------------------------------------------------------- help


async def help(context: OperatorContext, call: Call) -> Sequence[ChatMessage]:
    """Lists the commands that the asker may use; with a command's name shows how to write that one."""
    language = call.chat.language
    if call.rest:
        asked = parse("/" + call.rest.split()[0].lstrip("/"))
        if asked is None:
            raise UsageError
        return pages([say(language, f"usage.{asked.command.name}")])
    admin = call.message.user_id in context.settings.telegram.admins
    lines = [
        f"/{command.name} — {say(language, f'command.{command.name}')}"
        for command in COMMANDS.values()
        if admin or not command.admin
    ]
    return pages([*lines, "", say(language, "answer.help")])


# ---------------------------------------------------------------- lines


def _balance_line(state: AccountState, zone: tzinfo, language: Language) -> str:
    if state.balance is None or state.balance_at is None:
        return say(language, "answer.balance_unknown", {"account": state.account})
    return say(
        language,
        "answer.balance",
        {
            "account": state.account,
            "balance": f"{state.balance:.2f}",
            "currency": state.currency,
            "at": moment(state.balance_at, zone, language),
        },
    )


def _account_line(state: AccountState, zone: tzinfo, language: Language) -> str:
    if state.suspended_since is None:
        return say(language, "answer.account_ok", {"account": state.account})
    since = moment(state.suspended_since, zone, language)
    params = {"account": state.account, "reason": reason(state.suspended_reason, language), "since": since}
    return say(language, "answer.account_held", params)


def _queue(status: QueueStatus, language: Language, now: Ms) -> Iterator[str]:
    yield say(language, "answer.inbound_new", {"count": status.inbound_new})
    for state in filter(lambda each: each.is_open, SmsState):
        if count := status.sms_by_state.get(state, 0):
            words = say(language, "answer.sending" if state == "sending" else f"status.{state}")
            shown = say(language, "answer.sms_in_state", {"state": words, "count": count})
            if state == "draft" and status.sms_oldest_draft is not None:
                waits = length(max(now - status.sms_oldest_draft, 0), language)
                shown = say(language, "answer.oldest", {"what": shown, "lasted": waits})
            yield shown
    yield say(language, "answer.posts_waiting", {"count": status.posts_waiting})
    if status.updates_parked:
        yield say(language, "answer.updates_parked", {"count": status.updates_parked})


def _traffic(counts: TrafficCounts, language: Language) -> Iterator[str]:
    yield say(language, "answer.counts_received", {"received": counts.received, "people": counts.subscribers})
    went = {"people": counts.by_operators, "rules": counts.by_rules, "parts": counts.parts}
    yield say(language, "answer.counts_sent", went)
    came = {"delivered": counts.delivered, "failed": counts.failed, "open": counts.open}
    yield say(language, "answer.counts_outcome", came)


def _explained(explained: Explanation, language: Language) -> Iterator[str]:
    yield say(language, "answer.test_words", {"words": one_line(" ".join(explained.words), 300) or "—"})
    if explained.prefix:
        yield say(language, "answer.test_prefix", {"prefix": one_line(" ".join(explained.prefix), 64)})
    if not explained.decision.fired:
        yield say(language, "answer.no_rule")
    matched = [tried for tried in explained.tried if tried.matched]
    for fired, tried in zip(explained.decision.fired, matched, strict=True):
        where: dict[str, Json] = {"rule": one_line(fired.rule, 64), "file": fired.file, "line": fired.line}
        yield say(language, "answer.rule", where)
        yield f"  {one_line(tried.reason.say(language), 200)}"
        yield from _effects(fired, language)
    passed = [tried for tried in explained.tried if not tried.matched]
    if passed:
        yield ""
        yield say(language, "answer.test_passed")
    for tried in passed[:MAX_LISTED]:
        reason = one_line(tried.reason.say(language), 200)
        yield f"• {one_line(tried.rule, 64)} ({one_line(tried.file, 200)}:{tried.line}): {reason}"
    yield from _more(len(passed) - MAX_LISTED, language)


def _effects(fired: FiredRule, language: Language) -> Iterator[str]:
    if fired.error is not None:
        yield "  " + say(language, "head.error", {"error": one_line(fired.error, 300)})
    for reply in fired.replies:
        yield "  " + say(language, "answer.would_reply", {"text": quoted(reply.text)})
    for forward in fired.forwards:
        yield "  " + say(language, "answer.would_forward", {"chat": _where(forward)})
    if fired.drop:
        yield "  " + say(language, "answer.would_drop")
    contact = fired.contact
    if contact is not None and contact.opt is not None:
        out = contact.opt in (OptOutEffect.OUT, OptOutEffect.ASK_OUT)
        yield "  " + say(language, "action.opt_out" if out else "action.opt_in")
    if contact is not None and (contact.tag or contact.untag):
        tags = ", ".join((*(f"+{tag}" for tag in contact.tag), *(f"-{tag}" for tag in contact.untag)))
        yield "  " + say(language, "answer.tags", {"tags": one_line(tags, 300)})


def _where(forward: Forward) -> str:
    return f"{forward.chat} ({one_line(forward.note, 100)})" if forward.note else forward.chat


def _mistake(problem: Problem) -> str:
    return f"• {one_line(str(problem), 400)}"


def _more(count: int, language: Language) -> Iterator[str]:
    if count > 0:
        yield say(language, "answer.more", {"count": count})
