"""Taken out: a log that is opened is written once more before anything is appended to it."""

from __future__ import annotations

from bridge.store.sqlite import connection


def apply() -> None:
    assert callable(connection._rewrite_log)
    connection._rewrite_log = lambda db, log: None
