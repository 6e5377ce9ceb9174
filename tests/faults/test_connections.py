"""Idle and half-open connections, few open files: a good call gets in, the log stays short, then all is as before.

The listener's time limits are a second here, else each test would wait for the usual ten.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.many_callers import Wave
from tests.chaos.s12_connections import crowded

pytestmark = pytest.mark.faults

SHORT = {"CHAOS_SECONDS": "1"}


async def test_who_says_nothing_or_never_reads_keeps_nobody_out_where_files_are_few(tmp_path: Path) -> None:
    world = {**SHORT, "CHAOS_FILES": "128", "CHAOS_SENDBUFFER": "4096"}
    findings = await crowded(tmp_path, wave=Wave(name="few files", callers=150, deaf=2, world=world), stays=0)
    assert findings.violations == []


async def test_one_stranger_takes_no_more_than_its_share(tmp_path: Path) -> None:
    wave = Wave(name="one stranger", callers=300, addresses=1, world={"CHAOS_STRANGERS": "1"})
    findings = await crowded(tmp_path, wave=wave, stays=0, patience=5)
    assert findings.violations == []


async def test_running_out_of_files_is_told_once(tmp_path: Path) -> None:
    wave = Wave(name="files run short", callers=30, files_later=20, world={**SHORT, "CHAOS_LOOP": "asyncio"})
    findings = await crowded(tmp_path, wave=wave, stays=0, log_limit=50_000)
    assert findings.violations == []


async def test_without_limits_on_idle_connections_nobody_gets_in(tmp_path: Path) -> None:
    wave = Wave(name="no limits", callers=150, world={"CHAOS_FILES": "128"})
    findings = await crowded(tmp_path, wave=wave, stays=0, patience=1, sabotage="patient_listener")
    assert any("was not answered" in violation for violation in findings.violations)


async def test_without_quieting_the_log_runs_full(tmp_path: Path) -> None:
    wave = Wave(name="no quieting", callers=30, files_later=20, world={**SHORT, "CHAOS_LOOP": "asyncio"})
    findings = await crowded(tmp_path, wave=wave, stays=0, log_limit=50_000, sabotage="loud_accept")
    assert any(violation.startswith("the log has") for violation in findings.violations)
