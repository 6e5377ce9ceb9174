"""kill -9 at two exact moments of a message: between the commit and the launch of its reply, and between the platform's
answer and the commit that writes it.

What was ``sending`` then is unknown, also what had not left yet; nothing is sent a second time.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Literal

from bridge.sandbox.platform import SimulatedPlatform
from tests.chaos.callers import Callers, Delivery, delivery
from tests.chaos.rest import at_rest
from tests.chaos.s03_sender_killed import RULES, judged, sending
from tests.chaos.scenario import Findings, Progress, Scenario, nothing, scaled
from tests.service import Service, simulated_platform

KILLS = 60
"""Half of them at each moment."""
CONNECTIONS = 8
WANTED = 20
"""Replies a kill, each to another subscriber."""
STANDS_STILL_S = 60

Moment = Literal["launch", "answer"]


async def killed_between(
    folder: Path, progress: Progress = nothing, *, moment: Moment, kills: int, spoiled: str = "", seed: int = 21
) -> Findings:
    async with simulated_platform(balance=1e9) as platform:
        service = service_of(folder, platform)
        try:
            return await told(service, platform, progress, moment=moment, kills=kills, spoiled=spoiled, seed=seed)
        finally:
            await service.close()


def service_of(folder: Path, platform: SimulatedPlatform) -> Service:
    return Service(
        folder,
        platform,
        None,
        sabotage="killed_at",
        rules=RULES,
        connections=CONNECTIONS,
        max_age="off",
        status={"poll": ["6h"], "rate": "off"},
    )


async def told(
    service: Service,
    platform: SimulatedPlatform,
    progress: Progress,
    *,
    moment: Moment,
    kills: int,
    spoiled: str,
    seed: int,
) -> Findings:
    chance = random.Random(seed)
    findings = Findings()
    waiting: list[Delivery] = []
    callers = Callers(service.callback_url, 4, lambda: waiting.pop() if waiting else None, lambda done: None)
    in_flight: set[int] = set()
    try:
        callers.start()
        for kill in range(kills):
            after = str(chance.randint(1, WANTED))
            service.environment |= {"KILLED_AT": moment, "KILLED_AFTER": after, "SPOILED": spoiled}
            # Perhaps it is killed before it takes callbacks: what waits from the kill before may leave first.
            await service.spawn()
            waiting += batch(service.callback_url, kill)
            await service.ended(STANDS_STILL_S)
            in_flight |= sending(service)
            progress(f"{kill + 1} of {kills} kills at the {moment}, {platform.taken:,} SMS taken")
        service.environment["KILLED_AT"] = ""
        await service.start()
        await callers.until(kills * WANTED, STANDS_STILL_S)
        findings.violations += await at_rest(service, chats=False)
    except TimeoutError as error:
        findings.violations.append(f"stood still: {error}")
    finally:
        callers.close()
        await service.close()
    findings.violations += judged(service, platform, in_flight, wanted=kills * WANTED)
    unknown = service.count("SELECT count(*) FROM sms WHERE state = 'uncertain'")
    findings.figures |= {
        f"kills at the {moment}": f"{kills:,}",
        f"unknown by kills at the {moment}": f"{unknown:,} of {kills * WANTED:,} SMS",
    }
    if not spoiled and not in_flight:
        findings.violations.append("nothing was sending at any kill: nothing was tried")
    return findings


def batch(callback_url: str, kill: int) -> list[Delivery]:
    numbers = [kill * WANTED + number for number in range(WANTED)]
    return [
        delivery(callback_url, smsid=f"{number:07d}", sender=f"79{number:09d}", text=f"эхо {number}")
        for number in numbers
    ]


async def run(folder: Path, progress: Progress) -> Findings:
    findings = Findings()
    for moment in ("launch", "answer"):
        (folder / moment).mkdir()
        found = await killed_between(folder / moment, progress, moment=moment, kills=scaled(KILLS) // 2)
        findings.figures |= found.figures
        findings.violations += found.violations
    return findings


async def control(folder: Path, progress: Progress) -> Findings:
    return await killed_between(folder, progress, moment="answer", kills=3, spoiled="send_again_at_start")


SCENARIO = Scenario(
    number=21,
    title="kill -9 between commit and launch, between answer and commit",
    run=run,
    rule="what is found in flight at a start is of unknown outcome, not queued again",
    control=control,
)
