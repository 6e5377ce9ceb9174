"""The store: :class:`bridge.ports.Store` on SQLite. Imported by the composition root and the command line alone."""

from bridge.store.sqlite import SqliteQueries, SqliteStore, open_readonly, open_store

__all__ = ["SqliteQueries", "SqliteStore", "open_readonly", "open_store"]
