"""Idle and half-open connections by the thousand, and few open files: a good call gets in all the same, soon.

Each wave has a service of its own. Its callers connect once and then say nothing, half of a request line or half of the
headers, until they are thrown out; some ask and ask and never read an answer.
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.pipeline.clock import SystemClock
from bridge.sandbox.ledger import SimulatedAccount
from bridge.sandbox.platform import SimulatedPlatform
from tests.chaos.many_callers import ManyCallers, Wave, make_room_for
from tests.chaos.scenario import Findings, Progress, Scenario, nothing, scaled
from tests.service import LOOK_AGAIN, Service

PATIENCE = 15.0
"""Seconds within which a good call must be answered, however crowded it is."""
SLOWEST, GROWN, WRITTEN = "slowest good call", "service grew by", "log"
RETRY_GAP = 0.25
"""Seconds between two calls of a platform that was not answered."""
LOG_LIMIT = 1_000_000
MEMORY_LIMIT = 64 << 20
"""Bytes that the service may have grown by at its height."""
AFTERWARDS = 20
"""Good calls right after the crowd has gone; each must be taken at the first attempt."""
OUTGOING = 8
"""Files that the service may have more than at its start: connections to the platform that it keeps."""


@dataclass(kw_only=True, slots=True)
class Watched:
    """The service's process as the kernel shows it."""

    pid: int
    port: int

    @property
    def callers(self) -> int:
        """How many connections its listener holds."""
        here, established = f":{self.port:04X}", "01"
        rows = (line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:])
        return sum(row[1].endswith(here) and row[3] == established for row in rows)

    @property
    def files(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def memory(self, name: str) -> int:
        """Bytes; ``VmRSS`` now, ``VmHWM`` the most so far."""
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
        raise LookupError(name)


class Caller:
    """The platform: repeats a call until it is acknowledged."""

    def __init__(self, platform: SimulatedPlatform, service: Service) -> None:
        self._platform = platform
        self._service = service
        self._smsid = 5_000_000

    async def good_call(self, patience: float) -> tuple[float, int]:
        """Seconds until it was acknowledged or too late, and how many attempts that were."""
        self._smsid += 1
        began = time.monotonic()
        attempts = 0
        while time.monotonic() <= began + patience:
            attempts += 1
            brought = await self._platform.send_callback(
                self._service.callback_url, text="эхо раз", sender=f"7900{self._smsid}", smsid=str(self._smsid)
            )
            if brought.acknowledged:
                break
            await asyncio.sleep(RETRY_GAP)
        return time.monotonic() - began, attempts


async def crowded(
    folder: Path,
    progress: Progress = nothing,
    *,
    wave: Wave,
    stays: float,
    patience: float = PATIENCE,
    log_limit: int = LOG_LIMIT,
    sabotage: str = "narrow",
) -> Findings:
    """One wave: it comes, good calls are made beside it for ``stays`` seconds at least, it goes, all is as before."""
    findings = Findings()
    platform = SimulatedPlatform(clock=SystemClock(), account=SimulatedAccount(sender_names=None, balance=1e9))
    await platform.start()
    service = Service(
        folder, platform, None, sabotage=sabotage, environment=wave.world, new_interpreter=True, max_age="off"
    )
    caller = Caller(platform, service)
    try:
        await service.start()
        process = Watched(pid=service.pid, port=service.port)
        before, files = process.memory("VmRSS"), process.files
        if wave.files_later is not None:
            limit = files + wave.files_later
            resource.prlimit(service.pid, resource.RLIMIT_NOFILE, (limit, limit))
        callers = ManyCallers(service.port, wave)
        began, slowest, last = time.monotonic(), 0.0, False
        coming = asyncio.create_task(callers.come())
        # The caller that comes when the last slot has just gone waits longest.
        full = asyncio.create_task(callers.full.wait())
        await asyncio.wait([coming, full], return_when=asyncio.FIRST_COMPLETED)
        full.cancel()
        while not last:
            last = coming.done() and time.monotonic() >= began + stays
            took, attempts = await caller.good_call(patience)
            slowest = max(slowest, took)
            progress(f"{wave.name}: a good call after {took:.2f} s and {attempts} attempts")
            if took > patience:
                findings.violations.append(f"a good call was not answered within {patience:.0f} s ({took:.1f} s)")
                break
            await asyncio.sleep(RETRY_GAP)
        await coming
        if wave.deaf and not await comes_true(lambda: process.callers == 0, 2 * patience):
            findings.violations.append(f"who never reads stays: {process.callers} connections")
        await callers.go()
        findings.figures[SLOWEST] = f"{slowest:.1f} s"
        if not findings.violations:
            findings.violations += await calm(caller, process, files, patience)
        grown = process.memory("VmHWM") - before
        findings.figures[GROWN] = f"{grown / 1e6:.1f} MB"
        if grown > MEMORY_LIMIT:
            findings.violations.append(f"the service grew by {grown / 1e6:.0f} MB")
        code = await service.stop()
        if code:
            findings.violations.append(f"the service did not stop in peace: exit code {code}")
    finally:
        await service.close()
        await platform.stop()
    written = service.log.stat().st_size
    findings.figures[WRITTEN] = f"{written / 1e3:.0f} kB"
    if written > log_limit:
        findings.violations.append(f"the log has {written} bytes")
    tracebacks = service.log.read_text(encoding="utf-8").count("Traceback")
    if tracebacks:
        findings.violations.append(f"{tracebacks} tracebacks in the log")
    return findings


async def calm(caller: Caller, process: Watched, files: int, patience: float) -> Sequence[str]:
    """The differences from the time before the callers came."""
    found = []
    if not await comes_true(lambda: process.callers == 0 and process.files <= files + OUTGOING, patience):
        found.append(f"{process.callers} connections stay; {process.files} files are open, {files} before")
    for _ in range(AFTERWARDS):
        _, attempts = await caller.good_call(patience)
        if attempts > 1:
            found.append(f"afterwards a good call needed {attempts} attempts")
    return found


async def comes_true(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(LOOK_AGAIN)
    return True


CALLERS = scaled(2_000, 300)
WAVES = (
    Wave(name="many addresses", callers=CALLERS, addresses=1_000),
    Wave(name="say nothing", callers=CALLERS, says=(b"",)),
    Wave(name="one stranger", callers=CALLERS, addresses=1, world={"CHAOS_STRANGERS": "1"}),
    Wave(name="few files", callers=CALLERS, world={"CHAOS_FILES": "128"}),
    Wave(name="files run short", callers=CALLERS, files_later=20),
    # The plain loop lets nobody in while it has no file, not even to be refused: a good call waits in a line.
    Wave(name="files run short, plain loop", callers=30, files_later=20, world={"CHAOS_LOOP": "asyncio"}),
    Wave(name="never read", callers=200, deaf=6, world={"CHAOS_SENDBUFFER": "65536"}),
)
STAYS = 11.0
"""Seconds: past the listener's own limit for half a request."""


async def run(folder: Path, progress: Progress) -> Findings:
    """Half of the waves at a time: most of it is waiting."""
    found: dict[str, Findings] = {}

    async def one(wave: Wave) -> None:
        inside = folder / wave.name
        inside.mkdir()
        found[wave.name] = await crowded(inside, progress, wave=wave, stays=STAYS)

    make_room_for(sum(wave.callers + wave.deaf for wave in WAVES))
    for half in (WAVES[::2], WAVES[1::2]):
        await asyncio.gather(*map(one, half))
    slowest = ", ".join(f"{wave.name} {found[wave.name].figures[SLOWEST]}" for wave in WAVES)
    return Findings(
        figures={
            "callers": f"{CALLERS} in each of {len(WAVES)} waves",
            "slowest good call:": slowest,
            **most(found.values()),
        },
        violations=[f"{wave.name}: {violation}" for wave in WAVES for violation in found[wave.name].violations],
    )


def most(parts: Iterable[Findings]) -> Mapping[str, str]:
    """The largest of each, by the number it begins with."""
    listed = list(parts)
    return {
        name: max((part.figures[name] for part in listed), key=lambda figure: float(figure.split()[0]))
        for name in (GROWN, WRITTEN)
    }


async def control(folder: Path, progress: Progress) -> Findings:
    """Without limits on idle connections nobody gets in; without quieting the log runs full. Both must show."""
    patient, loud = folder / "patient", folder / "loud"
    patient.mkdir()
    loud.mkdir()
    few = Wave(name="no limits", callers=400, world={"CHAOS_FILES": "128"})
    short = Wave(name="no quieting", callers=30, files_later=20, world={"CHAOS_LOOP": "asyncio"})
    idle, full = await asyncio.gather(
        crowded(patient, progress, wave=few, stays=0, sabotage="patient_listener"),
        crowded(loud, progress, wave=short, stays=STAYS, sabotage="loud_accept"),
    )
    kept_out = [violation for violation in idle.violations if "was not answered" in violation]
    filled = [violation for violation in full.violations if violation.startswith("the log has")]
    return Findings(violations=[*kept_out, *filled] if kept_out and filled else [])


SCENARIO = Scenario(
    number=12,
    title="idle and half-open connections, few files",
    run=run,
    rule="limits on idle connections and on their number; accept errors are told once",
    control=control,
)
