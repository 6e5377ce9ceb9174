"""kill -9 while operators do all that they can do (:mod:`tests.chaos.busy_team`) and subscribers write: no answer,
press or command is lost or has two effects, nothing leaves that nobody let go, no subscriber has two topics. Half of it
with Telegram asked, half with Telegram calling and replies held back for a moment."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from bridge.pipeline.clock import SystemClock
from bridge.sandbox.botapi.api import SimulatedBotApi
from bridge.sandbox.botapi.state import ServerOptions
from bridge.sandbox.faults import Fault
from bridge.sandbox.ledger import SimulatedAccount
from bridge.sandbox.platform import SimulatedPlatform
from tests.chaos import busy_team, invariants
from tests.chaos.busy_team import REPLIES, Team
from tests.chaos.rest import at_rest
from tests.chaos.scenario import Findings, Progress, Scenario, scaled
from tests.service import LOOK_AGAIN, SUPPORT, Service, free_port

KILLS = 100
"""Kills; half of them in each mode."""
RETRY_MS = 50
"""After which the simulated Telegram calls a webhook again; the real one takes seconds."""
ANSWERS = 6
"""Operators' messages for each kill."""
QUESTIONS = 3
"""Subscribers' messages for each kill: the first of a new subscriber, the others of any."""
ASKED_FIRST = 2
"""Texts that are asked about, a kill."""
COMMANDS = 2
PRESS_EVERY = 0.02
"""How likely somebody presses a button at each look."""
STANDS_STILL_S = 30

Mode = Literal["polling", "webhook"]

RULES = """\
rules:
  - name: everything
    forward: support
"""


async def telegram_killed(
    folder: Path,
    progress: Progress,
    *,
    kills: int,
    mode: Mode = "polling",
    sabotage: str | None = None,
    seed: int = 5,
) -> Findings:
    chance = random.Random(seed)
    clock = SystemClock()
    platform = SimulatedPlatform(clock=clock, account=SimulatedAccount(sender_names=None, balance=1e9))
    telegram = SimulatedBotApi(
        clock=clock,
        options=ServerOptions(group_budget=None, global_per_second=None, local=True, webhook_retry=RETRY_MS),
    )
    telegram.add_chat(SUPPORT, forum=True)
    team = Team(telegram, chance)
    await platform.start()
    await telegram.start()
    service = Service(
        folder,
        platform,
        telegram,
        # The group's own budget is 20 calls a minute; the team does more than that between two kills.
        sabotage="brisk",
        environment={"SPOILED": sabotage} if sabotage else None,
        rules=RULES,
        settings={"replies": REPLIES, **(called() if mode == "webhook" else {})},
        max_age="off",
        status={"poll": ["6h"], "rate": "off"},
    )
    findings = Findings()
    asked = 0

    async def ask(number: int, subscriber: int) -> None:
        await platform.send_callback(
            service.callback_url, text=f"Вопрос {number}", sender=f"79{subscriber:09d}", attempts=100, gap=50
        )

    try:
        await service.start()
        await ask(0, 0)
        await telegram.wait_for(team.threads, STANDS_STILL_S)
        for kill in range(kills):
            moment = moment_of(telegram, platform, team, chance)
            for question in range(QUESTIONS):
                asked += 1
                await ask(asked, kill + 1 if question == 0 else chance.randrange(kill + 1))
            platform.misbehave(Fault.STOP_LIST, times=1)
            for _ in range(ANSWERS):
                team.answer()
            team.correct()
            for _ in range(ASKED_FIRST):
                team.ask_first()
            for _ in range(COMMANDS):
                team.command()
            if chance.random() < 0.5:
                team.shorten()
            team.settle()
            await reached(moment, lambda: team.press() if chance.random() < PRESS_EVERY else None)
            await asyncio.sleep(chance.uniform(0, 0.02))
            await service.kill()
            await service.start()
            progress(f"{kill + 1} of {kills} kills, {len(team.answers):,} answers, {platform.taken:,} SMS taken")
        await reached(lambda: not telegram.updates.unconfirmed)
        team.settle()
        team.press()
        await reached(lambda: not telegram.updates.unconfirmed)
        findings.violations += await at_rest(service)
    except TimeoutError as error:
        findings.violations.append(f"stood still: {error}")
    finally:
        await service.close()
        await telegram.stop()
        await platform.stop()
    findings.violations += judged(service, platform, telegram, team)
    unknown = service.count("SELECT count(*) FROM sms WHERE state = 'uncertain'")
    unused = len([topic for topic in telegram.chats[SUPPORT].topics if topic not in team.threads()])
    findings.figures |= {
        "kills": f"{kills:,}",
        "answers of operators": f"{len(team.answers):,}",
        "buttons pressed": f"{len(team.pressed):,}",
        **{f"of them {kind}": f"{number:,}" for kind, number in sorted(kinds_of(team).items())},
        "commands": f"{len(team.commands):,}",
        "shortened": f"{len(team.shortened):,}",
        "SMS sent": f"{platform.taken:,}",
        "of unknown outcome": f"{unknown:,}",
        "questions": f"{asked + 1:,}",
        "topics": f"{len(team.threads()):,}",
        "topics left empty": f"{unused:,}",
        "posts repeated": f"{invariants.posted_again(telegram.chats):,}",
    }
    return findings


def moment_of(
    telegram: SimulatedBotApi, platform: SimulatedPlatform, team: Team, chance: random.Random
) -> Callable[[], bool]:
    """When to kill: after some of the questions were shown, or after some of the SMS have left or were withdrawn."""
    if chance.random() < 0.5:
        questions = shown_questions(telegram) + chance.randint(1, QUESTIONS)
        return lambda: shown_questions(telegram) >= questions

    def gone() -> int:
        return platform.taken + kinds_of(team)["stop"]

    # One of them is refused.
    wanted = gone() + chance.randint(1, ANSWERS - 1)
    return lambda: gone() >= wanted


def shown_questions(telegram: SimulatedBotApi) -> int:
    """Several may stand in one message; what is shown again counts again."""
    return sum(call.params["text"].count("Вопрос ") for call in telegram.calls_of("sendMessage"))


async def reached(moment: Callable[[], bool], at_the_same_time: Callable[[], object] = lambda: None) -> None:
    try:
        async with asyncio.timeout(STANDS_STILL_S):
            while not moment():
                at_the_same_time()
                await asyncio.sleep(LOOK_AGAIN / 4)
    except TimeoutError:
        raise TimeoutError(f"nothing more came out within {STANDS_STILL_S} s") from None


def judged(service: Service, platform: SimulatedPlatform, telegram: SimulatedBotApi, team: Team) -> list[str]:
    book = list(platform.book)
    return [
        *busy_team.judged(service, team, book),
        *invariants.store(service.database),
        *invariants.platform(service.database, book),
        *invariants.sent_once(busy_team.unlike_canned(book)),
        *invariants.telegram(service.database, telegram.chats),
    ]


def kinds_of(team: Team) -> Counter[str]:
    return Counter(data.partition(":")[0] for data in team.pressed)


def called() -> Mapping[str, Mapping[str, object]]:
    """Settings with which Telegram calls the bridge."""
    port = free_port()
    return {
        "web": {"port": port, "public_url": f"http://127.0.0.1:{port}"},
        "telegram": {"updates": "webhook", "webhook_secret": "chaos", "undo": "1s"},
    }


async def in_both_modes(folder: Path, progress: Progress, *, kills: int, sabotage: str | None = None) -> Findings:
    """One after the other, each on a store of its own; the figures are of both, the violations say of which."""
    findings = Findings()
    modes: tuple[Mode, Mode] = ("polling", "webhook")
    for mode in modes:
        below = folder / mode
        below.mkdir()
        found = await telegram_killed(below, progress, kills=kills, mode=mode, sabotage=sabotage)
        findings.violations += [f"{mode}: {violation}" for violation in found.violations]
        for name, figure in found.figures.items():
            total = int(findings.figures.get(name, "0").replace(",", "")) + int(figure.replace(",", ""))
            findings.figures[name] = f"{total:,}"
    return findings


SCENARIO = Scenario(
    number=5,
    title="kill -9 of the Telegram side",
    run=lambda folder, progress: in_both_modes(folder, progress, kills=scaled(KILLS // 2)),
    rule="commit an update before confirming it",
    control=lambda folder, progress: in_both_modes(folder, progress, kills=5, sabotage="confirm_updates_first"),
)
