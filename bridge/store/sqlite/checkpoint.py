"""Carries what the log holds into the database: in time, after the callers have their answers, and not in secret.

SQLite would do it by itself with a commit, and keep a failure to itself. But a sync of the database that failed must
not simply be tried again: the kernel then takes pages for written that never reached the disk, SQLite does not write
those of an earlier, unfinished checkpoint once more, and the log that still has them is overwritten. So after such a
failure this process makes no checkpoint any more, not even when it closes. The log grows, nothing in it is lost, and
the next start carries all of it over from its beginning.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import structlog

from bridge.errors import StoreUnavailable
from bridge.store.sqlite.connection import ThreadConnection, log_of
from bridge.store.sqlite.faults import is_failed_sync

PAGES = 4_000
"""16 MB of log between checkpoints: one syncs twice and would else come every few hundred messages."""
LOOK_AGAIN = 500
"""Pages until the next try where a reader was in the way: of the checkpoint, or of the log's new beginning."""
PAGES_OF_A_COMMIT = 9
PAGES_OF_A_UNIT = 1
"""Roughly, as measured; the checkpoint itself tells how many there are."""

log = structlog.get_logger()


class Checkpoints:
    """Told of each commit by the writer; nobody else makes a checkpoint while the bridge runs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # What earlier runs left in the log is not known: look soon.
        self._pages = PAGES - LOOK_AGAIN
        self.allowed = True
        """False: the connection that may write must not be the last to close, or SQLite makes one then."""

    def committed(self, units: int) -> None:
        self._pages += PAGES_OF_A_COMMIT + PAGES_OF_A_UNIT * units

    async def run_if_due(self, link: ThreadConnection) -> None:
        """Raises nothing: a failure loses nothing, and what else is wrong the next commit will say."""
        if self._pages < PAGES or not self.allowed:
            return
        try:
            in_log = await link.call(_checkpoint)
        except (sqlite3.Error, StoreUnavailable) as error:
            self._failed(error)
        else:
            # A log that begins anew does so with the next commit, so a high number says nothing yet.
            self._pages = in_log if in_log < PAGES else PAGES - LOOK_AGAIN

    def _failed(self, error: Exception) -> None:
        self._pages = PAGES - LOOK_AGAIN
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
    """How many pages are in the log. Waits for nobody: what a reader still needs is left for the next time."""
    return int(db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()["log"])
