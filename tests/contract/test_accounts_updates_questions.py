"""Holds, alerts, Telegram's updates, and what people ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.errors import StoreError
from bridge.model.alert import Alert
from bridge.model.answers import AccountState, Balance
from bridge.model.base import SmsId
from bridge.model.chat import StoredUpdate, UpdateState
from bridge.model.sms import Move, SmsState
from bridge.ports.store import Store
from tests.contract.builders import (
    NOW,
    SUBSCRIBER,
    SetClock,
    opened,
    params_of,
    received,
    reply,
    sent,
    settled,
    settlement,
    text_of,
    unrouted,
)
from tests.contract.conftest import Factory


async def test_an_account_is_held_once_and_probes_are_counted(store: Store) -> None:
    assert await store.account_state("main") == AccountState(account="main")
    assert await store.suspend_account("main", reason="no_credit", detail="d", now=NOW, probe_at=NOW + 5)
    assert not await store.suspend_account("main", reason="other", detail="e", now=NOW + 5, probe_at=NOW + 99)
    state = await store.account_state("main")
    found = (state.suspended_reason, state.suspended_detail, state.probe_at, state.probes)
    assert found == ("no_credit", "d", NOW + 5, 0), (
        "another SMS, or another bridge, met the same fault: nobody asked the platform anything"
    )
    await store.postpone_probe("main", probe_at=NOW + 9)
    state = await store.account_state("main")
    since = (state.suspended_reason, state.suspended_since, state.probe_at, state.probes)
    assert since == ("no_credit", NOW, NOW + 9, 1)
    assert await store.resume_account("main", NOW + 10)
    assert not await store.resume_account("main", NOW + 10)
    await store.postpone_probe("main", probe_at=NOW + 20)
    state = await store.account_state("main")
    assert (state.suspended_reason, state.suspended_since, state.probes, state.probe_at) == ("", None, 0, None)
    assert await store.suspend_account("main", reason="x", detail="", now=NOW + 11, probe_at=NOW + 12)


async def test_balance_and_contact_are_kept_beside_the_hold(store: Store) -> None:
    await store.suspend_account("main", reason="x", detail="", now=NOW, probe_at=NOW)
    await store.note_balance("main", Balance(amount=12.5, currency="RUB"), NOW + 1)
    await store.note_answer("main", NOW + 2)
    state = await store.account_state("main")
    assert (state.balance, state.currency, state.balance_at, state.last_answer_at) == (12.5, "RUB", NOW + 1, NOW + 2)
    assert state.suspended_reason == "x"


async def test_an_alert_is_told_once_until_its_all_clear(store: Store) -> None:
    alert = Alert(key="low", text="alert.low", params={"n": 3}, account="main")
    assert await store.raise_alert(alert, NOW)
    assert not await store.raise_alert(alert, NOW)
    assert await store.clear_alert("low", "alert.ok", {"n": 4}, NOW)
    assert not await store.clear_alert("low", "alert.ok", {}, NOW)
    assert await store.raise_alert(alert, NOW)
    told = await store.claim_posts(["@admin"], now=NOW, limit=9)
    assert sorted((one.id, text_of(one)) for one in told) == [
        (1, "alert.low"),
        (2, "alert.ok"),
        (3, "alert.low"),
    ]
    assert params_of(told[0]) == {"n": 3}


async def test_updates_are_kept_once_in_the_order_of_arrival(store: Store) -> None:
    updates = [StoredUpdate(update_id=n, raw=f'{{"n": {n}}}', received_at=NOW) for n in (900, 901, 5)]
    assert await store.store_updates(1, updates) == 3
    assert await store.store_updates(1, updates) == 0
    assert await store.store_updates(2, updates[:1]) == 1
    assert await store.pending_updates(1, limit=9) == updates
    await store.finish_update(1, 900, UpdateState.DONE, "", NOW)
    await store.finish_update(1, 901, UpdateState.PARKED, "ValueError", NOW)
    assert await store.pending_updates(1, limit=9) == updates[2:]
    assert await store.updates_since(1, NOW) == updates
    assert await store.updates_since(1, NOW + 1) == []
    assert await store.purge_updates(NOW, limit=9) == 0
    assert await store.purge_updates(NOW + 1, limit=9) == 1
    status = await store.queue_status()
    assert (status.updates_pending, status.updates_parked) == (2, 1)


async def test_a_number_no_database_can_hold_is_a_clean_error(store: Store) -> None:
    with pytest.raises(StoreError):
        await store.store_updates(1, [StoredUpdate(update_id=2**70, raw="{}", received_at=NOW)])
    await store.ping()


async def test_history_tells_both_directions_oldest_first(store: Store) -> None:
    inbound = await received(store)
    await settled(store, settlement(inbound, 0, reply("r1"), now=NOW + 5))
    await received(store, "2", text="спасибо")
    lines = await store.history(SUBSCRIBER, limit=9)
    assert [(line.what, line.text) for line in lines] == [
        ("in", "часы"),
        ("in", "спасибо"),
        ("out", "Работаем с 9 до 18"),
    ]
    assert len(await store.history(SUBSCRIBER, limit=1)) == 1
    assert await store.history("7900", limit=9) == []
    assert await store.sms_history(SmsId(99)) == []


async def test_status_counts_what_waits(store: Store) -> None:
    await received(store)
    await store.enqueue(reply("q"))
    status = await store.queue_status()
    assert (status.inbound_new, status.inbound_oldest, status.last_inbound_at) == (1, NOW, NOW)
    assert status.sms_by_state == {"queued": 1}
    assert status.sms_oldest_queued == NOW
    assert (status.posts_waiting, status.posts_oldest, status.accounts) == (0, None, ())


async def test_lists_show_the_newest_first(store: Store) -> None:
    for key in ("a", "b"):
        sms = await sent(store, key)
        await store.move(sms.id, Move.ACCEPTED, NOW)
    await store.move(sms.id, Move.DELIVERED, NOW)
    both = await store.list_sms([SmsState.SENT, SmsState.DELIVERED], limit=9)
    assert [one.key for one in both] == ["b", "a"]
    assert [one.key for one in await store.list_sms([SmsState.SENT], limit=9)] == ["a"]
    assert await store.list_sms([], limit=9) == []
    assert [one.key for one in await store.list_sms([SmsState.SENT, SmsState.DELIVERED], limit=1)] == ["b"]
    page = await store.list_sms([SmsState.SENT, SmsState.DELIVERED], limit=1, before=both[0].id)
    assert [one.key for one in page] == ["a"]


async def test_everything_is_there_after_a_restart(factory: Factory, tmp_path: Path, clock: SetClock) -> None:
    async with opened(factory(tmp_path, clock)) as store:
        sms = await sent(store, "k")
        await received(store)
    async with opened(factory(tmp_path, clock)) as store:
        assert [one.id for one in await store.recover_sending(NOW)] == [sms.id]
        assert len(await unrouted(store)) == 1


async def test_a_closed_store_says_so(factory: Factory, tmp_path: Path, clock: SetClock) -> None:
    store = await factory(tmp_path, clock)
    await store.close()
    with pytest.raises(StoreError):
        await store.ping()
    with pytest.raises(StoreError):
        await store.account_state("main")
