"""States change by named moves only, lanes keep their order, and every move is on record."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bridge.model.sms import MOVES, Change, Move, Priority, SmsState
from bridge.ports.store import Store
from tests.contract.builders import NOW, SetClock, claimed, moved, person, post, reply, sent

PATHS: dict[SmsState, tuple[Move, ...]] = {
    SmsState.DRAFT: (),
    SmsState.QUEUED: (),
    SmsState.SENDING: (Move.START,),
    SmsState.SENT: (Move.START, Move.ACCEPTED),
    SmsState.DELIVERED: (Move.START, Move.ACCEPTED, Move.DELIVERED),
    SmsState.UNDELIVERED: (Move.START, Move.ACCEPTED, Move.UNDELIVERED),
    SmsState.EXPIRED: (Move.START, Move.ACCEPTED, Move.EXPIRED),
    SmsState.UNCONFIRMED: (Move.START, Move.ACCEPTED, Move.GIVE_UP),
    SmsState.FAILED: (Move.START, Move.REFUSED),
    SmsState.PARKED: (Move.START, Move.PARK),
    SmsState.UNCERTAIN: (Move.START, Move.LOSE_TRACK),
    SmsState.CANCELLED: (Move.CANCEL,),
    SmsState.STALE: (Move.EXPIRE_WAITING,),
    SmsState.ABANDONED: (Move.START, Move.LOSE_TRACK, Move.ABANDON),
}


@pytest.mark.parametrize("state", list(SmsState))
async def test_every_move_is_made_from_its_source_states_and_refused_elsewhere(store: Store, state: SmsState) -> None:
    for move in Move:
        birth = SmsState.DRAFT if state is SmsState.DRAFT else SmsState.QUEUED
        sms = await store.enqueue(reply(f"{move}", recipient=f"79-{move}", state=birth))
        for step in PATHS[state]:
            assert await store.move(sms.id, step, NOW)
        sources, target = MOVES[move]
        made = await store.move(sms.id, move, NOW + 7, Change(reason="why"))
        now = await store.get_sms(sms.id)
        assert now is not None
        if state in sources:
            assert made
            assert now.state is target
            assert now.reason == "why"
            assert (now.final_at == NOW + 7) == target.is_final
        else:
            assert not made
            assert (now.state, now.reason) == (state, "")


async def test_a_move_stamps_counts_and_writes_its_change_and_posts(store: Store) -> None:
    sms = await sent(store, "k")
    assert (sms.attempts, sms.sending_since) == (1, NOW)
    back = await moved(store, sms, Move.RETRY, NOW + 1, Change(reason="not_sent", due_at=NOW + 50))
    assert (back.sending_since, back.due_at, back.reason) == (None, NOW + 50, "not_sent")
    assert await store.next_due("main") == NOW + 50
    await store.move(sms.id, Move.START, NOW + 60)
    change = Change(reason="", platform_ids=("17", "18"), poll_at=NOW + 99, posts=(post(key="once"),))
    done = await moved(store, sms, Move.ACCEPTED, NOW + 61, change)
    assert (done.attempts, done.sent_at, done.platform_ids, done.poll_at) == (2, NOW + 61, ("17", "18"), NOW + 99)
    assert done.reason == ""
    assert len(await store.claim_posts(["support"], now=NOW, limit=9)) == 1
    events = await store.sms_history(sms.id)
    assert [(line.text, line.state) for line in events[1:]] == [
        ("start", "sending"),
        ("retry", "queued"),
        ("start", "sending"),
        ("accepted", "sent"),
    ]
    assert events[0].state == "queued"


async def test_of_two_who_move_one_row_one_wins(store: Store) -> None:
    sms = await sent(store, "k")
    won = await asyncio.gather(
        store.move(sms.id, Move.ACCEPTED, NOW), store.move(sms.id, Move.LOSE_TRACK, NOW, Change(posts=(post("x"),)))
    )
    assert sorted(won) == [False, True]
    assert await store.claim_posts(["x"], now=NOW, limit=9) == []


async def test_a_key_is_one_sms_and_its_posts_are_written_once(store: Store, clock: SetClock) -> None:
    first = await store.enqueue(reply("k"), [post("x")])
    again = await store.enqueue(reply("k", text="other"), [post("x")])
    assert again == first
    assert first.created_at == clock.time
    assert len(await store.claim_posts(["x"], now=NOW, limit=9)) == 1


async def test_a_lane_sends_one_at_a_time_and_lanes_do_not_wait_for_each_other(store: Store) -> None:
    for key, recipient in (("a1", "A"), ("a2", "A"), ("b1", "B")):
        await store.enqueue(reply(key, recipient=recipient))
    assert await claimed(store) == ["a1", "b1"]
    assert await claimed(store) == []
    first = (await store.list_sms([SmsState.SENDING], limit=9))[-1]
    await store.move(first.id, Move.ACCEPTED, NOW)
    assert await claimed(store) == ["a2"]


async def test_back_off_blocks_its_own_class_of_the_lane_only(store: Store) -> None:
    await store.enqueue(reply("auto1", due_at=NOW + 1000))
    await store.enqueue(reply("auto2"))
    await store.enqueue(reply("bulk", priority=Priority.BROADCAST))
    assert await claimed(store) == ["bulk"]


async def test_a_person_overtakes_automatic_replies_and_those_broadcasts(store: Store) -> None:
    await store.enqueue(reply("bulk", priority=Priority.BROADCAST))
    await store.enqueue(reply("auto"))
    await store.enqueue(reply("person", priority=Priority.PERSON))
    order = []
    while keys := await claimed(store):
        assert len(keys) == 1
        order += keys
        (row,) = await store.list_sms([SmsState.SENDING], limit=9)
        await store.move(row.id, Move.ACCEPTED, NOW)
    assert order == ["person", "auto", "bulk"]


@pytest.mark.parametrize("move", [Move.LOSE_TRACK, Move.PARK, Move.REFUSED])
async def test_what_a_person_has_to_judge_releases_the_lane(store: Store, move: Move) -> None:
    sms = await sent(store, "k1")
    await store.enqueue(reply("k2"))
    assert await claimed(store) == []
    await store.move(sms.id, move, NOW)
    assert await claimed(store) == ["k2"]


async def test_due_time_limit_and_expiry_hold(store: Store) -> None:
    await store.enqueue(reply("later", recipient="A", due_at=NOW + 1))
    await store.enqueue(reply("over", recipient="B", expires_at=NOW))
    await store.enqueue(reply("c", recipient="C", expires_at=NOW + 1))
    await store.enqueue(reply("d", recipient="D"))
    await store.enqueue(reply("foreign", recipient="E", account="second"))
    assert await claimed(store, limit=0) == []
    assert await claimed(store, limit=1) == ["c"]
    assert await claimed(store) == ["d"]
    assert [sms.key for sms in await store.expire_queued(now=NOW, limit=9)] == ["over"]
    assert await claimed(store, now=NOW + 1) == ["later"]
    assert await store.next_due("main") is None


async def test_a_start_finds_what_was_left_sending_and_judges_it_uncertain(store: Store) -> None:
    await sent(store, "k")
    await store.enqueue(reply("waits"))
    (lost,) = await store.recover_sending(NOW + 5)
    assert (lost.key, lost.state, lost.reason) == ("k", SmsState.UNCERTAIN, "interrupted")
    assert await store.recover_sending(NOW + 5) == []


async def test_a_word_about_one_attempt_does_not_move_the_next(store: Store) -> None:
    sms = await sent(store, "k")
    assert await store.move(sms.id, Move.RETRY, NOW, began=NOW)
    (again,) = await store.claim_due("main", now=NOW + 1, limit=1)
    for move in (Move.RETRY, Move.ACCEPTED, Move.LOSE_TRACK):
        assert not await store.move(sms.id, move, NOW + 2, began=NOW)
    assert await store.get_sms(sms.id) == again
    assert await store.move(sms.id, Move.ACCEPTED, NOW + 2, began=NOW + 1)


async def test_a_probe_is_noted_once_an_attempt_and_only_while_sending(store: Store) -> None:
    sms = await sent(store, "k")
    assert await store.note_probe(sms.id, NOW + 40_000)
    assert not await store.note_probe(sms.id, NOW + 41_000)
    probed = await store.get_sms(sms.id)
    assert probed is not None
    assert probed.attempts == 2
    await store.move(sms.id, Move.LOSE_TRACK, NOW)
    assert not await store.note_probe(sms.id, NOW)


async def test_an_identical_request_of_another_row_is_found_by_when_it_left(store: Store) -> None:
    first = await sent(store, "k1")
    await store.move(first.id, Move.ACCEPTED, NOW + 1)
    second = await sent(store, "k2")
    assert await store.identical_since(second, NOW - 60_000) == NOW
    assert await store.identical_since(second, NOW + 1) is None
    assert await store.identical_since(replace(second, text="other"), NOW - 60_000) is None


async def test_polls_come_due_oldest_first_and_never_without_an_id(store: Store) -> None:
    for key, poll_at, ids in (
        ("b", NOW, ("2",)),
        ("a", NOW - 5, ("1",)),
        ("no", NOW - 9, ()),
        ("later", NOW + 1, ("4",)),
    ):
        sms = await sent(store, key, recipient=key)
        await store.move(sms.id, Move.ACCEPTED, NOW, Change(platform_ids=ids, poll_at=poll_at))
    due = await store.due_polls("main", now=NOW, limit=9)
    assert [sms.key for sms in due] == ["a", "b"]
    await store.postpone_poll(due[0].id, NOW + 100)
    await store.note_status(due[1].id, "partly_deliver", NOW + 100, 1)
    assert await store.due_polls("main", now=NOW, limit=9) == []
    shown = await store.get_sms(due[1].id)
    assert shown is not None
    assert (shown.platform_status, shown.polls, shown.state) == ("partly_deliver", 1, SmsState.SENT)
    final = await moved(store, due[1], Move.DELIVERED, NOW + 200)
    assert final.poll_at is None


async def test_a_cancelled_claim_leaves_nothing_sending(store: Store) -> None:
    for n in range(20):
        await store.enqueue(reply(f"k{n}", recipient=str(n)))
    for turns in range(6):
        task = asyncio.ensure_future(store.claim_due("main", now=NOW, limit=20))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        taken = (await asyncio.gather(task, return_exceptions=True))[0]
        await store.ping()
        await store.ping()
        left = {sms.key for sms in await store.list_sms([SmsState.SENDING], limit=99)}
        assert left == (set() if isinstance(taken, BaseException) else {sms.key for sms in taken})
        if not isinstance(taken, BaseException):
            break
    rows = await store.list_sms([SmsState.QUEUED], limit=99)
    assert all(sms.attempts == 0 for sms in rows)


async def test_a_row_taken_back_from_a_cancelled_caller_is_shown_and_told(store: Store) -> None:
    sms = await store.operator_reply(person("k"), NOW)
    task = asyncio.ensure_future(store.claim_due("main", now=NOW, limit=1))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.ping()
    assert await claimed(store) == ["k"]
    assert (await store.sms_history(sms.id))[-1].state == "sending"
