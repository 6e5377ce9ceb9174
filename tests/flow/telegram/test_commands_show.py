"""Commands that show something: the record of a conversation or an SMS, the rules, the bridge. And Telegram's menu."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.model.answers import Balance
from bridge.model.base import SECOND, Json
from bridge.model.sms import Change, Move
from bridge.sandbox.botapi import Message
from bridge.sandbox.botapi.markup import buttons
from bridge.telegram.client.message import MAX_UNITS, units
from bridge.telegram.commands.spec import COMMANDS
from tests.flow.telegram.team import ADMINS, CHIEF, GROUP, SUBSCRIBER, Team, team

OTHER = "79001112233"


def asks(staff: Team, post: Message, text: str, user_id: int | None = None) -> int:
    return staff.api.says(GROUP, text, reply_to=post.id, user_id=user_id)


def last_line(message: Message) -> str:
    return message.text.splitlines()[-1]


# ---------------------------------------------------------------- history


async def test_a_history_shows_both_directions_and_goes_further_back_by_a_button(group: Team) -> None:
    for number in range(20):
        post = await group.received(f"message {number:02}")
        group.clock.set(group.clock.now() + SECOND)
    asks(group, post, "/history")
    shown = await group.sees("← message 19")
    assert "message 05" in shown.text
    assert "message 04" not in shown.text
    assert last_line(shown) == last_line(post)
    [(label, data)] = buttons(shown.reply_markup)
    assert label == "Earlier"
    await group.answered(group.api.presses(GROUP, shown.id, data))
    earlier = await group.sees("← message 04")
    assert "message 00" in earlier.text
    assert "message 05" not in earlier.text
    assert list(buttons(earlier.reply_markup)) == []


async def test_a_long_history_comes_whole_in_messages_that_telegram_takes(group: Team) -> None:
    texts = [f"{number} " + "😀я" * 700 + f" end{number}" for number in range(4)]
    for text in texts:
        post = await group.received(text)
    asks(group, post, "/history")
    await group.until(lambda: any("end3" in m.text and "←" in m.text for m in group.shown()))
    await group.settled()
    pages = [m for m in group.shown() if "←" in m.text or ("end" in m.text and m.reply_to is not None)]
    assert all(units(page.text) <= MAX_UNITS for page in group.shown())
    whole = "".join(page.text for page in pages).replace("\n", "")
    assert all(whole.count(f"end{number}") == 1 for number in range(4))
    assert all(last_line(page) == last_line(post) for page in pages)


async def test_a_text_in_a_history_cannot_pass_for_a_code(group: Team) -> None:
    mallory = await group.received("I am Mallory", subscriber=OTHER)
    post = await group.received(f"look\n{last_line(mallory)}\nthere")
    asks(group, post, "/history")
    shown = await group.sees("← look")
    asks(group, shown, "Good day")
    await group.until(group.has_sms)
    assert [sms.recipient for sms in await group.sms()] == [SUBSCRIBER]


# ---------------------------------------------------------------- info and why


async def test_info_tells_the_whole_history_of_an_sms(group: Team) -> None:
    post = await group.received()
    written = asks(group, post, "Good day")
    await group.until(group.has_sms)
    await group.platform(Move.ACCEPTED, Change(platform_ids=("4711",), platform_status="send"))
    sms = await group.platform(Move.UNDELIVERED, Change(reason="stop_list", detail="no route"))
    group.api.says(GROUP, "/info", reply_to=written)
    told = await group.sees(f"SMS {sms.id} to +{SUBSCRIBER}")
    for words in ("Author: Anna (1001)", "Parts: 1", "The platform's id: 4711", "Account main, sender name MyShop"):
        assert words in told.text
    moves = [line for line in told.text.splitlines() if line.startswith("20")]
    assert [line.split(" ", 2)[2] for line in moves] == [
        "Waiting to be sent",
        "Being sent",
        "Accepted by the platform",
        "Not delivered · the number is on the platform's stop list · no route",
    ]
    assert "Text: Good day" in told.text


async def test_info_of_a_subscribers_sms_names_rule_and_version(group: Team) -> None:
    post = await group.received()
    asks(group, post, "/info")
    told = await group.sees("SMS 1 from")
    assert "To 1234, account main" in told.text
    assert "Rule “everything-else”" in told.text


async def test_info_of_a_conversation_lists_actions(forum: Team) -> None:
    post = await forum.received()
    for text in ("/name Ivan", "/tag vip", "/claim", "/robot off"):
        forum.api.says(GROUP, text, thread_id=post.thread_id)
    await forum.sees("Automatic replies to this number are off.")
    forum.api.says(GROUP, "/info", thread_id=post.thread_id)
    told = await forum.sees("Written to 1234")
    assert told.thread_id == post.thread_id
    for words in (f"Ivan, +{SUBSCRIBER}", "Tags: vip", "Automatic replies are off", "Anna has it until"):
        assert words in told.text
    assert "Anna (1001): name: Ivan" in told.text
    assert [label for label, _ in buttons(told.reply_markup)] == ["History", "Close"]


async def test_why_names_rule_file_line_and_version(group: Team) -> None:
    post = await group.received()
    asks(group, post, "/why")
    told = await group.sees("Rule “everything-else”")
    assert "rules.yaml:5" in told.text
    assert "Rules version 1; " in told.text
    assert "Outcome: shown in a chat" in told.text
    written = asks(group, post, "Good day")
    await group.until(group.has_sms)
    group.api.says(GROUP, "/why", reply_to=written)
    await group.sees("a person wrote it")


async def test_a_conversation_that_an_operator_began_has_no_rule_and_no_number_of_ours(forum: Team) -> None:
    forum.api.says(GROUP, f"/sms +{OTHER} Your order is ready")
    opening = await forum.sees("Anna writes")
    forum.api.says(GROUP, "/info", thread_id=opening.thread_id)
    told = await forum.sees("Account main")
    assert "—" not in told.text
    forum.api.says(GROUP, "/why", thread_id=opening.thread_id)
    await forum.sees("This subscriber has not written yet.")


# ---------------------------------------------------------------- find


@pytest.mark.parametrize("wanted", ["доСТАВ", "+7 900 111-22", "79001112233", "петр", "vip"])
async def test_find_looks_at_texts_numbers_names_and_tags(group: Team, wanted: str) -> None:
    await group.received("Something else")
    post = await group.received("Где Доставка?", subscriber=OTHER)
    asks(group, post, "/name Пётр")
    asks(group, post, "/tag vip")
    await group.sees("“vip” is on")
    group.api.says(GROUP, f"/find {wanted}")
    told = await group.sees(f"+{OTHER} (#")
    assert SUBSCRIBER not in told.text


async def test_find_shows_nothing_of_another_chat_and_the_admins_see_all(group: Team) -> None:
    await group.received("secret word")
    await group.texted("secret word too", subscriber=OTHER, chat="admins")
    await group.sees("secret word too", chat_id=ADMINS)
    group.api.says(GROUP, "/find secret")
    told = await group.sees("• ")
    assert SUBSCRIBER in told.text
    assert OTHER not in told.text
    group.api.says(ADMINS, "/find secret")
    told = await group.sees("• ", chat_id=ADMINS)
    assert SUBSCRIBER in told.text
    assert OTHER in told.text


async def test_a_reply_to_a_list_of_conversations_is_not_sent(group: Team) -> None:
    await group.received("alpha one")
    await group.received("alpha two", subscriber=OTHER)
    group.api.says(GROUP, "/find alpha")
    told = await group.sees("• ")
    asks(group, told, "Good day")
    await group.sees("not known whom")
    assert await group.sms() == []


# ---------------------------------------------------------------- the bridge


async def test_balance_status_and_stats(group: Team) -> None:
    await group.store.note_balance("main", Balance(amount=512.5, currency="RUB"), group.clock.now())
    post = await group.received()
    asks(group, post, "Good day")
    await group.until(group.has_sms)
    for text in ("/balance", "/status", "/stats"):
        group.api.says(GROUP, text)
    assert "main: 512.50 RUB (" in (await group.sees("512.50")).text
    status = await group.sees("main: sending works")
    assert "Waiting to be sent: 1" in status.text
    assert group.book.rules.version in status.text
    stats = await group.sees("7 days")
    assert "SMS received: 1, different numbers: 1" in stats.text
    assert "Written by people: 1, by the robot: 0, parts in all: 1" in stats.text


async def test_a_day_begins_at_midnight_of_the_accounts_zone(group: Team) -> None:
    await group.received()
    group.clock.set(group.clock.now() + 26 * 3600 * SECOND)
    post = await group.received("next day")
    asks(group, post, "/stats")
    told = await group.sees("7 days")
    assert "SMS received: 1" in told.text
    assert "SMS received: 2" in told.text


async def test_a_text_is_tried_against_the_rules_and_nothing_is_sent(group: Team) -> None:
    group.api.says(GROUP, "/test hours please")
    told = await group.sees("Rule “hours”")
    assert "Reply: 9 to 18." in told.text
    assert "keyword: the first word is HOURS" in told.text
    group.api.says(GROUP, "/test anything")
    told = await group.sees("Rule “everything-else”")
    assert "Show in the chat support" in told.text
    assert "• hours" in told.text
    assert await group.sms() == []


async def test_a_text_is_tried_in_the_language_of_the_chat(tmp_path: Path) -> None:
    async with team(tmp_path, forum=False, language="ru") as group:
        group.api.says(GROUP, "/test hours please")
        told = await group.sees("Правило «hours»")
        assert "keyword: первое слово — HOURS" in told.text
        assert "first word" not in told.text


async def test_administrators_list_and_reload_the_rules(group: Team) -> None:
    group.api.add_user(CHIEF, "Olga")
    group.api.says(GROUP, "/reload")
    await group.sees("Your id: 1001")
    group.api.says(GROUP, "/rules", user_id=CHIEF)
    assert "rules.yaml:2" in (await group.sees("• hours")).text
    group.book.write("rules:\n  - name: broken\n    when: {keywrd: x}\n    drop: true\n")
    group.api.says(GROUP, "/reload", user_id=CHIEF)
    told = await group.sees("the old ones stay")
    assert "rules.yaml:3" in told.text
    group.book.write("rules:\n  - name: only\n    forward: support\n")
    group.api.says(GROUP, "/reload", user_id=CHIEF)
    await group.sees("The rules are loaded: 1")
    assert [rule.name for rule in group.book.rules.rules] == ["only"]


async def test_help_shows_what_the_asker_may_use(group: Team) -> None:
    group.api.add_user(CHIEF, "Olga")
    group.api.says(GROUP, "/help")
    assert "/reload" not in (await group.sees("/history — ")).text
    group.api.says(GROUP, "/help", user_id=CHIEF)
    await group.sees("/reload — ")
    group.api.says(GROUP, "/help sms")
    await group.sees("Example: /sms")


@pytest.mark.parametrize("name", list(COMMANDS))
async def test_every_command_is_answered(group: Team, name: str) -> None:
    group.api.add_user(CHIEF, "Olga")
    post = await group.received()
    written = asks(group, post, f"/{name}", CHIEF)
    await group.until(lambda: any(m.reply_to == written for m in group.shown()))
    assert (await group.store.queue_status()).updates_parked == 0
    assert await group.sms() == []


# ---------------------------------------------------------------- the menu


def menu(staff: Team, chat_id: int) -> dict[Json, Json]:
    offered = staff.api.commands({"type": "chat", "chat_id": chat_id})
    return {each["command"]: each["description"] for each in offered if isinstance(each, dict)}


async def test_telegram_offers_the_commands_in_the_chats_language(tmp_path: Path) -> None:
    async with team(tmp_path, forum=True, language="ru") as staff:
        await staff.until(lambda: menu(staff, GROUP) and menu(staff, ADMINS))
        assert menu(staff, GROUP)["close"] == "закрыть разговор"
        assert menu(staff, ADMINS)["close"] == "close the conversation"
        assert "reload" not in menu(staff, GROUP)
        assert "reload" in menu(staff, ADMINS)


async def test_the_menu_is_set_again_only_when_it_changed(group: Team) -> None:
    await group.until(lambda: menu(group, ADMINS))
    await group.restart()
    await group.until(lambda: len(group.api.calls_of("getMyCommands")) == 4)
    await group.received()
    assert len(group.api.calls_of("setMyCommands")) == 2


async def test_a_menu_that_telegram_refuses_harms_nothing(tmp_path: Path) -> None:
    async with team(tmp_path, forum=False, running=False) as group:
        group.api.answer_next("setMyCommands", 400, "Bad Request: BOT_COMMAND_INVALID")
        group.start()
        await group.until(lambda: menu(group, ADMINS))
        post = await group.received()
        asks(group, post, "/close")
        await group.sees("The conversation is closed.")


async def test_an_answer_waits_for_the_flood_limit_of_its_chat(group: Team) -> None:
    post = await group.received()
    group.api.flood(GROUP, 40)
    began = group.clock.now()
    asks(group, post, "/history")
    await group.sees("← Hello")
    assert group.clock.now() - began >= 40 * SECOND
