"""Computes what a power cut may leave of files from the record of what a process did to them (``preload/disk.c``).

The model is the strict reading of POSIX. Sure is only what a successful sync came back for. Of what was written since,
each page may have reached the disk or not, in any of the states it went through, and may be torn between sectors; a
file's size follows as it likes. A name that was made, moved or taken away is sure only after a sync of its directory.
After a sync that failed, its pages are clean for the kernel and perhaps not on the disk, and no later sync writes them
unless they are written anew. The order in which pages reach the disk makes no difference to what is found in the end.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

PAGE = 4096
SECTOR = 512
KEEP = (0.5, 0.0, 0.8, 1.0, 0.2)
"""How much of what was not synced reaches the disk all the same, as a chance: the cuts take turns with these."""
TORN = 0.3
"""The share of the changed pages that is torn between sectors."""

_ENTRY = struct.Struct("=cBHiqI")
_FILES = ("*.db", "*.db-wal", "*.db-journal")
_ZEROS = bytes(PAGE)

Versions = dict[int, list[bytes]]
"""Page number → its contents after each write, oldest first."""


@dataclass(eq=False, slots=True)
class _File:
    disk: bytearray = field(default_factory=bytearray)
    """The bytes that are sure to be found after a cut."""
    cache: bytearray = field(default_factory=bytearray)
    """The bytes that the process reads."""
    dirty: Versions = field(default_factory=dict)
    flushing: Versions = field(default_factory=dict)
    lost: Versions = field(default_factory=dict)
    """Clean for the kernel since a sync failed, and perhaps not on the disk."""
    sizes: list[int] = field(default_factory=list)
    flushing_size: int = 0

    @property
    def unsynced(self) -> int:
        """Pages that a cut may leave in more than one state."""
        return len(self.dirty.keys() | self.lost.keys())

    def write(self, offset: int, data: bytes) -> None:
        end = offset + len(data)
        if end > len(self.cache):
            self.cache.extend(bytes(end - len(self.cache)))
            self.sizes.append(end)
        self.cache[offset:end] = data
        for page in range(offset // PAGE, -(-end // PAGE)):
            self._changed(page)

    def truncate(self, size: int) -> None:
        before = len(self.cache)
        if size < before:
            del self.cache[size:]
        else:
            self.cache.extend(bytes(size - before))
        self.sizes.append(size)
        for page in range(min(size, before) // PAGE, -(-max(size, before) // PAGE)):
            self._changed(page)

    def _changed(self, page: int) -> None:
        content = bytes(self.cache[page * PAGE : (page + 1) * PAGE])
        self.dirty.setdefault(page, []).append(content + _ZEROS[len(content) :])

    def sync_begins(self) -> None:
        assert not self.flushing, "two syncs of one file at once: the model cannot tell them apart"
        self.flushing, self.dirty = self.dirty, {}
        self.flushing_size = len(self.cache)

    def synced(self) -> None:
        self._resize(self.disk, self.flushing_size)
        for page, versions in self.flushing.items():
            self._put(self.disk, page, versions[-1])
            self.lost.pop(page, None)
        self.flushing = {}
        self.sizes = [len(self.cache)] if len(self.cache) != self.flushing_size else []

    def sync_failed(self) -> None:
        for page, versions in self.flushing.items():
            self.lost.setdefault(page, []).extend(versions)
        self.flushing = {}

    def process_ended(self) -> None:
        """What it did not wait for is dirty as before."""
        for page, versions in self.flushing.items():
            self.dirty[page] = [*versions, *self.dirty.get(page, ())]
        self.flushing = {}

    def after_a_cut(self, chance: random.Random, keep: float) -> bytearray:
        found = bytearray(self.disk)
        pages = self.dirty.keys() | self.lost.keys()
        size = self.sizes[-1] if self.sizes and chance.random() < keep else chance.choice([len(found), *self.sizes])
        self._resize(found, max(size, len(found)))
        for page in sorted(pages):
            history = [*self.lost.get(page, ()), *self.dirty.get(page, ())]
            self._put(found, page, self._page(found, page, history, chance, keep))
        self._resize(found, size)
        return found

    def _page(self, found: bytearray, page: int, history: list[bytes], chance: random.Random, keep: float) -> bytes:
        before = bytes(found[page * PAGE : (page + 1) * PAGE])
        before += _ZEROS[len(before) :]

        def state() -> bytes:
            if chance.random() >= keep:
                return before
            return history[-1] if chance.random() < 0.5 else chance.choice(history)

        if chance.random() >= TORN:
            return state()
        return b"".join(state()[at : at + SECTOR] for at in range(0, PAGE, SECTOR))

    @staticmethod
    def _put(content: bytearray, page: int, data: bytes) -> None:
        """Within the size that the content has."""
        start = page * PAGE
        if start < len(content):
            content[start : start + PAGE] = data[: len(content) - start]

    @staticmethod
    def _resize(content: bytearray, size: int) -> None:
        del content[size:]
        content.extend(bytes(size - len(content)))


_Node = _File | None
"""None: a directory."""


@dataclass(frozen=True, slots=True)
class _Renaming:
    """Names that change together; ``gone`` are taken away, ``made`` come."""

    directory: str
    gone: tuple[str, ...] = ()
    made: tuple[tuple[str, _Node], ...] = ()

    def apply(self, names: dict[str, _Node]) -> None:
        for name in self.gone:
            names.pop(name, None)
        names.update(self.made)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """The state that a cut met, and the choices made for it."""

    database_pages: int
    """Pages of the database itself that were not sure: the cut fell into a checkpoint."""
    log_pages: int
    """Pages of its log that were not sure: the cut fell into a commit."""
    names: int
    """Names that were not sure."""


class PowerCut:
    """Follows the files below a folder from the moment it is made. They must not be in use then."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._names: dict[str, _Node] = {}
        self._take_what_is_there()

    def _take_what_is_there(self) -> None:
        """Take the files as they are: with the power gone and back, what is found is what there is."""
        self._names = {str(path): None for path in self._folder.rglob("*") if path.is_dir()}
        for path in self._files():
            content = path.read_bytes()
            self._names[str(path)] = _File(disk=bytearray(content), cache=bytearray(content))
        self._sure = dict(self._names)
        self._unsure: list[_Renaming] = []

    def _files(self) -> Iterator[Path]:
        for pattern in _FILES:
            yield from self._folder.rglob(pattern)

    # ------------------------------------------------------------ what happened

    def replay(self, record: Path) -> None:
        """Take in what one process did from its start to its end, and empty the record for the next one.

        :raises AssertionError: the files are not what the record says: it would prove nothing.
        """
        open_files: dict[int, _File | str] = {}
        last: dict[_File, _Entry] = {}
        for entry in _entries(record.read_bytes()):
            self._apply(entry, open_files)
            node = open_files.get(entry.fd)
            if entry.what in b"WT" and isinstance(node, _File):
                last[node] = entry
        for node in self._names.values():
            if node is not None:
                node.process_ended()
        self._compare(last)
        record.write_bytes(b"")

    def _apply(self, entry: _Entry, open_files: dict[int, _File | str]) -> None:
        if entry.what == b"O":
            open_files[entry.fd] = self._opened(entry)
        elif entry.what == b"C":
            open_files.pop(entry.fd, None)
        elif entry.what in b"WTBSF":
            self._changed(entry, open_files[entry.fd])
        elif entry.what == b"U":
            self._renamed(entry.path, gone=(entry.path,))
        elif entry.what == b"R":
            target = entry.data.decode()
            self._renamed(target, gone=(entry.path,), made=((target, self._names[entry.path]),))
        elif entry.what == b"M":
            self._renamed(entry.path, made=((entry.path, None),))
        else:
            raise AssertionError(f"a record of an unknown kind: {entry.what!r}")

    def _opened(self, entry: _Entry) -> _File | str:
        if entry.created:
            self._renamed(entry.path, made=((entry.path, _File()),))
        node = self._names.get(entry.path)
        return entry.path if node is None else node

    def _changed(self, entry: _Entry, node: _File | str) -> None:
        if isinstance(node, str):
            if entry.what == b"S":
                self._directory_synced(node)
        elif entry.what == b"W":
            node.write(entry.offset, entry.data)
        elif entry.what == b"T":
            node.truncate(entry.offset)
        elif entry.what == b"B":
            node.sync_begins()
        elif entry.what == b"S":
            node.synced()
        else:
            node.sync_failed()

    def _renamed(self, path: str, *, gone: tuple[str, ...] = (), made: tuple[tuple[str, _Node], ...] = ()) -> None:
        change = _Renaming(str(PurePosixPath(path).parent), gone, made)
        change.apply(self._names)
        self._unsure.append(change)

    def _directory_synced(self, directory: str) -> None:
        for change in self._unsure:
            if change.directory == directory:
                change.apply(self._sure)
        self._unsure = [change for change in self._unsure if change.directory != directory]

    def _compare(self, last: Mapping[_File, _Entry]) -> None:
        """Every file holds what the record says, but for its very last write, which the end may have come before."""
        for name, node in self._names.items():
            if node is None:
                continue
            actual, told = bytearray(Path(name).read_bytes()), bytearray(node.cache)
            if (entry := last.get(node)) is not None:
                end = entry.offset + len(entry.data) if entry.what == b"W" else max(len(actual), len(told))
                for content in (actual, told):
                    content[entry.offset : end] = b""
            assert actual == told, f"{name}: not what the record says ({len(actual)} and {len(told)} bytes)"

    # ------------------------------------------------------------ the cut

    def cut(self, chance: random.Random, keep: float) -> Cut:
        """Leave on the disk one of the states that a cut may leave, and go on from it. ``keep``: see :data:`KEEP`."""
        met = Cut(
            database_pages=self._unsynced(".db"),
            log_pages=self._unsynced(".db-wal"),
            names=len(self._unsure),
        )
        names = dict(self._sure)
        for change in self._unsure:
            if chance.random() < keep:
                change.apply(names)
        found = {
            name: node.after_a_cut(chance, keep)
            for name, node in sorted(names.items(), key=lambda item: item[0])
            if isinstance(node, _File) and self._reachable(name, names)
        }
        self._leave(found, [name for name, node in names.items() if node is None and self._reachable(name, names)])
        self._take_what_is_there()
        return met

    @property
    def lost_pages(self) -> int:
        """Pages that are clean for the kernel and perhaps not on the disk."""
        return sum(len(node.lost) for node in self._names.values() if node is not None)

    def _unsynced(self, end: str) -> int:
        return sum(node.unsynced for name, node in self._names.items() if node is not None and name.endswith(end))

    def _reachable(self, name: str, names: dict[str, _Node]) -> bool:
        between = [parent for parent in Path(name).parents if parent != self._folder and self._folder in parent.parents]
        return all(str(parent) in names for parent in between)

    def _leave(self, found: dict[str, bytearray], directories: Sequence[str]) -> None:
        for path in list(self._files()):
            path.unlink()
        for path in self._folder.rglob("*.db-shm"):
            path.unlink()  # shared memory: a cut leaves nothing of it that anybody believes
        for path in [path for path in self._folder.rglob("*") if path.is_dir() and str(path) not in directories]:
            with contextlib.suppress(FileNotFoundError):  # gone with its parent
                shutil.rmtree(path)
        for name, content in found.items():
            Path(name).write_bytes(content)


@dataclass(frozen=True, slots=True)
class _Entry:
    what: bytes
    created: bool
    fd: int
    offset: int
    path: str
    data: bytes


def _entries(record: bytes) -> Iterator[_Entry]:
    at = 0
    while at < len(record):
        what, created, path_length, fd, offset, data_length = _ENTRY.unpack_from(record, at)
        at += _ENTRY.size
        path = record[at : at + path_length].decode()
        at += path_length
        yield _Entry(what, bool(created), fd, offset, path, record[at : at + data_length])
        at += data_length
