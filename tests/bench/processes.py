"""The processes of a benchmark: started, spoken to over a pipe, and what they cost the machine."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

T = TypeVar("T")
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What a process has used since its start; with all its threads, user and system time."""

    cpu_s: float
    loop_s: float
    """Of its first thread alone, where the event loop runs."""
    rss: int
    """Bytes, now."""
    peak: int
    """Bytes, at most so far."""


def usage(pid: int) -> Usage:
    memory = {
        line.split(":")[0]: int(line.split()[1]) * 1024
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith(("VmRSS", "VmHWM"))
    }
    cpu, loop = _seconds(f"/proc/{pid}/stat"), _seconds(f"/proc/{pid}/task/{pid}/stat")
    return Usage(cpu_s=cpu, loop_s=loop, rss=memory["VmRSS"], peak=memory["VmHWM"])


def busy_s() -> float:
    """Seconds that all cores of the machine have worked since it started, for anybody."""
    user, nice, system, _idle, _wait, irq, soft, *_ = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + soft) / _TICK


def _seconds(path: str) -> float:
    # the name in brackets may hold anything; behind it user and system time are the 12th and 13th
    fields = Path(path).read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def run_loop(main: Coroutine[object, object, T]) -> T:
    """On uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


class Child:
    """A process of the benchmark that first says where it listens."""

    def __init__(self, target: Callable[..., None], *arguments: object) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
        self._process.start()
        theirs.close()
        assert self._process.pid is not None
        self.pid = self._process.pid
        self.address: str = self.receive(30)

    def receive(self, timeout_s: float) -> T:  # type: ignore[type-var]
        if not self.pipe.poll(timeout_s):
            raise TimeoutError("a process of the benchmark says nothing")
        return cast(T, self.pipe.recv())

    def stop(self) -> None:
        self._process.terminate()
        self._process.join(10)
        self.pipe.close()
