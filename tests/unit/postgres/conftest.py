"""Each test has a schema of its own, and two nodes on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.sandbox.platform import SimulatedPlatform
from tests import postgres
from tests.service import simulated_platform
from tests.unit.postgres.two_nodes import TwoNodes, two_nodes


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[TwoNodes]:
    async with two_nodes(tmp_path) as opened:
        yield opened
    await postgres.recycle(tmp_path)


@pytest.fixture
async def platform() -> AsyncIterator[SimulatedPlatform]:
    async with simulated_platform() as started:
        yield started
