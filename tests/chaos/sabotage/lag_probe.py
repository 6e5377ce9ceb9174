"""The whole service with a probe in its loop; no rule is taken out.

Each time the loop came late to the probe, a line of ``CHAOS_LAGS`` says when (monotonic) and how late, in seconds.
With ``narrow``.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import bridge.app.running
from tests.chaos.sabotage import narrow

PULSE = 0.002
WORTH_A_LINE = 0.005
_running = bridge.app.running.running


async def probe(file: Path) -> None:
    with file.open("w", encoding="ascii", buffering=1) as lines:
        while True:
            before = time.monotonic()
            await asyncio.sleep(PULSE)
            late = time.monotonic() - before - PULSE
            if late > WORTH_A_LINE:
                lines.write(f"{before} {late}\n")


@asynccontextmanager
async def running(*arguments: Any, **named: Any) -> AsyncIterator[Any]:
    async with _running(*arguments, **named) as bridge_:
        task = asyncio.create_task(probe(Path(os.environ["CHAOS_LAGS"])))
        try:
            yield bridge_
        finally:
            task.cancel()


def apply() -> None:
    narrow.apply()
    bridge.app.running.running = running  # type: ignore[assignment]
