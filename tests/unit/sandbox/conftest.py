from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bridge.sandbox.platform import SimulatedPlatform
from tests.unit.sandbox.raw import SetClock


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def platform(clock: SetClock) -> AsyncIterator[SimulatedPlatform]:
    platform = SimulatedPlatform(clock=clock)
    await platform.start()
    yield platform
    await platform.stop()
