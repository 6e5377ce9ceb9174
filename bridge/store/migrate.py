"""The versions of the schema, as numbered SQL files. Both engines use the same files and apply them in their own way.

Until version 0.2.0 is released the first file may still change; see docs/decisions/0015-one-first-schema.md.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from importlib import resources
from importlib.resources.abc import Traversable

from bridge.errors import StoreError, StoreOutdated
from bridge.value import value_object

FOLDER: Traversable = resources.files("bridge.store") / "schema"
_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


@value_object
class Migration:
    version: int
    name: str
    sql: str


def shipped() -> tuple[Migration, ...]:
    """The migrations of this program, in ascending order. :raises StoreError: two files have the same number."""
    found = []
    for entry in FOLDER.iterdir():
        if match := _NAME.fullmatch(entry.name):
            found.append(Migration(version=int(match[1]), name=entry.name, sql=entry.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.version)
    if len({migration.version for migration in found}) != len(found):
        raise StoreError(f"migrations are doubled: {', '.join(m.name for m in found)}")
    return tuple(found)


def refuse_newer(version: int, latest: int) -> None:
    """Refuse a database that is newer than the program. :raises StoreError: ``version`` is above ``latest``."""
    if version > latest:
        raise StoreError(
            f"the database has version {version}, this program knows {latest}: it was written by a newer version."
            " Install that one, or restore a backup from before the update"
        )


def refuse_development(tables: Collection[str]) -> None:
    """Refuse a database of a development version. Its version number does not show this, since it is used again.

    :raises StoreError: ``tables`` are the tables of a development version.
    """
    if "inbound" in tables and "node" not in tables:
        raise StoreError(
            "the database was made by a development version before 0.2.0, whose tables this program does not know."
            " Keep it for that version, and let storage.url name a new one"
        )


def require_present(version: int) -> None:
    """Refuse a store of another version: commands that read or copy a store know the tables of one version only.

    :raises StoreOutdated: the database is empty or older.
    :raises StoreError: the database is newer.
    """
    latest = shipped()[-1].version
    refuse_newer(version, latest)
    if not version:
        raise StoreOutdated("there is no store in it yet: start the service once with `sms-bridge run`")
    if version < latest:
        raise StoreOutdated(
            f"it has version {version}, this program {latest}: start the bridge on it once to bring it up to date"
        )
