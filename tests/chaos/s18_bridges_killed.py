"""Three bridges on one database, a random one killed again and again under load: the others go on."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from pathlib import Path

from bridge.model.base import Ms
from bridge.pipeline.clock import SystemClock
from bridge.sandbox.faults import Fault
from bridge.sandbox.ledger import SimulatedAccount
from bridge.sandbox.platform import SimulatedPlatform
from tests import postgres
from tests.chaos import invariants
from tests.chaos.rest import MOVING
from tests.chaos.scenario import Findings, Progress, Scenario, scaled
from tests.chaos.several import Balanced, Several, Talkers, in_order
from tests.service import LOOK_AGAIN

BRIDGES = 3
SECONDS = 120
FEWEST_S, MOST_S = 3.0, 6.0
"""Between two kills."""
AWAY_S = 1.5
"""Until the killed one is started again."""
CLIENTS = 12
SUBSCRIBERS = 3_000
CONNECTIONS = 16
ANSWERED_AFTER: Ms = 200
STANDS_STILL_S = 60
UNKNOWN_AFTER_S = 150
"""A dead bridge's sends are called unknown after 75 s, and what waited behind them goes out then."""

RULES = """\
rules:
  - name: echo
    when: {keyword: эхо}
    reply: "Ответ {{ args }}"
"""


async def bridges_killed(
    folder: Path,
    progress: Progress,
    *,
    seconds: float,
    short: bool = False,
    sabotage: str | None = None,
    seed: int = 18,
) -> Findings:
    chance = random.Random(seed)
    platform = SimulatedPlatform(clock=SystemClock(), account=SimulatedAccount(sender_names=None, balance=1e9))
    platform.misbehave(Fault.SLOW, times=None, delay=ANSWERED_AFTER)
    await platform.start()
    url = await postgres.schema_of(folder)
    several = Several(
        folder,
        BRIDGES,
        url,
        platform,
        sabotage=sabotage,
        short=short,
        rules=RULES,
        settings={"logging": {"level": "warning"}},
        connections=CONNECTIONS,
        max_age="off",
        status={"poll": ["6h"], "rate": "off"},
    )
    findings = Findings()
    loop = asyncio.get_running_loop()
    people = Talkers(SUBSCRIBERS, "эхо {}", chance, platform)
    in_flight: set[int] = set()
    kills = 0
    try:
        await several.start()
        callers = Balanced(list(several.bridges), CLIENTS, people.next, people.note)
        callers.start()
        end = loop.time() + seconds
        while loop.time() < end:
            await asyncio.sleep(chance.uniform(FEWEST_S, MOST_S))
            victim = chance.choice(several.bridges)
            its_own = f"FROM sms WHERE state = 'sending' AND sent_by = '{several.id_of(victim)}'"
            await sends(several, its_own)
            await victim.kill()
            kills += 1
            left = several.rows(f"SELECT id {its_own}")
            in_flight |= {int(str(row[0])) for row in left}
            before = callers.count
            await asyncio.sleep(AWAY_S)
            if callers.count == before:
                findings.violations.append(f"nothing was acknowledged while one of {BRIDGES} bridges was away")
            await victim.start()
            progress(f"{kills} kills, {len(people.acknowledged):,} acknowledged, {platform.taken:,} SMS taken")
        people.over = True
        await callers.stop(STANDS_STILL_S)
        await several.until(MOVING, 0, seconds=UNKNOWN_AFTER_S)
        findings.violations += await several.judged(platform, people.acknowledged, chats=False)
    except TimeoutError as error:
        findings.violations.append(f"stood still: {error}")
    finally:
        callers.close()
        await several.close()
        await platform.stop()
    unknown = {int(str(row[0])) for row in several.rows("SELECT id FROM sms WHERE state = 'uncertain'")}
    findings.violations += [
        *invariants.said("SMS called unknown that was not in flight at a kill", sorted(unknown - in_flight)),
        *in_order(platform),
    ]
    findings.figures |= {
        "kills": f"{kills:,}",
        "acknowledged": f"{len(people.acknowledged):,}",
        "SMS sent": f"{platform.taken:,}",
        "in flight at a kill": f"{len(in_flight):,}",
        "called unknown": f"{len(unknown):,}",
    }
    return findings


async def sends(several: Several, its_own: str) -> None:
    """Until it has something in flight; not for long, for it may have nothing to send."""
    with suppress(TimeoutError):
        async with asyncio.timeout(MOST_S):
            while not several.count(f"SELECT count(*) {its_own}"):
                await asyncio.sleep(LOOK_AGAIN)


SCENARIO = Scenario(
    number=18,
    title="kill -9 of one of three bridges on PostgreSQL",
    run=lambda folder, progress: bridges_killed(folder, progress, seconds=scaled(SECONDS, 10)),
    rule="what a bridge that is gone was sending is of unknown outcome, not queued again",
    control=lambda folder, progress: bridges_killed(
        folder, progress, seconds=8, short=True, sabotage="lost_is_sent_again"
    ),
)
