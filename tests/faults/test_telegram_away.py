"""Telegram away for a day, then refusing: every SMS is shown, in order, and not before Telegram wants to hear of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.s09_telegram_away import away, careless, hasty

pytestmark = pytest.mark.faults

SMALL = {"sms": 40, "subscribers": 5, "strides": 9, "refusals": 2}


async def test_a_day_without_telegram_loses_nothing_and_asks_for_nothing_too_early(tmp_path: Path) -> None:
    findings = await away(tmp_path, **SMALL)
    assert findings.violations == []


async def test_more_subscribers_than_a_group_takes_in_a_minute_are_told_of_once_and_then_that_all_are_shown(
    tmp_path: Path,
) -> None:
    findings = await away(tmp_path, **{**SMALL, "subscribers": 30})
    assert findings.violations == []


async def test_retry_after_not_waited_out_is_found(tmp_path: Path) -> None:
    findings = await away(tmp_path, **SMALL, without=hasty())
    assert "calls before retry_after was over" in "\n".join(findings.violations)


async def test_posts_that_are_dropped_are_found(tmp_path: Path) -> None:
    findings = await away(tmp_path, **SMALL, without=careless())
    assert "SMS never shown" in "\n".join(findings.violations)
