"""kill -9 while operators answer, correct themselves and press buttons, and subscribers write: no answer is lost or
doubled, no press is, no subscriber has two topics. Half of it with Telegram asked, half with Telegram calling."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from bridge.pipeline.clock import SystemClock
from bridge.sandbox.botapi.api import SimulatedBotApi
from bridge.sandbox.botapi.markup import buttons
from bridge.sandbox.faults import Fault
from bridge.sandbox.platform import SimulatedPlatform
from tests.chaos import invariants
from tests.chaos.forked import ForkedService
from tests.chaos.rest import at_rest
from tests.chaos.scenario import Findings, Progress, Scenario, scaled
from tests.service import LOOK_AGAIN, SUPPORT, Service, free_port

KILLS = 100
"""Of them half in each mode."""
RETRY_MS = 50
"""After which the simulated Telegram calls a webhook again; the real one takes seconds."""
ANSWERS = 6
"""Of operators, a kill."""
QUESTIONS = 3
"""Of subscribers, a kill: the first of somebody new, the others of anybody."""
CORRECTED = " (исправлено)"
STANDS_STILL_S = 30

Mode = Literal["polling", "webhook"]

RULES = """\
rules:
  - name: everything
    forward: support
"""


class Team:
    """The group with its topics, and who writes in it."""

    def __init__(self, telegram: SimulatedBotApi, chance: random.Random) -> None:
        self.chat = telegram.chats[SUPPORT]
        self.answers: list[str] = []
        self.pressed: set[str] = set()
        """Data of buttons: ``again:ID`` under a failed SMS, ``leave:ID`` under one of unknown outcome."""
        self._written: list[int] = []
        self._telegram = telegram
        self._chance = chance

    def threads(self) -> list[int]:
        """Topics in which a subscriber was seen to write."""
        return sorted({post.thread_id for post in self.chat.from_bot if post.thread_id is not None})

    def answer(self) -> None:
        text = f"Ответ {len(self.answers)}"
        self.answers.append(text)
        self._written.append(self._telegram.says(SUPPORT, text, thread_id=self._chance.choice(self.threads())))

    def correct(self) -> None:
        """Somebody edits an answer, gone or not: it must neither go a second time nor be lost."""
        number = self._chance.randrange(len(self._written))
        self._telegram.edits(SUPPORT, self._written[number], self.answers[number] + CORRECTED)

    def press(self) -> None:
        """The last button under everything that waits for a word: what failed again, what is unknown not again."""
        for post in self.chat.from_bot:
            shown = [data for _, data in buttons(post.reply_markup) if data.startswith(("again:", "leave:"))]
            if shown and shown[-1] not in self.pressed:
                self.pressed.add(shown[-1])
                self._telegram.presses(SUPPORT, post.id, shown[-1])


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
    platform = SimulatedPlatform(clock=clock, sender_names=None, balance=1e9)
    telegram = SimulatedBotApi(
        clock=clock, group_budget=None, global_per_second=None, local=True, webhook_retry=RETRY_MS
    )
    telegram.add_chat(SUPPORT, forum=True)
    team = Team(telegram, chance)
    await platform.start()
    await telegram.start()
    service = ForkedService(
        folder,
        platform,
        telegram,
        sabotage=sabotage,
        rules=RULES,
        settings=called() if mode == "webhook" else None,
        max_age="off",
        status={"poll": ["6h"], "rate": "off"},
    )
    findings = Findings()
    asked = 0

    async def ask(number: int, subscriber: int) -> None:
        await platform.bring(
            service.callback_url, text=f"Вопрос {number}", sender=f"79{subscriber:09d}", attempts=100, gap=50
        )

    try:
        await service.start()
        await ask(0, 0)
        await telegram.wait_for(team.threads, STANDS_STILL_S)
        for kill in range(kills):
            # The group's own budget is 20 calls a minute; each start of the bridge counts anew.
            moment = moment_of(telegram, platform, chance)
            for question in range(QUESTIONS):
                asked += 1
                await ask(asked, kill + 1 if question == 0 else chance.randrange(kill + 1))
            platform.misbehave(Fault.STOP_LIST, times=1)
            for _ in range(ANSWERS):
                team.answer()
            team.correct()
            team.press()
            await reached(moment)
            await asyncio.sleep(chance.uniform(0, 0.02))
            await service.kill()
            await service.start()
            progress(f"{kill + 1} of {kills} kills, {len(team.answers):,} answers, {platform.taken:,} SMS taken")
        await reached(lambda: not telegram.updates.unconfirmed)
        team.press()
        await reached(lambda: not telegram.updates.unconfirmed)
        findings.violations += await at_rest(service, chats=False)
        await shown(service, findings)
    except TimeoutError as error:
        findings.violations.append(f"stood still: {error}")
    finally:
        await service.close()
        await telegram.stop()
        await platform.stop()
    findings.violations += judged(service, platform, telegram, team)
    unknown = service.count("SELECT count(*) FROM sms WHERE state = 'uncertain'")
    unused = len([topic for topic in team.chat.topics if topic not in team.threads()])
    findings.figures |= {
        "kills": f"{kills:,}",
        "answers of operators": f"{len(team.answers):,}",
        "buttons pressed": f"{len(team.pressed):,}",
        "SMS sent": f"{platform.taken:,}",
        "of unknown outcome": f"{unknown:,}",
        "questions": f"{asked + 1:,}",
        "topics": f"{len(team.threads()):,}",
        "topics left empty": f"{unused:,}",
        "posts repeated": f"{invariants.posted_again(telegram.chats):,}",
    }
    return findings


def moment_of(telegram: SimulatedBotApi, platform: SimulatedPlatform, chance: random.Random) -> Callable[[], bool]:
    """When to kill: after some of the questions were shown, or after some of the SMS."""
    if chance.random() < 0.5:
        questions = shown_questions(telegram) + chance.randint(1, QUESTIONS)
        return lambda: shown_questions(telegram) >= questions
    # One of them is refused.
    taken = platform.taken + chance.randint(1, ANSWERS - 1)
    return lambda: platform.taken >= taken


def shown_questions(telegram: SimulatedBotApi) -> int:
    """Several may stand in one message; what is shown again counts again."""
    return sum(call.params["text"].count("Вопрос ") for call in telegram.calls_of("sendMessage"))


async def reached(moment: Callable[[], bool]) -> None:
    try:
        async with asyncio.timeout(STANDS_STILL_S):
            while not moment():
                await asyncio.sleep(LOOK_AGAIN / 4)
    except TimeoutError:
        raise TimeoutError(f"nothing more came out within {STANDS_STILL_S} s") from None


async def shown(service: Service, findings: Findings) -> None:
    """The questions that the group's budget still holds back: starts bring them out, as kills did."""
    waiting = "SELECT count(*) FROM chat_post WHERE kind = 'inbound' AND state = 'waiting'"
    for _ in range(20):
        before = service.count(waiting)
        if not before:
            return
        await asyncio.sleep(1)
        if service.count(waiting) == before:
            await service.stop()
            await service.start()
    findings.violations.append(f"{service.count(waiting)} × inbound not shown in its chat")


def judged(service: Service, platform: SimulatedPlatform, telegram: SimulatedBotApi, team: Team) -> list[str]:
    written = {str(row[0]) for row in service.rows("SELECT text FROM sms")}
    lost = [number for number, text in enumerate(team.answers) if not {text, text + CORRECTED} & written]
    # A correction that came too late is offered as a draft, which is no SMS until somebody says so.
    left = {str(row[0]) for row in service.rows("SELECT text FROM sms WHERE state NOT IN ('draft', 'cancelled')")}
    both = [number for number, text in enumerate(team.answers) if {text, text + CORRECTED} <= left]
    return [
        *invariants.said("answer of an operator that was lost", lost),
        *invariants.said("answer that went as it was and as it was corrected", both),
        *invariants.said("press of a button that was lost or had two effects", list(unheeded(service, team))),
        *invariants.store(service.database),
        *invariants.platform(service.database, platform.book),
        *invariants.sent_once(platform.book),
        *invariants.telegram(service.database, telegram.chats),
    ]


def unheeded(service: Service, team: Team) -> Iterator[str]:
    """Presses without their one effect."""
    for data in sorted(team.pressed):
        what, _, sms_id = data.partition(":")
        if what == "again":
            effects = service.count("SELECT count(*) FROM sms WHERE retry_of = ?", int(sms_id))
        else:
            effects = service.count("SELECT count(*) FROM sms WHERE state = 'abandoned' AND id = ?", int(sms_id))
        if effects != 1:
            yield data


def called() -> Mapping[str, Mapping[str, object]]:
    """Settings with which Telegram calls the bridge."""
    port = free_port()
    return {
        "web": {"port": port, "public_url": f"http://127.0.0.1:{port}"},
        "telegram": {"updates": "webhook", "webhook_secret": "chaos"},
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
