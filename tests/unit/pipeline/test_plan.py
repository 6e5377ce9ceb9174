"""What a decision becomes: the guards hold, and no message of a person goes unseen."""

from __future__ import annotations

import pytest

from bridge.model.base import ADMIN_CHAT, DAY, DEFAULT_CHAT, MINUTE
from bridge.model.contact import Contact, RecentReply
from bridge.model.decision import Decision
from bridge.model.post import AlertPayload
from bridge.model.routing import Settlement
from bridge.model.sms import Priority, SmsState
from bridge.pipeline.plan import Budget, plan
from tests.unit.pipeline.samples import NOON, NOTHING, item, replied, settings


def planned(
    decision: Decision, *, budget: Budget | None = None, guards: dict[str, object] | None = None, **what: object
) -> Settlement:
    budget = budget or Budget(day="2026-01-06", limit=2000, spent=0)
    return plan(item(**what), decision, settings=settings(**(guards or {})), budget=budget, now=NOON)


def test_a_reply_goes_out_by_the_account_the_message_came_by() -> None:
    settlement = planned(replied("С 9 до 18"))
    (sms,) = settlement.replies
    assert (sms.account, sms.recipient, sms.sender_name, sms.text) == ("main", "79083730330", "MyShop", "С 9 до 18")
    assert sms.priority is Priority.AUTOMATIC
    assert sms.state is SmsState.QUEUED
    assert sms.expires_at == NOON + 60 * MINUTE
    assert str(settlement.outcome) == "replied"
    assert settlement.forwards == ()


def test_what_no_rule_matches_reaches_the_default_chat() -> None:
    settlement = planned(NOTHING)
    assert [shown.chat for shown in settlement.forwards] == [DEFAULT_CHAT]
    assert settlement.rule is None
    assert str(settlement.outcome) == "forwarded"


def test_drop_is_the_only_silent_end() -> None:
    settlement = planned(replied(drop=True))
    assert settlement.forwards == ()
    assert str(settlement.outcome) == "dropped"


def test_a_rule_that_does_nothing_is_no_drop() -> None:
    assert len(planned(replied()).forwards) == 1


def test_a_failed_template_sends_nothing_and_shows_the_error() -> None:
    settlement = planned(replied(error="'shop' is undefined"))
    assert settlement.replies == ()
    assert settlement.forwards[0].payload.error == "'shop' is undefined"
    assert [alert.text for alert in settlement.alerts] == ["alert.rule_error"]


@pytest.mark.parametrize("sender", ["Sberbank", "900", "1234", ""])
def test_a_sender_that_cannot_be_answered_is_shown_to_people_instead(sender: str) -> None:
    settlement = planned(replied("привет"), sender=sender, subscriber=sender)
    assert settlement.replies == ()
    assert len(settlement.forwards) == 1
    assert str(settlement.outcome) == "forwarded, suppressed: unanswerable"


def test_the_sixth_reply_within_ten_minutes_is_suppressed_and_told_once() -> None:
    recent = tuple(RecentReply(at=NOON - n * MINUTE, text=f"t{n}") for n in range(5))
    settlement = planned(replied("ещё"), recent=recent)
    assert settlement.replies == ()
    assert settlement.forwards == ()
    assert [alert.text for alert in settlement.alerts] == ["alert.guard_number"]
    assert settlement.alerts[0].params["subscriber"] == "79083730330", "whoever reads it must find the number"
    older = (RecentReply(at=NOON - 10 * MINUTE, text="t"), *recent[1:])
    assert len(planned(replied("ещё"), recent=older).replies) == 1


def test_the_same_text_goes_three_times_and_no_more() -> None:
    recent = tuple(RecentReply(at=NOON - MINUTE, text="эхо") for _ in range(3))
    assert planned(replied("эхо"), recent=recent).replies == ()
    assert len(planned(replied("другое"), recent=recent).replies) == 1


def test_replies_of_one_message_count_against_each_other() -> None:
    settlement = planned(replied("эхо", "эхо", "эхо", "эхо"))
    assert len(settlement.replies) == 3
    assert str(settlement.outcome) == "replied, suppressed: same_text"


def test_the_day_s_parts_end_automatic_answers_and_people_take_over() -> None:
    budget = Budget(day="2026-01-06", limit=10, spent=9)
    two_parts = "Ж" * 71
    settlement = planned(replied(two_parts), budget=budget)
    assert settlement.replies == ()
    assert len(settlement.forwards) == 1
    assert [alert.text for alert in settlement.alerts] == ["alert.daily_parts"]
    assert len(planned(replied("одна"), budget=budget).replies) == 1
    assert budget.spent == 10


def test_switched_off_guards_suppress_nothing() -> None:
    recent = tuple(RecentReply(at=NOON, text="эхо") for _ in range(50))
    off: dict[str, object] = {"per_number": "off", "same_text": "off"}
    budget = Budget(day="2026-01-06", limit=None, spent=10**6)
    assert len(planned(replied("эхо"), recent=recent, guards=off, budget=budget).replies) == 1


def test_a_person_who_took_over_silences_the_robot_and_sees_the_message() -> None:
    contact = Contact(subscriber="79083730330", version=3, robot_paused_until=NOON + 1)
    settlement = planned(replied("робот"), contact=contact)
    assert settlement.replies == ()
    assert len(settlement.forwards) == 1
    assert settlement.contact_version == 3
    over = Contact(subscriber="79083730330", version=3, robot_paused_until=NOON)
    assert len(planned(replied("робот"), contact=over).replies) == 1


def test_a_robot_that_was_switched_off_is_silent_and_a_person_sees_the_message() -> None:
    contact = Contact(subscriber="79083730330", version=3, robot_off=True)
    settlement = planned(replied("робот"), contact=contact)
    assert settlement.replies == ()
    assert len(settlement.forwards) == 1
    assert "robot_off" in str(settlement.outcome)


def test_a_message_from_before_the_outage_gets_a_person_not_a_robot() -> None:
    settlement = planned(replied("поздно"), received_at=NOON - DAY)
    assert settlement.replies == ()
    assert len(settlement.forwards) == 1
    assert [alert.text for alert in settlement.alerts] == ["alert.too_old"]
    assert planned(replied("поздно"), date=NOON - DAY).replies == ()


def test_a_blocked_number_is_neither_answered_nor_shown() -> None:
    settlement = planned(replied("нет"), contact=Contact(subscriber="79083730330", version=1, blocked=True))
    assert settlement.replies == ()
    assert settlement.forwards == ()
    assert str(settlement.outcome) == "suppressed: blocked"


def test_a_chat_named_twice_sees_the_message_once() -> None:
    twice = replied(forward="support").fired + replied(forward="support").fired
    assert len(planned(Decision(fired=twice, rules_version="v1")).forwards) == 1


def test_the_same_smsid_with_another_text_is_routed_and_told() -> None:
    settlement = planned(replied("да"), conflict_of=3)
    assert len(settlement.replies) == 1
    [post] = settlement.posts
    assert isinstance(post.payload, AlertPayload)
    assert (post.chat, post.payload.text) == (ADMIN_CHAT, "alert.same_id")


def test_a_message_of_an_account_that_was_removed_is_still_shown() -> None:
    settlement = planned(replied("да"), account="gone")
    assert settlement.replies == ()
    assert len(settlement.forwards) == 1


def test_no_text_of_a_subscriber_stands_in_a_payload() -> None:
    settlement = planned(NOTHING, text="секретный текст")
    assert "секретный" not in repr(settlement)
