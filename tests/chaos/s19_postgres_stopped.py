"""The database server crashes under load and is away for a while: nothing is acknowledged meanwhile, nothing lost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

from bridge.pipeline.clock import SystemClock
from bridge.sandbox.ledger import SimulatedAccount
from bridge.sandbox.platform import SimulatedPlatform
from tests.chaos.rest import MOVING
from tests.chaos.scenario import Findings, Progress, Scenario, scaled
from tests.chaos.several import Balanced, Several, Talkers, in_order
from tests.postgres_cluster import Cluster, cluster

BRIDGES = 2
AWAY_S = 30
BACK_S = 5
"""Within which callbacks are acknowledged again, counted from the moment at which the server takes connections."""
LOAD_S = 5
"""Before it, and after it."""
CLIENTS = 8
SUBSCRIBERS = 2_000
STANDS_STILL_S = 60
MOST_LINES = 1
"""Log lines of each kind from one node about one outage: its loops report it together."""
MANY_LINES = frozenset({"sms_outcome_not_stored", "singleton_role_lost"})
"""Each about another SMS, or another singleton role."""

RULES = """\
rules:
  - name: echo
    when: {keyword: эхо}
    reply: "Ответ {{ args }}"
"""


async def postgres_stopped(
    folder: Path, progress: Progress, *, away: float, short: bool = False, sabotage: str | None = None, seed: int = 19
) -> Findings:
    """``short``: short leases, and a second of load before and after."""
    with cluster() as server:
        return await _stopped(server, folder, progress, away=away, short=short, sabotage=sabotage, seed=seed)


async def _stopped(
    server: Cluster, folder: Path, progress: Progress, *, away: float, short: bool, sabotage: str | None, seed: int
) -> Findings:
    platform = SimulatedPlatform(clock=SystemClock(), account=SimulatedAccount(sender_names=None, balance=1e9))
    await platform.start()
    several = Several(
        folder,
        BRIDGES,
        server.url(),
        platform,
        sabotage=sabotage,
        short=short,
        rules=RULES,
        max_age="off",
        status={"poll": ["6h"]},
    )
    findings = Findings()
    loop = asyncio.get_running_loop()
    people = Talkers(SUBSCRIBERS, "эхо {}", random.Random(seed), platform)
    try:
        await several.start()
        callers = Balanced(list(several.bridges), CLIENTS, people.next, people.note)
        callers.start()
        await asyncio.sleep(1 if short else LOAD_S)
        await asyncio.to_thread(server.crash)
        before = callers.count
        progress(f"server away, {before:,} acknowledged")
        await asyncio.sleep(away)
        during = callers.count - before
        await asyncio.to_thread(server.start)
        back = loop.time()
        await callers.until(callers.count + 1, STANDS_STILL_S)
        took = loop.time() - back
        progress(f"server back, acknowledged again after {took:.1f} s")
        await asyncio.sleep(1 if short else LOAD_S)
        people.over = True
        await callers.stop(STANDS_STILL_S)
        await several.until(MOVING, 0, seconds=STANDS_STILL_S)
        findings.violations += await several.judged(platform, people.acknowledged, chats=False)
        unknown = several.count("SELECT count(*) FROM sms WHERE state = 'uncertain'")
        # An answer that is on its way when the server goes still arrives.
        if during > CLIENTS:
            findings.violations.append(f"{during} callbacks acknowledged while the server was away")
        if took > BACK_S:
            findings.violations.append(f"acknowledged again {took:.1f} s after the server was back")
        findings.figures |= {
            "acknowledged": f"{len(people.acknowledged):,}",
            "refused meanwhile": f"{callers.refused:,}",
            "acknowledged again after": f"{took:.1f} s",
            "SMS sent": f"{platform.taken:,}",
            "called unknown": f"{unknown:,}",
        }
    except TimeoutError as error:
        findings.violations.append(f"stood still: {error}")
    finally:
        callers.close()
        await several.close()
        await platform.stop()
    findings.violations += [*in_order(platform), *noise(several)]
    return findings


def noise(several: Several) -> list[str]:
    """An outage is told when it begins and when it ends, not all the while."""
    said = []
    for bridge in several.bridges:
        lines = Counter(
            str(event["event"]) for event in bridge.events() if event.get("level") in ("warning", "error", "critical")
        )
        told = {event: count for event, count in lines.items() if count > MOST_LINES and event not in MANY_LINES}
        said += [f"{count} lines {event} in the log of one outage" for event, count in told.items()]
    return said


SCENARIO = Scenario(
    number=19,
    title="PostgreSQL crashes and is away",
    run=lambda folder, progress: postgres_stopped(folder, progress, away=scaled(AWAY_S, 5)),
    rule="commit before acknowledging",
    control=lambda folder, progress: postgres_stopped(folder, progress, away=3, sabotage="acknowledge_first"),
)
