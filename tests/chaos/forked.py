"""A service that is ready in a fraction of the time, for scenarios that start it hundreds of times.

What runs is the real command in a process of its own, killed and started like any other. Only its imports, nine tenths
of a start, were done once by the process it is forked from (:mod:`tests.chaos.forker`).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress

from tests.service import START_SECONDS, Service


class ForkedProcess:
    """What :class:`Service` needs of a process; this one is another process's child."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = asyncio.Event()

    def send_signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def ended(self, code: int) -> None:
        self.returncode = code
        self._ended.set()


class ForkedService(Service):
    """:class:`Service` with cheap starts."""

    _forker: asyncio.subprocess.Process | None = None

    async def spawn(self) -> int:
        self.log.touch()
        before = self.log.stat().st_size
        forker = self._forker or await self._begin()
        assert forker.stdin is not None
        order = {"arguments": ["run", "-c", str(self.config)], "log": str(self.log)}
        forker.stdin.write(json.dumps(order).encode() + b"\n")
        async with asyncio.timeout(START_SECONDS):
            self._process = await self._born.get()
        return before

    async def close(self) -> None:
        await super().close()
        if self._forker is not None:
            assert self._forker.stdin is not None
            self._forker.stdin.close()
            async with asyncio.timeout(START_SECONDS):
                await self._forker.wait()
                await self._listening

    async def _begin(self) -> asyncio.subprocess.Process:
        self._born: asyncio.Queue[ForkedProcess] = asyncio.Queue()
        sabotage = self._module[1:]
        with self.log.open("ab") as log:
            self._forker = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.chaos.forker", *sabotage),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**os.environ, **self._environment},
            )
        self._listening = asyncio.create_task(self._listen(self._forker))
        return self._forker

    async def _listen(self, forker: asyncio.subprocess.Process) -> None:
        assert forker.stdout is not None
        alive: dict[int, ForkedProcess] = {}
        while line := await forker.stdout.readline():
            said = json.loads(line)
            if "pid" in said:
                alive[said["pid"]] = ForkedProcess(said["pid"])
                self._born.put_nowait(alive[said["pid"]])
            else:
                alive.pop(said["ended"]).ended(said["code"])
