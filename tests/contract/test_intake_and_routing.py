"""What was acknowledged is stored once, routed exactly once, and by what is true when it is written."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bridge.errors import StoreError
from bridge.model.alert import Alert
from bridge.model.base import ConversationId, InboundId, SmsId
from bridge.model.inbound import InboundState
from bridge.model.post import PostKind
from bridge.model.record import InboundRange
from bridge.model.sms import Priority, SmsState
from bridge.ports.store import Store
from tests.contract.builders import (
    NOW,
    SUBSCRIBER,
    accept,
    call,
    post,
    received,
    reply,
    settle,
    settled,
    settlement,
    spent,
    unrouted,
)


async def test_a_callback_is_new_once_and_then_a_counted_repeat(store: Store) -> None:
    first = await accept(store, call())
    again = await accept(store, replace(call(), received_at=NOW + 60_000))
    assert (first.new, first.repeats) == (True, 0)
    assert (again.id, again.new, again.repeats) == (first.id, False, 1)
    inbound = await store.get_inbound(first.id)
    assert inbound is not None
    assert (inbound.state, inbound.received_at, inbound.repeats) == (InboundState.NEW, NOW, 1)


async def test_the_same_id_with_other_content_is_a_message_of_its_own_that_names_the_first(store: Store) -> None:
    first = await accept(store, call(text="one"))
    other = await accept(store, call(text="two"))
    assert other.new
    inbound = await store.get_inbound(other.id)
    assert inbound is not None
    assert inbound.conflict_of == first.id


async def test_the_same_id_on_another_account_is_no_conflict(store: Store) -> None:
    await accept(store, call(text="one"))
    other = await accept(store, call(text="two", account="second"))
    inbound = await store.get_inbound(other.id)
    assert inbound is not None
    assert inbound.conflict_of is None


async def test_two_hundred_at_once_with_one_message_store_one(store: Store) -> None:
    answers = await asyncio.gather(*(accept(store, call()) for _ in range(200)))
    assert sum(answer.new for answer in answers) == 1
    assert {answer.id for answer in answers} == {answers[0].id}
    assert sorted(answer.repeats for answer in answers) == list(range(200))


async def test_nul_and_lone_surrogates_are_cleaned_not_refused(store: Store) -> None:
    accepted = await accept(store, replace(call("s"), text="a\0b \ud800 c \ud83d\ude00"))
    inbound = await store.get_inbound(accepted.id)
    assert inbound is not None
    assert inbound.text == "ab \ufffd c 😀"
    assert (await store.enqueue(reply("k\0\udfff"))).id == (await store.enqueue(reply("k\0\udfff"))).id


async def test_a_batch_holds_the_oldest_message_of_each_subscriber(store: Store) -> None:
    for smsid, subscriber in (("1", "7901"), ("2", "7901"), ("3", "7902"), ("4", "7903")):
        await accept(store, call(smsid, subscriber=subscriber))
    batch = await unrouted(store, 2)
    assert [item.inbound.smsid for item in batch] == ["1", "3"]
    batch = await unrouted(store)
    assert [item.inbound.smsid for item in batch] == ["1", "3", "4"]


async def test_contact_and_recent_replies_come_with_the_message(store: Store) -> None:
    inbound = await received(store)
    (item,) = await unrouted(store, 1)
    assert (item.contact.version, item.contact.first_seen_at, item.recent) == (0, None, ())
    await settled(store, settlement(inbound, 0, reply("r1", text="hello")))
    await accept(store, call("2", text="again"))
    (item,) = await unrouted(store, 1, NOW)
    assert (item.contact.version, item.contact.first_seen_at) == (1, NOW)
    assert [(recent.at, recent.text) for recent in item.recent] == [(NOW, "hello")]
    (item,) = await unrouted(store, 1, NOW + 1)
    assert item.recent == ()


async def test_settling_writes_everything_and_takes_the_message_from_the_queue(store: Store) -> None:
    inbound = await received(store)
    item = replace(
        settlement(inbound, 0, reply("r1", parts=2), forwards=("support",)),
        posts=(post(key="p1"),),
        alerts=(Alert(key="a1", text="alert.x", params={"n": 1}),),
    )
    assert (await settled(store, item)).sending == ()
    assert await unrouted(store) == ()
    done = await store.get_inbound(inbound.id)
    assert done is not None
    assert (done.state, done.rule, str(done.outcome)) == (InboundState.ROUTED, "hours", "replied")
    assert await spent(store) == 2
    kinds = [one.kind for one in await store.claim_posts(["support", "@admin"], now=NOW, limit=9)]
    assert sorted(kinds) == [PostKind.ALERT, PostKind.INBOUND, PostKind.NOTICE]


async def test_a_message_is_settled_once(store: Store) -> None:
    inbound = await received(store)
    results = await asyncio.gather(*(settle(store, [settlement(inbound, 0, reply("r1"))]) for _ in range(5)))
    assert sum(result is not None for (result,) in results) == 1
    assert (await store.queue_status()).sms_by_state == {"queued": 1}


async def test_a_decision_on_an_older_contact_leaves_nothing_behind(store: Store) -> None:
    inbound = await received(store)
    await store.take_over(SUBSCRIBER, NOW + 1000, NOW)
    refused = settlement(inbound, 0, reply("r1"), forwards=("support",))
    assert list(await settle(store, [refused])) == [None]
    assert (await store.queue_status()).sms_by_state == {}
    assert await store.claim_posts(["support"], now=NOW, limit=9) == []
    (item,) = await unrouted(store, 1)
    assert (item.contact.version, item.contact.first_seen_at) == (1, None)
    assert item.contact.robot_paused_until == NOW + 1000
    assert await settled(store, settlement(inbound, 1))


async def test_the_days_spend_is_looked_at_again_when_it_is_written(store: Store) -> None:
    one = await received(store, "1", subscriber="7901")
    two = await received(store, "2", subscriber="7902")
    results = await settle(
        store,
        [
            settlement(one, 0, reply("r1", parts=2), spend_limit=3),
            settlement(two, 0, reply("r2", parts=2), spend_limit=3),
        ],
    )
    assert [result is not None for result in results] == [True, False]
    assert await spent(store) == 2
    assert await settled(store, settlement(two, 0, spend_limit=1, forwards=("support",)))


async def test_an_answer_is_inserted_as_sending_where_its_lane_is_free(store: Store) -> None:
    inbound = await received(store)
    done = await settled(
        store,
        settlement(inbound, 0, reply("r1", state=SmsState.SENDING), reply("r2", state=SmsState.SENDING)),
    )
    (inserted,) = done.sending
    assert (inserted.key, inserted.state, inserted.attempts, inserted.sending_since) == ("r1", SmsState.SENDING, 1, NOW)
    assert (await store.queue_status()).sms_by_state == {"queued": 1, "sending": 1}


@pytest.mark.parametrize(
    ("ahead", "birth"),
    [
        (Priority.PERSON, SmsState.QUEUED),
        (Priority.AUTOMATIC, SmsState.QUEUED),
        (Priority.BROADCAST, SmsState.SENDING),
    ],
)
async def test_nothing_is_inserted_as_sending_past_a_queued_row_of_its_class_or_a_more_urgent_one(
    store: Store, ahead: Priority, birth: SmsState
) -> None:
    await store.enqueue(reply("ahead", priority=ahead, due_at=NOW + 9_000))
    inserted = await store.enqueue(reply("new", state=SmsState.SENDING))
    assert inserted.state is birth
    elsewhere = await store.enqueue(reply("else", state=SmsState.SENDING, recipient="7905"))
    assert elsewhere.state is SmsState.SENDING


async def test_an_answer_belongs_to_the_only_conversation_the_message_went_to(store: Store) -> None:
    inbound = await received(store)
    await settled(store, settlement(inbound, 0, reply("r1"), forwards=("support",)))
    (shown,) = await store.claim_posts(["support"], now=NOW, limit=9)
    assert shown.conversation is not None
    (answer,) = await store.list_sms([SmsState.QUEUED], limit=9)
    assert answer.conversation_id == shown.conversation.id
    second = await received(store, "2")
    await settled(store, settlement(second, 1, reply("r2"), forwards=("support", "sales")))
    assert (await store.list_sms([SmsState.QUEUED], limit=1))[0].conversation_id is None


async def test_a_conversation_is_made_once_and_follows_the_latest_message(store: Store) -> None:
    first = await received(store)
    await settled(store, settlement(first, 0, forwards=("support",)))
    accepted = await accept(store, replace(call("2", account="second", at=NOW + 5), receiver="7733"))
    second = await store.get_inbound(accepted.id)
    assert second is not None
    await settled(store, settlement(second, 1, forwards=("support",)))
    (head,) = await store.claim_posts(["support"], now=NOW, limit=9)
    conversation = head.conversation
    assert conversation is not None
    assert (conversation.account, conversation.receiver) == ("second", "7733")
    assert (conversation.last_inbound_id, conversation.last_inbound_at) == (second.id, NOW + 5)
    assert head.inbound is not None
    assert head.inbound.id == first.id
    assert await store.conversation_of_code("support", conversation.code.upper()) == conversation
    assert await store.conversation_of_code("sales", conversation.code) is None


async def test_a_thousand_conversations_have_a_thousand_codes(store: Store) -> None:
    items = await asyncio.gather(*(received(store, str(n), subscriber=f"79{n:09}") for n in range(1000)))
    await settle(store, [settlement(item, 0, forwards=("support",)) for item in items])
    found = await asyncio.gather(*(store.conversation(ConversationId(n)) for n in range(1, 1001)))
    codes = {one.code for one in found if one is not None}
    assert len(codes) == 1000
    assert all(len(code) >= 4 and code[0].isalpha() and code.isascii() and code.isalnum() for code in codes)


async def test_one_that_cannot_be_written_leaves_all_of_them_to_be_settled_singly(store: Store) -> None:
    good = await received(store, "1", subscriber="7901")
    bad = await received(store, "2", subscriber="7902")
    broken = replace(reply("r2"), retry_of=SmsId(999_999))  # no such row
    with pytest.raises(StoreError):
        await settle(
            store,
            [settlement(good, 0, reply("r1", state=SmsState.SENDING)), settlement(bad, 0, broken, forwards=("x",))],
        )
    assert [item.inbound.smsid for item in await unrouted(store)] == ["1", "2"]
    assert await store.claim_posts(["x"], now=NOW, limit=9) == []
    assert await store.claim_due("main", now=NOW, limit=9) == []
    assert await spent(store) == 0
    (settled,) = await settle(store, [settlement(good, 0, reply("r1", state=SmsState.SENDING))])
    assert settled is not None
    assert [sms.key for sms in settled.sending] == ["r1"]


async def test_what_rules_decided_about_is_read_in_order_and_in_pieces(store: Store) -> None:
    for number in range(1, 7):
        await accept(store, replace(call(str(number), subscriber=f"790{number}"), received_at=NOW + number))
    items = [settlement(item.inbound) for item in await unrouted(store, 5, NOW)]
    items[1] = replace(items[1], state=InboundState.QUARANTINED)
    await settle(store, items)

    async def read(span: InboundRange, since: int = 0) -> list[str]:
        found: list[str] = []
        after = InboundId(0)
        while piece := await store.routed(span, after=after, since=since, limit=2):
            found += [inbound.smsid for inbound in piece]
            after = piece[-1].id
        return found

    everything = await store.routed_range()
    assert everything is not None
    assert (everything.count, await read(everything)) == (4, ["1", "3", "4", "5"])
    newest = await store.routed_range(last=2)
    assert newest is not None
    assert (newest.count, await read(newest)) == (2, ["4", "5"])
    late = await store.routed_range(last=3, since=NOW + 4)
    assert late is not None
    assert (late.count, await read(late, NOW + 4)) == (2, ["4", "5"])
    assert await store.routed_range(since=NOW + 100) is None
