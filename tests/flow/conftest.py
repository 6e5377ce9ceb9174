"""The platform of a service that is a process of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bridge.sandbox.platform import SimulatedPlatform
from tests.service import simulated_platform


@pytest.fixture
async def platform() -> AsyncIterator[SimulatedPlatform]:
    async with simulated_platform() as started:
        yield started
