"""How often the disk can be told "now, for good": the floor under everything that acknowledges only what is safe."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path


def commits_per_second(folder: Path, seconds: float = 1.5, block: int = 4096) -> float:
    """Append a block and fsync, over and over, where the benchmark's databases are, too."""
    with tempfile.NamedTemporaryFile(dir=folder, buffering=0) as file:
        data = os.urandom(block)
        count, start = 0, time.perf_counter()
        while (past := time.perf_counter() - start) < seconds:
            file.write(data)
            os.fsync(file.fileno())
            count += 1
        return count / past
