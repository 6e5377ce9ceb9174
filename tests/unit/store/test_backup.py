"""Copies of the store: whole, marked, never in the way; and what the first start on one does."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from bridge.errors import StoreError, StoreLocked, StoreUnavailable
from bridge.model.alert import alert_post
from bridge.model.answers import SmsReason
from bridge.model.base import ADMIN_CHAT, Json
from bridge.model.chat import StoredUpdate
from bridge.model.post import NewPost
from bridge.model.record import Restoration
from bridge.model.sms import Move, SmsState
from bridge.store import open_readonly, open_store
from bridge.store.migrate import Migration, shipped
from bridge.store.sqlite import backup
from bridge.store.sqlite.backup import Copy, RestoredFile, restore_copy, take
from bridge.store.sqlite.migrate import migrate, version_of
from bridge.store.sqlite.store import SqliteStore
from tests.contract.builders import (
    NOW,
    SetClock,
    accept,
    call,
    opened,
    params_of,
    reply,
    settled,
    settlement,
    unrouted,
)

LATER = NOW + 60_000


def taken(path: Path, target: Path, *, force: bool = False) -> Copy:
    return take(path, target, now=lambda: NOW, overwrite=force, progress=lambda done, pages: None)


def restored(source: Path, path: Path) -> RestoredFile:
    return restore_copy(source, path, now=lambda: LATER, progress=lambda done, pages: None)


def numbers(told: Restoration) -> NewPost:
    params: dict[str, Json] = {"sms": told.sms, "inbound": told.inbound, "updates": told.updates}
    return alert_post("alert.restored", params)


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "elsewhere" / "copy.db"


def alone(target: Path) -> bool:
    """Nothing half-done stands beside it."""
    return {each.name for each in target.parent.iterdir()} <= {target.name}


# ------------------------------------------------ taking one


async def test_a_copy_holds_what_is_committed_says_that_it_is_one_and_the_store_does_not(
    store: SqliteStore, path: Path, target: Path
) -> None:
    for number in range(3):
        await accept(store, call(str(number)))
    await store.enqueue(reply("a"))
    copy = taken(path, target)
    assert (copy.inbound, copy.sms, copy.taken_at) == (3, 1, NOW)
    assert copy.bytes == target.stat().st_size
    assert alone(target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert rows(target, "SELECT count(*) FROM inbound") == [(3,)]
    assert rows(target, "SELECT taken_at, restored_at FROM restoration") == [(NOW, None)]
    assert rows(path, "SELECT * FROM restoration") == []
    assert rows(target, "PRAGMA journal_mode") == [("delete",)], "one file, readable also where nothing may be made"
    await accept(store, call("afterwards"))
    assert rows(target, "SELECT count(*) FROM inbound") == [(3,)]


async def test_a_copy_is_of_one_moment_and_keeps_nobody_waiting(store: SqliteStore, path: Path, target: Path) -> None:
    """Each message is one commit, written while the copy is made: the copy has the first ones, without a gap."""
    for number in range(400):
        await accept(store, call(str(number), text="текст" * 200))
    stop = asyncio.Event()
    written = 0

    async def write() -> None:
        nonlocal written
        while not stop.is_set():
            await accept(store, call(str(400 + written), text="текст" * 200))
            written += 1

    # Steps of a few pages: hundreds of commits come between the first and the last of them.
    before = 0
    progress: list[int] = []
    loop = asyncio.get_running_loop()
    writing = asyncio.create_task(write())
    slow = asyncio.Event()

    def step(done: int, pages: int) -> None:
        nonlocal before
        progress.append(done)
        if len(progress) == 1:
            before = written
            asyncio.run_coroutine_threadsafe(until(lambda: written >= before + 50), loop).result(10)

    async def until(holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                await asyncio.sleep(0.001)
        slow.set()

    pages = backup.PAGES_AT_A_TIME
    backup.PAGES_AT_A_TIME = 20
    try:
        await asyncio.to_thread(take, path, target, now=lambda: NOW, overwrite=False, progress=step)
    finally:
        backup.PAGES_AT_A_TIME = pages
        stop.set()
        await writing
    assert slow.is_set()
    ids = [row[0] for row in rows(target, "SELECT id FROM inbound ORDER BY id")]
    assert ids == list(range(1, len(ids) + 1))
    assert 400 <= len(ids) <= 400 + before + 1, "what was written meanwhile is not in it"
    assert progress == sorted(progress), "the copy did not begin anew"
    assert rows(target, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", ".lock"])
async def test_the_store_itself_is_never_written_over(store: SqliteStore, path: Path, suffix: str) -> None:
    link = path.with_name("link")
    link.symlink_to(path.with_name(path.name + suffix))
    for name in (path.with_name(path.name + suffix), link):
        with pytest.raises(StoreError, match="belongs to the store itself"):
            taken(path, name, force=True)
    assert (await accept(store, call())).new


async def test_a_file_that_exists_is_replaced_only_by_force(store: SqliteStore, path: Path, target: Path) -> None:
    target.write_text("precious")
    with pytest.raises(StoreError, match="--force"):
        taken(path, target)
    assert target.read_text() == "precious"
    taken(path, target, force=True)
    assert rows(target, "SELECT count(*) FROM inbound") == [(0,)]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with pytest.raises(StoreError, match="no directory"):
        taken(path, target.parent / "missing" / "copy.db")
    with pytest.raises(StoreError, match="is a directory"):
        taken(path, target.parent)
    assert alone(target)


async def test_without_room_nothing_is_begun(
    store: SqliteStore, path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "RESERVED_BYTES", 2**62)
    with pytest.raises(StoreUnavailable, match="free some space"):
        taken(path, target)
    assert list(target.parent.iterdir()) == []


async def damage(path: Path) -> None:
    """A page in the middle of a table is not what it was."""
    async with opened(open_store(path, clock=SetClock())) as store:
        for number in range(300):
            await accept(store, call(str(number), text="текст" * 100))
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xff" * 4096)


async def test_a_damaged_store_makes_no_copy_and_leaves_the_last_one(path: Path, target: Path) -> None:
    await damage(path)
    target.write_text("the last good one")
    with pytest.raises(StoreError, match="damaged"):
        taken(path, target, force=True)
    assert target.read_text() == "the last good one"
    assert alone(target)


def test_what_is_no_store_is_said_so(tmp_path: Path, target: Path) -> None:
    nothing = tmp_path / "nothing.db"
    with pytest.raises(StoreUnavailable, match="there is no file"):
        taken(nothing, target)
    nothing.touch()
    with pytest.raises(StoreError, match="no store in it"):
        taken(nothing, target)
    nothing.write_bytes(b"certainly no database at all" * 100)
    with pytest.raises(StoreUnavailable, match="not an SQLite database"):
        taken(nothing, target)
    assert list(target.parent.iterdir()) == []


# ------------------------------------------------ putting one back


async def test_the_first_start_on_a_copy_calls_unknown_what_waited_and_tells_it_once(path: Path, target: Path) -> None:
    clock = SetClock()
    births = {"draft": SmsState.DRAFT, "queued": SmsState.QUEUED, "sending": SmsState.QUEUED}
    moves = {
        "sent": (Move.START, Move.ACCEPTED),
        "failed": (Move.START, Move.REFUSED),
        "parked": (Move.START, Move.PARK),
        "uncertain": (Move.START, Move.LOSE_TRACK),
        "sending": (Move.START,),
    }
    async with opened(open_store(path, clock=clock)) as store:
        for state in (*births, "sent", "failed", "parked", "uncertain"):
            sms = await store.enqueue(reply(state, recipient=f"79-{state}", state=births.get(state, SmsState.QUEUED)))
            for move in moves.get(state, ()):
                assert await store.move(sms.id, move, NOW) is not None
        await accept(store, call("routed"))
        [item] = await unrouted(store, 5)
        await settled(store, settlement(item.inbound, forwards=("support",)))
        for smsid in ("new", "new too"):
            await accept(store, call(smsid, subscriber=f"79-{smsid}"))
        await store.store_updates(1, [StoredUpdate(update_id=7, raw="{}", received_at=NOW)])
        taken(path, target)
        assert await store.settle_restored(NOW, numbers) is None, "the store itself is no copy"

    done = restored(target, path)
    assert done.copy.taken_at == NOW
    clock.time = LATER
    async with opened(open_store(path, clock=clock)) as store:
        assert await store.last_restored() is None
        told = await store.settle_restored(LATER, numbers)
        assert told is not None
        assert (told.taken_at, told.restored_at, told.sms, told.inbound, told.updates) == (NOW, LATER, 3, 2, 1)
        assert await store.settle_restored(LATER, numbers) is None
        assert await store.last_restored() == told
        by_key = {sms.key: sms for sms in await store.list_sms(list(SmsState), limit=50)}
        for state in births:
            assert (by_key[state].state, by_key[state].reason) == (SmsState.UNCERTAIN, SmsReason.RESTORED)
            steps = [step.state for step in await store.sms_history(by_key[state].id)]
            assert steps[-2:] == [state, "uncertain"]
        for state in ("sent", "failed", "parked", "uncertain"):
            assert (by_key[state].state, by_key[state].reason) == (state, "")
        assert [sms.key for sms in await store.restored_sms(after=by_key["draft"].id, limit=1)] == ["queued"]
        assert [sms.key for sms in await store.restored_sms(after=by_key["queued"].id, limit=9)] == ["sending"]
        assert await store.claim_due("main", now=LATER, limit=9) == []
        [post] = await store.claim_posts([ADMIN_CHAT], now=LATER, limit=9)
        assert params_of(post) == {"sms": 3, "inbound": 2, "updates": 1}
        await accept(store, call("after", subscriber="79-after", at=LATER))
        found = {item.inbound.smsid: item.restored for item in await unrouted(store)}
        assert found == {"new": True, "new too": True, "after": False}
    assert rows(path, "SELECT count(*) FROM restoration WHERE restored_at IS NULL") == [(0,)]


async def test_the_mark_goes_with_the_rows_it_is_about_or_not_at_all(path: Path, target: Path) -> None:
    async with opened(open_store(path, clock=SetClock())) as store:
        await store.enqueue(reply("a"))
        taken(path, target)
    restored(target, path)

    def unwell(told: Restoration) -> NewPost:
        raise ValueError("the post cannot be made")

    async with opened(open_store(path, clock=SetClock())) as store:
        with pytest.raises(ValueError, match="the post"):
            await store.settle_restored(LATER, unwell)
        assert [sms.state for sms in await store.list_sms(list(SmsState), limit=5)] == [SmsState.QUEUED]
        told = await store.settle_restored(LATER, numbers)
        assert told is not None
        assert told.sms == 1


async def test_the_store_that_was_there_is_kept_whole(path: Path, target: Path) -> None:
    """Also what stood only in its log: the process was killed."""
    async with opened(open_store(path, clock=SetClock())) as store:
        taken(path, target)
        await accept(store, call("only in the log"))
        killed = path.parent / "killed"
        killed.mkdir()
        for end in ("", "-wal"):
            shutil.copy(path.with_name(path.name + end), killed / (path.name + end))
    done = restored(target, killed / path.name)
    assert done.kept is not None
    left = {each.name for each in killed.iterdir()}
    assert left == {path.name, f"{path.name}.lock", done.kept.name}, "the log went into the file that is kept"
    assert rows(killed / path.name, "SELECT count(*) FROM inbound") == [(0,)]
    assert rows(done.kept, "SELECT smsid FROM inbound") == [("only in the log",)]


async def test_a_second_restore_within_a_second_keeps_the_store_of_the_first_too(path: Path, target: Path) -> None:
    async with opened(open_store(path, clock=SetClock())):
        taken(path, target)
    kept = [restored(target, path).kept for _ in range(3)]
    assert len(set(kept)) == 3
    assert all(each is not None and each.exists() for each in kept)


async def test_a_log_that_cannot_be_folded_in_is_kept_beside_it(path: Path, target: Path) -> None:
    """Somebody reads the old store all the while."""
    async with opened(open_store(path, clock=SetClock())) as store:
        taken(path, target)
        await accept(store, call("before the reader"))
        reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM inbound").fetchall()
        await accept(store, call("behind the reader"))
    with closing(reader):
        done = restored(target, path)
        assert done.kept is not None
        assert done.kept.with_name(done.kept.name + "-wal").stat().st_size > 0
        assert not path.with_name(path.name + "-wal").exists(), "a foreign log would be played into the copy"
    assert rows(done.kept, "SELECT count(*) FROM inbound") == [(2,)]
    assert rows(path, "SELECT count(*) FROM inbound") == [(0,)]


async def test_a_store_too_damaged_to_open_is_kept_and_replaced(path: Path, target: Path) -> None:
    async with opened(open_store(path, clock=SetClock())):
        taken(path, target)
    path.write_bytes(b"\xff" * 8192)
    done = restored(target, path)
    assert done.kept is not None
    assert done.kept.read_bytes() == b"\xff" * 8192
    assert rows(path, "SELECT count(*) FROM inbound") == [(0,)]


async def test_a_running_bridge_is_not_robbed_of_its_file(store: SqliteStore, path: Path, target: Path) -> None:
    taken(path, target)
    before = path.stat().st_ino
    with pytest.raises(StoreLocked, match="Stop it first"):
        restored(target, path)
    assert path.stat().st_ino == before
    assert (await accept(store, call())).new


async def test_a_bad_copy_leaves_the_store_alone(path: Path, tmp_path: Path) -> None:
    async with opened(open_store(path, clock=SetClock())) as store:
        await accept(store, call())
    broken, newer, missing = (tmp_path / f"{name}.db" for name in ("broken", "newer", "missing"))
    await damage(broken)
    shutil.copy(path, newer)
    with closing(sqlite3.connect(newer)) as db:
        db.execute("PRAGMA user_version = 999")
    for source, complaint in ((broken, "damaged"), (newer, "newer version"), (missing, "no file")):
        with pytest.raises(StoreError, match=complaint) as raised:
            restored(source, path)
        assert str(source) in str(raised.value)
    assert rows(path, "SELECT count(*) FROM inbound") == [(1,)]
    assert not [each for each in path.parent.iterdir() if "before-restore" in each.name or ".part" in each.name]


async def by_hand(path: Path, copy: Path) -> None:
    """``cp`` of a stopped store."""
    async with opened(open_store(path, clock=SetClock())) as store:
        await store.enqueue(reply("a"))
    shutil.copy(path, copy)


async def by_hand_with_its_log(path: Path, copy: Path) -> None:
    async with opened(open_store(path, clock=SetClock())) as store:
        await store.enqueue(reply("a"))
        for end in ("", "-wal"):
            shutil.copy(path.with_name(path.name + end), copy.with_name(copy.name + end))


async def of_an_earlier_version(path: Path, copy: Path) -> None:
    first: Migration = shipped()[0]
    with closing(sqlite3.connect(copy, isolation_level=None)) as db:
        migrate(db, [first])
        names = "key, account, recipient, sender_name, text, parts, origin, priority, state, created_at, due_at"
        values = "'a', 'main', '79', 'Shop', 'x', 1, 'rule', 1, 'queued', 1, 1"
        db.execute(f"INSERT INTO sms ({names}) VALUES ({values})")


@pytest.mark.usefixtures("later_version")
@pytest.mark.parametrize("made", [by_hand, by_hand_with_its_log, of_an_earlier_version])
async def test_a_copy_that_was_not_made_by_us_is_marked_when_it_is_put_back(
    path: Path, target: Path, made: Callable[[Path, Path], Awaitable[None]]
) -> None:
    await made(path, target)
    os.utime(target, (LATER / 1000 + 3_600, LATER / 1000 + 3_600))
    assert restored(target, path).copy.taken_at == LATER, "a file from the future was not made later than now"
    async with opened(open_store(path, clock=SetClock())) as store:
        told = await store.settle_restored(LATER, numbers)
        assert told is not None
        assert told.sms == 1


async def test_a_file_that_stands_in_the_stores_place_already_can_be_put_back_too(path: Path) -> None:
    async with opened(open_store(path, clock=SetClock())) as store:
        await store.enqueue(reply("a"))
    restored(path, path)
    async with opened(open_store(path, clock=SetClock())) as store:
        assert await store.settle_restored(LATER, numbers) is not None


async def test_a_copy_is_put_where_no_store_was(path: Path, target: Path, tmp_path: Path) -> None:
    async with opened(open_store(path, clock=SetClock())):
        taken(path, target)
    fresh = tmp_path / "new machine" / "bridge.db"
    assert restored(target, fresh).kept is None
    await (await open_readonly(fresh)).close()
    assert stat.S_IMODE(fresh.stat().st_mode) == 0o600


async def test_a_copy_of_a_copy_is_of_the_first_ones_moment(path: Path, target: Path) -> None:
    async with opened(open_store(path, clock=SetClock())):
        taken(path, target)
    second = target.with_name("second.db")
    take(target, second, now=lambda: LATER, overwrite=False, progress=lambda done, pages: None)
    assert rows(second, "SELECT taken_at FROM restoration") == [(NOW,)]
    with closing(sqlite3.connect(second)) as db:
        assert version_of(db) == shipped()[-1].version
