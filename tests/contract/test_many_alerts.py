"""Alerts of one kind that come by the hundred: the first ones are told one by one, then one for all the rest."""

from __future__ import annotations

from bridge.model.alert import MAX_SINGLE_ALERTS, Alert
from bridge.model.base import ADMIN_CHAT
from bridge.ports.store import Store
from tests.contract.builders import NOW, text_of


def about(number: int, day: str = "2026-01-06") -> Alert:
    summary = Alert(key=f"guard:{day}:", text="alert.guard_numbers")
    return Alert(key=f"guard:{day}:{number}", text="alert.guard_number", summary=summary)


async def told(store: Store) -> list[object]:
    return [text_of(post) for post in await store.claim_posts([ADMIN_CHAT], now=NOW, limit=99)]


async def test_the_first_ones_are_told_one_by_one_and_then_all_the_rest_at_once(store: Store) -> None:
    assert all([await store.raise_alert(about(number), NOW) for number in range(MAX_SINGLE_ALERTS)])
    assert [await store.raise_alert(about(number), NOW) for number in range(MAX_SINGLE_ALERTS)] == [
        False
    ] * MAX_SINGLE_ALERTS
    assert await told(store) == ["alert.guard_number"] * MAX_SINGLE_ALERTS
    assert await store.raise_alert(about(98), NOW)
    assert not await store.raise_alert(about(99), NOW)
    assert not await store.raise_alert(about(3), NOW)
    assert await told(store) == ["alert.guard_number"] * MAX_SINGLE_ALERTS + ["alert.guard_numbers"]


async def test_another_day_and_another_kind_begin_anew(store: Store) -> None:
    for number in range(MAX_SINGLE_ALERTS + 5):
        await store.raise_alert(about(number), NOW)
    assert await store.raise_alert(about(1, "2026-01-07"), NOW)
    assert await store.raise_alert(Alert(key="guard:2026-01-06", text="alert.daily_parts"), NOW)
    assert (await told(store))[-2:] == ["alert.guard_number", "alert.daily_parts"]
