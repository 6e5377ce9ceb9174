"""Turns a decision of the rules into a settlement: replies that the guards let pass, forwards, alerts. Pure.

It keeps two promises. A message that a person wrote is answered or shown to people, unless a rule says ``drop``. No
automatic reply leaves against a guard.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bridge.config import AccountSettings, Settings
from bridge.model.alert import Alert, alert_post
from bridge.model.base import DEFAULT_CHAT, HOUR, Json, Ms
from bridge.model.contact import RecentReply
from bridge.model.decision import Decision, FiredRule
from bridge.model.inbound import InboundState
from bridge.model.post import InboundPayload, NewPost, OptQuestion
from bridge.model.routing import ForwardPost, Settlement, UnroutedMessage
from bridge.model.routing_outcome import RoutingOutcome, RoutingResult, Suppression
from bridge.model.sms import NewSms, SmsState
from bridge.pipeline import compose, effects, guards
from bridge.value import value_object


@dataclass(kw_only=True, slots=True)
class Budget:
    """The parts that automatic replies may cost on one day.

    The messages of a batch share a budget. The store checks it again.
    """

    day: str
    limit: int | None
    spent: int

    def take(self, parts: int) -> bool:
        """Spend ``parts`` and return True; False if that would exceed the limit."""
        if self.limit is not None and self.spent + parts > self.limit:
            return False
        self.spent += parts
        return True


@value_object
class AutomaticReplies:
    """The replies to one message after the guards."""

    sms: tuple[NewSms, ...] = ()
    """Replies that leave."""
    suppressions: tuple[Suppression, ...] = ()
    """Why the guards held the other replies back, each reason once."""
    rules: frozenset[str] = frozenset()
    """The names of the rules whose replies leave."""


def plan(
    message: UnroutedMessage, decision: Decision, *, settings: Settings, budget: Budget, now: Ms, slot: bool = False
) -> Settlement:
    """Build everything that routing this message writes.

    ``slot``: the outbox has reserved a slot, so the first reply asks to be inserted as ``sending``.
    """
    inbound = message.inbound
    account = settings.accounts.get(inbound.account)
    # The account may have left the configuration while the message waited. No reply can leave then, but people see it.
    replies = (
        automatic_replies(message, decision, account=account, settings=settings, budget=budget, now=now, slot=slot)
        if account is not None
        else AutomaticReplies()
    )
    failed = [fired for fired in decision.fired if _error(fired) is not None]
    default_chat = settings.telegram.default_chat or DEFAULT_CHAT
    forwards = tuple(forward_posts(decision, replies, default_chat, account_known=account is not None))
    return Settlement(
        inbound_id=inbound.id,
        subscriber=inbound.subscriber,
        contact_version=message.contact.version,
        now=now,
        state=InboundState.ROUTED,
        rule=decision.fired[0].rule if decision.fired else None,
        rules_version=decision.rules_version,
        outcome=outcome(decision, replies, forwards),
        replies=replies.sms,
        spend_limit=budget.limit,
        spend_day=budget.day,
        forwards=forwards,
        posts=conflict_posts(message),
        alerts=(
            *suppression_alerts(message, replies.suppressions, account, budget),
            *(rule_alert(fired, decision.rules_version) for fired in failed),
        ),
        contact=effects.contact_change(message.contact, decision),
        uses=tuple(effects.rule_uses(decision, replies.rules, inbound.received_at)),
    )


def automatic_replies(
    message: UnroutedMessage,
    decision: Decision,
    *,
    account: AccountSettings,
    settings: Settings,
    budget: Budget,
    now: Ms,
    slot: bool,
) -> AutomaticReplies:
    """Ask the guards about each reply, in the order of the rules."""
    recent = list(message.recent)
    own = [number for each in settings.accounts.values() for number in each.numbers]
    general = guards.suppression_of_message(message, own_numbers=own, max_age=account.max_age, now=now)
    replies: list[NewSms] = []
    suppressions: list[Suppression] = []
    rules: set[str] = set()
    wanted = [
        (fired, out, reply)
        for fired, out in effects.with_opt_outs(message.contact, decision)
        for reply in fired.replies
    ]
    for index, (fired, out, reply) in enumerate(wanted):
        key = f"rule:{message.inbound.id}:{index}"
        state = SmsState.SENDING if slot and not replies else SmsState.QUEUED
        sms = compose.rule_sms(account, message.inbound, reply, key=key, rule=fired.rule, state=state, now=now)
        reason = general or (
            Suppression.OPTED_OUT if out else guards.suppression_of_text(reply.text, recent, settings.guards, now)
        )
        if reason is None and not budget.take(sms.parts):
            reason = Suppression.DAILY_PARTS
        if reason is not None:
            suppressions.append(reason)
            continue
        recent.append(RecentReply(at=now, text=reply.text))
        replies.append(sms)
        rules.add(fired.rule)
    return AutomaticReplies(sms=tuple(replies), suppressions=tuple(dict.fromkeys(suppressions)), rules=frozenset(rules))


def forward_posts(
    decision: Decision, replies: AutomaticReplies, default_chat: str, *, account_known: bool
) -> Iterator[ForwardPost]:
    """The posts that show the message: in the chats of the rules, and in the default chat if that is needed."""
    seen: set[str] = set()
    opt_question = effects.opt_question(decision)
    for fired in decision.fired:
        for forward in fired.forwards:
            if forward.chat not in seen:
                seen.add(forward.chat)
                shown = inbound_payload(fired, replies, opt_question, forward.note, forward.silent)
                yield ForwardPost(chat=forward.chat, payload=shown)
    failed = next((fired for fired in decision.fired if fired.error is not None), None)
    if failed is not None and default_chat not in seen:
        yield ForwardPost(chat=default_chat, payload=inbound_payload(failed, replies, opt_question))
    elif not seen and (opt_question or needs_default_chat(decision, replies, account_known)):
        first = decision.fired[0] if decision.fired else None
        yield ForwardPost(chat=default_chat, payload=inbound_payload(first, replies, opt_question))


def needs_default_chat(decision: Decision, replies: AutomaticReplies, account_known: bool) -> bool:
    """Whether a message that no rule forwards must be shown in the default chat, or it would go unnoticed."""
    if not decision.fired or not account_known:
        return True
    if replies.sms or any(fired.drop for fired in decision.fired):
        return False
    return not replies.suppressions or any(reason in guards.SHOWN_TO_PEOPLE for reason in replies.suppressions)


def inbound_payload(
    fired: FiredRule | None,
    replies: AutomaticReplies,
    opt_question: OptQuestion,
    note: str = "",
    silent: bool = False,
) -> InboundPayload:
    """The payload of a forward. The post shows it with the text, which is read from its row."""
    return InboundPayload(
        rule=fired.rule if fired is not None else "",
        note=note,
        error=(_error(fired) if fired is not None else None) or "",
        silent=silent,
        answered=len(replies.sms),
        suppressions=tuple(str(reason) for reason in replies.suppressions),
        opt_question=opt_question,
    )


def outcome(decision: Decision, replies: AutomaticReplies, forwards: tuple[ForwardPost, ...]) -> RoutingOutcome:
    """The outcome of routing the message, for people."""
    results: list[RoutingResult] = []
    if any(_error(fired) is not None for fired in decision.fired):
        results.append(RoutingResult.RULE_FAILED)
    if replies.sms:
        results.append(RoutingResult.REPLIED)
    if forwards:
        results.append(RoutingResult.FORWARDED)
    if any(fired.drop for fired in decision.fired):
        results.append(RoutingResult.DROPPED)
    results += effects.opt_out_results(decision)
    suppressions = replies.suppressions
    if any(fired.spent for fired in decision.fired):
        suppressions = (Suppression.ONCE, *suppressions)
    if not results and not suppressions:
        results.append(RoutingResult.KEPT)
    return RoutingOutcome(results=tuple(results), suppressions=suppressions)


def conflict_posts(message: UnroutedMessage) -> tuple[NewPost, ...]:
    """Tell the team if the same smsid came before with other content. Such a message is routed like any other."""
    inbound = message.inbound
    if inbound.conflict_of is None:
        return ()
    params: dict[str, Json] = {"account": inbound.account, "smsid": inbound.smsid}
    return (alert_post("alert.same_id", params, key=f"same_id:{inbound.id}", inbound_id=inbound.id),)


def rule_alert(fired: FiredRule, version: str) -> Alert:
    """The alert about a rule that failed, one for each rule and version.

    A rule that is edited and still fails raises a new alert.
    """
    return Alert(
        key=f"rule:{version}:{fired.rule}",
        text="alert.rule_error",
        params={"rule": fired.rule, "error": _error(fired) or ""},
    )


def suppression_alerts(
    message: UnroutedMessage, suppressions: tuple[Suppression, ...], account: AccountSettings | None, budget: Budget
) -> Iterator[Alert]:
    """Alerts about suppressed replies.

    At most one a day for each number, for the budget, and for each account whose messages came late.

    If very many numbers exceed their limit, one alert about all of them replaces the rest.
    """
    for reason in suppressions:
        if reason in (Suppression.PER_NUMBER, Suppression.SAME_TEXT):
            yield Alert(
                key=f"guard:{budget.day}:{message.inbound.subscriber}",
                text="alert.guard_number",
                params={"subscriber": message.inbound.subscriber, "reason": str(reason)},
                summary=Alert(key=f"guard:{budget.day}:", text="alert.guard_numbers"),
            )
        elif reason is Suppression.DAILY_PARTS:
            yield Alert(key=f"daily_parts:{budget.day}", text="alert.daily_parts", params={"limit": budget.limit})
        elif reason is Suppression.TOO_OLD and account is not None and account.max_age is not None:
            yield Alert(
                key=f"too_old:{message.inbound.account}:{budget.day}",
                text="alert.too_old",
                params={"account": message.inbound.account, "hours": account.max_age // HOUR},
                account=message.inbound.account,
            )


def _error(fired: FiredRule) -> str | None:
    return fired.error or fired.recovered
