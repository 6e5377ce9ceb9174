"""The platform brings everything several times, in any order, across restarts: each message has one effect."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

from bridge.pipeline.clock import SystemClock
from bridge.sandbox.ledger import SimulatedAccount
from bridge.sandbox.platform import SimulatedPlatform
from tests.chaos import invariants
from tests.chaos.callers import Callers, Delivery, delivery, one_by_one
from tests.chaos.rest import at_rest
from tests.chaos.scenario import Findings, Progress, Scenario, scaled
from tests.service import Service

MESSAGES = 10_000
MOST = 10
"""Deliveries of one message."""
CLIENTS = 16
RESTARTS = 8
STANDS_STILL_S = 120

RULES = """\
rules:
  - name: echo
    when: {keyword: эхо}
    reply: "Ответ {{ args }}"
  - name: everything-else
    forward: support
"""


async def redelivered(
    folder: Path, progress: Progress, *, messages: int, restarts: int, sabotage: str | None = None, seed: int = 8
) -> Findings:
    """Half of the messages are answered, half forwarded; restarts are kills and stops in turn."""
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
    once = [message(service.callback_url, number) for number in range(messages)]
    deliveries = [each for each in once for _ in range(chance.randint(1, MOST))]
    chance.shuffle(deliveries)
    told: Counter[str] = Counter()
    callers = Callers(service.callback_url, CLIENTS, one_by_one(deliveries), lambda done: told.update([done.smsid]))
    try:
        await service.start()
        callers.start()
        for restart in range(restarts):
            await callers.until(len(deliveries) * (restart + 1) // (restarts + 1), STANDS_STILL_S)
            progress(f"{callers.count:,} of {len(deliveries):,} deliveries, restart {restart + 1}")
            await (service.kill() if restart % 2 == 0 else service.stop())
            await service.start()
        await callers.until(len(deliveries), STANDS_STILL_S)
        findings.violations += await at_rest(service, chats=False)
    except TimeoutError as error:
        findings.violations.append(f"stood still: {error}")
    finally:
        callers.close()
        await service.close()
        await platform.stop()
    findings.violations += judged(service, platform, once, told)
    repeats = service.count("SELECT sum(repeats) FROM inbound")
    findings.figures |= {
        "messages": f"{messages:,}",
        "deliveries": f"{len(deliveries):,}",
        "restarts": f"{restarts:,}",
        "effects": f"{effects(service):,}",
        "counted as repeats": f"{repeats:,}",
    }
    return findings


def message(callback_url: str, number: int) -> Delivery:
    text = f"эхо {number}" if number % 2 else f"Вопрос {number}"
    return delivery(callback_url, smsid=f"{number:07d}", sender=f"79{number % 3_000:09d}", text=text)


def effects(service: Service) -> int:
    """Replies and posts."""
    return service.count("SELECT count(*) FROM sms") + service.count(
        "SELECT count(*) FROM chat_post WHERE kind = 'inbound'"
    )


def judged(service: Service, platform: SimulatedPlatform, once: list[Delivery], told: Counter[str]) -> list[str]:
    seen = effects(service)
    return [
        *([] if seen == len(once) else [f"{seen} effects of {len(once)} messages"]),
        *invariants.acknowledged(service.database, told),
        *invariants.store(service.database),
        *invariants.platform(service.database, platform.book),
        *invariants.sent_once(platform.book),
    ]


SCENARIO = Scenario(
    number=8,
    title="messages brought one to ten times",
    run=lambda folder, progress: redelivered(folder, progress, messages=scaled(MESSAGES), restarts=RESTARTS),
    rule="account, smsid and content are the key of a message",
    control=lambda folder, progress: redelivered(
        folder, progress, messages=100, restarts=1, sabotage="take_every_delivery"
    ),
)
