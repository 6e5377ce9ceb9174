"""A sampling profile of the bridge while it is measured, by py-spy; it slows what it looks at a little.

``python -m tests.bench.profile FILE…`` sums a profile up: what share of the busy time each area of the program takes.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


class Profiler:
    """Writes one file of folded stacks a run: ``<folder>/<case>-<run>.raw``. Does nothing without a folder."""

    def __init__(self, folder: Path | None, py_spy: str = "py-spy", options: Sequence[str] = ()) -> None:
        self._folder = folder
        self._command = (py_spy, "record", "--threads", "--rate", "250", "--format", "raw", *options)

    @contextmanager
    def over(self, pid: int, name: str) -> Iterator[None]:
        if self._folder is None:
            yield
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        number = len(list(self._folder.glob(f"{name}-*.raw"))) + 1
        output = self._folder / f"{name}-{number}.raw"
        recorder = subprocess.Popen(
            [*self._command, "--pid", str(pid), "--output", str(output)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield
        finally:
            recorder.send_signal(signal.SIGINT)
            recorder.wait(30)


_WAITING = ("_connection_worker_thread", "_worker (concurrent/futures")
"""Threads that wait for work look busy to py-spy."""
_AREAS = (
    ("log", re.compile(r"^\w[\w.]* \((structlog/|logging/)")),
    ("store", re.compile(r"\((\S*/)?(bridge/store/|aiosqlite/)")),
    ("HTTP out", re.compile(r"\((\S*/)?bridge/platforms/(http|iba)\.py")),
    ("reading answers", re.compile(r"\((\S*/)?bridge/platforms/iba_(answers|words|questions|table)")),
    ("rules and texts", re.compile(r"\((\S*/)?bridge/(rules|text)/")),
    ("HTTP in", re.compile(r"\((\S*/)?(bridge/web/|aiohttp/web|bridge/platforms/iba_callback)")),
    ("pipeline", re.compile(r"\((\S*/)?bridge/pipeline/")),
    ("Telegram", re.compile(r"\((\S*/)?(bridge/telegram/|telegram/)")),
    ("event loop", re.compile(r"\((\S*/)?(asyncio/|bridge/cli/)")),
)
"""From the innermost frame outwards the first that fits names the area; the log is asked first of all."""


def area(frames: Sequence[str]) -> str:
    log, *others = _AREAS
    if any(log[1].search(frame) for frame in frames):
        return log[0]
    for frame in reversed(frames):
        for name, pattern in others:
            if pattern.search(frame):
                return name
    return "elsewhere"


def shares(lines: Sequence[str]) -> Counter[tuple[str, str]]:
    """Samples by thread (``loop`` or another) and area, without those that only wait."""
    found: Counter[tuple[str, str]] = Counter()
    for line in lines:
        stack, _, samples = line.rpartition(" ")
        thread, *frames = stack.split(";")
        if frames and not frames[-1].startswith(_WAITING):
            found["loop" if "MainThread" in thread else "other threads", area(frames)] += int(samples)
    return found


def main(files: Sequence[str]) -> None:
    found = shares([line for file in files for line in Path(file).read_text().splitlines()])
    for (thread, name), samples in found.most_common():
        sys.stdout.write(f"{100 * samples / found.total():5.1f} %  {thread}: {name}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
