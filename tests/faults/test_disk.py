"""The disk fails while callers keep calling: no id is given, and the service goes on by itself when it is over."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.failed_syncs import failed_syncs
from tests.chaos.outages import MOVED, SYNC_FAILS, outages
from tests.chaos.preload import missing
from tests.chaos.s06_disk import cannot_mount, full_disk
from tests.chaos.s22_slow_disk import slow_disk
from tests.needs import in_ci

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(missing() is not None and not in_ci(), reason=missing() or ""),
]


async def test_nothing_is_acknowledged_while_the_disk_fails_and_nothing_lost(tmp_path: Path) -> None:
    findings = await outages(tmp_path, which=(SYNC_FAILS, MOVED))
    assert findings.violations == []


async def test_an_error_answered_as_an_acknowledgement_is_noticed(tmp_path: Path) -> None:
    findings = await outages(tmp_path, which=(SYNC_FAILS,), sabotage="answers_anyway")
    assert any("ids answered while it lasted" in broken for broken in findings.violations)


async def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    if (lack := cannot_mount(tmp_path)) and not in_ci():
        pytest.skip(lack)
    findings = await full_disk(tmp_path)
    assert findings.violations == []


async def test_what_is_acknowledged_after_a_failed_sync_outlives_the_power(tmp_path: Path) -> None:
    findings = await failed_syncs(tmp_path, rounds=1)
    assert findings.violations == []
    assert findings.figures["pages only in the cache"] != "0", "the sync failed on nothing: nothing is proven"


async def test_acknowledgements_share_the_syncs_of_a_slow_disk(tmp_path: Path) -> None:
    findings = await slow_disk(tmp_path, calls=400)
    assert findings.violations == []


async def test_each_acknowledgement_waits_for_its_own_sync_where_callbacks_share_none(tmp_path: Path) -> None:
    findings = await slow_disk(tmp_path, calls=120, sabotage="one_by_one")
    assert any("they do not share them" in found for found in findings.violations)
