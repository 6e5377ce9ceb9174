"""The clock was set: what waits goes on waiting as long as it would have, and no longer than anything ever waits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.model.base import DAY, HOUR, MINUTE, SECOND, Ms, SmsId
from bridge.model.record import LongestWaits
from bridge.model.sms import Change, Move, Sms
from bridge.ports.store import Store
from tests.contract.builders import NOW, SUBSCRIBER, claimed, moved, post, reply, sent

LONGEST = LongestWaits(sms=MINUTE, poll=10 * MINUTE, post=HOUR, takeover=2 * HOUR)
NOBODY = SmsId(0)

both_ways = pytest.mark.parametrize("by", [DAY, -DAY])


async def shift(store: Store, by: Ms, since: SmsId = NOBODY) -> Ms:
    """What the clock shows now."""
    now = NOW + by
    await store.shift_waits(by, now=now, longest=LONGEST, since=since)
    return now


async def row(store: Store, sms: Sms) -> Sms:
    after = await store.get_sms(sms.id)
    assert after is not None
    return after


@both_ways
async def test_back_off_goes_on_and_what_was_due_is_due(store: Store, by: Ms) -> None:
    for key, due_at in (("due", NOW - 5), ("waits", NOW + 30 * SECOND)):
        await store.enqueue(reply(key, recipient=key, due_at=due_at))
    now = await shift(store, by)
    assert await claimed(store, now=now + 30 * SECOND - 1) == ["due"]
    assert await claimed(store, now=now + 30 * SECOND) == ["waits"]


@both_ways
async def test_a_ttl_of_this_run_goes_on_and_one_of_an_earlier_run_is_left_alone(store: Store, by: Ms) -> None:
    ours_ends, theirs_ends = NOW + HOUR, NOW + DAY // 2
    theirs = await store.enqueue(reply("theirs", recipient="A", expires_at=theirs_ends))
    queued = await store.enqueue(reply("queued", recipient="B", expires_at=ours_ends))
    under_way = await store.enqueue(reply("under way", recipient="C", expires_at=ours_ends))
    no_end = await store.enqueue(reply("no end", recipient="D"))
    await store.move(under_way.id, Move.START, NOW)
    await shift(store, by, since=theirs.id)
    ends = [(await row(store, sms)).expires_at for sms in (theirs, queued, under_way, no_end)]
    assert ends == [theirs_ends, ours_ends + by, ours_ends + by, None]


@both_ways
async def test_polls_go_on_and_so_does_the_patience_with_them(store: Store, by: Ms) -> None:
    change = Change(platform_ids=("1",), poll_at=NOW + 5 * MINUTE)
    theirs = await moved(store, await sent(store, "theirs", recipient="A"), Move.ACCEPTED, NOW - HOUR, change)
    ours = await moved(store, await sent(store, "ours", recipient="B"), Move.ACCEPTED, NOW - HOUR, change)
    now = await shift(store, by, since=theirs.id)
    assert await store.due_polls("main", now=now + 5 * MINUTE - 1, limit=9) == []
    due = {sms.id: sms.sent_at for sms in await store.due_polls("main", now=now + 5 * MINUTE, limit=9)}
    assert due == {theirs.id: NOW - HOUR, ours.id: NOW - HOUR + by}


@both_ways
async def test_chat_posts_go_on(store: Store, by: Ms) -> None:
    await store.add_post(post(key="due"), NOW)
    await store.add_post(post(key="waits", due_at=NOW + 20 * MINUTE), NOW)
    now = await shift(store, by)
    assert len(await store.claim_posts(["support"], now=now + 20 * MINUTE - 1, limit=9)) == 1
    assert len(await store.claim_posts(["support"], now=now + 20 * MINUTE, limit=9)) == 2


@both_ways
async def test_a_person_s_pause_of_the_robot_goes_on(store: Store, by: Ms) -> None:
    await store.take_over(SUBSCRIBER, NOW + HOUR, NOW)
    now = await shift(store, by)
    assert (await store.contact(SUBSCRIBER)).robot_paused_until == now + HOUR


async def test_a_pause_that_is_over_is_not_revived_by_a_clock_set_back(store: Store) -> None:
    await store.take_over(SUBSCRIBER, NOW - MINUTE, NOW)
    now = await shift(store, -DAY)
    assert (await store.contact(SUBSCRIBER)).robot_paused_until <= now


async def test_a_pause_that_only_the_right_clock_makes_sense_of_is_kept(store: Store) -> None:
    """Of an earlier run; this one started with a clock a day behind, or ahead."""
    await store.take_over(SUBSCRIBER, NOW + DAY + HOUR, NOW)
    await store.take_over("79990000002", NOW - DAY + HOUR, NOW)
    await shift(store, DAY)
    assert (await store.contact(SUBSCRIBER)).robot_paused_until == NOW + DAY + HOUR
    await store.shift_waits(-2 * DAY, now=NOW - DAY, longest=LONGEST, since=NOBODY)
    assert (await store.contact("79990000002")).robot_paused_until == NOW - DAY + HOUR


@both_ways
async def test_a_hold_is_as_old_as_before(store: Store, by: Ms) -> None:
    await store.suspend_account("main", reason="blocked", detail="", now=NOW - HOUR, probe_at=NOW + MINUTE)
    now = await shift(store, by)
    state = await store.account_state("main")
    assert (state.suspended_since, state.probe_at) == (now - HOUR, now + MINUTE)


async def test_what_waits_longer_than_anything_ever_does_is_due_at_once(store: Store) -> None:
    """A start after a clock that was ahead: nobody knows by how much."""
    for key, due_at in (("a day", NOW + DAY), ("just right", NOW + LONGEST.sms)):
        await store.enqueue(reply(key, recipient=key, due_at=due_at))
    sms = await store.enqueue(replace(reply("sent", recipient="S"), due_at=NOW - 1))
    await store.move(sms.id, Move.START, NOW)
    await store.move(sms.id, Move.ACCEPTED, NOW, Change(platform_ids=("1",), poll_at=NOW + DAY))
    await store.add_post(post(key="p", due_at=NOW + DAY), NOW)
    await store.take_over(SUBSCRIBER, NOW + DAY, NOW)
    await shift(store, 0)
    assert await claimed(store) == ["a day"]
    assert await store.next_due("main") == NOW + LONGEST.sms
    assert [each.id for each in await store.due_polls("main", now=NOW, limit=9)] == [sms.id]
    assert len(await store.claim_posts(["support"], now=NOW, limit=9)) == 1
    assert (await store.contact(SUBSCRIBER)).robot_paused_until == NOW + LONGEST.takeover


async def test_the_newest_sms_is_known(store: Store) -> None:
    assert await store.newest_sms() == 0
    await store.enqueue(reply("a", recipient="A"))
    last = await store.enqueue(reply("b", recipient="B"))
    assert await store.newest_sms() == last.id
