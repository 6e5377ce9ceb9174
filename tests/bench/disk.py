"""How often the disk can be told "now, for good": the floor under everything that acknowledges only what is safe."""

from __future__ import annotations

import os
import tempfile
import time


def commits_per_second(seconds: float = 1.5, block: int = 4096) -> float:
    """Append a block and fsync, over and over, in the directory where the benchmark's database is, too."""
    with tempfile.NamedTemporaryFile(prefix="sms-bench-", buffering=0) as file:
        data = os.urandom(block)
        count, start = 0, time.perf_counter()
        while (past := time.perf_counter() - start) < seconds:
            file.write(data)
            os.fsync(file.fileno())
            count += 1
        return count / past
