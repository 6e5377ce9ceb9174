"""Taken out: a log that is opened is written once more before anything is appended to it."""

from __future__ import annotations

from bridge.store.sqlite import connection


def apply() -> None:
    assert callable(connection._make_log_sure)
    connection._make_log_sure = lambda db, log: None
