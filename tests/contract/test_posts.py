"""A chat with more to show than it takes: bursts, backlogs, claims of a flat cost; and talks that nobody answers."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from bridge.model.alert import alert_post
from bridge.model.answers import Balance
from bridge.model.base import ADMIN_CHAT, DAY, HOUR, MINUTE, ConversationId, Ms
from bridge.model.chat import Post, PostedMessage
from bridge.model.inbound import Inbound
from bridge.model.post import NewPost, NoticePayload, PostKind, PostPriority
from bridge.model.record import Downtime
from bridge.model.sms import ConfirmationReason, Move, SmsState
from bridge.ports.store import Store
from tests.contract.builders import (
    NOW,
    SUBSCRIBER,
    accept,
    call,
    params_of,
    person,
    post,
    received,
    settled,
    settlement,
    text_of,
    unrouted,
)

SHOWN = PostedMessage(chat_id=-100, message_id=31)


async def forwarded(store: Store, smsid: str, subscriber: str = SUBSCRIBER, at: Ms = NOW) -> Inbound:
    accepted = await accept(store, call(smsid, subscriber=subscriber, at=at))
    inbound = await store.get_inbound(accepted.id)
    assert inbound is not None
    version = (await store.contact(subscriber)).version
    await settled(store, settlement(inbound, version, forwards=("support",), now=at))
    return inbound


async def due(store: Store, *chats: str) -> list[Post]:
    return list(await store.claim_posts(chats or ["support"], now=NOW + DAY, limit=100))


async def test_a_burst_is_done_as_a_whole_and_its_message_leads_to_the_latest(store: Store) -> None:
    for number in range(3):
        await forwarded(store, str(number))
    [first] = await due(store)
    behind = await store.posts_behind(first, limit=9)
    assert [one.inbound.smsid for one in behind if one.inbound is not None] == ["1", "2"]
    assert len(await store.posts_behind(first, limit=1)) == 1
    await store.posts_done([first, *behind], SHOWN, NOW)
    assert await due(store) == []
    found = await store.conversation_of(-100, 31)
    assert found is not None
    assert behind[-1].inbound is not None
    assert found.last_inbound_id == behind[-1].inbound.id


async def test_what_waits_behind_a_burst_comes_next(store: Store) -> None:
    for number in range(4):
        await forwarded(store, str(number))
    [first] = await due(store)
    await store.posts_done([first, *await store.posts_behind(first, limit=2)], SHOWN, NOW)
    [last] = await due(store)
    assert last.inbound is not None
    assert last.inbound.smsid == "3"


async def test_a_status_post_waits_for_no_sms_and_can_be_claimed_alone(store: Store) -> None:
    await forwarded(store, "1")
    [shown] = await due(store)
    assert shown.conversation is not None
    await store.operator_reply(replace(person("k"), conversation_id=shown.conversation.id), NOW)
    both = await due(store, "support", "id:-100")
    assert [one.kind for one in both] == [PostKind.INBOUND, PostKind.STATUS]
    least = PostPriority.REACTION
    alone = await store.claim_posts(["support", "id:-100"], now=NOW, limit=9, least=least)
    assert [one.kind for one in alone] == [PostKind.STATUS]


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_each_conversation_is_shown_in_order_and_to_its_end(store: Store, seed: int) -> None:
    """The mark that saves a claim from looking must never hide a post for good, nor let one past another."""
    chance = random.Random(seed)
    written: dict[ConversationId, list[int]] = {}
    conversations: list[ConversationId] = []
    for number in range(3):
        await forwarded(store, str(number), f"7999000000{number}")
    for each in await due(store):
        assert each.conversation is not None
        conversations.append(each.conversation.id)
        written[each.conversation.id] = [each.id]
    seen: dict[ConversationId, list[int]] = {conversation: [] for conversation in conversations}
    for step in range(120):
        if chance.random() < 0.5 and step < 80:
            kind = chance.choice([PostKind.NOTICE, PostKind.ALERT, PostKind.INBOUND])
            new: NewPost = replace(post(key=f"{step}", kind=kind), conversation_id=chance.choice(conversations))
            await store.add_post(new, NOW)
            continue
        posts = await due(store)
        blocking = [one for one in posts if one.kind in (PostKind.INBOUND, PostKind.NOTICE) and one.conversation]
        assert len({one.conversation.id for one in blocking if one.conversation}) == len(blocking)
        if not posts:
            continue
        chosen = chance.choice(posts)
        assert chosen.conversation is not None
        seen[chosen.conversation.id].append(chosen.id)
        if chance.random() < 0.3:
            await store.post_dropped(chosen.id, "gone", NOW)
        else:
            await store.posts_done([chosen], PostedMessage(chat_id=-100), NOW)
    while posts := await due(store):
        for one in posts:
            assert one.conversation is not None
            seen[one.conversation.id].append(one.id)
            await store.posts_done([one], PostedMessage(chat_id=-100), NOW)
    assert (await store.queue_status()).posts_waiting == 0
    assert sum(map(len, seen.values())) == len({one for ids in seen.values() for one in ids})


async def test_posts_written_together_in_one_conversation_are_one_behind_the_other(store: Store) -> None:
    """A settlement may write several at once: the second must see the first."""
    inbound = await received(store, "1")
    await settled(store, settlement(inbound, 0, forwards=("support",)))
    [first] = await due(store)
    assert first.conversation is not None
    await store.posts_done([first], PostedMessage(chat_id=-100), NOW)
    conversation = first.conversation.id
    second = await received(store, "2")
    notice = replace(post(key="n"), conversation_id=conversation)
    await settled(store, replace(settlement(second, 1, forwards=("support",)), posts=(notice,)))
    [only] = await due(store)
    assert only.kind is PostKind.INBOUND
    assert [one.kind for one in await store.posts_behind(only, limit=9)] == [PostKind.NOTICE]


async def test_a_backlog_is_told_once_until_it_is_over(store: Store) -> None:
    for number in range(5):
        await forwarded(store, str(number), f"7999000000{number % 2}")
    assert await store.count_waiting_posts(["support"], conversations=9, posts=9) == (2, 5)
    assert await store.count_waiting_posts(["support"], conversations=1, posts=3) == (1, 3)
    assert await store.open_backlog("backlog:support", ["support"], "support", NOW)
    assert not await store.open_backlog("backlog:support", ["support"], "support", NOW)
    digest = (await due(store))[0]
    assert (digest.priority, params_of(digest)) == (PostPriority.AHEAD, {"sms": 5, "numbers": 2})
    await store.close_backlog("backlog:support", NOW)
    assert await store.open_backlog("backlog:support", ["support"], "support", NOW)
    assert [text_of(one) for one in await due(store) if one.kind is PostKind.NOTICE] == ["notice.digest"] * 2, (
        "what was never shown needs no all-clear"
    )


async def test_a_digest_that_stands_says_once_that_it_is_over(store: Store) -> None:
    await forwarded(store, "1")
    await store.open_backlog("backlog:support", ["support"], "support", NOW)
    [digest, _] = await due(store)
    await store.posts_done([digest], SHOWN, NOW)
    for _ in range(2):
        await store.close_backlog("backlog:support", NOW)
    [over] = [one for one in await due(store) if one.kind is PostKind.NOTICE]
    assert over.payload == NoticePayload(
        text="notice.digest_over", params={"sms": 1, "numbers": 1}, edits=SHOWN.message_id, chat_id=SHOWN.chat_id
    )


# ------------------------------------------------ talks that wait for a person


async def remind(store: Store, at: Ms) -> int:
    return await store.remind(until=at - 15 * MINUTE, after=at - DAY, now=at, limit=9)


async def test_who_is_not_answered_is_told_of_once_and_again_after_an_answer(store: Store) -> None:
    await forwarded(store, "1")
    [shown] = await due(store)
    await store.posts_done([shown], SHOWN, NOW)
    await forwarded(store, "2", at=NOW + 10 * MINUTE)
    [shown] = await due(store)
    await store.posts_done([shown], SHOWN, NOW + 11 * MINUTE)
    assert await remind(store, NOW + 14 * MINUTE) == 0
    assert await remind(store, NOW + 15 * MINUTE) == 1, "by the first SMS that waits, not by the latest"
    assert await remind(store, NOW + 40 * MINUTE) == 0
    assert shown.conversation is not None
    await store.operator_reply(replace(person("k"), conversation_id=shown.conversation.id), NOW + 41 * MINUTE)
    assert await remind(store, NOW + 60 * MINUTE) == 0
    for told in await due(store):
        await store.posts_done([told], SHOWN, NOW + 60 * MINUTE)
    await forwarded(store, "3", at=NOW + 61 * MINUTE)
    [shown] = await due(store)
    await store.posts_done([shown], SHOWN, NOW + 62 * MINUTE)
    assert await remind(store, NOW + 80 * MINUTE) == 1


async def test_a_draft_answers_nobody_until_it_is_let_go(store: Store) -> None:
    await forwarded(store, "1")
    [shown] = await due(store)
    await store.posts_done([shown], SHOWN, NOW)
    assert shown.conversation is not None
    draft = replace(
        person("k"),
        conversation_id=shown.conversation.id,
        state=SmsState.DRAFT,
        confirmation_reasons=(ConfirmationReason.PARTS,),
    )
    asked = await store.operator_reply(draft, NOW + MINUTE)
    assert await remind(store, NOW + 20 * MINUTE) == 1, "the subscriber has no answer yet"
    await forwarded(store, "2", at=NOW + 21 * MINUTE)
    for told in await due(store):
        await store.posts_done([told], SHOWN, NOW + 21 * MINUTE)
    assert await store.move(asked.id, Move.RELEASE, NOW + 22 * MINUTE)
    assert await remind(store, NOW + HOUR) == 0


async def test_a_reminder_answers_the_sms_where_that_is_shown(store: Store) -> None:
    await forwarded(store, "1")
    [shown] = await due(store)
    await store.posts_done([shown], SHOWN, NOW)
    assert await remind(store, NOW + HOUR) == 1
    [told] = await due(store)
    assert isinstance(told.payload, NoticePayload)
    assert (told.reply_to, told.payload.chat_id) == (31, -100)
    assert told.conversation == shown.conversation


async def test_nobody_is_reminded_of_what_was_not_shown_or_only_just(store: Store) -> None:
    """Telegram was away for hours: the SMS itself is news enough."""
    await forwarded(store, "1")
    assert await remind(store, NOW + 3 * HOUR) == 0
    [shown] = await due(store)
    await store.posts_done([shown], SHOWN, NOW + 3 * HOUR)
    assert await remind(store, NOW + 3 * HOUR + MINUTE) == 0
    assert await remind(store, NOW + 3 * HOUR + 15 * MINUTE) == 1


async def test_what_waits_for_ages_is_not_told_of(store: Store) -> None:
    await forwarded(store, "1")
    [shown] = await due(store)
    await store.posts_done([shown], SHOWN, NOW)
    assert await store.remind(until=NOW, after=NOW, now=NOW + 30 * DAY, limit=9) == 0


async def test_what_a_number_wrote_before_is_counted_to_a_limit(store: Store) -> None:
    for number in range(4):
        await forwarded(store, str(number), at=NOW + number)
    last = await forwarded(store, "9", at=NOW + 9)
    assert (await store.earlier_messages(SUBSCRIBER, last.id, limit=9)).count == 4
    limited = await store.earlier_messages(SUBSCRIBER, last.id, limit=2)
    assert (limited.count, limited.last_at) == (2, NOW + 3)
    assert (await store.earlier_messages("79000000000", last.id, limit=2)).last_at is None


# ------------------------------------------------ what is seen from afar


async def test_an_account_is_known_by_its_latest_call(store: Store) -> None:
    assert await store.last_inbound_at("main") is None
    await forwarded(store, "1")
    await accept(store, call("2", at=NOW + 5))
    await accept(store, call("3", at=NOW + 9, account="other"))
    assert await store.last_inbound_at("main") == NOW + 5


async def test_what_was_dated_while_nothing_ran_is_counted(store: Store) -> None:
    assert await store.last_activity() is None
    await accept(store, call("1", at=NOW))
    assert await store.last_activity() == NOW
    began = NOW + HOUR
    for number in range(3):
        late = replace(call(f"late {number}", at=began + 5), date=NOW + number * 20 * MINUTE + 1)
        await accept(store, late)
    await accept(store, call("new", at=began + MINUTE))
    assert await store.count_late_arrivals(after=NOW, before=began) == 3
    [first] = await unrouted(store, 1)
    await settled(store, settlement(first.inbound, first.contact.version, now=began + 9))
    assert await store.count_late_arrivals(after=NOW, before=began) == 4, "taken before, routed only now"
    again = began + HOUR
    [second] = await unrouted(store, 1)
    await settled(store, settlement(second.inbound, second.contact.version, now=again + 9))
    assert await store.count_late_arrivals(after=began + MINUTE, before=again) == 1
    assert await store.count_late_arrivals(after=began + MINUTE, before=again, since=began) == 0, (
        "counted with the first start"
    )


async def test_an_outage_is_kept_until_the_team_was_told_of_it(store: Store) -> None:
    first, second = Downtime(since=NOW, until=NOW + HOUR), Downtime(since=NOW + HOUR, until=NOW + 2 * HOUR)
    for each in (first, first, second):
        await store.note_downtime(each)
    assert list(await store.unreported_downtimes()) == [first, second]
    told = alert_post("alert.arrived", {}, priority=PostPriority.STATUS, key="arrived", due_at=NOW)
    await store.downtimes_reported([first], told, NOW)
    await store.downtimes_reported([second], None, NOW)
    assert list(await store.unreported_downtimes()) == []
    assert [post.kind for post in await store.claim_posts([ADMIN_CHAT], now=NOW, limit=9)] == [PostKind.ALERT]


async def test_bridges_that_start_together_see_one_outage_and_one_that_was_told_stays_told(store: Store) -> None:
    early, late = Downtime(since=NOW, until=NOW + HOUR), Downtime(since=NOW, until=NOW + HOUR + 3)
    for each in (early, late, early):
        await store.note_downtime(each)
    assert list(await store.unreported_downtimes()) == [late]
    await store.downtimes_reported([late], None, NOW)
    for each in (early, late):
        await store.note_downtime(each)
    assert list(await store.unreported_downtimes()) == []


async def test_what_a_balance_fell_by_is_spent_and_a_top_up_is_not(store: Store) -> None:
    amounts = {-9: 5000.0, -3: 1000.0, -2: 700.0, -1: 1600.0, 0: 1500.0}
    for day, amount in amounts.items():
        await store.note_balance("main", Balance(amount=amount, currency="RUB"), NOW + day * DAY)
    # 4,000 three days ago, 300 two days ago, nothing yesterday; today is not over.
    assert await store.spent_a_day("main", NOW) == pytest.approx(4300 / 3)
    assert await store.spent_a_day("other", NOW) is None
