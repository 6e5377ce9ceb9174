"""The power goes: what was acknowledged is there when it is back. Few cuts here; ``make chaos`` makes sixty."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.powercut import PowerCut
from tests.chaos.preload import Act, Disk, Kind, missing
from tests.chaos.s02_power_cut import BEFORE_A_CHECKPOINT, COMMIT, MOMENT, first_messages, power_cuts
from tests.needs import in_ci

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(missing() is not None and not in_ci(), reason=missing() or ""),
]


async def test_what_was_acknowledged_outlives_the_power(tmp_path: Path) -> None:
    findings = await power_cuts(tmp_path, plan=(MOMENT, COMMIT))
    assert findings.violations == []


async def test_without_a_sync_of_each_commit_it_does_not(tmp_path: Path) -> None:
    findings = await power_cuts(tmp_path, plan=(MOMENT,), most=BEFORE_A_CHECKPOINT, sabotage="normal_sync")
    assert any("acknowledged and not in the store" in broken for broken in findings.violations)


async def test_the_first_message_of_a_new_database_outlives_the_power(tmp_path: Path) -> None:
    findings = await first_messages(tmp_path, rounds=1)
    assert findings.violations == []


# ---------------------------------------------------------------- the model itself

OLD, NEW = b"o" * 8192, b"n" * 8192
OPEN = "import os; fd = os.open('x.db', os.O_RDWR | os.O_CREAT, 0o600); "
SYNC_ALL = "os.fsync(fd); os.fsync(os.open('.', os.O_RDONLY)); "


def left(tmp_path: Path, *scripts: str, keep: float, fails: bool = False) -> bytes | None:
    """The bytes of ``x.db`` after a cut, when processes ran these statements one after the other."""
    folder = tmp_path / "files"
    folder.mkdir()
    disk = Disk(folder, tmp_path / "tools", recorded=True)
    power = PowerCut(folder)
    for number, script in enumerate(scripts):
        if fails and number == 1:
            disk.fail(Act.SYNC, errno.EIO, Kind.DATABASE)
        script = script.replace("'x.db'", repr(str(folder / "x.db"))).replace("'.'", repr(str(folder)))
        environment = {**os.environ, **disk.environment}
        subprocess.run([sys.executable, "-S", "-c", script], check=True, env=environment, timeout=30)
        power.replay(disk.record)
        disk.behave()
    power.cut(random.Random(1), keep)
    disk.close()
    file = folder / "x.db"
    return file.read_bytes() if file.exists() else None


def write(content: bytes) -> str:
    return f"os.pwrite(fd, b'{content[:1].decode()}' * {len(content)}, 0); "


@pytest.mark.parametrize(("keep", "found"), [(0.0, OLD), (1.0, NEW)])
def test_what_is_not_synced_may_be_lost(tmp_path: Path, keep: float, found: bytes) -> None:
    assert left(tmp_path, OPEN + write(OLD) + SYNC_ALL + write(NEW), keep=keep) == found


def test_a_new_name_may_be_lost_before_its_directory_is_synced(tmp_path: Path) -> None:
    assert left(tmp_path, OPEN + write(OLD) + "os.fsync(fd)", keep=0.0) is None


def test_a_sync_after_one_that_failed_does_not_bring_the_pages_back(tmp_path: Path) -> None:
    failing = OPEN + write(NEW) + "\ntry: os.fsync(fd)\nexcept OSError: pass\nelse: raise SystemExit(1)"
    assert left(tmp_path, OPEN + write(OLD) + SYNC_ALL, failing, OPEN + "os.fsync(fd)", keep=0.0, fails=True) == OLD


def test_pages_that_are_written_anew_are_synced_again(tmp_path: Path) -> None:
    failing = OPEN + write(NEW) + "\ntry: os.fsync(fd)\nexcept OSError: pass\nelse: raise SystemExit(1)"
    again = OPEN + write(NEW) + "os.fsync(fd)"
    assert left(tmp_path, OPEN + write(OLD) + SYNC_ALL, failing, again, keep=0.0, fails=True) == NEW
