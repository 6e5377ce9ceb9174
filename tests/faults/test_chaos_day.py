"""A short day in which everything fails now and then, and the service is killed: in the end all promises hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.s16_chaos_day import chaos_day, control
from tests.chaos.scenario import nothing

pytestmark = pytest.mark.faults


async def test_a_short_day_of_chaos_ends_with_all_promises_kept(tmp_path: Path) -> None:
    findings = await chaos_day(tmp_path, nothing, seconds=4, kill_every=2)
    assert findings.violations == []


async def test_sms_sent_again_after_a_kill_are_found(tmp_path: Path) -> None:
    findings = await control(tmp_path, nothing)
    assert any("SMS sent twice" in found for found in findings.violations)
