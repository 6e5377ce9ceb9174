"""What people see and what they do: posts in order, mappings that survive, one effect a Telegram message."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.model.chat import Conversation, Post, PostedMessage
from bridge.model.post import (
    AlertPayload,
    InboundPayload,
    NewPost,
    NoticePayload,
    OpeningPayload,
    Payload,
    PostKind,
    PostPriority,
    StatusPayload,
    TopicPayload,
)
from bridge.model.sms import Change, Move, SmsState
from bridge.ports.store import Store
from tests.contract.builders import NOW, SUBSCRIBER, claimed, person, post, received, sent, settled, settlement


async def forwarded(store: Store, smsid: str = "1", version: int = 0) -> Post:
    """The post of a message forwarded to the support chat."""
    inbound = await received(store, smsid)
    await settled(store, settlement(inbound, version, forwards=("support",)))
    posts = await store.claim_posts(["support"], now=NOW, limit=9)
    return next(one for one in posts if one.inbound is not None)


async def opened_conversation(store: Store) -> Conversation:
    conversation = (await forwarded(store)).conversation
    assert conversation is not None
    return conversation


async def fates(store: Store, chat: str = "id:-100") -> list[Post]:
    return list(await store.claim_posts([chat], now=NOW + 1000, limit=9))


async def test_posts_come_due_by_priority_then_age_over_all_names_of_a_chat(store: Store) -> None:
    await store.add_post(post("support", key="status"), NOW)
    await store.add_post(replace(post("id:-1", key="fail"), priority=PostPriority.FAILURE), NOW)
    await store.add_post(post("", key="status2"), NOW)
    await store.add_post(post("support", key="later", due_at=NOW + 1), NOW)
    await store.add_post(post("sales", key="foreign"), NOW)
    names = ["support", "id:-1", "", "support"]
    assert [one.priority for one in await store.claim_posts(names, now=NOW, limit=9)] == [1, 2, 2]
    assert [one.chat for one in await store.claim_posts(names, now=NOW, limit=2)] == ["id:-1", "support"]


async def test_a_post_with_a_key_is_written_once(store: Store) -> None:
    assert await store.add_post(post(key="k"), NOW)
    assert not await store.add_post(post(key="k"), NOW)
    assert await store.add_post(post(), NOW)
    assert await store.add_post(post(), NOW)


async def test_a_conversation_is_shown_in_order_even_when_one_post_is_in_back_off(store: Store) -> None:
    first = await forwarded(store)
    await settled(store, settlement(await received(store, "2"), 1, forwards=("support",)))
    assert [one.id for one in await store.claim_posts(["support"], now=NOW, limit=9)] == [first.id]
    await store.post_retry(first.id, NOW + 50, "flood")
    assert await store.claim_posts(["support"], now=NOW, limit=9) == []
    (again,) = await store.claim_posts(["support"], now=NOW + 50, limit=9)
    assert (again.id, again.attempts) == (first.id, 1)
    await store.posts_done([again], PostedMessage(chat_id=-100, message_id=1), NOW)
    (second,) = await store.claim_posts(["support"], now=NOW, limit=9)
    assert second.inbound is not None
    assert second.inbound.smsid == "2"


async def test_a_dropped_post_is_not_claimed_again(store: Store) -> None:
    await store.add_post(post(), NOW)
    (one,) = await store.claim_posts(["support"], now=NOW, limit=9)
    await store.post_dropped(one.id, "chat is gone", NOW)
    assert await store.claim_posts(["support"], now=NOW + 9, limit=9) == []


async def test_a_posted_message_and_its_topic_find_the_conversation(store: Store) -> None:
    shown = await forwarded(store)
    assert shown.conversation is not None
    assert shown.contact is not None
    await store.posts_done([shown], PostedMessage(chat_id=-100, message_id=31, thread_id=7), NOW)
    assert await store.claim_posts(["support"], now=NOW, limit=9) == []
    by_message = await store.conversation_of(-100, 31)
    assert by_message is not None
    assert (by_message.id, by_message.thread_id) == (shown.conversation.id, 7)
    assert await store.conversation_of_topic(-100, 7) == by_message
    assert await store.conversation_of(-100, 32) is None
    assert await store.conversation_of(-200, 31) is None


async def test_a_forgotten_topic_still_finds_its_conversation(store: Store) -> None:
    conversation = await opened_conversation(store)
    await store.set_topic(conversation.id, -100, 7)
    await store.set_topic(conversation.id, -100, None)
    found = await store.conversation_of_topic(-100, 7)
    assert found is not None
    assert (found.id, found.thread_id) == (conversation.id, None)
    await store.set_topic(conversation.id, -100, 9)
    found = await store.conversation_of_topic(-100, 7)
    assert found is not None
    assert found.thread_id == 9


async def test_a_migrated_chat_keeps_its_rows_under_the_old_id_and_its_topics_are_made_anew(store: Store) -> None:
    shown = await forwarded(store)
    await store.posts_done([shown], PostedMessage(chat_id=-100, message_id=31, thread_id=7), NOW)
    await store.chat_migrated(-100, -1001, NOW)
    found = await store.conversation_of(-100, 31)
    assert found is not None
    assert found.thread_id is None
    assert await store.conversation_of(-1001, 31) is None, "message numbers restart in the new group"
    assert shown.conversation is not None
    await store.set_topic(shown.conversation.id, -1001, 8)
    await store.chat_migrated(-100, -1001, NOW)
    again = await store.conversation_of_topic(-1001, 8)
    assert again is not None
    assert again.thread_id == 8


async def test_a_chain_of_migrations_ends_at_the_newest_id(store: Store) -> None:
    for old, new in ((1, 2), (2, 3), (3, 3)):
        await store.chat_migrated(old, new, NOW)
    assert await store.chat_aliases() == {1: 3, 2: 3}
    await store.chat_migrated(3, 1, NOW)
    assert set(await store.chat_aliases()) == {1, 2, 3}  # a ring is resolved somehow, and ends


async def test_a_message_number_of_the_new_chat_is_not_taken_for_the_old_ones(store: Store) -> None:
    first = await forwarded(store)
    await store.posts_done([first], PostedMessage(chat_id=-100, message_id=31), NOW)
    inbound = await received(store, "2", subscriber="7905")
    await settled(store, settlement(inbound, 0, forwards=("support",)))
    (second,) = await store.claim_posts(["support"], now=NOW, limit=9)
    await store.chat_migrated(-100, -1001, NOW)
    await store.posts_done([second], PostedMessage(chat_id=-1001, message_id=31), NOW)
    for chat_id, one in ((-100, first), (-1001, second)):
        found = await store.conversation_of(chat_id, 31)
        assert found is not None
        assert one.conversation is not None
        assert found.id == one.conversation.id


async def test_an_operators_message_is_one_sms_and_part_of_the_conversation(store: Store) -> None:
    shown = await forwarded(store)
    await store.posts_done([shown], PostedMessage(chat_id=-100, message_id=4), NOW)
    conversation = shown.conversation
    assert conversation is not None
    new = replace(person("bot:-100:5:reply"), conversation_id=conversation.id)
    sms = await store.operator_reply(new, NOW)
    assert await store.operator_reply(replace(new, text="edited"), NOW + 1) == sms
    assert await store.sms_of_message(-100, 5) == sms
    assert await store.conversation_of(-100, 5) == conversation
    (status_post,) = await fates(store)
    assert (status_post.kind, status_post.reply_to, status_post.priority) == (PostKind.STATUS, 5, PostPriority.REACTION)
    assert status_post.sms == sms


async def test_taking_over_holds_the_robot_back_and_never_shortens(store: Store) -> None:
    await store.take_over(SUBSCRIBER, NOW + 100, NOW)
    await store.take_over(SUBSCRIBER, NOW + 50, NOW)
    contact = await store.contact(SUBSCRIBER)
    assert (contact.version, contact.robot_paused_until) == (2, NOW + 100)


async def test_the_status_is_one_post_that_always_holds_the_latest_state(store: Store) -> None:
    sms = await store.operator_reply(person("k"), NOW)
    (shown,) = await fates(store)
    await store.move(sms.id, Move.START, NOW)
    await store.posts_done([shown], PostedMessage(chat_id=-100, shown="eyes"), NOW)
    (again,) = await fates(store)
    assert (again.id, again.revision, again.shown) == (shown.id, shown.revision + 1, "eyes")
    await store.posts_done([again], PostedMessage(chat_id=-100, shown="eyes"), NOW)
    assert await fates(store) == []
    await store.move(sms.id, Move.REFUSED, NOW)
    (failed,) = await fates(store)
    assert (failed.priority, failed.sms.state if failed.sms else None) == (PostPriority.FAILURE, SmsState.FAILED)


async def test_only_a_new_status_of_the_platform_refreshes_the_status_post(store: Store) -> None:
    sms = await store.operator_reply(person("k"), NOW)
    await store.move(sms.id, Move.START, NOW)
    await store.move(sms.id, Move.ACCEPTED, NOW, Change(platform_ids=("1",), poll_at=NOW))
    (shown,) = await fates(store)
    await store.posts_done([shown], PostedMessage(chat_id=-100), NOW)
    await store.note_status(sms.id, "partly_deliver", NOW, 1)
    (shown,) = await fates(store)
    await store.posts_done([shown], PostedMessage(chat_id=-100), NOW)
    await store.note_status(sms.id, "partly_deliver", NOW, 2)
    assert await fates(store) == []


@pytest.mark.parametrize("move", [Move.LOSE_TRACK, Move.PARK])
async def test_send_again_writes_a_new_row_once_and_gives_the_old_one_up(store: Store, move: Move) -> None:
    sms = await store.operator_reply(person("k"), NOW)
    assert await store.send_again(sms.id, key="again", author="Boris", now=NOW) is None
    await store.move(sms.id, Move.START, NOW)
    assert await store.send_again(sms.id, key="again", author="Boris", now=NOW) is None
    await store.move(sms.id, move, NOW)
    again = await store.send_again(sms.id, key="again", author="Boris", now=NOW + 1)
    assert again is not None
    assert (again.state, again.retry_of, again.author, again.text) == (SmsState.QUEUED, sms.id, "Boris", sms.text)
    assert await store.send_again(sms.id, key="again", author="Boris", now=NOW + 2) == again
    assert await store.send_again(sms.id, key="other press", author="Anna", now=NOW + 2) is None
    old = await store.get_sms(sms.id)
    assert old is not None
    assert old.state is SmsState.ABANDONED
    assert await store.sms_of_message(-100, 5) == again


async def test_send_again_leaves_a_final_row_as_it_is(store: Store) -> None:
    sms = await sent(store, "k")
    await store.move(sms.id, Move.REFUSED, NOW)
    assert await store.send_again(sms.id, key="again", author="a", now=NOW)
    old = await store.get_sms(sms.id)
    assert old is not None
    assert old.state is SmsState.FAILED
    assert await claimed(store) == ["again"]


@pytest.mark.parametrize(
    "payload",
    [
        InboundPayload(
            rule="hours", note="VIP", silent=True, answered=2, suppressions=("too_old", "opted_out"), opt_question="in"
        ),
        InboundPayload(error="'shop' is undefined"),
        NoticePayload(
            text="a", params={"n": 1, "f": 1.5, "none": None, "list": ["я", True]}, buttons=("open", "claim")
        ),
        NoticePayload(text="a", chat_id=-100, thread_id=3, edits=4, only_draft=True, unless_album="tg:1:album"),
        AlertPayload(text="a", params={"n": 0}),
        StatusPayload(),
        OpeningPayload(author="Анна", chat_id=-100),
        TopicPayload(renamed=False),
    ],
)
async def test_a_payload_comes_back_as_it_was(store: Store, payload: Payload) -> None:
    await store.add_post(NewPost(chat="x", priority=PostPriority.STATUS, payload=payload), NOW)
    (one,) = await store.claim_posts(["x"], now=NOW, limit=1)
    assert one.payload == payload
    assert one.kind is payload.kind
