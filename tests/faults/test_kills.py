"""kill -9 at any moment, and deliveries in any number: the scenarios of the fault suite, small, and their controls."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.s01_intake_killed import intake_killed
from tests.chaos.s03_sender_killed import sender_killed
from tests.chaos.s05_telegram_killed import Mode, telegram_killed
from tests.chaos.s08_redelivered import redelivered
from tests.chaos.s21_killed_between import Moment, killed_between
from tests.chaos.scenario import nothing

pytestmark = pytest.mark.faults

MODES: tuple[Mode, Mode] = ("polling", "webhook")


async def test_intake_killed_several_times_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    findings = await intake_killed(tmp_path, nothing, kills=3, fewest=150, most=300)
    assert findings.violations == []


async def test_messages_are_lost_where_the_acknowledgement_comes_before_the_commit(tmp_path: Path) -> None:
    findings = await intake_killed(tmp_path, nothing, kills=3, fewest=50, most=100, sabotage="acknowledge_first")
    assert any("acknowledged and not in the store" in found for found in findings.violations)


async def test_sender_killed_several_times_sends_nothing_twice(tmp_path: Path) -> None:
    findings = await sender_killed(tmp_path, nothing, kills=3)
    assert findings.violations == []


@pytest.mark.parametrize("moment", ["launch", "answer"])
async def test_a_kill_between_two_steps_of_a_message_sends_nothing_twice(tmp_path: Path, moment: Moment) -> None:
    findings = await killed_between(tmp_path, moment=moment, kills=3)
    assert findings.violations == []


async def test_sms_go_out_twice_where_a_start_queues_what_was_answered(tmp_path: Path) -> None:
    findings = await killed_between(tmp_path, moment="answer", kills=2, spoiled="send_again_at_start")
    assert any("SMS sent twice" in found for found in findings.violations)


async def test_sms_go_out_twice_where_a_start_queues_what_was_in_flight(tmp_path: Path) -> None:
    findings = await sender_killed(tmp_path, nothing, kills=2, sabotage="send_again_at_start")
    assert any("SMS sent twice" in found for found in findings.violations)


@pytest.mark.parametrize("mode", MODES)
async def test_telegram_side_killed_several_times_loses_no_reply_and_doubles_none(tmp_path: Path, mode: Mode) -> None:
    findings = await telegram_killed(tmp_path, nothing, kills=3, mode=mode)
    assert findings.violations == []


@pytest.mark.parametrize("mode", MODES)
async def test_replies_are_lost_where_updates_are_confirmed_before_the_commit(tmp_path: Path, mode: Mode) -> None:
    # Whether one of so few kills comes between the two is chance.
    for seed in range(5, 9):
        folder = tmp_path / str(seed)
        folder.mkdir()
        findings = await telegram_killed(
            folder, nothing, kills=4, mode=mode, sabotage="confirm_updates_first", seed=seed
        )
        if any("answer of an operator that was lost" in found for found in findings.violations):
            return
    raise AssertionError(f"nothing was lost without the rule: {findings.violations}")


async def test_messages_brought_many_times_across_restarts_have_one_effect_each(tmp_path: Path) -> None:
    findings = await redelivered(tmp_path, nothing, messages=200, restarts=2)
    assert findings.violations == []


async def test_messages_have_many_effects_where_no_key_tells_a_repetition(tmp_path: Path) -> None:
    findings = await redelivered(tmp_path, nothing, messages=50, restarts=1, sabotage="take_every_delivery")
    assert any("inbound stored more than once" in found for found in findings.violations)
