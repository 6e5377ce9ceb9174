"""Lets only one process run on a database file. The process locks a file beside it for as long as it lives.

The database file itself is not locked, since that would release SQLite's own POSIX locks. The lock file is not deleted
when the lock is released. If it were, two processes could each lock a file of that name.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from bridge.errors import StoreLocked, StoreUnavailable


class FileLock:
    """The lock of one database file, from :meth:`take` until :meth:`release` or until the process ends in any way."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._path = database.with_name(database.name + ".lock")
        self._fd: int | None = None

    def take(self) -> None:
        """Take the lock.

        :raises StoreLocked: another process has the lock; the message names that process.
        :raises StoreUnavailable: the lock file cannot be opened.
        """
        while self._fd is None:
            try:
                fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise StoreUnavailable(
                    f"{self._path}: cannot be opened ({error.strerror}): check permissions"
                ) from error
            try:
                self._fd = self._lock(fd)
            finally:
                if self._fd is None:
                    os.close(fd)

    def _lock(self, fd: int) -> int | None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise StoreLocked(
                f"{self._database} is in use by another running bridge (process {holder})."
                " Stop it first, or give this one another storage.url"
            ) from error
        try:
            if not os.path.samestat(os.fstat(fd), os.stat(self._path)):
                return None  # the file was deleted between open and lock, so another process can lock a new file
        except FileNotFoundError:
            return None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        return fd

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
