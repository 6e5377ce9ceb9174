"""From the command to "ready", and what a bridge costs that has nothing to do."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.bench.farside import FarSide
from tests.bench.prefill import Filling, Stores, put_off_polls
from tests.bench.processes import usage
from tests.bench.whole import Setup, WholePath

SETTLE_S = 2.0
"""Seconds after "ready" that still belong to the start."""


def start(stores: Stores, filling: Filling | None, idle_s: float) -> dict[str, float]:
    """Start it, look at it while it idles for ``idle_s`` seconds (0: not at all), stop it."""
    with tempfile.TemporaryDirectory(prefix="sms-bench-", dir=stores.folder) as place, FarSide() as far_side:
        setup = Setup()
        if filling is not None:
            setup = Setup(storage=stores.url(filling))
            put_off_polls(stores.path(filling))
        with WholePath(far_side.platform_url, Path(place), setup) as bridge:
            found = {"ready_s": bridge.ready_s}
            if idle_s:
                time.sleep(SETTLE_S)
                before, begin = usage(bridge.pid), time.monotonic()
                time.sleep(idle_s)
                after, seconds = usage(bridge.pid), time.monotonic() - begin
                found |= {"idle_rss": after.rss, "idle_cpu": (after.cpu_s - before.cpu_s) / seconds}
            return found
