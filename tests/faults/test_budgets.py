"""Robots and pumping end at the limits, over kills and midnight; and no limit rests on a figure that may be old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.model.inbound import Inbound
from bridge.model.routing import FactsWanted, RoutingBatch
from bridge.store.repositories import contacts, inbox
from bridge.store.transaction import Tx
from tests.chaos.s15_budgets import SMALL, budgets
from tests.flow.harness import world

pytestmark = pytest.mark.faults

LIMIT = 5
THANKS = """\
rules:
  - name: thanks
    reply: "Спасибо, мы ответим."
"""


async def test_robots_and_pumping_end_at_the_limits_over_kills_and_midnight(tmp_path: Path) -> None:
    findings = await budgets(tmp_path, **SMALL)
    assert findings.violations == []


@pytest.mark.parametrize(("rechecked", "sent"), [(True, LIMIT), (False, LIMIT + 3)])
async def test_the_days_spend_is_looked_at_again_with_the_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rechecked: bool, sent: int
) -> None:
    """A decision on an old figure is made anew. The control without that overspends the budget."""
    asked = 0

    def old(tx: Tx, found: Sequence[Inbound], wanted: FactsWanted) -> RoutingBatch:
        nonlocal asked
        asked += 1
        batch = with_facts(tx, found, wanted)
        return replace(batch, spent=0) if asked < 20 else batch

    with_facts = inbox._with_facts
    monkeypatch.setattr(inbox, "_with_facts", old)
    if not rechecked:
        monkeypatch.setattr(contacts.SpendBudget, "allows", lambda *_: True)
    async with world(tmp_path, rules=THANKS, guards={"daily_parts": LIMIT}, telegram=False) as around:
        for number in range(LIMIT + 3):
            await around.text("привет", sender=f"7900111{number:04}")
            await around.outcome(number + 1)
        await around.until(lambda: len(around.platform.book) >= sent)
        assert len(around.platform.book) == sent
