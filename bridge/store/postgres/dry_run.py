"""Checks whether a service could work on a database. Rolls everything back, so nothing is changed."""

from __future__ import annotations

from typing import Any

from bridge.model.base import Ms
from bridge.store.migrate import refuse_newer, shipped
from bridge.store.postgres import dialect, faults
from bridge.store.postgres.migrate import schema_name, version_of
from bridge.store.postgres.pool import connected
from bridge.store.repositories.facade import WRITE_PULSE

_MAKE_TABLE = "CREATE TABLE trial (id BIGINT)"
"""Tests a permission: a start on an empty schema, or on one of an older version, must be allowed to make tables."""


async def check_usable(url: str, now: Ms) -> None:
    """Check the database.

    :raises StoreUnavailable: a service could not use it now.
    :raises StoreError: the database is newer than this program, of a development version, or another program's.
    """
    async with connected(url) as (connection, where):
        with faults.named(where):
            await _attempt(connection, now)


async def _attempt(connection: Any, now: Ms) -> None:
    await schema_name(connection)
    version, latest = await version_of(connection), shipped()[-1].version
    refuse_newer(version, latest)
    trial = connection.transaction()
    await trial.start()
    if version:
        await connection.execute(dialect.numbered(WRITE_PULSE).text, now)
    if version < latest:
        await connection.execute(_MAKE_TABLE)
    await trial.rollback()
