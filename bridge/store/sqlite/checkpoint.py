"""Makes checkpoints: copies the content of the log into the database, after the callers have their answers.

SQLite would do this by itself as a part of a commit, and would not report a failure. But after a failed sync of the
database another try does harm:

- The kernel counts pages as written that never reached the disk.
- SQLite does not write the pages of an earlier, unfinished checkpoint again.
- SQLite then overwrites the log, which still has these pages.

So after such a failure this process makes no other checkpoint, not even when it closes. The log grows and loses
nothing. The next start copies the whole log into the database.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import structlog

from bridge.errors import StoreUnavailable
from bridge.store.sqlite.connection import ThreadConnection, log_of
from bridge.store.sqlite.faults import is_failed_sync

PAGES = 4_000
"""Pages of log between two checkpoints: 16 MB. A checkpoint costs two syncs, and SQLite by itself would make one every
few hundred messages."""
RETRY_PAGES = 500
"""Pages of log until the next try, after a reader kept a checkpoint from finishing or the log from starting again."""
PAGES_OF_A_COMMIT = 9
PAGES_OF_A_UNIT = 1
"""Measured estimates of the pages that a commit and each of its units add to the log. Each checkpoint returns the exact
number of pages in the log."""

log = structlog.get_logger()


class Checkpoints:
    """Makes the checkpoints of one file. The writer reports each commit to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Earlier runs may have left any number of pages in the log, so the first checkpoint comes soon.
        self._pages = PAGES - RETRY_PAGES
        self.allowed = True
        """False after a failed sync. Then the writing connection must not close last, since SQLite makes a checkpoint
        when the last writable connection closes."""

    def committed(self, units: int) -> None:
        self._pages += PAGES_OF_A_COMMIT + PAGES_OF_A_UNIT * units

    async def run_if_due(self, connection: ThreadConnection) -> None:
        """Make a checkpoint if the log is long enough.

        Raises nothing: a failed checkpoint loses nothing, and if the disk has another fault the next commit reports it.
        """
        if self._pages < PAGES or not self.allowed:
            return
        try:
            in_log = await connection.call(_checkpoint)
        except (sqlite3.Error, StoreUnavailable) as error:
            self._failed(error)
        else:
            # The log starts again only with the next commit. Until then the number may be high after a good checkpoint.
            self._pages = in_log if in_log < PAGES else PAGES - RETRY_PAGES

    def _failed(self, error: Exception) -> None:
        self._pages = PAGES - RETRY_PAGES
        if not is_failed_sync(error):
            log.warning("checkpoint_failed", error=f"{self._path}: {error}")
            return
        self.allowed = False
        log.error(
            "checkpoints_ended",
            error=f"{self._path}: the disk reports an error ({error}). All that was acknowledged is in"
            f" {log_of(self._path).name}, which grows from now on: check the system's log, then restart the bridge",
        )


def _checkpoint(db: sqlite3.Connection) -> int:
    """Make a checkpoint; returns the pages in the log. Leaves pages that a reader still needs for the next."""
    return int(db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()["log"])
