"""Paid SMS: once each, three outcomes kept apart, an account's trouble held and told once."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from bridge.model.base import DAY, HOUR, MINUTE, SECOND
from bridge.model.sms import Origin, Priority, Sms, SmsState
from bridge.pipeline.commands import CommandRefused, Commands
from bridge.sandbox.faults import Fault
from tests.clock import ManualClock
from tests.flow.harness import SUBSCRIBER, World, world

UNKNOWN = [
    Fault.CUT_AFTER_READING,
    Fault.CUT_AFTER_TAKING,
    Fault.HTTP_502,
    Fault.HALF_BODY,
    Fault.HALF_HEADERS,
    Fault.GARBAGE,
    Fault.EMPTY,
    Fault.HTML,
]


def buttons(around: World) -> list[tuple[int, str, str]]:
    """(message id, label, data) of every button that stands in the admin chat."""
    found = []
    for post in around.admins.from_bot:
        rows = (post.reply_markup or {}).get("inline_keyboard", [])
        assert isinstance(rows, list)
        for row in rows:
            found += [(post.id, cell["text"], cell["callback_data"]) for cell in row]  # type: ignore[index, call-overload, union-attr]
    return found


def commands(around: World) -> Commands:
    parts = around.bridge.sending
    return Commands(settings=around.settings, services=parts.services)


async def test_a_key_is_one_sms_and_of_one_number(tmp_path: Path) -> None:
    async with world(tmp_path) as around:

        async def send(to: str) -> Sms:
            return await commands(around).send(to=to, text="Hello", account="", author="cli", key="daily")

        first = await send(SUBSCRIBER)
        assert (await send(SUBSCRIBER)).id == first.id
        with pytest.raises(CommandRefused, match=f"was used for SMS {first.id} to another number; nothing was sent"):
            await send("79990000001")
        await around.sms(SmsState.DELIVERED)
        assert [sent.recipient for sent in around.platform.book] == [SUBSCRIBER]


@pytest.mark.parametrize("fault", UNKNOWN)
async def test_an_unknown_outcome_is_never_repeated_and_put_to_a_person(tmp_path: Path, fault: Fault) -> None:
    async with world(tmp_path) as around:
        around.platform.misbehave(fault)
        await around.text("часы")
        (sms,) = await around.sms(SmsState.UNCERTAIN)
        await around.until(lambda: len(buttons(around)) == 2)
        await around.text("часы", sender="79990000001")
        await around.sms(SmsState.DELIVERED)
        requests = [each for each in around.platform.requests if each.fields.get("dadr") == SUBSCRIBER]
        assert len(requests) == 1, "the bridge asked again by itself"
        assert sms.reason


async def test_send_again_is_a_new_sms_and_the_old_one_stays_judged(tmp_path: Path) -> None:
    async with world(tmp_path) as around:
        around.platform.misbehave(Fault.CUT_AFTER_READING)
        await around.text("часы")
        await around.until(lambda: len(buttons(around)) == 2)
        message, _, data = next(each for each in buttons(around) if each[2].startswith("again:"))
        around.telegram.presses(around.admins.id, message, data)
        around.telegram.presses(around.admins.id, message, data)
        (new,) = await around.sms(SmsState.DELIVERED)
        (old,) = await around.sms(SmsState.ABANDONED)
        assert new.retry_of == old.id
        assert len(around.platform.sent_to(SUBSCRIBER)) == 1
        await around.until(lambda: buttons(around) == [])


async def test_leave_it_ends_the_question(tmp_path: Path) -> None:
    async with world(tmp_path) as around:
        around.platform.misbehave(Fault.CUT_AFTER_TAKING)
        await around.text("часы")
        await around.until(lambda: len(buttons(around)) == 2)
        message, _, data = next(each for each in buttons(around) if each[2].startswith("leave:"))
        around.telegram.presses(around.admins.id, message, data)
        await around.sms(SmsState.ABANDONED)
        assert len(around.platform.sent_to(SUBSCRIBER)) == 1


async def test_on_unknown_leave_asks_nobody_about_a_robots_answer(tmp_path: Path) -> None:
    async with world(tmp_path, account={"on_unknown": "leave"}) as around:
        around.platform.misbehave(Fault.CUT_AFTER_READING)
        await around.text("часы")
        await around.sms(SmsState.UNCERTAIN)

        async def nothing_left_to_show() -> bool:
            return (await around.bridge.store.queue_status()).posts_waiting == 0

        await around.until(nothing_left_to_show)
        assert around.admins.from_bot == []


async def test_an_operators_unknown_reply_is_asked_about_on_the_reply(tmp_path: Path) -> None:
    async with world(tmp_path) as around:
        await around.text("вопрос")
        post = await around.post("вопрос")
        around.platform.misbehave(Fault.CUT_AFTER_READING)
        reply = around.answer("ответ", post)
        await around.until(lambda: around.support.history[reply].reactions == ("🤔",))
        await around.until(
            lambda: any(each.reply_to == reply and each.reply_markup for each in around.support.from_bot)
        )
        assert around.admins.from_bot == []


# ------------------------------------------------ the probe


async def test_a_probe_that_is_refused_as_the_same_request_proves_arrival(tmp_path: Path) -> None:
    async with world(tmp_path, account={"on_unknown": "probe"}) as around:
        around.platform.misbehave(Fault.CUT_AFTER_TAKING)
        around.platform.misbehave(Fault.SAME_REQUEST)
        await around.text("часы")
        (sms,) = await around.sms(SmsState.SENT)
        assert (sms.reason, sms.platform_ids) == ("proved_by_probe", ())
        assert len(around.platform.sent_to(SUBSCRIBER)) == 1


async def test_a_probe_that_gets_an_id_sent_it_now(tmp_path: Path) -> None:
    async with world(tmp_path, account={"on_unknown": "probe"}) as around:
        around.platform.misbehave(Fault.CUT_AFTER_READING)
        await around.text("часы")
        await around.sms(SmsState.DELIVERED)
        assert len(around.platform.sent_to(SUBSCRIBER)) == 1


async def test_a_probe_that_learns_nothing_asks_a_person_and_never_goes_a_third_time(tmp_path: Path) -> None:
    async with world(tmp_path, account={"on_unknown": "probe"}) as around:
        around.platform.misbehave(Fault.CUT_AFTER_READING, times=None)
        await around.text("часы")
        await around.sms(SmsState.UNCERTAIN)
        await around.until(lambda: len(buttons(around)) == 2)
        assert len(around.platform.requests) == 2


async def test_no_probe_while_an_identical_request_is_on_record(tmp_path: Path) -> None:
    async with world(tmp_path, account={"on_unknown": "probe"}) as around:
        await around.text("часы")
        await around.sms(SmsState.DELIVERED)
        around.platform.misbehave(Fault.CUT_AFTER_READING)
        await around.text("часы ещё раз")
        await around.sms(SmsState.UNCERTAIN)
        assert sum(1 for each in around.platform.requests if "text" in each.fields) == 2


# ------------------------------------------------ the same request


async def test_the_same_request_within_a_minute_of_our_own_waits_the_minute_out(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as around:
        await around.text("часы")
        await around.sms(SmsState.SENT)
        around.platform.misbehave(Fault.SAME_REQUEST)
        started = clock.now()
        await around.text("часы, пожалуйста")
        await around.until(lambda: len(around.platform.book) == 2, step=SECOND)
        assert MINUTE <= clock.now() - started <= 2 * MINUTE


async def test_the_same_request_that_nothing_explains_is_unknown(tmp_path: Path) -> None:
    async with world(tmp_path) as around:
        around.platform.misbehave(Fault.SAME_REQUEST)
        await around.text("часы")
        (sms,) = await around.sms(SmsState.UNCERTAIN)
        assert sms.reason == "same_request"


# ------------------------------------------------ certain failures


async def test_what_surely_did_not_leave_is_tried_until_it_does(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as around:
        await around.platform.stop()
        # The platform is off the air: only its sending side is needed, callbacks come from elsewhere.
        await around.text("часы")
        await around.post("main", chat=around.admins.id)
        await around.platform.start()
        await around.sms(SmsState.DELIVERED)
        assert len(around.platform.book) == 1
        await around.until(lambda: len(around.admins.from_bot) == 2)


@pytest.mark.parametrize("fault", [Fault.STOP_LIST, Fault.DECLINED, Fault.WRONG_ENCODING, Fault.DIRECTION_CLOSED])
async def test_a_refusal_is_final_and_told(tmp_path: Path, fault: Fault) -> None:
    async with world(tmp_path) as around:
        around.platform.misbehave(fault)
        await around.text("часы")
        (sms,) = await around.sms(SmsState.FAILED)
        assert sms.reason
        await around.until(lambda: around.admins.from_bot)
        assert around.platform.book == []


async def test_a_refused_sender_name_is_an_alert_of_its_own(tmp_path: Path) -> None:
    async with world(tmp_path) as around:
        around.platform.misbehave(Fault.BAD_SENDER)
        await around.text("часы")
        await around.sms(SmsState.FAILED)
        await around.post("MyShop", chat=around.admins.id)


# ------------------------------------------------ account faults


@pytest.mark.parametrize("fault", [Fault.BAD_LOGIN, Fault.BLOCKED, Fault.NO_CREDIT])
async def test_an_account_fault_holds_the_queue_is_told_once_and_ends_by_itself(tmp_path: Path, fault: Fault) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as around:
        around.platform.misbehave(fault, times=1)
        await around.text("часы")
        await around.until(lambda: len(around.admins.from_bot) == 1)
        for number in range(5):
            await around.text("часы", sender=f"7999000000{number}")
        assert around.platform.book == []
        around.platform.top_up(100)
        await around.until(lambda: len(around.platform.book) == 6, step=5 * SECOND)
        await around.until(lambda: len(around.admins.from_bot) == 2)


async def test_a_hold_survives_a_restart(tmp_path: Path) -> None:
    async with world(tmp_path) as around:
        around.platform.misbehave(Fault.BLOCKED, times=None)
        await around.text("часы")
        await around.until(lambda: len(around.admins.from_bot) == 1)
        await around.restart()
        await around.text("вопрос")
        await around.post("вопрос")
        assert len([each for each in around.platform.requests if "text" in each.fields]) == 1
        assert len(await around.sms(SmsState.QUEUED)) == 1


async def test_zero_with_money_left_refuses_the_message_alone(tmp_path: Path) -> None:
    async with world(tmp_path) as around:
        around.platform.misbehave(Fault.ZERO)
        await around.text("часы")
        await around.sms(SmsState.FAILED)
        await around.text("часы", sender="79990000001")
        await around.sms(SmsState.DELIVERED)


async def test_zero_without_money_holds_the_account_and_keeps_the_message(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as around:
        around.platform.misbehave(Fault.ZERO)
        around.platform.balance = 0
        await around.text("часы")
        await around.until(lambda: len(around.admins.from_bot) == 1)
        assert len(await around.sms(SmsState.QUEUED)) == 1
        around.platform.top_up(50)
        await around.until(lambda: len(around.platform.book) == 1, step=5 * SECOND)


async def test_three_zeros_in_a_row_for_different_people_hold_the_account(tmp_path: Path) -> None:
    async with world(tmp_path) as around:
        around.platform.misbehave(Fault.ZERO, times=3)
        for number in range(3):
            await around.text("часы", sender=f"7999000000{number}")
            await around.sms(SmsState.FAILED, number + 1)
        await around.text("часы", sender="79990000009")
        (waiting,) = await around.sms(SmsState.QUEUED)
        assert waiting.recipient == "79990000009"
        assert around.platform.book == []


async def test_what_the_platform_holds_is_parked_and_never_sent_again(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as around:
        around.platform.misbehave(Fault.PARKED)
        await around.text("часы")
        await around.sms(SmsState.PARKED)
        await around.text("часы", sender="79990000001")
        around.platform.top_up(100)
        await around.until(lambda: len(around.platform.book) == 2, step=5 * SECOND)
        assert len(around.platform.sent_to(SUBSCRIBER)) == 1
        assert [sms.recipient for sms in await around.sms(SmsState.PARKED)] == [SUBSCRIBER]


# ------------------------------------------------ time


async def test_an_automatic_answer_that_is_no_longer_worth_it_goes_stale(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock, account={"reply_ttl": "1h"}) as around:
        around.platform.misbehave(Fault.BLOCKED, times=None)
        await around.text("часы")
        await around.sms(SmsState.QUEUED)
        await around.later(2 * HOUR)
        around.platform.behave()
        await around.sms(SmsState.STALE)
        assert around.platform.book == []
        await around.post("--state stale", chat=around.admins.id)


async def test_what_came_during_an_outage_is_shown_and_not_answered_by_the_robot(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as around:
        await around.stop_routing()
        await around.text("часы")
        await around.stop()
        clock.set(clock.now() + DAY)
        await around.start()
        await around.post("часы")
        assert await around.bridge.store.list_sms(list(SmsState), limit=9) == []


async def test_delivery_is_asked_for_on_schedule_and_given_up_at_last(tmp_path: Path) -> None:
    clock = ManualClock()
    status = {"poll": ["5s", "1m", "1h"], "give_up": "10h", "rate": "off"}
    async with world(tmp_path, clock=clock, account={"status": status}) as around:
        around.platform.plan_statuses("Send")
        await around.text("часы")
        (sms,) = await around.sms(SmsState.SENT)
        await around.until(lambda: len(around.platform.requests) >= 5, step=10 * MINUTE)
        asked = [each.at for each in around.platform.requests if each.fields.get("smsid") == sms.platform_ids[0]]
        gaps = [later - earlier for earlier, later in pairwise(asked)]
        assert all(gap >= 59 * SECOND for gap in gaps[:1])
        assert all(gap >= 59 * MINUTE for gap in gaps[1:])
        await around.sms(SmsState.UNCONFIRMED, step=HOUR)


@pytest.mark.parametrize(
    ("words", "state"),
    [
        (("Send", "deliver"), SmsState.DELIVERED),
        (("not_deliver",), SmsState.UNDELIVERED),
        (("expired",), SmsState.EXPIRED),
        (("partly_deliver", "DELIVER"), SmsState.DELIVERED),
        (("in_orbit", "deliver"), SmsState.DELIVERED),
    ],
)
async def test_the_platforms_last_word_is_the_state(tmp_path: Path, words: tuple[str, ...], state: SmsState) -> None:
    async with world(tmp_path, account={"status": {"poll": ["100ms"], "rate": "off"}}) as around:
        around.platform.plan_statuses(*words)
        await around.text("часы")
        (sms,) = await around.sms(state)
        assert sms.platform_status == words[-1]


# ------------------------------------------------ order, money, orders from the command line


async def test_people_overtake_robots_and_subscribers_do_not_wait_for_each_other(tmp_path: Path) -> None:
    async with world(tmp_path, account={"connections": 1}) as around:
        around.platform.misbehave(Fault.BLOCKED)
        await around.text("часы")
        await around.sms(SmsState.QUEUED)
        commanding = commands(around)
        await commanding.send(to="+79990000001", text="от человека", account="", author="cli")
        rows = await around.sms(SmsState.QUEUED, 2)
        assert {(row.origin, row.priority) for row in rows} == {
            (Origin.RULE, Priority.AUTOMATIC),
            (Origin.COMMAND, Priority.PERSON),
        }
        await around.bridge.store.resume_account("main", 0)
        await around.restart()
        await around.until(lambda: len(around.platform.book) == 2)
        assert [sms.text for sms in around.platform.book] == ["от человека", "Работаем с 9 до 18."]


async def test_the_same_key_of_a_script_is_one_sms(tmp_path: Path) -> None:
    async with world(tmp_path) as around:
        commanding = commands(around)
        first = await commanding.send(to="8 999 000-00-01", text="раз", account="main", author="cli", key="order-7")
        second = await commanding.send(to="8 999 000-00-01", text="раз", account="main", author="cli", key="order-7")
        assert first.id == second.id
        await around.sms(SmsState.DELIVERED)
        assert len(around.platform.book) == 1


async def test_a_low_balance_is_told_once_and_its_end_too(tmp_path: Path) -> None:
    clock = ManualClock()
    balance = {"every": "1m", "warn_below": 500}
    async with world(tmp_path, clock=clock, account={"balance": balance}) as around:
        around.platform.balance = 400
        await around.until(lambda: len(around.admins.from_bot) == 1, step=10 * SECOND)
        await around.later(10 * MINUTE)
        around.platform.balance = 550
        await around.later(10 * MINUTE)
        await around.text("вопрос")
        await around.post("вопрос")
        assert len(around.admins.from_bot) == 1, "above the threshold, but not by enough"
        around.platform.balance = 900
        await around.until(lambda: len(around.admins.from_bot) == 2, step=10 * SECOND)


async def test_a_stop_finishes_what_is_in_flight(tmp_path: Path) -> None:
    async with world(tmp_path) as around:
        around.platform.misbehave(Fault.SLOW, delay=500)
        await around.text("часы")
        await around.platform.wait_for(lambda platform: platform.connections > 0)
        await around.restart()
        await around.sms(SmsState.DELIVERED)
        assert len(around.platform.book) == 1


async def test_a_stop_that_cannot_wait_leaves_an_unknown_outcome(tmp_path: Path) -> None:
    async with world(tmp_path) as around:
        around.platform.misbehave(Fault.HANG)
        await around.text("часы")
        await around.platform.wait_for(lambda platform: bool(platform.requests))
        await around.restart()
        (sms,) = await around.sms(SmsState.UNCERTAIN)
        assert sms.reason == "interrupted"
        await around.until(lambda: len(buttons(around)) == 2)


async def test_what_waits_for_an_account_that_left_the_configuration_fails_visibly(tmp_path: Path) -> None:
    async with world(tmp_path) as around:
        around.platform.misbehave(Fault.BLOCKED, times=None)
        await around.text("часы")
        await around.sms(SmsState.QUEUED)
        await around.stop()
        account = around.settings.accounts["main"]
        around.settings = around.settings.model_copy(update={"accounts": {"other": account}})
        await around.start()
        (sms,) = await around.sms(SmsState.FAILED)
        assert sms.reason == "no_account"
        await around.until(lambda: len(around.admins.from_bot) == 2)
