"""``sms-bridge`` as a process of its own: killed at any moment, judged by its exit code, its output and its log.

Importing the program takes most of a second of processor time, and the tests start it hundreds of times. So each
process is forked from one that has imported the program; :mod:`multiprocessing` keeps that one. When the tests end, in
whatever way, it ends and all forked processes with it.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import json
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

PRELOADED = ["bridge.cli", "bridge.app.running", "bridge.telegram.service", "bridge.telegram.setup.checks"]
_forked = multiprocessing.get_context("forkserver")
_forked.set_forkserver_preload([*PRELOADED, __name__])


@dataclass(frozen=True, kw_only=True, slots=True)
class Streams:
    """Files that are a process's standard streams; what is written is added at their end."""

    stdin: Path = Path(os.devnull)
    stdout: Path = Path(os.devnull)
    stderr: Path = Path(os.devnull)


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    out: str
    err: str

    def json(self) -> object:
        return json.loads(self.out)


class Forked:
    """A process that runs ``sms-bridge`` with these arguments. It has the interface of asyncio's ``Process``."""

    def __init__(
        self,
        arguments: Sequence[str],
        streams: Streams,
        *,
        environment: Mapping[str, str] | None = None,
        sabotage: str | None = None,
    ) -> None:
        """``environment`` is added to ours; ``sabotage`` names a module of ``tests.chaos.sabotage``."""
        around = {**os.environ, **(environment or {})}
        work = (tuple(arguments), streams, around, sabotage)
        self._process: ForkServerProcess = _forked.Process(target=_main, args=work, daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    async def wait(self) -> int:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._process.sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode


_PR_SET_PDEATHSIG = 1


def _main(arguments: Sequence[str], streams: Streams, environment: Mapping[str, str], sabotage: str | None) -> None:
    """Be the command as if it had just been started."""
    from bridge.cli import main

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.environ.clear()
    os.environ.update(environment)
    for number, path in enumerate((streams.stdin, streams.stdout, streams.stderr)):
        opened = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT if number else os.O_RDONLY, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin, sys.stdout = open(0, encoding="utf-8"), open(1, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if sabotage:
        importlib.import_module(f"tests.chaos.sabotage.{sabotage}").apply()
    try:
        main(arguments, prog_name="sms-bridge")
    except Exception:
        sys.excepthook(*sys.exc_info())  # multiprocessing would print it past the program's own
        sys.exit(1)


async def sms_bridge(*arguments: str, stdin: str = "") -> Result:
    """Run the command to its end."""
    with tempfile.TemporaryDirectory() as name:
        streams = Streams(**{each: Path(name) / each for each in ("stdin", "stdout", "stderr")})
        streams.stdin.write_text(stdin, encoding="utf-8")
        process = Forked(arguments, streams)
        async with asyncio.timeout(60):
            code = await process.wait()
        return Result(code, streams.stdout.read_text(encoding="utf-8"), streams.stderr.read_text(encoding="utf-8"))
