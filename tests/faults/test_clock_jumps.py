"""The clock jumps by a day in mid-retry: nothing ends early, waits long or asks in a storm."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.model.base import DAY, MINUTE, SECOND
from tests.chaos.clock_hour import Jump, Plan, Stay
from tests.chaos.s10_clock_jumps import jumps, unguarded

pytestmark = pytest.mark.faults

AND_BACK = Jump(name="a day forward and back", by=DAY, stay=Stay.LONG)
SHORT = Plan(
    before=3 * MINUTE,
    ttl=12 * MINUTE,
    takeover=14 * MINUTE,
    flooded=18 * MINUTE,
    watched=20 * MINUTE,
    step=20 * SECOND,
)


async def test_a_day_forward_and_back_changes_no_wait(tmp_path: Path) -> None:
    findings = await jumps(tmp_path, which=(AND_BACK,), plan=SHORT)
    assert findings.violations == []


async def test_by_the_bare_wall_clock_waits_end_early_and_others_take_a_day(tmp_path: Path) -> None:
    findings = await jumps(tmp_path, which=(AND_BACK,), plan=SHORT, without=unguarded())
    found = "\n".join(findings.violations)
    assert "its ttl is" in found
    assert "status: waited" in found
    assert "no jump" not in found
