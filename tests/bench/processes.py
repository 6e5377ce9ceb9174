"""The processes of a benchmark: started, spoken to over a pipe, and what they cost the machine."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import re
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar, cast
from urllib.parse import urlsplit

from tests.postgres import SERVER

T = TypeVar("T")
_TICK = os.sysconf("SC_CLK_TCK")
_BACKEND = re.compile(rb"postgres: .*\((\d+)\) ")


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """Processor time of a process since its start: all threads, user and system."""

    cpu_s: float
    loop_s: float
    """Processor time of the first thread alone, where the event loop runs."""
    rss: int
    """Bytes, now."""
    peak: int
    """Bytes, at most so far."""
    server_s: float = 0
    """CPU seconds of the PostgreSQL backends that work for it, where they run on this machine."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(**{name: getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__})


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """The processes that are measured: one, or several that share the work."""

    callback_urls: tuple[str, ...]
    pids: tuple[int, ...]

    def usage(self) -> Usage:
        first, *others = [replace(usage(pid), server_s=sum(map(_cpu_s, backends(pid)))) for pid in self.pids]
        return sum(others, first)


def usage(pid: int) -> Usage:
    memory = {
        line.split(":")[0]: int(line.split()[1]) * 1024
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith(("VmRSS", "VmHWM"))
    }
    loop = _seconds(f"/proc/{pid}/task/{pid}/stat")
    return Usage(cpu_s=_cpu_s(pid), loop_s=loop, rss=memory["VmRSS"], peak=memory["VmHWM"])


def busy_s() -> float:
    """Seconds that all cores of the machine have worked since it started, for anybody."""
    user, nice, system, _idle, _wait, irq, soft, *_ = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + soft) / _TICK


def backends(pid: int) -> list[int]:
    """The processes of a PostgreSQL server on this machine that serve ``pid``.

    Their titles say who is connected, "postgres: USER DATABASE 127.0.0.1(PORT) idle"; the kernel says whose ports
    those are.
    """
    # the local address is the second field, in hexadecimal, the other's is the third; the inode is the tenth
    lines = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    to_server = f":{urlsplit(SERVER).port or 5432:04X}"
    ports = {
        f"socket:[{fields[9]}]": int(fields[1].rpartition(":")[2], 16)
        for fields in lines
        if fields[2].endswith(to_server)
    }
    own = {ports[name] for name in _open_files(pid) if name in ports}
    return [backend for backend, port in _servers() if port in own]


def _open_files(pid: int) -> Iterator[str]:
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            yield os.readlink(file)


def _servers() -> Iterator[tuple[int, int]]:
    """Backends that serve somebody over TCP, with that one's port."""
    for title in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # ended meanwhile
            if match := _BACKEND.match(title.read_bytes()):
                yield int(title.parent.name), int(match[1])


def _cpu_s(pid: int) -> float:
    return _seconds(f"/proc/{pid}/stat")


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
