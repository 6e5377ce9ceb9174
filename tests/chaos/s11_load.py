"""A thousand callbacks a second, then a platform that needs half a second for each answer: intake does not notice.

The pace is open: callbacks come when they are due, whatever the bridge does, and its latency counts from then. With the
slow platform the queue of SMS grows by most of what comes in; it must cost neither latency nor memory, and is worked
off in its order once the platform is well again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.bench.load import LOGIN, PASSWORD, SCRIPT, SENDER_NAME
from tests.bench.processes import usage
from tests.bench.whole import Setup, rules
from tests.chaos import invariants
from tests.chaos.farload import KEYWORDS, FarLoad, Seen, Wave
from tests.chaos.rest import at_rest
from tests.chaos.scenario import Findings, Progress, Scenario, scaled
from tests.chaos.tools import each
from tests.service import Service

RATE = 1_000
SECONDS = 120
SLOW_SECONDS = 40
SLOW_ANSWER_S = 0.5
P99_MS = 100
CALLERS = 64
CONNECTIONS = 64
"""To the platform: a slow one takes so many SMS in each half second."""
SETTLED_AFTER_S = 10
"""From here on the service's memory is looked at: caches are warm, and SQLite's are full."""
LOOK_EVERY_S = 0.5
DRAIN_S = 240
WARM_UP = 300
EVERY_BYTES = 100
"""A message may leave so much behind: far less than one kept in memory, more than what an allocator wastes."""
FLAT_MB = 16
"""And this, however many there were: pages of SQLite's caches, an allocator's spare."""


@dataclass(frozen=True, slots=True)
class Page:
    """The platform in the other process, as the service's configuration wants it."""

    url: str


class Memory:
    """Bytes of the service's resident memory while something runs; pages of files are not in it."""

    def __init__(self, pid: int, settled_after: float) -> None:
        self._pid = pid
        self._settled_after = settled_after
        self._looks: list[tuple[float, int]] = []
        self.task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            self._looks.append((loop.time() - began, usage(self._pid).rss))
            await asyncio.sleep(LOOK_EVERY_S)

    @property
    def first(self) -> int:
        """Once it had settled; of a shorter run, its middle."""
        half = self._looks[-1][0] / 2
        return next(rss for at, rss in self._looks if at >= min(self._settled_after, half))

    @property
    def last(self) -> int:
        return self._looks[-1][1]

    @property
    def growth(self) -> int:
        return self.last - self.first

    def __str__(self) -> str:
        return f"{self.first / 1e6:.0f} → {self.last / 1e6:.0f} MB"


async def load(
    folder: Path,
    progress: Progress,
    *,
    rate: int,
    seconds: float,
    slow_seconds: float,
    settled_after: float = SETTLED_AFTER_S,
    timed: bool = True,
    sabotage: str | None = None,
) -> Findings:
    """``timed``: judge latencies and memory too, which needs a machine with nothing else to do."""
    findings = Findings()
    with FarLoad() as far:
        service = Service(
            folder,
            Page(far.url),  # type: ignore[arg-type]
            None,
            sabotage=sabotage,
            rules=yaml.safe_dump({"rules": rules(Setup(rules=KEYWORDS))}, allow_unicode=True),
            settings={"guards": {"daily_parts": 10_000_000}, "logging": {"level": "info"}},
            login=LOGIN,
            password=PASSWORD,
            sender=SENDER_NAME,
            script=SCRIPT,
            connections=CONNECTIONS,
            status={},
        )
        try:
            await service.start()
            run = Run(service, far, rate, settled_after, progress)
            await run.wave("warming up", min(rate, WARM_UP), 0.0)
            well = await run.wave("platform well", round(rate * seconds), 0.0)
            slow = await run.wave("platform slow", round(rate * slow_seconds), SLOW_ANSWER_S)
            findings.violations += await at_rest(service, chats=False)
            code = await service.stop()
        finally:
            await service.close()
    for phase in (well, slow):
        findings.violations += phase.lost()
        findings.violations += phase.hurt() if timed else ()
        findings.figures |= phase.figures()
    findings.violations += judged(service, run.brought, code)
    return findings


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """The result of one wave."""

    name: str
    messages: int
    seen: Seen
    memory: Memory
    queued: int
    """SMS that waited when the last callback was acknowledged."""

    def lost(self) -> Iterator[str]:
        seen = self.seen
        if seen.unanswered:
            yield f"{self.name}: {seen.unanswered} callbacks without an acknowledgement"
        if seen.acknowledged + seen.unanswered != self.messages or seen.replied != seen.acknowledged:
            yield (
                f"{self.name}: {self.messages} messages, {seen.acknowledged} acknowledged, "
                f"{seen.replied} replied to in time"
            )
        if seen.doubled or seen.strange:
            yield f"{self.name}: {seen.doubled} replies sent twice, {seen.strange} that nobody was to get"
        # Callbacks come in by many connections, and SMS leave by many: neighbours may pass each other, no more.
        if seen.overtaken > 2 * (CALLERS + CONNECTIONS):
            yield f"{self.name}: a reply left {seen.overtaken} places before its turn"

    def hurt(self) -> Iterator[str]:
        if self.seen.ack.p99 >= P99_MS:
            yield f"{self.name}: p99 of intake is {self.seen.ack.p99:.0f} ms"
        if self.memory.growth > FLAT_MB * 1_000_000 + EVERY_BYTES * self.messages:
            yield f"{self.name}: memory grew by {self.memory.growth / 1e6:.0f} MB ({self.memory})"

    def figures(self) -> dict[str, str]:
        seen = self.seen
        return {
            self.name: f"{seen.acknowledged:,} at {seen.acknowledged / seen.intake_s:,.0f}/s, acknowledged after "
            f"{seen.ack} ms (p50/p99/max; generator {seen.late} late); memory {self.memory}; "
            f"{self.queued:,} SMS waited at its end, gone {seen.drained_s:.1f} s later, "
            f"out of turn by {seen.overtaken} places at most"
        }


class Run:
    """Wave after wave on one service."""

    def __init__(self, service: Service, far: FarLoad, rate: int, settled_after: float, progress: Progress) -> None:
        self.brought = 0
        self._service = service
        self._far = far
        self._rate = rate
        self._settled_after = settled_after
        self._progress = progress

    async def wave(self, name: str, messages: int, answer_after_s: float) -> Phase:
        limit = 3 * messages / self._rate + DRAIN_S
        self._far.begin(
            Wave(
                callback_url=self._service.callback_url,
                first=self.brought,
                messages=messages,
                rate=self._rate,
                answer_after_s=answer_after_s,
                limit_s=limit,
                connections=CALLERS,
            )
        )
        self.brought += messages
        memory = Memory(self._service.pid, self._settled_after)
        self._progress(f"{name}: {messages:,} callbacks, {self._rate:,}/s")
        queued = 0
        try:
            said = await self._far.says(limit + 30)
            if not isinstance(said, Seen):
                queued = self._service.count("SELECT count(*) FROM sms WHERE state = 'queued'")
                self._progress(f"{name}: all acknowledged, {queued:,} SMS wait")
                said = await self._far.says(limit + 30)
        finally:
            memory.task.cancel()
            await asyncio.gather(memory.task, return_exceptions=True)
        return Phase(name=name, messages=messages, seen=said, memory=memory, queued=queued)


def judged(service: Service, brought: int, code: int) -> Iterator[str]:
    stored = service.count("SELECT count(*) FROM inbound")
    sent = service.count("SELECT count(*) FROM sms WHERE state IN ('sent', 'delivered')")
    if stored != brought or sent != brought:
        yield f"{brought} messages, {stored} in the store, {sent} replies of which it says sent"
    if code:
        yield f"the service ended with {code}"
    yield from invariants.said("SMS that left before an earlier one of the queue", out_of_turn(service))
    yield from invariants.store(service.database)
    with service.log.open("rb") as log:
        yield from invariants.said("error in the log", [line[:200] for line in log if b'"level": "error"' in line])


def out_of_turn(service: Service) -> list[object]:
    """Rows with one priority that are due at once start in the order in which they were written."""
    rows = service.rows("""
        SELECT sms_id FROM (
            SELECT id, sms_id, max(sms_id) OVER (ORDER BY id) AS latest FROM sms_event WHERE move = 'start')
        WHERE sms_id < latest ORDER BY id""")
    return [row[0] for row in rows]


async def control(folder: Path, progress: Progress) -> Findings:
    """Each small, and judged by what its rule is about alone."""
    return each(await waits_for_sending(folder, progress), await remembers_all(folder, progress))


async def waits_for_sending(folder: Path, progress: Progress) -> Findings:
    """A callback is answered once its reply left: with a slow platform that takes longer than is allowed."""
    return await only(folder / "waits", progress, "p99", "sends_before_answering", rate=100, seconds=1, slow_seconds=2)


async def remembers_all(folder: Path, progress: Progress) -> Findings:
    """Keeps acknowledged messages in memory: some 2 KB each, much more than may stay behind."""
    sizes = {"rate": 400, "seconds": 30, "slow_seconds": 0.5, "settled_after": 5}
    return await only(folder / "remembers", progress, "memory", "remembers_all", **sizes)


async def only(folder: Path, progress: Progress, about: str, sabotage: str, **sizes: float) -> Findings:
    folder.mkdir()
    findings = await load(folder, progress, sabotage=sabotage, **sizes)  # type: ignore[arg-type]
    return Findings(figures=findings.figures, violations=[said for said in findings.violations if about in said])


async def run(folder: Path, progress: Progress) -> Findings:
    return await load(
        folder, progress, rate=RATE, seconds=scaled(SECONDS, least=10), slow_seconds=scaled(SLOW_SECONDS, least=5)
    )


SCENARIO = Scenario(
    number=11,
    title="a thousand callbacks a second, and a slow platform",
    run=run,
    rule="intake waits for the disk alone, and what waits is in the store alone",
    control=control,
    alone=True,
)
