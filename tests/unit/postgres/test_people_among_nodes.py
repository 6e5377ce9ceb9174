"""What people order reaches the store once, whichever bridge hears it, and nothing that runs beside it undoes it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bridge.model.actions import Action, ActionKind
from bridge.model.answers import Balance
from bridge.model.chat import PostedMessage
from bridge.model.contact import ContactChange
from bridge.model.post import NewPost, NoticePayload, PostPriority
from bridge.model.sms import Move, SmsState
from bridge.ports.store import Store
from bridge.store import locks
from bridge.store.postgres.store import PostgresStore
from bridge.store.repositories.conversations import codes
from tests.contract.builders import NOW, SUBSCRIBER, moved, person, received, reply, sent, settle, settlement, unrouted
from tests.postgres import needs_postgres
from tests.unit.postgres.two_nodes import TwoNodes

pytestmark = needs_postgres


async def test_send_again_at_two_bridges_is_one_new_row(both: TwoNodes) -> None:
    old = await moved(both.one, await sent(both.one, "k"), Move.LOSE_TRACK, NOW)
    async with both.held(locks.sms(old.id)):
        pressed = [
            asyncio.create_task(store.send_again(old.id, key=key, author="Anna (7)", now=NOW))
            for store, key in ((both.one, "press:1"), (both.two, "press:2"))
        ]
        await both.waiting(2)
    again = [sms for sms in await asyncio.gather(*pressed) if sms is not None]
    assert len(again) == 1
    assert await both.value("SELECT count(*) FROM sms WHERE retry_of = $1", old.id) == 1
    assert await both.value("SELECT state FROM sms WHERE id = $1", old.id) == SmsState.ABANDONED


async def test_one_press_told_to_two_bridges_is_one_row_for_both(both: TwoNodes) -> None:
    old = await moved(both.one, await sent(both.one, "k"), Move.LOSE_TRACK, NOW)
    async with both.held(locks.sms(old.id)):
        pressed = [
            asyncio.create_task(store.send_again(old.id, key="press", author="Anna (7)", now=NOW))
            for store in (both.one, both.two)
        ]
        await both.waiting(2)
    first, second = await asyncio.gather(*pressed)
    assert first is not None
    assert first == second


async def test_what_a_late_answer_proves_during_a_press_is_not_sent_again(both: TwoNodes) -> None:
    old = await moved(both.one, await sent(both.one, "k"), Move.LOSE_TRACK, NOW)
    async with both.locked("SELECT 1 FROM sms"):
        pressed = asyncio.create_task(both.two.send_again(old.id, key="press", author="Anna (7)", now=NOW))
        await both.waiting()  # has seen that it is unknown
        await both.run("UPDATE sms SET state = 'sent'")
    assert await pressed is None
    assert await both.value("SELECT count(*) FROM sms") == 1


async def test_one_reply_told_to_two_bridges_is_one_row(both: TwoNodes) -> None:
    async with both.held(locks.subscriber(SUBSCRIBER)):
        replies = [asyncio.create_task(store.operator_reply(person("k"), NOW)) for store in (both.one, both.two)]
        await both.waiting(2)
    first, second = await asyncio.gather(*replies)
    assert first == second
    assert await both.value("SELECT count(*) FROM sms") == 1
    assert await both.value("SELECT count(*) FROM chat_post WHERE kind = 'status'") == 1


async def test_one_command_told_to_two_bridges_is_one_row(both: TwoNodes) -> None:
    async with both.held(locks.subscriber(SUBSCRIBER)):
        orders = [asyncio.create_task(store.enqueue(reply("k"))) for store in (both.one, both.two)]
        await both.waiting(2)
    first, second = await asyncio.gather(*orders)
    assert first == second


@pytest.mark.parametrize("by_command", [False, True])
async def test_a_key_that_two_bridges_give_to_two_numbers_is_the_row_of_the_first(
    both: TwoNodes, by_command: bool
) -> None:
    """As a script does that runs twice; a chat's message means one number however often it is told."""
    conversation = await both.one.begin_conversation("support", SUBSCRIBER, account="main", now=NOW)
    first, other = replace(person("k"), conversation_id=conversation.id), person("k", recipient="79990000000")
    async with both.locked("SELECT 1 FROM conversation"):
        replies = [asyncio.create_task(both.one.operator_reply(first, NOW))]
        await both.waiting()  # has written its row
        late = both.two.enqueue(other) if by_command else both.two.operator_reply(other, NOW)
        replies.append(asyncio.create_task(late))
        await both.waiting(2)
    rows = await asyncio.gather(*replies)
    assert rows[0] == rows[1]
    assert rows[0].recipient == SUBSCRIBER


def opt_out(key: str = "order") -> Action:
    return Action(key=key, kind=ActionKind.OPT_OUT, subscriber=SUBSCRIBER, author="Anna (7)")


async def test_an_opt_out_while_a_message_is_settled_is_not_written_over(both: TwoNodes) -> None:
    """What rules remember of a contact is written as a whole: of the contact that they saw."""
    inbound = await received(both.one)
    remembers = replace(settlement(inbound), contact=ContactChange(opted_out=False, tags=("vip",), values={}))
    await both.taken()
    async with both.locked("SELECT 1 FROM inbound"):
        settling = asyncio.create_task(settle(both.one, [remembers]))  # holds the subscriber, waits for the row
        await both.waiting()
        ordering = asyncio.create_task(both.two.carry_out(opt_out(), done=None, already=None, now=NOW))
        await both.waiting(2)
    assert await settling != [None]
    assert await ordering
    contact = await both.one.contact(SUBSCRIBER)
    assert (contact.opted_out, contact.tags) == (True, ("vip",))


async def test_what_was_decided_before_an_opt_out_is_decided_again(both: TwoNodes) -> None:
    inbound = await received(both.one)
    remembers = replace(settlement(inbound, 0, reply("r")), contact=ContactChange(opted_out=False, tags=(), values={}))
    async with both.held(locks.subscriber(SUBSCRIBER)):
        ordering = asyncio.create_task(both.two.carry_out(opt_out(), done=None, already=None, now=NOW))
        await both.waiting()
        settling = asyncio.create_task(settle(both.one, [remembers]))
        await both.waiting(2)
    assert await ordering
    (result,) = await settling
    assert (await both.one.contact(SUBSCRIBER)).opted_out
    if result is None:  # the order was first: which of two that wait is first, the server decides
        (item,) = await unrouted(both.one)
        assert item.contact.opted_out


async def test_a_take_over_while_a_message_is_settled_stays(both: TwoNodes) -> None:
    inbound = await received(both.one)
    await both.taken()
    async with both.locked("SELECT 1 FROM inbound"):
        settling = asyncio.create_task(settle(both.one, [settlement(inbound)]))
        await both.waiting()
        taking = asyncio.create_task(both.two.take_over(SUBSCRIBER, NOW + 9, NOW))
        await both.waiting(2)
    await asyncio.gather(settling, taking)
    contact = await both.one.contact(SUBSCRIBER)
    assert (contact.robot_paused_until, contact.version) == (NOW + 9, 2)


async def test_a_conversation_that_both_begin_is_one(both: TwoNodes) -> None:
    inbound = await received(both.one)
    async with both.held(locks.subscriber(SUBSCRIBER)):
        beginning = asyncio.create_task(both.two.begin_conversation("support", SUBSCRIBER, account="main", now=NOW))
        settling = asyncio.create_task(settle(both.one, [settlement(inbound, forwards=("support",))]))
        await both.waiting(2)
    conversation = await beginning
    await settling
    assert await both.values("SELECT id FROM conversation") == [conversation.id]
    assert await both.values("SELECT conversation_id FROM chat_post") == [conversation.id]


def same_code() -> tuple[str, str]:
    """Two numbers whose conversations ask for one code first."""
    known: dict[str, str] = {}
    for number in range(100_000):
        subscriber = f"7999{number:07}"
        code = next(codes("support", subscriber))
        if code in known:
            return known[code], subscriber
        known[code] = subscriber
    raise AssertionError("none found")


async def test_two_conversations_that_want_one_code_at_once_have_one_each(both: TwoNodes) -> None:
    first, second = same_code()
    await both.one.begin_conversation("support", "790", account="main", now=NOW)
    async with both.beside.transaction():
        # A third one has the code, and nobody sees it before it has ended.
        code = next(codes("support", first))
        row = "INSERT INTO conversation (chat, subscriber, code, account, receiver, created_at)"
        await both.run(f"{row} VALUES ('other', '791', $1, 'main', '', 0)", code)
        beginning = [
            asyncio.create_task(store.begin_conversation("support", subscriber, account="main", now=NOW))
            for store, subscriber in ((both.one, first), (both.two, second))
        ]
        await both.waiting(2)
    begun = await asyncio.gather(*beginning)
    taken = {code, *(conversation.code for conversation in begun)}
    assert len(taken) == 3


async def in_conversation(store: Store, key: str) -> bool:
    conversation = await store.begin_conversation("support", SUBSCRIBER, account="main", now=NOW)
    return await store.add_post(
        NewPost(
            chat="support",
            priority=PostPriority.INBOUND,
            payload=NoticePayload(text="t"),
            key=key,
            conversation_id=conversation.id,
            due_at=NOW,
        ),
        NOW,
    )


async def shown(store: PostgresStore, expected: str, both: TwoNodes) -> None:
    (post,) = await store.claim_posts(["support"], now=NOW, limit=9)
    assert await both.value("SELECT key FROM chat_post WHERE id = $1", post.id) == expected
    await store.posts_done([post], PostedMessage(chat_id=-1, message_id=int(expected)), NOW)


async def test_a_post_written_while_the_one_before_it_is_marked_as_shown_does_not_stay_behind(both: TwoNodes) -> None:
    await in_conversation(both.one, "1")
    conversation = await both.value("SELECT conversation_id FROM chat_post")
    (first,) = await both.one.claim_posts(["support"], now=NOW, limit=9)
    for add_first in (True, False):
        await both.run("UPDATE chat_post SET state = 'waiting', behind = 0 WHERE key = '1'")
        await both.run("DELETE FROM chat_post WHERE key = '2'")
        work = [
            lambda: both.two.add_post(
                NewPost(
                    chat="support",
                    priority=PostPriority.INBOUND,
                    payload=NoticePayload(text="t"),
                    key="2",
                    conversation_id=conversation,
                    due_at=NOW,
                ),
                NOW,
            ),
            lambda: both.one.posts_done([first], PostedMessage(chat_id=-1, message_id=1), NOW),
        ]
        tasks: list[asyncio.Task[object]] = []
        async with both.held(locks.conversation(conversation)):
            for number, begin in enumerate(work if add_first else reversed(work), 1):
                tasks.append(asyncio.create_task(begin()))  # type: ignore[arg-type]
                await both.waiting(number)
        await asyncio.gather(*tasks)
        assert await both.value("SELECT behind FROM chat_post WHERE key = '2'") == 0


async def test_posts_that_two_nodes_write_in_one_conversation_are_shown_one_by_one(both: TwoNodes) -> None:
    await asyncio.gather(
        *(in_conversation(store, str(number)) for number in range(6) for store in (both.one, both.two))
    )
    keys = await both.values("SELECT key FROM chat_post ORDER BY id")
    assert sorted(keys) == [str(number) for number in range(6)]
    for key in keys:
        await shown(both.one, key, both)
    assert await both.one.claim_posts(["support"], now=NOW, limit=9) == []
    assert await both.value("SELECT count(*) FROM chat_post WHERE behind = 1") == 0


async def test_a_balance_that_both_are_told_was_spent_once(both: TwoNodes) -> None:
    await both.one.note_balance("main", Balance(amount=100, currency="RUB"), NOW)
    async with both.held(locks.balance("main")):
        told = [
            asyncio.create_task(store.note_balance("main", Balance(amount=90, currency="RUB"), NOW))
            for store in (both.one, both.two)
        ]
        await both.waiting(2)
    await asyncio.gather(*told)
    assert await both.value("SELECT amount FROM balance_spent") == 10
