"""A back-up under load, restored later; and what the two commands say when they cannot do it.

The quick control of the mark is in ``tests/flow/test_restored.py``.
"""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from bridge.cli import main
from bridge.model.sms import SmsState
from bridge.store import open_store
from bridge.store.sqlite.lock import FileLock
from tests.chaos.s17_backup import restored_later
from tests.contract.builders import SetClock, opened, reply

pytestmark = pytest.mark.faults

SMALL = {"history": 1_000, "before": 60, "after": 10, "rate": 50, "callers": 2}


async def test_nothing_is_missing_and_nothing_goes_again_without_a_person(tmp_path: Path) -> None:
    findings = await restored_later(tmp_path, **SMALL)
    assert findings.violations == []


# ------------------------------------------------ the commands


class Place:
    """A configuration with a store in which two SMS wait; no service runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.yaml"
        self.database = folder / "bridge.db"
        account = {"url": "http://127.0.0.1:9", "login": "demo", "password": "demo", "sender": "MyShop"}
        settings = {"accounts": {"main": account}, "storage": {"url": "sqlite:///bridge.db"}}
        self.config.write_text(yaml.safe_dump(settings))
        self.queue("a", "b")

    def queue(self, *keys: str, account: str = "main") -> None:
        async def fill() -> None:
            async with opened(open_store(self.database, clock=SetClock())) as store:
                for key in keys:
                    await store.enqueue(reply(key, account=account))

        asyncio.run(fill())

    def sms_bridge(self, *words: object) -> Result:
        result = CliRunner().invoke(main, [*map(str, words), "-c", str(self.config)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    def refused(self, *words: object) -> str:
        result = self.sms_bridge(*words)
        assert result.exit_code == 1
        return result.stderr


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def names(folder: Path) -> Sequence[str]:
    return sorted(each.name for each in folder.iterdir())


def test_the_two_commands_from_one_end_to_the_other(place: Place) -> None:
    copy = place.folder / "copy.db"
    done = place.sms_bridge("backup", copy)
    assert (done.exit_code, done.stderr) == (0, ""), "a script's log gets one line"
    assert "0 messages, 2 SMS" in done.stdout
    assert "checked" in done.stdout
    assert "--force" in place.refused("backup", copy)
    assert place.sms_bridge("backup", copy, "--force").exit_code == 0

    lock = FileLock(place.database)
    lock.take()
    assert "Stop it first" in place.refused("restore", copy)
    lock.release()
    done = place.sms_bridge("restore", copy)
    assert done.exit_code == 0
    assert "bridge.db.before-restore-" in done.stdout
    assert "queue list" in done.stdout

    # A command that changes something opens the store as a start does.
    done = place.sms_bridge("queue", "abandon", "--restored")
    assert (done.exit_code, done.stdout) == (
        0,
        "2 SMS left as they are; no service is running: it acts at the next start\n",
    )
    assert "0 SMS queued again" in place.sms_bridge("queue", "retry", "--restored").stdout
    for words in (("retry",), ("abandon", "1", "--restored")):
        wrong = place.sms_bridge("queue", *words)
        assert wrong.exit_code == 2
        assert "name one SMS" in wrong.stderr


def test_all_of_them_are_sent_again_at_a_persons_word_in_their_order(place: Place) -> None:
    """SMS of an account that is not configured any more keep waiting: they cannot be sent."""
    place.queue("c", account="gone")
    copy = place.folder / "copy.db"
    place.sms_bridge("backup", copy)
    place.sms_bridge("restore", copy)
    assert "2 SMS queued again" in place.sms_bridge("queue", "retry", "--restored").stdout

    async def look() -> list[tuple[str, int | None]]:
        async with opened(open_store(place.database, clock=SetClock())) as store:
            assert await store.last_restored() is not None
            queued = await store.list_sms([SmsState.QUEUED, SmsState.UNCERTAIN], limit=9)
            return [(sms.key, sms.retry_of) for sms in sorted(queued, key=lambda sms: sms.id)]

    assert asyncio.run(look()) == [("c", None), ("cli:again:1", 1), ("cli:again:2", 2)]


def test_without_a_store_or_with_no_place_for_the_copy_it_says_what_to_do(place: Place) -> None:
    assert "make it first" in place.refused("backup", place.folder / "missing" / "copy.db")
    assert "is a directory" in place.refused("backup", place.folder)
    assert "belongs to the store itself" in place.refused("backup", place.database, "--force")
    assert "there is no file" in place.refused("restore", place.folder / "missing.db")
    assert "not an SQLite database" in place.refused("restore", place.config)
    os.remove(place.database)
    assert "start the service once" in place.refused("backup", place.folder / "copy.db")


def small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536))


def test_a_copy_that_cannot_be_written_leaves_the_one_before_it(place: Place) -> None:
    """The limit on a file's size stands for a full disk: a write in the middle of the copy fails."""
    folder = place.folder / "copies"
    folder.mkdir()
    copy = folder / "copy.db"
    assert place.sms_bridge("backup", copy).exit_code == 0
    before = copy.read_bytes()
    command = (sys.executable, "-m", "bridge", "backup", str(copy), "--force", "-c", str(place.config))
    done = subprocess.run(command, preexec_fn=small_files, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"{folder}: the copy could not be written there" in done.stderr
    assert copy.read_bytes() == before
    assert names(folder) == ["copy.db"]


def test_a_copy_that_was_put_in_place_by_hand_is_known_as_one(place: Place) -> None:
    """As the documentation says it: stop, put the file there, take the logs away, start."""
    copy = place.folder / "copy.db"
    place.sms_bridge("backup", copy)
    place.database.write_bytes(copy.read_bytes())
    for end in ("-wal", "-shm"):
        place.database.with_name(place.database.name + end).unlink(missing_ok=True)
    assert "2 SMS left" in place.sms_bridge("queue", "abandon", "--restored").stdout
