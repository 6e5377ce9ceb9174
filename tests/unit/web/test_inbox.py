"""A platform that does not understand our answers repeats every call: one alert says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bridge.errors import StoreUnavailable
from bridge.model.alert import Alert
from bridge.model.base import InboundId, Ms
from bridge.model.inbound import AcceptedCall, InboundCall
from bridge.model.routing import Intake, TakenIn
from bridge.pipeline.inbox import REPEATS_BEFORE_ALERT
from bridge.pipeline.services import Services
from bridge.pipeline.signals import Signals
from bridge.ports.store import Store
from bridge.store import open_store
from tests.clock import TUESDAY_NOON, ManualClock
from tests.inbox import brought, inbox_of


def call(smsid: str = "5094") -> InboundCall:
    return InboundCall(
        account="main",
        smsid=smsid,
        sender="79001112233",
        subscriber="79001112233",
        receiver="1234",
        prefix="",
        text="hello",
        date_raw="",
        date=None,
        raw_query=b"smsid=" + smsid.encode(),
        content_hash=b"hash",
        received_at=TUESDAY_NOON,
    )


class AlertsSeen:
    """The real store. It also remembers which alerts were opened."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.opened: list[Alert] = []
        self.asked = 0
        self.alerts_fail = False

    async def take_in(self, begin: Callable[[], Intake]) -> TakenIn:
        return await self._store.take_in(begin)

    async def raise_alert(self, alert: Alert, now: Ms) -> bool:
        self.asked += 1
        if self.alerts_fail:
            raise StoreUnavailable("disk full")
        opened = await self._store.raise_alert(alert, now)
        if opened:
            self.opened.append(alert)
        return opened


@pytest.fixture
def signals() -> Signals:
    return Signals()


@pytest.fixture
async def store(tmp_path: Path, signals: Signals) -> AsyncIterator[AlertsSeen]:
    real = await open_store(tmp_path / "bridge.db", clock=ManualClock(), on_work=signals.wake)
    yield AlertsSeen(real)
    await real.close()


async def test_three_repeats_open_one_alert_that_names_the_setting(store: AlertsSeen, signals: Signals) -> None:
    inbox = inbox_of(Services(store=store, signals=signals, clock=ManualClock()))
    for _ in range(REPEATS_BEFORE_ALERT):
        await brought(inbox, call())
    assert store.asked == 0
    for _ in range(5):
        await brought(inbox, call())
    [alert] = store.opened
    assert alert.key.startswith("account:main:not_acknowledged:")
    assert alert.text == "alert.not_acknowledged"
    assert alert.account == "main"
    assert alert.params == {
        "account": "main",
        "smsid": "5094",
        "repeats": REPEATS_BEFORE_ALERT,
        "setting": "accounts.main.callback.answer",
    }
    assert signals.posts.is_set()


async def test_copies_that_come_while_the_first_is_in_work_are_no_sign_of_a_wrong_answer(store: AlertsSeen) -> None:
    inbox = inbox_of(Services(store=store, signals=Signals(), clock=ManualClock()))
    accepted = await asyncio.gather(*(brought(inbox, call()) for _ in range(10)))
    assert sorted(one.repeats for one in accepted) == list(range(10))
    assert sum(one.new for one in accepted) == 1
    assert store.asked == 0


async def test_an_alert_that_cannot_be_written_does_not_cost_the_acknowledgement(store: AlertsSeen) -> None:
    inbox = inbox_of(Services(store=store, signals=Signals(), clock=ManualClock()))
    store.alerts_fail = True
    for _ in range(REPEATS_BEFORE_ALERT + 1):
        accepted = await brought(inbox, call())
    assert accepted.repeats == REPEATS_BEFORE_ALERT
    await inbox.idle()
    store.alerts_fail = False
    await brought(inbox, call())
    await inbox.idle()
    assert len(store.opened) == 1


class BrokenStore:
    async def take_in(self, begin: Callable[[], Intake]) -> TakenIn:
        raise StoreUnavailable("disk full")

    async def raise_alert(self, alert: Alert, now: Ms) -> bool:
        raise AssertionError("nothing was stored")


async def test_what_was_not_stored_is_not_accepted() -> None:
    inbox = inbox_of(Services(store=BrokenStore(), signals=Signals(), clock=ManualClock()))
    for _ in range(REPEATS_BEFORE_ALERT + 1):
        with pytest.raises(StoreUnavailable):
            await brought(inbox, call())


async def test_only_a_new_message_wakes_the_router(store: AlertsSeen, signals: Signals) -> None:
    inbox = inbox_of(Services(store=store, signals=signals, clock=ManualClock()))
    first = await brought(inbox, call())
    assert first == AcceptedCall(id=InboundId(first.id), new=True, repeats=0)
    assert signals.inbound.is_set()
    signals.inbound.clear()
    await brought(inbox, call())
    assert not signals.inbound.is_set()
