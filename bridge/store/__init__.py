"""The store: :class:`bridge.ports.store.Store` on SQLite or PostgreSQL.

Only the composition root and the commands import it.
"""

from bridge.store.opening import adopt, check_shared_storage, mark_restored, open_queries, open_storage
from bridge.store.sqlite.store import open_readonly, open_store

__all__ = [
    "adopt",
    "check_shared_storage",
    "mark_restored",
    "open_queries",
    "open_readonly",
    "open_storage",
    "open_store",
]
