"""The gateway in every bad mood, once each: no SMS is asked for twice, and each outcome is told right."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.s04_gateway import CONTROLS, gateway, without_rule

pytestmark = pytest.mark.faults


async def test_an_ill_gateway_sees_each_sms_at_most_once_and_each_outcome_is_told_right(tmp_path: Path) -> None:
    findings = await gateway(tmp_path, repetitions=1, burst=300)
    assert findings.violations == []


@pytest.mark.parametrize("name", CONTROLS)
async def test_a_client_without_the_rule_is_found_out(tmp_path: Path, name: str) -> None:
    assert (await without_rule(tmp_path, name)).violations
