"""kill -9 while callbacks pour in: what was acknowledged is in the store, and done once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bridge.pipeline.clock import SystemClock
from bridge.sandbox.ledger import SimulatedAccount
from bridge.sandbox.platform import SimulatedPlatform
from tests.chaos import invariants
from tests.chaos.callers import Callers, Delivery, delivery
from tests.chaos.rest import at_rest
from tests.chaos.scenario import Findings, Progress, Scenario, scaled
from tests.service import Service

KILLS = 300
CLIENTS = 16
FEWEST, MOST = 1_100, 1_300
"""Acknowledgements from one start to the next kill, repetitions among them."""
REPEATED = 0.1
"""The part of the messages that the platform brings again though it has our answer."""
KILLED_WHILE_STARTING = 0.1
"""The part of the starts that are killed before they are through."""
START_S = 0.2
"""About what a start takes."""
SUBSCRIBERS = 10_000
STANDS_STILL_S = 60

RULES = """\
rules:
  - name: echo
    when: {keyword: эхо}
    reply: "Ответ {{ args }}"
  - name: noise
    when: {keyword: шум}
    drop: true
  - name: everything-else
    forward: support
"""
TEXTS = (("эхо {}", 2, "replied"), ("Вопрос {}", 1, "forwarded"), ("шум {}", 7, "dropped"))
"""Text, how many of ten messages have it, and the outcome that ``RULES`` give it."""


class Subscribers:
    """An endless source of messages, some of which the platform brings again later."""

    def __init__(self, callback_url: str, chance: random.Random) -> None:
        self.acknowledged: dict[str, str] = {}
        """smsid → the outcome it must have."""
        self.brought_again = 0
        self._again: list[Delivery] = []
        self._chance = chance
        self._new = self._messages(callback_url)

    def _messages(self, callback_url: str) -> Iterator[Delivery]:
        texts = [(text, outcome) for text, often, outcome in TEXTS for _ in range(often)]
        self._outcomes: dict[str, str] = {}
        number = 0
        while True:
            number += 1
            text, outcome = self._chance.choice(texts)
            smsid = f"{number:07d}"
            self._outcomes[smsid] = outcome
            sender = f"79{self._chance.randrange(SUBSCRIBERS):09d}"
            yield delivery(callback_url, smsid=smsid, sender=sender, text=text.format(smsid))

    def next(self) -> Delivery:
        if len(self._again) > CLIENTS:
            # Not right behind the first time: other messages come between.
            return self._again.pop(self._chance.randrange(len(self._again)))
        return next(self._new)

    def note(self, done: Delivery) -> None:
        if done.smsid in self.acknowledged:
            self.brought_again += 1
            return
        self.acknowledged[done.smsid] = self._outcomes.pop(done.smsid)
        if self._chance.random() < REPEATED:
            self._again.append(done)


async def intake_killed(
    folder: Path,
    progress: Progress,
    *,
    kills: int,
    fewest: int = FEWEST,
    most: int = MOST,
    sabotage: str | None = None,
    seed: int = 1,
) -> Findings:
    chance = random.Random(seed)
    platform = SimulatedPlatform(clock=SystemClock(), account=SimulatedAccount(sender_names=None, balance=1e9))
    await platform.start()
    service = Service(
        folder,
        platform,
        None,
        sabotage=sabotage,
        rules=RULES,
        settings={"logging": {"level": "warning"}},
        connections=16,
        max_age="off",
        status={"poll": ["6h"], "rate": "off"},
    )
    findings = Findings()
    people = Subscribers(service.callback_url, chance)
    callers = Callers(service.callback_url, CLIENTS, people.next, people.note)
    try:
        await service.start()
        callers.start()
        for kill in range(kills):
            await callers.until(callers.count + chance.randint(fewest, most), STANDS_STILL_S)
            await service.kill()
            if chance.random() < KILLED_WHILE_STARTING:
                await service.spawn()
                await asyncio.sleep(chance.uniform(0, START_S))
                await service.kill()
            await service.start()
            progress(f"{kill + 1} of {kills} kills, {len(people.acknowledged):,} acknowledged")
        await callers.stop(STANDS_STILL_S)
        findings.violations += await at_rest(service, chats=False)
    except TimeoutError as error:
        findings.violations.append(f"stood still: {error}")
    finally:
        callers.close()
        await service.close()
        await platform.stop()
    findings.violations += judged(service, platform, people)
    uncertain = service.count("SELECT count(*) FROM sms WHERE state = 'uncertain'")
    findings.figures |= {
        "kills": f"{kills:,}",
        "acknowledged": f"{len(people.acknowledged):,}",
        "brought again": f"{people.brought_again:,}",
        "SMS sent": f"{platform.taken:,}",
        "of unknown outcome": f"{uncertain:,}",
    }
    return findings


def judged(service: Service, platform: SimulatedPlatform, people: Subscribers) -> list[str]:
    outcomes = dict(service.rows("SELECT smsid, outcome FROM inbound"))
    wrong = [smsid for smsid, wanted in people.acknowledged.items() if outcomes.get(smsid, wanted) != wanted]
    strange = Counter(str(smsid) for smsid in outcomes)
    return [
        *invariants.acknowledged(service.database, people.acknowledged),
        *invariants.said("message that its rule was not followed for", wrong),
        *invariants.said(
            "message that nobody acknowledged to the platform", sorted(strange.keys() - people.acknowledged)
        ),
        *invariants.store(service.database),
        *invariants.platform(service.database, platform.book),
        *invariants.sent_once(platform.book),
    ]


SCENARIO = Scenario(
    number=1,
    title="kill -9 of the intake",
    run=lambda folder, progress: intake_killed(folder, progress, kills=scaled(KILLS)),
    rule="commit before acknowledging",
    control=lambda folder, progress: intake_killed(
        folder, progress, kills=3, fewest=200, most=300, sabotage="acknowledge_first"
    ),
)
