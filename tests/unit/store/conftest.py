from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.store import open_store
from bridge.store.sqlite.store import SqliteStore
from tests.contract.builders import SetClock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bridge.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    opened = await open_store(path, clock=SetClock(), busy_timeout=50)
    yield opened
    await opened.close()
