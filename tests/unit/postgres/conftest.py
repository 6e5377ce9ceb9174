"""Each test has a schema of its own, and two bridges on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import postgres
from tests.unit.postgres.bridges import Bridges, bridges


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[Bridges]:
    async with bridges(tmp_path) as opened:
        yield opened
    await postgres.recycle(tmp_path)
