"""What a decision of the rules becomes: replies that the guards let pass, forwards, alerts. Pure.

Two promises live here: a message that a person wrote is shown to somebody or was answered, unless a rule said
``drop``; and no automatic reply leaves against a guard.
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
from bridge.pipeline import compose, guards, wishes
from bridge.value import value_object


@dataclass(kw_only=True, slots=True)
class Budget:
    """Parts of automatic replies for one day; shared by the messages of a batch, checked again when written."""

    day: str
    limit: int | None
    spent: int

    def take(self, parts: int) -> bool:
        if self.limit is not None and self.spent + parts > self.limit:
            return False
        self.spent += parts
        return True


@value_object
class Answers:
    """The replies that may leave, and the holds that took the others."""

    replies: tuple[NewSms, ...]
    suppressions: tuple[Suppression, ...]
    rules: frozenset[str] = frozenset()
    """Whose replies leave."""


def plan(
    item: UnroutedMessage, decision: Decision, *, settings: Settings, budget: Budget, now: Ms, place: bool = False
) -> Settlement:
    """Everything that routing this message will write.

    ``place``: one reply may leave at once, so the first is wished to be born ``sending``.
    """
    inbound = item.inbound
    account = settings.accounts.get(inbound.account)
    # An account that left the configuration while its message waited: nobody can answer by it, people still see it.
    answers = (
        answer(item, decision, account=account, settings=settings, budget=budget, now=now, place=place)
        if account is not None
        else Answers(replies=(), suppressions=())
    )
    errors = [fired for fired in decision.fired if (fired.error or fired.recovered) is not None]
    default_chat = settings.telegram.default_chat or DEFAULT_CHAT
    forwards = tuple(show(decision, answers, default_chat, account_known=account is not None))
    return Settlement(
        inbound_id=inbound.id,
        subscriber=inbound.subscriber,
        contact_version=item.contact.version,
        now=now,
        state=InboundState.ROUTED,
        rule=decision.fired[0].rule if decision.fired else None,
        rules_version=decision.rules_version,
        outcome=outcome(decision, answers, forwards),
        replies=answers.replies,
        spend_limit=budget.limit,
        spend_day=budget.day,
        forwards=forwards,
        posts=conflict_posts(item),
        alerts=(
            *hold_alerts(item, answers.suppressions, account, budget),
            *(rule_error(fired, decision.rules_version) for fired in errors),
        ),
        contact=wishes.remembered(item.contact, decision),
        uses=tuple(wishes.used(decision, answers.rules, inbound.received_at)),
    )


def answer(
    item: UnroutedMessage,
    decision: Decision,
    *,
    account: AccountSettings,
    settings: Settings,
    budget: Budget,
    now: Ms,
    place: bool,
) -> Answers:
    """Pass each reply through the guards, in the order the rules gave them."""
    recent = list(item.recent)
    own = [number for each in settings.accounts.values() for number in each.numbers]
    general = guards.hold_all(item, own_numbers=own, max_age=account.max_age, now=now)
    replies: list[NewSms] = []
    suppressions: list[Suppression] = []
    answering: set[str] = set()
    wished = [(fired, out, reply) for fired, out in wishes.opted_out(item.contact, decision) for reply in fired.replies]
    for index, (fired, out, reply) in enumerate(wished):
        key = f"rule:{item.inbound.id}:{index}"
        state = SmsState.SENDING if place and not replies else SmsState.QUEUED
        sms = compose.rule_sms(account, item.inbound, reply, key=key, rule=fired.rule, state=state, now=now)
        hold = general or (Suppression.OPTED_OUT if out else guards.hold_text(reply.text, recent, settings.guards, now))
        if hold is None and not budget.take(sms.parts):
            hold = Suppression.DAILY_PARTS
        if hold is not None:
            suppressions.append(hold)
            continue
        recent.append(RecentReply(at=now, text=reply.text))
        replies.append(sms)
        answering.add(fired.rule)
    return Answers(replies=tuple(replies), suppressions=tuple(dict.fromkeys(suppressions)), rules=frozenset(answering))


def show(decision: Decision, answers: Answers, default_chat: str, *, account_known: bool) -> Iterator[ForwardPost]:
    """The chats that see the message: the rules' own wishes, else the default chat where nobody else took it."""
    seen: set[str] = set()
    opt_question = wishes.opt_question(decision)
    for fired in decision.fired:
        for forward in fired.forwards:
            if forward.chat not in seen:
                seen.add(forward.chat)
                shown = payload(fired, answers, opt_question, forward.note, forward.silent)
                yield ForwardPost(chat=forward.chat, payload=shown)
    failed = next((fired for fired in decision.fired if fired.error is not None), None)
    if failed is not None and default_chat not in seen:
        yield ForwardPost(chat=default_chat, payload=payload(failed, answers, opt_question))
    elif not seen and (opt_question or lonely(decision, answers, account_known)):
        first = decision.fired[0] if decision.fired else None
        yield ForwardPost(chat=default_chat, payload=payload(first, answers, opt_question))


def lonely(decision: Decision, answers: Answers, account_known: bool) -> bool:
    """Would nobody take notice of this message unless the default chat did?"""
    if not decision.fired or not account_known:
        return True
    if answers.replies or any(fired.drop for fired in decision.fired):
        return False
    return not answers.suppressions or any(hold in guards.SHOWN_TO_PEOPLE for hold in answers.suppressions)


def payload(
    fired: FiredRule | None, answers: Answers, opt_question: OptQuestion, note: str = "", silent: bool = False
) -> InboundPayload:
    """What the renderer needs beside the stored message; never a text of the subscriber."""
    error = (fired.error or fired.recovered) if fired is not None else None
    return InboundPayload(
        rule=fired.rule if fired is not None else "",
        note=note,
        error=error or "",
        silent=silent,
        answered=len(answers.replies),
        held=tuple(str(hold) for hold in answers.suppressions),
        opt_question=opt_question,
    )


def outcome(decision: Decision, answers: Answers, forwards: tuple[ForwardPost, ...]) -> RoutingOutcome:
    """What comes of the message, for people."""
    results: list[RoutingResult] = []
    if any((fired.error or fired.recovered) is not None for fired in decision.fired):
        results.append(RoutingResult.RULE_FAILED)
    if answers.replies:
        results.append(RoutingResult.REPLIED)
    if forwards:
        results.append(RoutingResult.FORWARDED)
    if any(fired.drop for fired in decision.fired):
        results.append(RoutingResult.DROPPED)
    results += wishes.opt_out_results(decision)
    suppressions = answers.suppressions
    if any(fired.spent for fired in decision.fired):
        suppressions = (Suppression.ONCE, *suppressions)
    if not results and not suppressions:
        results.append(RoutingResult.KEPT)
    return RoutingOutcome(results=tuple(results), suppressions=suppressions)


def conflict_posts(item: UnroutedMessage) -> tuple[NewPost, ...]:
    """The same smsid came before with another content: routed like any message, and the team is told."""
    inbound = item.inbound
    if inbound.conflict_of is None:
        return ()
    params: dict[str, Json] = {"account": inbound.account, "smsid": inbound.smsid}
    return (alert_post("alert.same_id", params, key=f"same_id:{inbound.id}", inbound_id=inbound.id),)


def rule_error(fired: FiredRule, version: str) -> Alert:
    """Once a rule and version: an edited rule that still fails is told of again."""
    return Alert(
        key=f"rule:{version}:{fired.rule}",
        text="alert.rule_error",
        params={"rule": fired.rule, "error": fired.error or fired.recovered or ""},
    )


def hold_alerts(
    item: UnroutedMessage, suppressions: tuple[Suppression, ...], account: AccountSettings | None, budget: Budget
) -> Iterator[Alert]:
    """One notice for a condition: a day a number, a day for the budget, a day an account for what came late.

    Where numbers pump by the hundred, each with its own notice, one for all of them takes the place of the rest.
    """
    for hold in suppressions:
        if hold in (Suppression.PER_NUMBER, Suppression.SAME_TEXT):
            yield Alert(
                key=f"guard:{budget.day}:{item.inbound.subscriber}",
                text="alert.guard_number",
                params={"subscriber": item.inbound.subscriber, "reason": str(hold)},
                crowd=Alert(key=f"guard:{budget.day}:", text="alert.guard_numbers"),
            )
        elif hold is Suppression.DAILY_PARTS:
            yield Alert(key=f"daily_parts:{budget.day}", text="alert.daily_parts", params={"limit": budget.limit})
        elif hold is Suppression.TOO_OLD and account is not None and account.max_age is not None:
            yield Alert(
                key=f"too_old:{item.inbound.account}:{budget.day}",
                text="alert.too_old",
                params={"account": item.inbound.account, "hours": account.max_age // HOUR},
                account=item.inbound.account,
            )
