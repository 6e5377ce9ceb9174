"""Each test has a schema of its own, and two nodes on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import postgres
from tests.unit.postgres.two_nodes import TwoNodes, two_nodes


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[TwoNodes]:
    async with two_nodes(tmp_path) as opened:
        yield opened
    await postgres.recycle(tmp_path)
