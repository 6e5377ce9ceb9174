"""What a transaction wrote wakes the loops that it is work for, after its commit, and no others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import pytest

from bridge.errors import StoreError
from bridge.model.alert import Alert
from bridge.model.chat import StoredUpdate, UpdateState
from bridge.model.sms import Change, Move, NewSms, SmsState
from bridge.model.work import Work
from bridge.ports.store import Store
from tests.contract.builders import (
    NOW,
    accept,
    call,
    claimed,
    moved,
    person,
    post,
    received,
    reply,
    sent,
    settle,
    settlement,
    unrouted,
)


async def woken(work: list[Work], does: Awaitable[object]) -> set[Work]:
    """By this call alone."""
    work.clear()
    await does
    return set(work)


async def test_a_message_wakes_the_router_once(store: Store, work: list[Work]) -> None:
    assert await woken(work, accept(store, call())) == {Work.INBOUND}
    assert await woken(work, accept(store, call())) == set(), "the platform brought it again"


async def test_what_is_settled_wakes_those_that_go_on_with_it_and_not_the_router(
    store: Store, work: list[Work]
) -> None:
    async def settling(smsid: str, *replies: NewSms, **parts: Any) -> set[Work]:
        await received(store, smsid)
        (message,) = await unrouted(store)
        item = replace(settlement(message.inbound, message.contact.version, *replies), **parts)
        return await woken(work, settle(store, [item]))

    assert await settling("1") == set()
    assert await settling("2", reply("a")) == {Work.SMS}
    launched = reply("b", recipient="7000", state=SmsState.SENDING)
    assert await settling("3", launched) == set(), "the router launches it"
    assert await settling("4", posts=(post("p"),)) == {Work.POSTS}
    assert await settling("5", alerts=(Alert(key="k", text="t", params={}),)) == {Work.POSTS}


async def test_an_operators_sms_wakes_outbox_and_posters_until_its_outcome(store: Store, work: list[Work]) -> None:
    assert await woken(work, store.operator_reply(person("a"), NOW)) == {Work.SMS, Work.POSTS}
    assert await woken(work, store.operator_reply(person("a"), NOW)) == set()
    assert await woken(work, claimed(store)) == set(), "a request takes a moment; its outcome is shown"
    (sms,) = await store.list_sms([SmsState.SENDING], limit=9)
    assert await woken(work, moved(store, sms, Move.RETRY, NOW, Change(due_at=NOW))) == {Work.SMS, Work.POSTS}
    assert await woken(work, claimed(store)) == set()
    assert await woken(work, moved(store, sms, Move.ACCEPTED, NOW)) == {Work.POSTS}


async def test_of_rules_sms_only_what_waits_wakes_the_outbox(store: Store, work: list[Work]) -> None:
    assert await woken(work, store.enqueue(reply("a"))) == {Work.SMS}
    assert await woken(work, store.enqueue(reply("b"), [post("p")])) == {Work.SMS, Work.POSTS}
    assert await woken(work, store.enqueue(reply("a"))) == set()
    (newest, _) = await store.list_sms([SmsState.QUEUED], limit=9)
    assert await woken(work, moved(store, newest, Move.CANCEL, NOW)) == {Work.SMS}, "those behind it may go"
    sms = await sent(store, "a")
    assert await woken(work, moved(store, sms, Move.ACCEPTED, NOW)) == set()
    assert await woken(work, moved(store, sms, Move.DELIVERED, NOW)) == set()


async def test_alerts_posts_and_updates(store: Store, work: list[Work]) -> None:
    alert = Alert(key="k", text="alert.silent", params={})
    assert await woken(work, store.raise_alert(alert, NOW)) == {Work.POSTS}
    assert await woken(work, store.raise_alert(alert, NOW)) == set()
    assert await woken(work, store.clear_alert("k", "alert.silent_ok", {}, NOW)) == {Work.POSTS}
    assert await woken(work, store.add_post(post("p"), NOW)) == {Work.POSTS}
    update = StoredUpdate(update_id=1, raw="{}", received_at=NOW)
    assert await woken(work, store.store_updates(7, [update])) == {Work.UPDATES}
    assert await woken(work, store.store_updates(7, [update])) == set()
    assert await woken(work, store.finish_update(7, 1, UpdateState.DONE, "", NOW)) == set()


async def test_work_that_is_refused_wakes_nothing(store: Store, work: list[Work]) -> None:
    wrong = reply("a", state=SmsState.SENT)
    with pytest.raises(StoreError):
        await store.enqueue(wrong)
    assert work == []


async def test_a_caller_who_is_gone_does_not_take_the_wake_up_along(store: Store, work: list[Work]) -> None:
    enqueueing = asyncio.create_task(store.enqueue(reply("a")))
    await asyncio.sleep(0)
    enqueueing.cancel()
    await asyncio.gather(enqueueing, return_exceptions=True)
    # A later unit is written behind it.
    await store.ping()
    assert (Work.SMS in work) == bool(await store.list_sms([SmsState.QUEUED], limit=9))
