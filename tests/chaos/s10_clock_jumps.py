"""The machine's clock jumps by a day, forward and back, while everything that can wait does wait.

The same hour runs without a jump and with one; the platforms, Telegram and the judge have a clock of their own, which
nobody sets. Nothing may wait longer than it is ever planned to, nothing may end before its time, nobody may be asked
more often than in the hour without a jump. A run in which the clock is only now set right (the machine had started with
a wrong one) and one in which the service is started anew on a wrong clock belong to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import bridge.app.sending
from bridge.model.base import DAY, SECOND, Ms
from bridge.pipeline.clock import SteadyClock
from bridge.pipeline.clockwatch import TAKE_OVER_AFTER, ClockWatch
from bridge.pipeline.retry import MAX_BACKOFF, MAX_POST_BACKOFF
from bridge.pipeline.suspensions import MAX_PROBE_WAIT
from bridge.pipeline.worker import IDLE
from tests.chaos.clock_hour import BALANCE, CALM, EARLIER, POLL, USUAL, Hour, Jump, Plan, Seen, Stay
from tests.chaos.scenario import Findings, Progress, Scenario, nothing

JUMPS = (
    Jump(name="a day forward and back", by=DAY, stay=Stay.LONG),
    Jump(name="a day back and forward", by=-DAY, stay=Stay.LONG),
    Jump(name="a day forward for a minute", by=DAY, stay=Stay.SHORT),
    Jump(name="a day back for a minute", by=-DAY, stay=Stay.SHORT),
    Jump(name="a day forward for good", by=DAY),
    Jump(name="a day back for good", by=-DAY),
    Jump(name="started a day behind, then set right", by=-DAY, stay=Stay.LONG, restart=True),
    Jump(name="started a day ahead, then set right", by=DAY, stay=Stay.LONG, restart=True),
)


# ------------------------------------------------ what must have come out


LONGEST_OF: Mapping[str, Ms] = {
    "SMS in back-off": MAX_BACKOFF,
    "probe of a held account": MAX_PROBE_WAIT,
    "balance": BALANCE,
    "status": POLL[-1],
    "chat post in back-off": MAX_POST_BACKOFF,
}


OVER_WITH_IT = frozenset({"status", "probe of a held account"})
"""Requests that the bridge does not make any more once their SMS are final."""


def compare(calm: Seen, seen: Seen, jump: Jump, plan: Plan) -> Iterator[str]:
    for what, longest in LONGEST_OF.items():
        if jump.started_ahead and what in OVER_WITH_IT:
            continue
        usual, asked = calm.asked[what], seen.asked[what]
        if len(asked) > len(usual) * 1.5 + 6:
            yield f"{what}: asked {len(asked)} times, {len(usual)} times without a jump"
        # A start is a beginning: what waits may wait from there.
        moments = sorted([*asked, plan.watched, *([plan.before] if jump.restart else [])])
        if (wait := max(later - earlier for earlier, later in pairwise(moments))) > longest + plan.slack:
            yield f"{what}: waited {wait / SECOND:.0f} s, never more than {longest / SECOND:.0f} s is planned"
    if not jump.restart:
        yield from _same_waits(calm, seen, plan)
    yield from _stale(seen, jump, plan)
    if seen.alerts > calm.alerts + 2:
        yield f"{seen.alerts} alerts, {calm.alerts} without a jump"


def _same_waits(calm: Seen, seen: Seen, plan: Plan) -> Iterator[str]:
    """A chat post's waits have no chance in them. They are compared one by one: their small delays add up."""
    what = "chat post in back-off"
    usual, came = calm.asked[what], seen.asked[what]
    if abs(len(came) - len(usual)) > 1:
        yield f"{what}: {len(came)} attempts, {len(usual)} without a jump"
    waits = (((later - earlier) for earlier, later in pairwise(asked)) for asked in (usual, came))
    for number, (expected, waited) in enumerate(zip(*waits, strict=False), 2):
        if abs(waited - expected) > plan.slack:
            yield (
                f"{what}: attempt {number} after a wait of {waited / SECOND:.0f} s, without a jump of"
                f" {expected / SECOND:.0f} s"
            )
            return


def _stale(seen: Seen, jump: Jump, plan: Plan) -> Iterator[str]:
    for text in (*EARLIER, "Ответ после"):
        least, most = plan.ttl, plan.ttl + plan.slack
        if jump.restart and text in EARLIER:
            # Written by an earlier run: judged by the wall clock, right or wrong.
            least, most = (0, most) if jump.started_ahead else (least, most + TAKE_OVER_AFTER)
        age = seen.stale.get(text)
        if age is None:
            yield f"{text}: not given up after its ttl of {plan.ttl / SECOND:.0f} s"
        elif not least <= age <= most:
            yield f"{text}: given up after {age / SECOND:.0f} s, its ttl is {plan.ttl / SECOND:.0f} s"


async def jumps(
    folder: Path,
    progress: Progress = nothing,
    *,
    which: Sequence[Jump],
    plan: Plan = USUAL,
    without: AbstractContextManager[object] | None = None,
) -> Findings:
    """``without`` takes the rule out of the hours with a jump."""
    found = Findings()
    calm = await Hour(folder / "calm", CALM, plan).run()
    hours = {CALM: calm}
    with without or nullcontext():
        for number, jump in enumerate(which):
            progress(jump.name)
            hours[jump] = await Hour(folder / str(number), jump, plan).run()
    for jump, seen in hours.items():
        broken = (*seen.violations, *compare(calm, seen, jump, plan))
        found.violations += [f"{jump.name}: {each}" for each in broken]
        found.figures[jump.name] = f"{sum(map(len, seen.asked.values()))} requests"
    return found


def unguarded() -> AbstractContextManager[object]:
    """The machine's wall clock as it is, and nobody who looks after it."""

    class Bare(SteadyClock):
        def now(self) -> Ms:
            return self._inner.now()

    async def asleep(_: ClockWatch) -> Ms:
        return IDLE

    both = ExitStack()
    both.enter_context(patch.object(bridge.app.sending, "SteadyClock", Bare))
    both.enter_context(patch.object(ClockWatch, "step", asleep))
    return both


async def run(folder: Path, progress: Progress) -> Findings:
    return await jumps(folder, progress, which=JUMPS)


async def control(folder: Path, progress: Progress) -> Findings:
    return await jumps(folder, progress, which=JUMPS[:2], without=unguarded())


SCENARIO = Scenario(
    number=10,
    title="the clock jumps by a day",
    run=run,
    rule="waits are counted by a clock without jumps",
    control=control,
)
