"""Several bridges on one PostgreSQL database: the scenarios of the fault suite, small, and their controls."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.s18_bridges_killed import bridges_killed
from tests.chaos.s19_postgres_stopped import postgres_stopped
from tests.chaos.s20_one_poller import one_poller
from tests.chaos.scenario import nothing
from tests.postgres import needs_postgres
from tests.postgres_cluster import needs_cluster

pytestmark = [pytest.mark.faults, needs_postgres]


async def test_a_bridge_that_is_killed_loses_nothing_and_the_others_go_on(tmp_path: Path) -> None:
    findings = await bridges_killed(tmp_path, nothing, seconds=8, short=True)
    assert findings.violations == []


async def test_sms_go_out_twice_where_what_the_dead_were_sending_is_queued_again(tmp_path: Path) -> None:
    findings = await bridges_killed(tmp_path, nothing, seconds=5, short=True, sabotage="lost_is_sent_again")
    assert any("SMS sent twice" in found for found in findings.violations)


@needs_cluster
async def test_nothing_is_acknowledged_while_the_database_is_away(tmp_path: Path) -> None:
    findings = await postgres_stopped(tmp_path, nothing, away=3, short=True)
    assert findings.violations == []


@needs_cluster
async def test_messages_are_lost_with_the_database_where_the_acknowledgement_comes_first(tmp_path: Path) -> None:
    findings = await postgres_stopped(tmp_path, nothing, away=2, short=True, sabotage="acknowledge_first")
    assert any("acknowledged" in found for found in findings.violations)


async def test_who_asks_telegram_is_killed_and_another_asks_on(tmp_path: Path) -> None:
    findings = await one_poller(tmp_path, nothing, kills=1, short=True)
    assert findings.violations == []


async def test_two_poll_telegram_where_every_node_has_the_role(tmp_path: Path) -> None:
    findings = await one_poller(tmp_path, nothing, kills=1, short=True, sabotage="everyone_leads")
    assert any("while another polled" in found for found in findings.violations)
