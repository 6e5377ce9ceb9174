"""A steady load, then a platform that takes its time: nothing is lost, doubled or sent out of turn."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.farload import overtaken
from tests.chaos.s11_load import load, waits_for_sending
from tests.chaos.scenario import nothing

pytestmark = pytest.mark.faults


async def test_a_load_and_a_slow_platform_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    findings = await load(tmp_path, nothing, rate=200, seconds=1, slow_seconds=2, timed=False)
    assert findings.violations == []


async def test_intake_that_waits_for_the_platform_is_found(tmp_path: Path) -> None:
    # The platform needs five times as long as intake may take, so no machine is too fast or too slow for this.
    findings = await waits_for_sending(tmp_path, nothing)
    assert any("platform slow: p99 of intake" in found for found in findings.violations)


@pytest.mark.parametrize(
    ("replied", "places"), [([1.0, 2.0, 3.0], 0), ([2.0, 1.0, 3.0], 1), ([2.0, 3.0, 4.0, 1.0], 3), ([], 0)]
)
def test_a_reply_out_of_turn_is_counted_in_places(replied: list[float], places: int) -> None:
    assert overtaken(replied) == places
