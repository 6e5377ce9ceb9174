"""The store: :class:`bridge.ports.store.Store` on SQLite or PostgreSQL.

Only the composition root and the commands import it.
"""

from bridge.store.opening import adopt, mark_restored, open_queries, open_storage, try_shared
from bridge.store.sqlite.store import open_readonly, open_store

__all__ = ["adopt", "mark_restored", "open_queries", "open_readonly", "open_storage", "open_store", "try_shared"]
