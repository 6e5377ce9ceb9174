"""``disk.c``, preloaded into the service: records what it does to its files and makes the disk fail or slow on demand.

Built with the system's C compiler when it is needed. Linux and glibc only, as the service's own container is.
"""

from __future__ import annotations

import atexit
import functools
import mmap
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path

SOURCE = Path(__file__).with_name("disk.c")
COMPILERS = ("cc", "gcc", "clang")


class NoPreload(Exception):
    """The library cannot be had here; the text says why."""


class Kind(IntEnum):
    """The kinds of files, in the order of ``disk.c``."""

    DATABASE = 0
    LOG = 1
    JOURNAL = 2
    DIRECTORY = 3


class Act(IntEnum):
    """Done to a file, in the order of ``disk.c``."""

    WRITE = 0
    SYNC = 1
    OPEN = 2
    """For writing."""
    TRUNCATE = 3
    UNLINK = 4


TABLES = 3
"""``fails_with``, ``dies_at`` and ``takes_ms`` of ``disk.c``."""
_NUMBER = struct.Struct("=i")
_TABLE = len(Kind) * len(Act) * _NUMBER.size


@functools.cache
def library() -> Path:
    """Compiled once a process, and gone with it. :raises NoPreload: it cannot be."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None or sys.platform != "linux":
        raise NoPreload("no C compiler (cc, gcc, clang) for Linux: no power cuts and disk errors; `make system`")
    place = Path(tempfile.mkdtemp(prefix="sms-disk-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    built = place / "disk.so"
    command = [compiler, "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", str(built), str(SOURCE), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise NoPreload(f"{SOURCE.name} cannot be compiled: no power cuts and disk errors\n{done.stderr}")
    return built


class Disk:
    """The disk of a service that is started with :attr:`environment`. Close it to release the control file."""

    def __init__(self, folder: Path, tools: Path, *, recorded: bool) -> None:
        """``folder`` is the service's; ``tools`` holds the record and the control, outside of it."""
        folder = folder.resolve()
        assert not tools.resolve().is_relative_to(folder)
        tools.mkdir(exist_ok=True)
        self.record = tools / "record"
        control = tools / "control"
        control.write_bytes(bytes(TABLES * _TABLE))
        self.environment: Mapping[str, str] = {
            "LD_PRELOAD": str(library()),
            "DISK_FOLDER": str(folder),
            "DISK_CONTROL": str(control.resolve()),
            **({"DISK_RECORD": str(self.record.resolve())} if recorded else {}),
        }
        with control.open("r+b") as file:
            self._control = mmap.mmap(file.fileno(), TABLES * _TABLE)

    def fail(self, act: Act, error: int, *kinds: Kind) -> None:
        """From now on ``act`` on files of these kinds fails with this errno; 0 ends it."""
        for kind in kinds:
            _NUMBER.pack_into(self._control, self._place(kind, act), error)

    def die_at(self, kind: Kind, act: Act, count: int) -> None:
        """Kill the process right before the ``count``-th such act from now; 0 takes it back."""
        _NUMBER.pack_into(self._control, _TABLE + self._place(kind, act), count)

    def slow(self, act: Act, ms: int, *kinds: Kind) -> None:
        """From now on ``act`` on files of these kinds takes so many milliseconds longer."""
        for kind in kinds:
            _NUMBER.pack_into(self._control, 2 * _TABLE + self._place(kind, act), ms)

    def behave(self) -> None:
        """No failures, no deaths, no delays."""
        self._control[:] = bytes(TABLES * _TABLE)

    @staticmethod
    def _place(kind: Kind, act: Act) -> int:
        return (kind * len(Act) + act) * _NUMBER.size

    def close(self) -> None:
        self._control.close()


def missing() -> str | None:
    """Why this system can have no power cuts and disk errors, in a sentence for people; None: it can."""
    try:
        library()
    except NoPreload as error:
        return str(error)
    return None
