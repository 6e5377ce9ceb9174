"""Whether a bridge could work on a database, tried and taken back: nothing is changed."""

from __future__ import annotations

from typing import Any

from bridge.model.base import Ms
from bridge.store.migrate import not_newer, shipped
from bridge.store.postgres import dialect, faults
from bridge.store.postgres.migrate import space_of, version_of
from bridge.store.postgres.pool import connected
from bridge.store.repositories.facade import BEAT

_MAKE = "CREATE TABLE trial (id BIGINT)"
"""What a start on an empty schema would do."""


async def check_usable(url: str, now: Ms) -> None:
    """:raises StoreUnavailable: a bridge could not use it now. :raises StoreError: newer, or another program's."""
    async with connected(url) as (connection, where):
        with faults.named(where):
            await _attempt(connection, now)


async def _attempt(connection: Any, now: Ms) -> None:
    await space_of(connection)
    version, latest = await version_of(connection), shipped()[-1].version
    not_newer(version, latest)
    trial = connection.transaction()
    await trial.start()
    if version:
        await connection.execute(dialect.numbered(BEAT).text, now)
    if version < latest:
        await connection.execute(_MAKE)
    await trial.rollback()
