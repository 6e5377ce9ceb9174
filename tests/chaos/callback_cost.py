"""Measures a callback while Telegram is there and while it is away, in real time, at the real service."""

from __future__ import annotations

import asyncio
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientSession, TCPConnector

from bridge.pipeline.clock import SystemClock
from bridge.sandbox.botapi.api import SimulatedBotApi
from bridge.sandbox.botapi.server import ApiOutage
from bridge.sandbox.platform import SimulatedPlatform
from tests.chaos.scenario import Findings, Progress, nothing
from tests.service import SUPPORT, Service

RULES = """\
rules:
  - name: everything
    forward: support
"""
OUTAGES = (ApiOutage.REFUSE, ApiOutage.HANG, ApiOutage.BAD_GATEWAY)
TURNS = 5
THERE = "there"
NOISE_MS = 10
"""The difference of a p99 from one minute to the next that a busy machine explains."""
GROWTH_MB = 40
"""SQLite's caches fill while a new database grows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """The times of callbacks in several turns, in milliseconds. The p99 is the median turn's: a machine that stands
    still for a second spoils one of them."""

    calls: int
    median: float
    p99: float

    @classmethod
    def of(cls, turns: Sequence[Sequence[float]]) -> Cost:
        each = [sorted(took) for took in turns]
        return cls(
            calls=sum(map(len, each)),
            median=statistics.median(took[len(took) // 2] for took in each),
            p99=statistics.median(took[len(took) * 99 // 100] for took in each),
        )

    def __str__(self) -> str:
        return f"median {self.median:.1f} ms, p99 {self.p99:.1f} ms of {self.calls}"


async def intake(folder: Path, progress: Progress = nothing, *, turn: int, rate: int) -> Findings:
    """Callbacks at an even ``rate`` a second, by turns with Telegram there and away; ``turn``: how many in each.

    All turns are short and of one length, because the machine has moods: they must meet both alike.
    """
    clock = SystemClock()
    platform = SimulatedPlatform(clock=clock, keep_book=False)
    telegram = SimulatedBotApi(clock=clock)
    telegram.add_chat(SUPPORT, forum=True)
    await platform.start()
    await telegram.start()
    service = Service(folder, platform, telegram, rules=RULES)
    times: dict[str, list[list[float]]] = defaultdict(list)
    weights: list[float] = []
    try:
        await service.start()
        async with ClientSession(connector=TCPConnector(limit=0)) as session:
            load = Load(service=service, session=session, rate=rate)
            await load.run(rate)  # the first second warms the program up
            for outage in OUTAGES * TURNS:
                times[THERE].append(await load.run(turn))
                telegram.down(outage)
                progress(f"{load.called} callbacks; Telegram: {outage}")
                times[outage].append(await load.run(turn))
                telegram.up()
                weights.append(load.weight())
        await service.until("SELECT count(*) FROM inbound WHERE state = 'new'", 0)
        stored = service.count("SELECT count(*) FROM inbound")
        code = await service.stop()
    finally:
        await service.close()
        await telegram.stop()
        await platform.stop()
    costs = {name: Cost.of(took) for name, took in times.items()}
    violations = list(_dearer(costs))
    if (grown := weights[-1] - weights[0]) > GROWTH_MB:
        violations.append(f"the service grew by {grown:.0f} MB with its backlog")
    if stored != load.called or code:
        violations.append(f"{load.called} callbacks were acknowledged, {stored} are stored; the service ended {code}")
    figures = {f"a callback, Telegram: {name}": str(cost) for name, cost in costs.items()}
    figures["memory"] = f"{weights[0]:.0f} MB, {weights[-1]:.0f} MB with {stored} SMS waiting"
    return Findings(figures={**figures, "callbacks a second": f"{rate}"}, violations=violations)


@dataclass(kw_only=True, slots=True)
class Load:
    """An even stream of callbacks, each timed from the moment at which it should have left."""

    service: Service
    session: ClientSession
    rate: int
    called: int = 0

    async def run(self, count: int) -> list[float]:
        loop = asyncio.get_running_loop()
        began = loop.time() + 0.1
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(self._call(began + number / self.rate)) for number in range(count)]
        return [call.result() * 1000 for call in calls]

    async def _call(self, at: float) -> float:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(at - loop.time())
        self.called += 1
        number = self.called
        fields = {
            "text": f"SMS {number} text",
            "smsid": str(number),
            "sender": f"7901{number % 500:07d}",
            "receiver": "1234",
        }
        async with self.session.get(self.service.callback_url, params=fields) as answer:
            body = await answer.text()
        assert body == f"smsid={number}", body
        return loop.time() - at

    def weight(self) -> float:
        status = Path(f"/proc/{self.service.pid}/status").read_text()
        kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
        return int(kilobytes) / 1024


def _dearer(costs: Mapping[str, Cost]) -> Iterator[str]:
    usual = costs[THERE].p99
    for name, cost in costs.items():
        if cost.p99 > max(usual * 2, usual + NOISE_MS):
            yield f"Telegram: {name}: a callback's p99 is {cost.p99:.1f} ms, with Telegram there {usual:.1f} ms"
