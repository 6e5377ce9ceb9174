"""What rules want known of a sender, the last text of one who opted out, and what a limit counts."""

from __future__ import annotations

import pytest

from bridge.model.base import DEFAULT_CHAT
from bridge.model.contact import Contact, ContactChange, RuleCounter, RuleUse
from bridge.model.decision import ContactEffect, Decision, FiredRule, Forward, OptOutEffect, Reply
from bridge.model.routing import Settlement
from bridge.pipeline.plan import Budget, plan
from tests.unit.pipeline.samples import NOON, item, settings

SENDER = "79083730330"


def known(**facts: object) -> Contact:
    return Contact(subscriber=SENDER, version=3, **facts)  # type: ignore[arg-type]


def fired(name: str, *texts: str, opt: OptOutEffect | None = None, **more: object) -> FiredRule:
    effect = None if opt is None else ContactEffect(opt=opt)
    replies = tuple(Reply(text=text, confirms_opt_out=opt is OptOutEffect.OUT) for text in texts)
    return FiredRule(rule=name, file="a.yaml", line=1, replies=replies, **{"contact": effect, **more})  # type: ignore[arg-type]


def planned(*rules: FiredRule, contact: Contact | None = None, **guards: object) -> Settlement:
    budget = Budget(day="2026-01-06", limit=2000, spent=0)
    decision = Decision(fired=rules, rules_version="v1")
    return plan(item(contact=contact or known()), decision, settings=settings(**guards), budget=budget, now=NOON)


def texts(settlement: Settlement) -> list[str]:
    return [sms.text for sms in settlement.replies]


def test_who_opts_out_gets_that_confirmed_and_no_other_text() -> None:
    settlement = planned(fired("stop", "Вы отписаны.", opt=OptOutEffect.OUT), fired("ad", "А ещё у нас скидки."))
    assert texts(settlement) == ["Вы отписаны."]
    assert settlement.contact == ContactChange(opted_out=True, tags=(), values={})
    assert str(settlement.outcome) == "replied, opted out, suppressed: opted_out"


def test_the_same_word_once_more_is_not_confirmed_again() -> None:
    settlement = planned(fired("stop", "Вы отписаны.", opt=OptOutEffect.OUT), contact=known(opted_out=True))
    assert texts(settlement) == []
    assert settlement.contact is None
    assert [shown.chat for shown in settlement.forwards] == [DEFAULT_CHAT]


def test_who_comes_back_is_answered_at_once() -> None:
    settlement = planned(fired("start", "Вы снова с нами.", opt=OptOutEffect.IN), contact=known(opted_out=True))
    assert texts(settlement) == ["Вы снова с нами."]
    assert settlement.contact == ContactChange(opted_out=False, tags=(), values={})


def test_a_blocked_number_gets_no_confirmation_either_but_its_word_counts() -> None:
    settlement = planned(fired("stop", "Вы отписаны.", opt=OptOutEffect.OUT), contact=known(blocked=True))
    assert texts(settlement) == []
    assert settlement.contact is not None
    assert settlement.contact.opted_out


@pytest.mark.parametrize(("opt", "asks"), [(OptOutEffect.ASK_OUT, "out"), (OptOutEffect.ASK_IN, "in")])
def test_what_was_not_clear_is_asked_where_the_message_is_shown(opt: OptOutEffect, asks: str) -> None:
    shown = planned(fired("stop", opt=opt, forwards=(Forward(chat="sales"), Forward(chat="support")))).forwards
    assert [(one.chat, one.payload.opt_question) for one in shown] == [("sales", asks), ("support", asks)]
    alone = planned(fired("stop", opt=opt))
    assert [(one.chat, one.payload.opt_question) for one in alone.forwards] == [(DEFAULT_CHAT, asks)]
    assert alone.contact is None
    assert alone.replies == ()


def test_a_question_is_asked_although_another_rule_answers_or_drops() -> None:
    for other in (fired("thanks", "Спасибо!"), fired("rest", drop=True)):
        settlement = planned(fired("stop", opt=OptOutEffect.ASK_OUT), other)
        assert [(one.chat, one.payload.opt_question) for one in settlement.forwards] == [(DEFAULT_CHAT, "out")]


def test_tags_and_values_add_up_over_the_rules_and_nothing_is_written_for_nothing() -> None:
    contact = known(tags=("old", "vip"), values={"city": "Тверь"})
    first = fired("a", contact=ContactEffect(tag=("new", "vip"), untag=("old",), values={"city": "Казань"}))
    second = fired("b", contact=ContactEffect(tag=("late",), untag=("new",), values={"name_day": "1"}))
    assert planned(first, second, contact=contact).contact == ContactChange(
        opted_out=False, tags=("vip", "late"), values={"city": "Казань", "name_day": "1"}
    )
    same = fired("a", contact=ContactEffect(tag=("vip",), untag=("nothing",), values={"city": "Тверь"}))
    assert planned(same, contact=contact).contact is None


def test_matches_count_and_replies_only_where_they_leave() -> None:
    both = (RuleCounter.MATCH, RuleCounter.REPLY)
    settlement = planned(fired("once", "Привет", counted=both), fired("limit", counted=(RuleCounter.MATCH,)))
    assert settlement.uses == (
        RuleUse(rule="once", what=RuleCounter.MATCH, at=NOON),
        RuleUse(rule="once", what=RuleCounter.REPLY, at=NOON),
        RuleUse(rule="limit", what=RuleCounter.MATCH, at=NOON),
    )
    suppressed = planned(fired("once", "Привет", counted=both), contact=known(robot_paused_until=NOON + 1))
    assert suppressed.uses == (RuleUse(rule="once", what=RuleCounter.MATCH, at=NOON),)


def test_a_message_whose_reply_was_given_often_enough_is_shown_to_a_person() -> None:
    settlement = planned(fired("night", spent=True))
    assert [shown.chat for shown in settlement.forwards] == [DEFAULT_CHAT]
    assert str(settlement.outcome) == "forwarded, suppressed: once"


def test_what_on_error_did_is_told_of_like_an_error() -> None:
    settlement = planned(fired("a", "Пришлите число", recovered="no second word", forwards=(Forward(chat="sales"),)))
    assert texts(settlement) == ["Пришлите число"]
    assert [(one.chat, one.payload.error) for one in settlement.forwards] == [("sales", "no second word")]
    assert [(alert.text, alert.params["error"]) for alert in settlement.alerts] == [
        ("alert.rule_error", "no second word")
    ]
    assert str(settlement.outcome) == "rule failed, replied, forwarded"
