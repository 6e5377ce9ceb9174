from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flow.telegram.team import Team, team


@pytest.fixture
async def forum(tmp_path: Path) -> AsyncIterator[Team]:
    """A supergroup with topics."""
    async with team(tmp_path, forum=True) as staff:
        yield staff


@pytest.fixture
async def group(tmp_path: Path) -> AsyncIterator[Team]:
    """A plain group: replies."""
    async with team(tmp_path, forum=False) as staff:
        yield staff
