"""kill -9 in the middle of sending: nothing goes out twice, and what was in flight is called unknown."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from bridge.model.base import Ms
from bridge.pipeline.clock import SystemClock
from bridge.sandbox.faults import Fault
from bridge.sandbox.ledger import SimulatedAccount
from bridge.sandbox.platform import SimulatedPlatform
from tests.chaos import invariants
from tests.chaos.callers import Callers, Delivery, delivery
from tests.chaos.rest import at_rest
from tests.chaos.scenario import Findings, Progress, Scenario, scaled
from tests.service import Service

KILLS = 200
CONNECTIONS = 8
"""At most so many SMS are in flight."""
WANTED = 20
"""Replies a kill, each to another subscriber."""
ANSWERED_AFTER: Ms = 60
STANDS_STILL_S = 60

RULES = """\
rules:
  - name: echo
    when: {keyword: эхо}
    reply: "Ответ {{ args }}"
"""


async def sender_killed(
    folder: Path, progress: Progress, *, kills: int, sabotage: str | None = None, seed: int = 3
) -> Findings:
    chance = random.Random(seed)
    platform = SimulatedPlatform(clock=SystemClock(), account=SimulatedAccount(sender_names=None, balance=1e9))
    platform.misbehave(Fault.SLOW, times=None, delay=ANSWERED_AFTER)
    await platform.start()
    service = Service(
        folder,
        platform,
        None,
        sabotage=sabotage,
        rules=RULES,
        connections=CONNECTIONS,
        max_age="off",
        status={"poll": ["6h"], "rate": "off"},
    )
    findings = Findings()
    waiting: list[Delivery] = []
    callers = Callers(service.callback_url, 4, lambda: waiting.pop() if waiting else None, lambda done: None)
    in_flight: set[int] = set()
    try:
        await service.start()
        callers.start()
        for kill in range(kills):
            least = platform.taken + chance.randint(1, WANTED)
            waiting += batch(service.callback_url, kill)
            await platform.wait_for(lambda each, least=least: each.taken >= least, STANDS_STILL_S)
            # Anywhere between a request's arrival and the note of its answer.
            await asyncio.sleep(chance.uniform(0, 2 * ANSWERED_AFTER / 1000))
            await service.kill()
            caught = sending(service)
            in_flight |= caught
            # An answer waits some milliseconds for its commit, and its connection sends the next SMS meanwhile.
            if len(caught) > 2 * CONNECTIONS:
                findings.violations.append(f"{len(caught)} SMS in flight by {CONNECTIONS} connections, kill {kill}")
            await service.start()
            progress(f"{kill + 1} of {kills} kills, {platform.taken:,} SMS taken, {len(in_flight):,} were in flight")
        await callers.until(kills * WANTED, STANDS_STILL_S)
        platform.behave()
        findings.violations += await at_rest(service, chats=False)
    except TimeoutError as error:
        findings.violations.append(f"stood still: {error}")
    finally:
        callers.close()
        await service.close()
        await platform.stop()
    findings.violations += judged(service, platform, in_flight, wanted=kills * WANTED)
    unknown = service.count("SELECT count(*) FROM sms WHERE state = 'uncertain'")
    ids = {row[0] for row in service.rows("SELECT platform_ids ->> 0 FROM sms")}
    findings.figures |= {
        "kills": f"{kills:,}",
        "SMS wanted": f"{kills * WANTED:,}",
        "taken by the platform": f"{platform.taken:,}",
        "in flight at a kill": f"{len(in_flight):,}",
        "called unknown": f"{unknown:,}",
        "of these taken": f"{sum(sms.id not in ids for sms in platform.book):,}",
    }
    return findings


def batch(callback_url: str, kill: int) -> list[Delivery]:
    numbers = [kill * WANTED + number for number in range(WANTED)]
    return [
        delivery(callback_url, smsid=f"{number:07d}", sender=f"79{number:09d}", text=f"эхо {number}")
        for number in numbers
    ]


def sending(service: Service) -> set[int]:
    """The SMS that a killed bridge left in flight."""
    return {int(str(row[0])) for row in service.rows("SELECT id FROM sms WHERE state = 'sending'")}


def judged(service: Service, platform: SimulatedPlatform, in_flight: set[int], *, wanted: int) -> list[str]:
    unknown = {int(str(row[0])) for row in service.rows("SELECT id FROM sms WHERE state = 'uncertain'")}
    written = service.count("SELECT count(*) FROM sms")
    return [
        *([] if written == wanted else [f"{written} SMS in the store, not {wanted}"]),
        *invariants.said("SMS in flight at a kill and not called unknown", sorted(in_flight - unknown)),
        *invariants.said("SMS called unknown that was not in flight at a kill", sorted(unknown - in_flight)),
        *invariants.store(service.database),
        *invariants.platform(service.database, platform.book),
        *invariants.sent_once(platform.book),
    ]


SCENARIO = Scenario(
    number=3,
    title="kill -9 of the sender",
    run=lambda folder, progress: sender_killed(folder, progress, kills=scaled(KILLS)),
    rule="what is found in flight at a start is of unknown outcome, not queued again",
    control=lambda folder, progress: sender_killed(folder, progress, kills=3, sabotage="send_again_at_start"),
)
