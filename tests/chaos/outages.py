"""Failures of the disk under a running service, and the checks of the service during each and after it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.sandbox.caller import call
from bridge.web.answers import BODIES
from tests.chaos.plant import Plant, plant
from tests.chaos.preload import Act, Kind
from tests.chaos.scenario import Findings, Progress, nothing
from tests.chaos.stubborn import Answer
from tests.service import LOOK_AGAIN

BUSY_TIMEOUT = 5.0
"""Seconds that a commit waits for a lock."""
CALLS = 5
"""Answered before a trouble may end."""
CALLERS, PAUSE = 6, 0.01
CONTENTS = (Kind.DATABASE, Kind.LOG, Kind.JOURNAL)
PAGE = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Outage:
    name: str
    of: Callable[[Plant], AbstractAsyncContextManager[None]]
    """While it is entered it lasts."""
    advice: str
    """Stands in the log when it begins."""
    lasts: float = 0
    """Seconds at least, whatever else is asked."""
    takes_nothing: bool = True
    """False: a little may still be stored, and be acknowledged then."""


@asynccontextmanager
async def _failing(at: Plant, acts: Sequence[Act], error: int, kinds: Sequence[Kind] = CONTENTS) -> AsyncIterator[None]:
    for act in acts:
        at.disk.fail(act, error, *kinds)
    try:
        yield
    finally:
        at.disk.behave()


@asynccontextmanager
async def _locked(at: Plant) -> AsyncIterator[None]:
    other = sqlite3.connect(at.service.database, isolation_level=None, timeout=10)
    try:
        other.execute("BEGIN EXCLUSIVE")
        yield
    finally:
        other.close()


@asynccontextmanager
async def _taken_away(at: Plant, suffix: str, *, replaced: bool) -> AsyncIterator[None]:
    file = at.service.database.with_name(at.service.database.name + suffix)
    aside = at.service.folder / "aside"
    if replaced:
        # In one step, so that there is never no file.
        os.link(file, aside)
        other = file.with_name("other")
        other.write_bytes(b"")
        other.replace(file)
    else:
        file.rename(aside)
    try:
        yield
    finally:
        aside.replace(file)


@asynccontextmanager
async def _full(at: Plant) -> AsyncIterator[None]:
    ballast = at.service.database.with_name("ballast")
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(PAGE)):  # until there is no space left: that is what it is for
            pass
    try:
        yield
    finally:
        ballast.unlink()


def _fails(acts: Sequence[Act], error: int, *kinds: Kind) -> Callable[[Plant], AbstractAsyncContextManager[None]]:
    return lambda at: _failing(at, acts, error, kinds or CONTENTS)


def _goes(suffix: str, *, replaced: bool = False) -> Callable[[Plant], AbstractAsyncContextManager[None]]:
    return lambda at: _taken_away(at, suffix, replaced=replaced)


SYNC_FAILS = Outage(
    name="sync fails", of=_fails((Act.SYNC,), errno.EIO, *Kind), advice="the disk reports an error: check the system"
)
WRITE_FAILS = Outage(
    name="write fails", of=_fails((Act.WRITE,), errno.EIO), advice="the disk reports an error: check the system"
)
NO_SPACE = Outage(name="no space", of=_fails((Act.WRITE,), errno.ENOSPC), advice="the disk is full: free some space")
READ_ONLY = Outage(
    name="read-only",
    of=_fails((Act.WRITE, Act.OPEN, Act.TRUNCATE, Act.UNLINK), errno.EROFS),
    advice="the disk reports an error: check the system",
)
LOCKED = Outage(
    name="locked", of=_locked, advice="another program has locked it: close that program", lasts=BUSY_TIMEOUT + 2
)
MOVED = Outage(name="database moved away", of=_goes(""), advice="Put it back, or stop the bridge")
REPLACED = Outage(name="database replaced", of=_goes("", replaced=True), advice="Put it back, or stop the bridge")
LOG_MOVED = Outage(name="log moved away", of=_goes("-wal"), advice="not by kill -9: what the log held is saved")
REALLY_FULL = Outage(name="tmpfs full", of=_full, advice="the disk is full: free some space", takes_nothing=False)
EVERY = (SYNC_FAILS, WRITE_FAILS, NO_SPACE, READ_ONLY, LOCKED, MOVED, REPLACED, LOG_MOVED)


# ---------------------------------------------------------------- what must be seen while it lasts, and after


@dataclass(kw_only=True, slots=True)
class Recovery:
    """Seconds from the end of a trouble."""

    acknowledged: float
    ready: float
    sent: float

    @property
    def intake(self) -> float:
        return max(self.acknowledged, self.ready)


async def outages(
    folder: Path,
    progress: Progress = nothing,
    *,
    which: Sequence[Outage],
    rounds: int = 1,
    lasts: float = 0,
    within: float | None = None,
    sabotage: str | None = None,
) -> Findings:
    """One service through all of them. ``within``: seconds in which it must have recovered, where that is judged."""
    findings = Findings()
    seen: list[tuple[str, Recovery]] = []
    async with plant(folder, sabotage=sabotage, callers=CALLERS, pause=PAUSE, recorded=False) as at:
        await at.service.start()
        outage = which[0]
        try:
            async with at.callers.calling():
                for outage in [*which] * rounds:
                    await at.callers.until_acknowledged(CALLERS)
                    broken, recovery = await _through(at, outage, max(lasts, outage.lasts))
                    findings.violations += [f"{outage.name}: {sentence}" for sentence in broken]
                    seen.append((outage.name, recovery))
                    progress(f"{outage.name}: intake after {recovery.intake:.2f} s, an SMS after {recovery.sent:.2f} s")
            findings.violations += await at.at_the_end()
        except* (AssertionError, TimeoutError) as group:  # what should come did not
            findings.violations += [f"{outage.name}: {error!r}"[:500] for error in group.exceptions]
    if within is not None:
        findings.violations += [
            f"{name}: {recovery.intake:.1f} s until it recovered" for name, recovery in seen if recovery.intake > within
        ]
    if not seen:
        return findings
    findings.figures |= {
        "outages": str(len(seen)),
        "worst recovery of intake": _worst(seen, lambda recovery: recovery.intake),
        "worst until an SMS left": _worst(seen, lambda recovery: recovery.sent),
        "acknowledged": str(len(at.callers.acknowledged)),
    }
    return findings


def _worst(seen: Sequence[tuple[str, Recovery]], what: Callable[[Recovery], float]) -> str:
    name, recovery = max(seen, key=lambda one: what(one[1]))
    return f"{what(recovery):.2f} s ({name})"


async def _through(at: Plant, outage: Outage, lasts: float) -> tuple[list[str], Recovery]:
    callers, before = at.callers, len(at.callers.answers)
    pid, told = at.service.pid, at.service.log.stat().st_size
    async with outage.of(at):
        began = time.monotonic()
        await callers.until(lambda: given(callers.answers[before:], began, outage.takes_nothing) >= CALLS)
        ready = await _until_ready(at, False)
        # Where only callers met the failure, no loop can report its end.
        met = await _logged(at, told, told_of)
        await asyncio.sleep(max(0.0, began + lasts - time.monotonic()))  # how long it lasts is part of the trouble
        broken = [] if ready else ["ready all the while"]
        if (await call(f"http://127.0.0.1:{at.service.web_port}/livez", b"")).status != 200:
            broken.append("the service does not live")
        ended = time.monotonic()
    recovery = await _recovered(at, ended)
    during = [answer for answer in callers.answers[before:] if answer.began >= began and answer.ended <= ended]
    broken += _wrong(during, outage.takes_nothing)
    if at.service.pid != pid:
        broken.append("the service is not the same process any more")
    # The next trouble is one of its own only where all loops are through this one: an outage is told once.
    if not met:
        broken.append("no loop met it")
    elif not await _logged(at, told, told_over):
        broken.append("the log does not say that it is over")
    if outage.advice.encode() not in _log_since(at, told):
        broken.append(f"the log does not say: {outage.advice}")
    return broken, recovery


async def _logged(at: Plant, since: int, what: Callable[[bytes], bool], *, seconds: float = 20) -> bool:
    """``since``: where the log ended before the trouble began."""
    try:
        async with asyncio.timeout(seconds):
            while not what(_log_since(at, since)):
                await asyncio.sleep(LOOK_AGAIN)
    except TimeoutError:
        return False
    return True


def _log_since(at: Plant, since: int) -> bytes:
    with at.service.log.open("rb") as log:
        log.seek(since)
        return log.read()


def told_of(log: bytes) -> bool:
    return b"store_unavailable" in log


def told_over(log: bytes) -> bool:
    """An outage was told, and each one's end. Where none was told nothing is over: perhaps it is just about to be."""
    return 0 < log.count(b"store_unavailable") == log.count(b"store_available")


def given(answers: Sequence[Answer], since: float, whichever: bool) -> int:
    """How many calls since then were answered, or sent away."""
    return sum(answer.began >= since and (whichever or not answer.brought.acknowledged) for answer in answers)


def refused(answers: Sequence[Answer], since: float) -> int:
    return given(answers, since, False)


def _wrong(during: Sequence[Answer], takes_nothing: bool) -> list[str]:
    given = sum(answer.brought.acknowledged for answer in during)
    refusal = BODIES[503].decode()
    odd = {
        f"{answer.brought.status} {answer.brought.body[:80]!r}"
        for answer in during
        if not answer.brought.acknowledged and (answer.brought.status, answer.brought.body) != (503, refusal)
    }
    return [
        *([f"{given} ids answered while it lasted"] if given and takes_nothing else []),
        *(f"not the constant refusal: {answer}" for answer in sorted(odd)),
    ]


async def _until_ready(at: Plant, wanted: bool, *, seconds: float = 10) -> bool:
    """True once ``/readyz`` says so; False where it never does."""
    url = f"http://127.0.0.1:{at.service.web_port}/readyz"
    try:
        async with asyncio.timeout(seconds):
            while ((await call(url, b"")).status == 200) != wanted:
                await asyncio.sleep(LOOK_AGAIN)
    except TimeoutError:
        return False
    return True


async def _recovered(at: Plant, since: float) -> Recovery:
    callers, before, taken = at.callers, len(at.callers.acknowledged), at.platform.taken

    async def ready() -> float:
        assert await _until_ready(at, True), "never ready again"
        return time.monotonic() - since

    async def acknowledged() -> float:
        await callers.until(lambda: len(callers.acknowledged) > before)
        return time.monotonic() - since

    async def sent() -> float:
        await at.platform.wait_for(lambda platform: platform.taken > taken, 60)
        return time.monotonic() - since

    first = await asyncio.gather(acknowledged(), ready(), sent())
    return Recovery(acknowledged=first[0], ready=first[1], sent=first[2])
