"""What may still be changed before it leaves: by compare-and-set, with its history, and shown once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.model.base import DAY, SmsId
from bridge.model.chat import PostedMessage
from bridge.model.record import LongestWaits
from bridge.model.sms import UNDECIDED, Change, ConfirmationReason, Move, Rewrite, Sms, SmsState
from bridge.ports.store import Store
from tests.contract.builders import NOW, person

TEXT = "Работаем с 9 до 18"


def rewrite(
    text: str = "Закрыто", *, confirmation_reasons: tuple[ConfirmationReason, ...] = (), due_at: int = 0
) -> Rewrite:
    return Rewrite(
        text=text,
        parts=1,
        confirmation_reasons=confirmation_reasons,
        draft=bool(confirmation_reasons),
        due_at=due_at,
        author="Anna (7)",
    )


async def row(store: Store, sms_id: SmsId) -> Sms:
    sms = await store.get_sms(sms_id)
    assert sms is not None
    return sms


async def revision(store: Store) -> int:
    [status_post] = await store.claim_posts(["id:-100"], now=NOW + 1000, limit=9)
    return status_post.revision


async def test_why_a_person_is_asked_is_kept(store: Store) -> None:
    confirmation_reasons = (ConfirmationReason.OPTED_OUT, ConfirmationReason.PARTS)
    written = await store.operator_reply(
        replace(person("k"), state=SmsState.DRAFT, confirmation_reasons=confirmation_reasons), NOW
    )
    assert written.confirmation_reasons == confirmation_reasons
    assert (await row(store, written.id)).confirmation_reasons == confirmation_reasons
    assert await store.sms_of_key("k") == await row(store, written.id)
    assert await store.sms_of_key("another") is None


async def test_what_waits_gets_another_text(store: Store) -> None:
    sms = await store.operator_reply(person("k"), NOW)
    before = await revision(store)
    assert await store.rewrite(sms.id, TEXT, rewrite(), NOW + 1)
    now = await row(store, sms.id)
    assert (now.state, now.text, now.due_at) == (SmsState.QUEUED, "Закрыто", NOW)
    assert await revision(store) > before, "what is said about it may be another thing"
    line = (await store.sms_history(sms.id))[-1]
    assert (line.author, line.at) == ("Anna (7)", NOW + 1)


async def test_a_wait_is_made_longer_and_never_shorter(store: Store) -> None:
    sms = await store.operator_reply(person("k"), NOW)
    assert await store.rewrite(sms.id, TEXT, rewrite("a", due_at=NOW + 50), NOW)
    assert (await row(store, sms.id)).due_at == NOW + 50
    assert await store.rewrite(sms.id, "a", rewrite("b", due_at=NOW + 20), NOW)
    assert (await row(store, sms.id)).due_at == NOW + 50


async def test_another_text_may_make_a_draft_of_it_and_a_draft_leave(store: Store) -> None:
    sms = await store.operator_reply(person("k"), NOW)
    assert await store.rewrite(sms.id, TEXT, rewrite("long", confirmation_reasons=(ConfirmationReason.PARTS,)), NOW)
    assert ((await row(store, sms.id)).state, (await row(store, sms.id)).confirmation_reasons) == (
        SmsState.DRAFT,
        (ConfirmationReason.PARTS,),
    )
    assert await store.claim_due("main", now=NOW, limit=5) == []
    assert await store.rewrite(sms.id, "long", rewrite("short"), NOW)
    assert [each.text for each in await store.claim_due("main", now=NOW, limit=5)] == ["short"]
    assert {line.detail for line in await store.sms_history(sms.id)} == {""}


@pytest.mark.parametrize("state", [SmsState.SENDING, SmsState.SENT, SmsState.CANCELLED])
async def test_what_does_not_wait_keeps_its_text(store: Store, state: SmsState) -> None:
    sms = await store.operator_reply(person("k"), NOW)
    if state is SmsState.CANCELLED:
        assert await store.move(sms.id, Move.CANCEL, NOW)
    else:
        await store.claim_due("main", now=NOW, limit=1)
    if state is SmsState.SENT:
        assert await store.move(sms.id, Move.ACCEPTED, NOW, Change(platform_ids=("1",)))
    assert not await store.rewrite(sms.id, TEXT, rewrite(), NOW)
    assert ((await row(store, sms.id)).state, (await row(store, sms.id)).text) == (state, TEXT)


async def test_of_two_who_rewrite_at_once_one_is_told_that_it_was_done(store: Store) -> None:
    sms = await store.operator_reply(person("k"), NOW)
    assert await store.rewrite(sms.id, TEXT, rewrite("a"), NOW)
    assert not await store.rewrite(sms.id, TEXT, rewrite("b"), NOW)
    assert (await row(store, sms.id)).text == "a"


async def test_a_message_shows_its_correction_once_an_operator_released_it(store: Store) -> None:
    first = await store.operator_reply(person("k"), NOW)
    assert await shown(store) == first.id
    offer = replace(
        person("k2"),
        state=SmsState.DRAFT,
        confirmation_reasons=(ConfirmationReason.CORRECTS_SENT, ConfirmationReason.PARTS),
    )
    second = await store.operator_reply(offer, NOW)
    assert await shown(store) == first.id
    assert await store.move(second.id, Move.RELEASE, NOW)
    assert await shown(store) == second.id
    assert await store.move(second.id, Move.CANCEL, NOW)
    assert await shown(store) == first.id
    assert await store.shown_on_message(-100, 6) is None


async def test_a_draft_that_corrects_nothing_is_what_its_message_shows(store: Store) -> None:
    sms = await store.operator_reply(
        replace(person("k"), state=SmsState.DRAFT, confirmation_reasons=(ConfirmationReason.PARTS,)), NOW
    )
    assert await shown(store) == sms.id


async def shown(store: Store) -> SmsId | None:
    found = await store.shown_on_message(-100, 5)
    return found.id if found is not None else None


async def test_a_draft_that_nobody_decided_about_is_stale_and_can_leave_no_more(store: Store) -> None:
    asked = replace(person("k"), state=SmsState.DRAFT, confirmation_reasons=(ConfirmationReason.PARTS,), due_at=NOW)
    written = await store.operator_reply(asked, NOW)
    assert await store.expire_drafts(before=NOW - 1, now=NOW, limit=9) == 0
    assert await store.expire_drafts(before=NOW, now=NOW + DAY, limit=9) == 1
    found = await row(store, written.id)
    assert (found.state, found.reason, found.final_at) == (SmsState.STALE, UNDECIDED, NOW + DAY)
    assert not await store.move(written.id, Move.RELEASE, NOW + DAY)
    assert not await store.rewrite(written.id, found.text, rewrite(), NOW + DAY)


async def test_a_draft_is_reminded_of_once_a_question_and_only_where_it_was_shown(store: Store) -> None:
    asked = replace(person("k"), state=SmsState.DRAFT, confirmation_reasons=(ConfirmationReason.PARTS,), due_at=NOW)
    written = await store.operator_reply(asked, NOW)
    assert await store.remind_of_drafts(until=NOW, now=NOW, limit=9) == 0
    [status_post] = await store.claim_posts(["id:-100"], now=NOW, limit=9)
    await store.posts_done([status_post], PostedMessage(chat_id=-100, message_id=8), NOW)
    assert await store.remind_of_drafts(until=NOW - 1, now=NOW, limit=9) == 0
    assert [await store.remind_of_drafts(until=NOW, now=NOW, limit=9) for _ in range(2)] == [1, 0]
    [told] = await store.claim_posts(["id:-100"], now=NOW, limit=9)
    assert (told.reply_to, told.sms and told.sms.id) == (asked.message_id, written.id)


async def test_the_wait_of_a_draft_moves_with_a_clock_that_was_set(store: Store) -> None:
    asked = replace(person("k"), state=SmsState.DRAFT, confirmation_reasons=(ConfirmationReason.PARTS,), due_at=NOW)
    written = await store.operator_reply(asked, NOW)
    longest = LongestWaits(sms=DAY, poll=DAY, post=DAY, takeover=DAY)
    await store.shift_waits(3 * DAY, now=NOW + 3 * DAY, longest=longest, since=SmsId(0))
    assert (await row(store, written.id)).due_at == NOW + 3 * DAY
    assert (await store.queue_status()).sms_oldest_draft == NOW + 3 * DAY
