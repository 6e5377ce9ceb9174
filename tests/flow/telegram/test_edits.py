"""An edit changes an SMS that has not left, offers a new SMS after that, and never sends a note."""

from __future__ import annotations

import pytest

from bridge.model.sms import Change, ConfirmationReason, Move, SmsState
from tests.flow.telegram.team import GROUP, Team
from tests.flow.telegram.test_asked_first import LONG, press
from tests.flow.telegram.test_status import buttons, replied

SENT = Change(platform_ids=("1179",))


async def test_a_queued_sms_leaves_as_it_was_edited(group: Team) -> None:
    written = await replied(group)
    group.api.edits(GROUP, written, "Good evening")
    assert await group.sms_texts() == [(SmsState.QUEUED, "Good evening")]
    assert len(group.shown()) == 1, "nothing to say: the message shows what leaves"


async def test_an_sms_in_back_off_leaves_as_it_was_edited(group: Team) -> None:
    written = await replied(group)
    later = group.clock.now() + 60_000
    await group.platform(Move.RETRY, Change(reason="not_connected", due_at=later))
    group.api.edits(GROUP, written, "Good evening")
    assert await group.sms_texts() == [(SmsState.QUEUED, "Good evening")]
    [sms] = await group.sms()
    assert sms.due_at == later, "an edit does not hurry what must wait"


async def test_a_queued_reply_that_becomes_long_waits_for_confirmation(group: Team) -> None:
    written = await replied(group)
    group.api.edits(GROUP, written, LONG)
    told = await group.sees("4 SMS")
    await group.reacts(written, "✍")
    assert await group.sms_texts() == [(SmsState.DRAFT, LONG)]
    await press(group, told, "release")
    assert await group.sms_texts() == [(SmsState.QUEUED, LONG)]


async def test_a_draft_that_was_shortened_leaves(group: Team) -> None:
    written = await draft(group)
    told = await group.sees("4 SMS")
    group.api.edits(GROUP, written, "short")
    assert await group.sms_texts() == [(SmsState.QUEUED, "short")]
    await group.reacts(written, "👀")
    assert told.deleted


async def test_a_draft_that_is_still_too_long_is_asked_about_anew(group: Team) -> None:
    written = await draft(group)
    told = await group.sees("4 SMS")
    group.api.edits(GROUP, written, LONG * 2)
    await group.sees("8 SMS")
    assert "8 SMS" in told.text
    assert await group.sms_texts() == [(SmsState.DRAFT, LONG * 2)]
    await press(group, told, "release")
    assert await group.sms_texts() == [(SmsState.QUEUED, LONG * 2)]


@pytest.mark.parametrize(
    ("moves", "words"),
    [
        ([Move.ACCEPTED], "Already sent."),
        ([Move.ACCEPTED, Move.DELIVERED], "Already sent."),
        ([Move.ACCEPTED, Move.UNDELIVERED], "Already sent."),
        ([Move.LOSE_TRACK], "may have left already"),
        ([Move.REFUSED], "The first text was not sent"),
        ([Move.CANCEL], "The first text was not sent"),
    ],
)
async def test_an_edit_of_a_sent_reply_is_offered_as_a_new_sms_once(group: Team, moves: list[Move], words: str) -> None:
    written = await replied(group)
    for move in moves:
        await group.platform(move, SENT if move is Move.ACCEPTED else None)
    await group.settled()
    shows = group.reaction(written)
    group.api.edits(GROUP, written, "Good evening")
    told = await group.sees(words)
    assert told.reply_to == written
    first, offer = await group.sms_texts()
    assert (first[1], offer) == ("Good day", (SmsState.DRAFT, "Good evening"))
    assert group.reaction(written) == shows, "it goes on telling what became of the first text"

    group.api.raw_update({"edited_message": group.as_sent(written)})
    group.api.edits(GROUP, written, "Good night")
    assert (await group.sms_texts())[1:] == [(SmsState.DRAFT, "Good night")], "one offer, with the latest words"
    assert len(group.shown(containing=words)) == 1

    assert await press(group, told, "release") == "Sending"
    assert (await group.sms_texts())[1:] == [(SmsState.QUEUED, "Good night")]
    await group.reacts(written, "👀")


async def test_an_offer_that_is_not_confirmed_changes_nothing(group: Team) -> None:
    written = await replied(group)
    await group.platform(Move.ACCEPTED, SENT)
    await group.reacts(written, "🕊")
    group.api.edits(GROUP, written, "Good evening")
    told = await group.sees("Already sent.")
    await press(group, told, "stop")
    assert await group.sms_texts() == [(SmsState.SENT, "Good day"), (SmsState.CANCELLED, "Good evening")]
    [first, _] = await group.sms()
    assert await group.store.move(first.id, Move.DELIVERED, group.clock.now())
    group.signals.posts.set()
    await group.reacts(written, "👍")


async def test_an_offer_is_not_doubled_where_the_first_text_was_sent_again_since(group: Team) -> None:
    written = await replied(group)
    await group.platform(Move.REFUSED)
    failed = await group.sees("Not sent")
    group.api.edits(GROUP, written, "Good evening")
    await group.sees("The first text was not sent")
    await press(group, failed, "again")
    group.api.edits(GROUP, written, "Good night")
    assert await group.sms_texts() == [
        (SmsState.FAILED, "Good day"),
        (SmsState.DRAFT, "Good night"),
        (SmsState.QUEUED, "Good day"),
    ]


async def test_an_edit_back_to_what_was_sent_takes_the_offer_back(group: Team) -> None:
    written = await replied(group)
    await group.platform(Move.ACCEPTED, SENT)
    group.api.edits(GROUP, written, "Good evening")
    told = await group.sees("Already sent.")
    group.api.edits(GROUP, written, "Good day")
    assert [state for state, _ in await group.sms_texts()] == [SmsState.SENT, SmsState.CANCELLED]
    assert buttons(told) == []
    assert told.text.startswith("The correction was not sent"), "what stands under a reply that was sent"


async def test_a_correction_of_a_correction_is_asked_about_again(group: Team) -> None:
    written = await replied(group)
    await group.platform(Move.ACCEPTED, SENT)
    group.api.edits(GROUP, written, "Good evening")
    await press(group, await group.sees("Already sent."), "release")
    await group.platform(Move.ACCEPTED, SENT)
    group.api.edits(GROUP, written, "Good night")
    await group.until(lambda: group.has_sms(3))
    assert [state for state, _ in await group.sms_texts()] == [SmsState.SENT, SmsState.SENT, SmsState.DRAFT]


async def test_a_new_link_preview_is_no_edit(group: Team) -> None:
    written = await replied(group, "see http://example.test/")
    await group.platform(Move.ACCEPTED, SENT)
    group.api.edits(GROUP, written, "see http://example.test/")
    assert await group.sms_texts() == [(SmsState.SENT, "see http://example.test/")]
    assert len(group.shown()) == 1


# ------------------------------------------------ notes


@pytest.mark.parametrize("note", ["// he is angry", ". he is angry"])
async def test_a_reply_that_becomes_a_note_before_it_left_never_leaves(group: Team, note: str) -> None:
    written = await replied(group)
    group.api.edits(GROUP, written, note)
    assert await group.sms_texts() == [(SmsState.CANCELLED, "Good day")]
    await group.reacts(written, "💔")
    group.api.edits(GROUP, written, note + ", really")
    assert await group.sms_texts() == [(SmsState.CANCELLED, "Good day")]


async def test_a_caption_that_is_taken_away_is_not_offered_any_more(group: Team) -> None:
    post = await group.received()
    written = group.api.says(GROUP, "the shop", kind="photo", reply_to=post.id)
    told = await group.sees("the caption can be")
    group.api.edits(GROUP, written, "")
    assert await group.sms_texts() == [(SmsState.CANCELLED, "the shop")]
    assert "Cancelled, not sent" in told.text


async def test_a_reply_whose_text_is_removed_before_it_left_never_leaves(group: Team) -> None:
    written = await replied(group)
    group.api.edits(GROUP, written, "\u200b")
    assert await group.sms_texts() == [(SmsState.CANCELLED, "Good day")]


async def test_a_sent_reply_edited_into_a_note_stays_in_the_chat(group: Team) -> None:
    written = await replied(group)
    await group.platform(Move.ACCEPTED, SENT)
    group.api.edits(GROUP, written, "// he is angry")
    told = await group.sees("The note stayed in the chat")
    assert told.reply_to == written
    assert await group.sms_texts() == [(SmsState.SENT, "Good day")]


@pytest.mark.parametrize("note", ["// he is angry", ". he is angry"])
async def test_a_note_edited_into_a_text_stays_and_its_author_is_told_once(group: Team, note: str) -> None:
    post = await group.received()
    written = group.api.says(GROUP, note, reply_to=post.id)
    group.api.edits(GROUP, written, "// he is very angry")
    await group.settled()
    assert len(group.shown()) == 1, "a note that stays a note is nobody's business"
    group.api.edits(GROUP, written, "he is angry")
    told = await group.sees("Nothing was sent: the edit stays in the chat")
    assert told.reply_to == written
    group.api.edits(GROUP, written, "he is not angry")
    assert await group.sms_texts() == []
    assert len(group.shown()) == 2


async def test_a_note_edited_into_a_text_is_not_sent_where_every_message_is(forum: Team) -> None:
    post = await forum.received()
    written = forum.api.says(GROUP, "// he is angry", thread_id=post.thread_id)
    forum.api.edits(GROUP, written, "We call you back")
    told = await forum.sees("Nothing was sent: the edit stays in the chat")
    assert told.reply_to == written
    assert await forum.sms_texts() == []


async def test_a_person_who_may_not_write_is_told_so_after_an_edit(group: Team) -> None:
    post = await group.received()
    written = group.api.says(GROUP, "// he is angry", reply_to=post.id)
    await group.settled()
    await only_boris(group)
    group.api.edits(GROUP, written, "We call you back")
    await group.sees("only this chat's operators")
    assert await group.sms_texts() == []


@pytest.mark.parametrize(
    "first", ["/sm +79001112233 Hello", "/sms 79001112233", "// /sms", "call them", "/sms@Other 1"]
)
async def test_a_message_edited_into_a_command_is_not_carried_out_and_its_author_is_told_once(
    forum: Team, first: str
) -> None:
    written = forum.api.says(GROUP, first)
    await forum.settled()
    forum.api.edits(GROUP, written, "/sms +79001112233 Hello")
    told = await forum.sees("To have it done as it stands now, send it as a new message")
    assert told.reply_to == written
    forum.api.edits(GROUP, written, "/sms +79001112233 Good day")
    assert await forum.sms_texts() == []
    assert len(forum.shown(containing="Editing a command")) == 1


@pytest.mark.parametrize("edit", ["/start@other_bot", "/sms@other_bot +79001112233 Hello", "/nonsense"])
async def test_an_edit_into_a_command_of_another_bot_is_ignored(forum: Team, edit: str) -> None:
    written = forum.api.says(GROUP, "lunch?")
    forum.api.edits(GROUP, written, edit)
    await forum.settled()
    assert forum.shown() == []


async def test_an_edit_among_colleagues_is_ignored(group: Team) -> None:
    await group.received()
    chatter = group.api.says(GROUP, "lunch?")
    group.api.edits(GROUP, chatter, "pizza?")
    assert await group.sms_texts() == []
    assert len(group.shown()) == 1


async def test_an_edit_by_a_former_operator_changes_nothing(group: Team) -> None:
    written = await replied(group)
    await only_boris(group)
    group.api.edits(GROUP, written, "Good evening")
    await group.sees("only this chat's operators")
    assert await group.sms_texts() == [(SmsState.QUEUED, "Good day")]


async def test_an_edit_into_a_command_changes_nothing(group: Team) -> None:
    written = await replied(group)
    group.api.edits(GROUP, written, "/block")
    await group.sees("Editing a command changes nothing")
    assert await group.sms_texts() == [(SmsState.QUEUED, "Good day")]


async def test_an_edit_that_adds_a_note_inside_is_asked_about(group: Team) -> None:
    written = await replied(group)
    group.api.edits(GROUP, written, "Good day\n// he is angry")
    await group.sees("looks like a note")
    [sms] = await group.sms()
    assert (sms.state, sms.confirmation_reasons) == (SmsState.DRAFT, (ConfirmationReason.NOTE_INSIDE,))


async def only_boris(group: Team) -> None:
    """From now on nobody else is an operator."""
    chats = {
        name: chat.model_copy(update={"operators": (1002,)}) for name, chat in group.settings.telegram.chats.items()
    }
    without = group.settings.telegram.model_copy(update={"chats": chats})
    group.settings = group.settings.model_copy(update={"telegram": without})
    await group.restart()


async def draft(group: Team) -> int:
    return await replied(group, LONG)
