"""Two bridges, one bot: whoever asks Telegram is killed again and again, no answer is lost and none goes out twice."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from bridge.pipeline.clock import SystemClock
from bridge.sandbox.botapi.api import SimulatedBotApi
from bridge.sandbox.botapi.state import ServerOptions
from bridge.sandbox.ledger import SimulatedAccount
from bridge.sandbox.platform import SimulatedPlatform
from tests import postgres
from tests.chaos import invariants
from tests.chaos.busy_team import Team
from tests.chaos.rest import MOVING
from tests.chaos.s05_telegram_killed import RULES
from tests.chaos.scenario import Findings, Progress, Scenario, scaled
from tests.chaos.several import Several
from tests.service import SUPPORT, Service

BRIDGES = 2
KILLS = 12
SUBSCRIBERS = 5
ANSWERS = 10
"""Operators' messages between two kills."""
TAKEN_OVER_S = 20
"""After this time another node has the singleton role of a dead one."""
STANDS_STILL_S = 60


async def one_poller(
    folder: Path, progress: Progress, *, kills: int, short: bool = False, sabotage: str | None = None, seed: int = 20
) -> Findings:
    chance = random.Random(seed)
    clock = SystemClock()
    platform = SimulatedPlatform(clock=clock, account=SimulatedAccount(sender_names=None, balance=1e9))
    telegram = SimulatedBotApi(
        clock=clock, options=ServerOptions(group_budget=None, global_per_second=None, local=True)
    )
    telegram.add_chat(SUPPORT, forum=True)
    team = Team(telegram, chance)
    await platform.start()
    await telegram.start()
    url = await postgres.schema_of(folder)
    several = Several(
        folder,
        BRIDGES,
        url,
        platform,
        telegram,
        sabotage=sabotage,
        short=short,
        rules=RULES,
        max_age="off",
        status={"poll": ["6h"]},
    )
    findings = Findings()
    killed = 0
    try:
        await several.start()
        for number in range(SUBSCRIBERS):
            bridge = several.bridges[number % BRIDGES]
            await platform.send_callback(
                bridge.callback_url, text=f"Вопрос {number}", sender=f"79{number:09d}", attempts=100
            )
        await telegram.wait_for(lambda: len(team.threads()) == SUBSCRIBERS, STANDS_STILL_S)
        for _ in range(kills):
            before = platform.taken
            for _ in range(ANSWERS):
                team.answer()
                await asyncio.sleep(chance.uniform(0, 0.05))
            await platform.wait_for(lambda each, before=before: each.taken > before, STANDS_STILL_S)
            victim = await poller(several)
            await victim.kill()
            killed += 1
            for _ in range(ANSWERS):
                team.answer()
            await telegram.wait_for(lambda: not telegram.updates.unconfirmed, TAKEN_OVER_S)
            await victim.start()
            progress(f"{killed} of {kills} kills, {len(team.answers):,} answers, {platform.taken:,} SMS taken")
        await several.until(MOVING, 0, seconds=150)
        findings.violations += await several.judged(platform, set(), chats=False)
        findings.violations += answered_once(several, team)
    except TimeoutError as error:
        findings.violations.append(f"stood still: {error}")
    finally:
        await several.close()
        await telegram.stop()
        await platform.stop()
    fights = sum(event.get("failure") == "conflict" for bridge in several.bridges for event in bridge.events())
    if fights:
        findings.violations.append(f"{fights} polls of one bridge while another polled")
    findings.figures |= {
        "kills": f"{killed:,}",
        "answers": f"{len(team.answers):,}",
        "SMS taken": f"{platform.taken:,}",
        "polls at a time": "2" if fights else "1",
    }
    return findings


async def poller(several: Several) -> Service:
    """The node that polls Telegram."""
    holder = several.rows("SELECT node FROM leader WHERE role = 'telegram'")[0][0]
    return next(bridge for bridge in several.bridges if several.id_of(bridge) == holder)


def answered_once(several: Several, team: Team) -> list[str]:
    written = [str(row[0]) for row in several.rows("SELECT text FROM sms WHERE origin = 'operator'")]
    return [
        *invariants.said("answer of an operator that was lost", sorted(set(team.answers) - set(written))),
        *invariants.said("answer written twice", sorted({text for text in written if written.count(text) > 1})),
    ]


SCENARIO = Scenario(
    number=20,
    title="kill -9 of the one that asks Telegram",
    run=lambda folder, progress: one_poller(folder, progress, kills=scaled(KILLS)),
    rule="one node at a time has the singleton role",
    control=lambda folder, progress: one_poller(folder, progress, kills=1, short=True, sabotage="everyone_leads"),
)
