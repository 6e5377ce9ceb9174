"""The runner of the fault suite: what makes it fail, and that nothing of it stays behind."""

from __future__ import annotations

import asyncio
import io
import os
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.chaos.__main__ import failures, scenarios, table
from tests.chaos.scenario import SCALE
from tests.chaos.schedule import Entry, ScenarioResult, Schedule
from tests.unit.chaos.scenes import s90_good, s91_blunt, s92_broken, s93_endless, s94_last

LOOK_AGAIN = 0.02
LIMIT_S = 60


def entry(module: Any) -> Entry:
    return Entry(module=module.__name__, scenario=module.SCENARIO)


async def ran(folder: Path, *modules: object) -> tuple[list[ScenarioResult], str]:
    console = Console(file=io.StringIO(), width=200)
    async with asyncio.timeout(LIMIT_S):
        results = await Schedule(folder, 2, console).run([entry(module) for module in modules])
    console.print(table(results, 1))
    assert isinstance(console.file, io.StringIO)
    return results, console.file.getvalue()


async def test_a_scenario_that_holds_and_whose_control_fails_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SCALE, "0.05")
    (result,), said = await ran(tmp_path, s90_good)
    assert failures(result) == []
    assert result.run.figures == {"kills": "5"}
    assert "good: held" in said
    assert "good: control: fails, as it must (1)" in said


async def test_a_control_that_finds_nothing_fails_the_suite(tmp_path: Path) -> None:
    (result,), said = await ran(tmp_path, s91_blunt)
    assert failures(result) == ["91: the control found nothing without the rule (a rule nobody misses)"]
    assert "finds nothing" in said


async def test_a_scenario_that_breaks_fails_the_suite_and_so_does_a_control(tmp_path: Path) -> None:
    (result,), said = await ran(tmp_path, s92_broken)
    assert failures(result) == [
        "92: did not finish: ValueError: no findings",
        "92: the control did not finish: ValueError: no findings",
    ]
    assert "did not finish" in said
    assert "raise ValueError" in (tmp_path / "92" / "run.txt").read_text()


async def test_the_last_scenario_sees_the_folders_of_all_others(tmp_path: Path) -> None:
    results, _ = await ran(tmp_path, s94_last, s90_good)
    assert [result.scenario.number for result in results] == [89, 90]
    assert results[0].run.figures == {"left": "90/run/left.txt"}


async def test_an_interrupted_runner_asks_its_scenarios_to_end_and_leaves_no_process(tmp_path: Path) -> None:
    running = asyncio.create_task(ran(tmp_path, s93_endless))
    pid_file = tmp_path / "93" / "run" / "pid"
    async with asyncio.timeout(LIMIT_S):
        while not (pid_file.exists() and pid_file.read_text()):
            await asyncio.sleep(LOOK_AGAIN)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        while alive(int(pid_file.read_text())):
            await asyncio.sleep(LOOK_AGAIN)
    assert (tmp_path / "93" / "run" / "asked").exists()


def alive(pid: int) -> bool:
    """Killed children of ours count as alive until somebody takes note of their end."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z" and os.path.exists(f"/proc/{pid}")


def test_all_scenarios_say_their_own_numbers() -> None:
    entries = scenarios([])
    assert len({each.scenario.number for each in entries}) == len(entries) > 0


def test_a_number_that_no_scenario_has_is_refused() -> None:
    with pytest.raises(SystemExit, match="no such scenario: 99"):
        scenarios([1, 99])
