"""The store: :class:`bridge.ports.Store` on SQLite or PostgreSQL. For the composition root and commands alone."""

from bridge.store.opening import open_queries, open_storage
from bridge.store.sqlite import open_readonly, open_store

__all__ = ["open_queries", "open_readonly", "open_storage", "open_store"]
