"""The bot asks before it sends an SMS of a command, as for a reply. A note after a command never leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.model.sms import ConfirmationReason, Move, SmsState
from bridge.sandbox.botapi import Message
from bridge.sandbox.botapi.markup import buttons
from tests.flow.telegram.team import GROUP, SUBSCRIBER, Team, team
from tests.flow.telegram.test_asked_first import COSTLY, LONG, PLAIN, press

NUMBER = "79001112233"


@pytest.fixture(params=["forum", "group"])
async def staff(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Team]:
    """Both kinds of chat, with a long canned reply."""
    async with team(tmp_path, forum=request.param == "forum", running=False) as made:
        await replies(made)
        yield made


@pytest.fixture
async def thrifty(tmp_path: Path) -> AsyncIterator[Team]:
    """A chat that has plain characters put in place of dear ones."""
    async with team(tmp_path, forum=True, running=False, replace=True) as made:
        await replies(made)
        yield made


async def replies(made: Team) -> None:
    made.settings = made.settings.model_copy(update={"replies": {"long": LONG, "dear": COSTLY}})
    await made.restart()


async def orders(staff: Team, text: str) -> int:
    """Write in the subscriber's conversation."""
    if not staff.shown(containing="Hello"):
        await staff.texted("Hello")
    post = await staff.sees("Hello")
    thread = post.thread_id if staff.api.chats[GROUP].forum else None
    return staff.api.says(GROUP, text, thread_id=thread, reply_to=post.id)


async def asked(staff: Team, words: str) -> Message:
    told = await staff.sees(words)
    await staff.settled()
    return told


# ------------------------------------------------ notes


@pytest.mark.parametrize("text", ["// he is angry", ". he is angry", "\n.he is angry\nvery", "\u200b// he is angry"])
async def test_a_note_behind_a_number_never_leaves(staff: Team, text: str) -> None:
    staff.api.says(GROUP, f"/sms +{NUMBER} {text}")
    await staff.sees("the text behind the number begins like a note")
    assert await staff.sms_texts() == []
    assert await staff.store.conversation_with("support", NUMBER) is None


@pytest.mark.parametrize("text", ["// /t long", ". /t long", f"./sms +{NUMBER} he is angry"])
async def test_a_command_in_a_note_is_a_note(staff: Team, text: str) -> None:
    await orders(staff, text)
    assert await staff.sms_texts() == []
    assert len(staff.shown(GROUP)) == 1, "only the subscriber's words"


@pytest.mark.parametrize("mark", ["//", "."])
async def test_a_note_further_down_behind_a_number_is_asked_about(staff: Team, mark: str) -> None:
    staff.api.says(GROUP, f"/sms +{NUMBER} Good day\n {mark} he is angry")
    told = await asked(staff, "line inside the text looks like a note")
    assert [state for state, _ in await staff.sms_texts()] == [SmsState.DRAFT]
    await press(staff, told, "stop")
    assert [state for state, _ in await staff.sms_texts()] == [SmsState.CANCELLED]


@pytest.mark.parametrize("name", ["// an angry man", ".angry", "Ivan\n// an angry man"])
async def test_a_note_is_no_name_that_texts_for_the_subscriber_could_show(staff: Team, name: str) -> None:
    await orders(staff, f"/name {name}")
    await staff.sees("Example: /name")
    assert (await staff.store.contact(SUBSCRIBER)).name == ""


# ------------------------------------------------ questions


async def test_a_long_text_after_a_number_waits_for_confirmation(staff: Team) -> None:
    written = staff.api.says(GROUP, f"/sms +{NUMBER} {LONG}")
    told = await asked(staff, "4 SMS")
    assert "Edit your message" not in told.text, "an edit of a command changes nothing"
    await staff.reacts(written, "✍")
    assert await staff.sms_texts() == [(SmsState.DRAFT, LONG)]
    await press(staff, told, "release")
    assert await staff.sms_texts() == [(SmsState.QUEUED, LONG)]
    await staff.reacts(written, "👀")


async def test_a_command_that_is_processed_twice_is_asked_about_once(staff: Team) -> None:
    written = await orders(staff, "/t long")
    told = await asked(staff, "4 SMS")
    staff.api.raw_update({"message": staff.as_sent(written)})
    assert await staff.sms_texts() == [(SmsState.DRAFT, LONG)]
    await press(staff, told, "stop")
    staff.api.raw_update({"message": staff.as_sent(written)})
    assert await staff.sms_texts() == [(SmsState.CANCELLED, LONG)]
    assert len(staff.shown(GROUP, "4 SMS")) <= 1


async def test_a_canned_reply_to_a_subscriber_who_opted_out_waits_for_permission(staff: Team) -> None:
    await orders(staff, "/optout")
    await staff.sees("gets no automatic SMS any more")
    await orders(staff, "/t long")
    await asked(staff, "The subscriber opted out")
    [sms] = await staff.sms()
    assert (sms.state, sms.confirmation_reasons) == (
        SmsState.DRAFT,
        (ConfirmationReason.OPTED_OUT, ConfirmationReason.COMMAND_PARTS),
    )


async def test_a_canned_reply_chosen_by_a_button_waits_for_a_word_too(staff: Team) -> None:
    written = await orders(staff, "/t")
    listed = await staff.sees("long: слово")
    assert await press(staff, listed, "canned") == "Chosen: “long”"
    told = await asked(staff, "4 SMS")
    await staff.reacts(written, "✍")
    await press(staff, told, "release")
    assert await staff.sms_texts() == [(SmsState.QUEUED, LONG)]


# ------------------------------------------------ characters that cost


async def test_costly_characters_of_commands_are_replaced(thrifty: Team) -> None:
    thrifty.api.says(GROUP, f"/sms +{NUMBER} {COSTLY}")
    await thrifty.until(thrifty.has_sms)
    await orders(thrifty, "/t dear")
    await thrifty.until(lambda: thrifty.has_sms(2))
    assert await thrifty.sms_texts() == [(SmsState.QUEUED, PLAIN)] * 2


async def test_a_press_that_is_processed_twice_is_no_other_choice_where_characters_were_replaced(thrifty: Team) -> None:
    await orders(thrifty, "/t")
    listed = await thrifty.sees("dear: Your order")
    data = next(data for label, data in buttons(listed.reply_markup) if label == "dear")
    for _ in range(2):
        query = thrifty.api.presses(GROUP, listed.id, data, stale=True)
        await thrifty.answered(query)
        assert thrifty.api.presses_by_id[query].answer == "Chosen: “dear”"
    assert await thrifty.sms_texts() == [(SmsState.QUEUED, PLAIN)]


async def test_a_new_link_preview_is_no_edit_of_a_command_where_characters_were_replaced(thrifty: Team) -> None:
    text = f"/sms +{NUMBER} {COSTLY}"
    written = thrifty.api.says(GROUP, text)
    await thrifty.until(thrifty.has_sms)
    thrifty.api.edits(GROUP, written, text)
    await thrifty.settled()
    assert not thrifty.shown(GROUP, "Editing a command")


# ------------------------------------------------ undo and edits


async def test_an_sms_of_a_command_can_be_undone(tmp_path: Path) -> None:
    async with team(tmp_path, forum=True, running=False) as held:
        telegram = held.settings.telegram.model_copy(update={"undo": 60_000})
        held.settings = held.settings.model_copy(update={"telegram": telegram})
        await held.restart()
        held.api.says(GROUP, f"/sms +{NUMBER} Come on Monday")
        # The first message of the conversation says so as well, without the button.
        await held.until(lambda: any(buttons(each.reply_markup) for each in held.shown(GROUP, "Not sent yet")))
        told = next(each for each in held.shown(GROUP, "Not sent yet") if buttons(each.reply_markup))
        await press(held, told, "stop")
        assert await held.sms_texts() == [(SmsState.CANCELLED, "Come on Monday")]


@pytest.mark.parametrize("edit", ["never mind", "Come on Tuesday", "/close"])
async def test_an_edit_of_a_command_changes_nothing_that_waits(staff: Team, edit: str) -> None:
    written = staff.api.says(GROUP, f"/sms +{NUMBER} Come on Monday")
    await staff.until(staff.has_sms)
    staff.api.edits(GROUP, written, edit)
    await staff.sees("Editing a command changes nothing")
    assert await staff.sms_texts() == [(SmsState.QUEUED, "Come on Monday")]


async def test_an_edit_of_the_command_of_a_list_changes_nothing_that_was_chosen(staff: Team) -> None:
    written = await orders(staff, "/t")
    await press(staff, await staff.sees("long: слово"), "canned")
    await asked(staff, "4 SMS")
    staff.api.edits(GROUP, written, "never mind")
    await staff.sees("Editing a command changes nothing")
    assert await staff.sms_texts() == [(SmsState.DRAFT, LONG)]


async def test_an_edit_of_a_command_offers_no_other_text_after_it_left(staff: Team) -> None:
    written = staff.api.says(GROUP, f"/sms +{NUMBER} Come on Monday")
    await staff.until(staff.has_sms)
    await staff.platform(Move.ACCEPTED)
    staff.api.edits(GROUP, written, "Come on Tuesday")
    await staff.sees("Editing a command changes nothing")
    assert await staff.sms_texts() == [(SmsState.SENT, "Come on Monday")]


@pytest.mark.parametrize("mark", ["//", "."])
async def test_a_command_edited_into_a_note_takes_back_what_waits(staff: Team, mark: str) -> None:
    written = await orders(staff, "/t long")
    await asked(staff, "4 SMS")
    staff.api.edits(GROUP, written, f"{mark} not to {SUBSCRIBER}")
    assert await staff.sms_texts() == [(SmsState.CANCELLED, LONG)]


# ------------------------------------------------ the first words of a conversation


async def opening(staff: Team) -> Message:
    return await staff.sees("Anna writes")


async def test_an_opening_says_that_the_sms_waits_and_then_that_it_was_withdrawn(staff: Team) -> None:
    staff.api.says(GROUP, f"/sms +{NUMBER} {LONG}")
    told = await asked(staff, "4 SMS")
    shown = await opening(staff)
    await staff.settled()
    assert "Waits for your word" in shown.text
    await press(staff, told, "stop")
    await staff.settled()
    assert "Cancelled, not sent" in shown.text
    assert LONG in shown.text
    assert len(staff.shown(GROUP, "Anna writes")) == 1


async def test_an_opening_says_nothing_of_waiting_once_the_sms_may_leave(staff: Team) -> None:
    staff.api.says(GROUP, f"/sms +{NUMBER} {LONG}")
    told = await asked(staff, "4 SMS")
    shown = await opening(staff)
    await press(staff, told, "release")
    await staff.settled()
    assert "Waits" not in shown.text
    await staff.platform(Move.ACCEPTED)
    await staff.platform(Move.DELIVERED)
    await staff.settled()
    assert shown.text.splitlines()[0] == f"+{NUMBER} · Anna writes"
    assert shown.text.splitlines()[1] == ""


async def test_an_opening_shows_the_text_that_leaves(staff: Team) -> None:
    staff.api.says(GROUP, f"/sms +{NUMBER} {COSTLY}")
    told = await asked(staff, "make it cost more")
    shown = await opening(staff)
    await press(staff, told, "plain")
    await staff.settled()
    assert PLAIN in shown.text


async def test_an_opening_of_an_sms_that_failed_says_so_until_it_is_sent_again(staff: Team) -> None:
    staff.api.says(GROUP, f"/sms +{NUMBER} Good day")
    shown = await opening(staff)
    await staff.platform(Move.REFUSED)
    await staff.settled()
    [failed] = [message for message in staff.shown() if list(buttons(message.reply_markup))]
    assert "Not sent" in shown.text
    await press(staff, failed, "again")
    await staff.settled()
    assert "Not sent" not in shown.text


async def test_an_opening_of_a_held_back_sms_says_that_it_has_not_left(tmp_path: Path) -> None:
    async with team(tmp_path, forum=True, running=False) as held:
        telegram = held.settings.telegram.model_copy(update={"undo": 60_000})
        held.settings = held.settings.model_copy(update={"telegram": telegram})
        await held.restart()
        held.api.says(GROUP, f"/sms +{NUMBER} Come on Monday")
        shown = await opening(held)
        await held.settled()
        assert "Not sent yet" in shown.text
        held.clock.set(held.clock.now() + 60_000)
        await held.platform(Move.ACCEPTED)
        await held.settled()
        assert "Not sent yet" not in shown.text
