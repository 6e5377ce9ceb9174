"""Checkpoints: copies the content of the log into the database, after the callers have their answers.

SQLite would do that by itself with a commit, and would not report a failure. But a failed sync of the database must not
simply be tried again: the kernel counts pages as written that never reached the disk, SQLite does not write the pages
of an earlier, unfinished checkpoint again, and the log that still has them is overwritten. So after such a failure this
process makes no other checkpoint, not even when it closes. The log grows, nothing in it is lost, and the next start
copies all of it from its beginning.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import structlog

from bridge.errors import StoreUnavailable
from bridge.store.sqlite.connection import ThreadConnection, log_of
from bridge.store.sqlite.faults import is_failed_sync

PAGES = 4_000
"""Pages of log between two checkpoints, 16 MB. A checkpoint syncs twice; SQLite would make one every few hundred
messages."""
RETRY_PAGES = 500
"""Pages until the next try, after a reader was in the way of the checkpoint or of the log's new beginning."""
PAGES_OF_A_COMMIT = 9
PAGES_OF_A_UNIT = 1
"""Measured estimates. Each checkpoint tells the exact number of pages."""

log = structlog.get_logger()


class Checkpoints:
    """Makes the checkpoints of one file. The writer tells it of each commit."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # It is not known how much earlier runs left in the log, so the first checkpoint comes soon.
        self._pages = PAGES - RETRY_PAGES
        self.allowed = True
        """False after a failed sync. Then the writing connection must not be the last to close: SQLite would make
        one."""

    def committed(self, units: int) -> None:
        self._pages += PAGES_OF_A_COMMIT + PAGES_OF_A_UNIT * units

    async def run_if_due(self, connection: ThreadConnection) -> None:
        """Make a checkpoint if there is enough log. Raises nothing: a failure loses nothing, and the next commit
        reports what else is wrong."""
        if self._pages < PAGES or not self.allowed:
            return
        try:
            in_log = await connection.call(_checkpoint)
        except (sqlite3.Error, StoreUnavailable) as error:
            self._failed(error)
        else:
            # A log begins anew only with the next commit, so a high number says nothing yet.
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
    """Make a checkpoint; returns the pages in the log. Pages that a reader still needs are left for the next one."""
    return int(db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()["log"])
