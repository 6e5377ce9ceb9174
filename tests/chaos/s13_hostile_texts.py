"""Texts made to be slow: every shipped rule decides each of them in no time, and the service's loop is never held up.

Measured twice: rules alone, as a function; and the whole service, whose loop is probed from inside while such SMS come
in, are answered, and are shown in a chat.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from bridge.pipeline.clock import SystemClock
from bridge.rules.context import RuleMessage
from bridge.rules.engine import RuleSet
from bridge.rules.loader import load_rules
from bridge.sandbox.botapi.api import SimulatedBotApi
from bridge.sandbox.botapi.state import ServerOptions
from bridge.sandbox.ledger import SimulatedAccount
from bridge.sandbox.platform import SimulatedPlatform
from tests.chaos.hostile_texts import LENGTH, texts
from tests.chaos.scenario import Findings, Progress, Scenario, nothing, scaled
from tests.service import LOOK_AGAIN, SUPPORT, Service
from tests.unit.docs.test_rules_docs import CONTEXT, GOOD

SLOW = 0.010
"""Seconds that a decision may take."""
HELD_UP = 0.050
"""Seconds that the loop may come late."""
TRIES = 3
"""The best counts: what is slow by itself is slow each time, a busy machine is not."""
NOON = 1_767_607_200_000
SUBSCRIBER = "79001112233"
KEYWORDS_TRIED = 6
SHIPPED = Path(__file__).parents[2] / "rules"

RULES = """\
rules:
  - name: alone
    when: {keyword: [помощь, help], only: true}
    reply: "Одно слово."
  - name: phrase
    when: {contains: [горит дом, "нет света", срочно]}
    reply: "{{ words | join(' ') | truncate(60) }}"
  - name: prefixed
    when: {prefix: "7722", keyword: голос}
    reply: "{% for word in words %}{{ word | upper }} {% endfor %}"
  - name: loud
    when: {keyword: часы}
    reply: "{{ args | upper | default('…') }}"
    continue: true
  - name: slips
    when: {keyword: [погода, привет, "7722"], glued: true, typo: 1, layout: true}
    reply: "<{{ args }}>"
    continue: true
  - name: expressions
    when:
      any:
        - {text: '^((\\d+)+|(\\pL+)+)*(?P<last>.)$'}
        - {keyword: погода, args: '(.*)(.*)(.*)z'}
        - not: {all: [{contains: срочно}, {text: '(?:x|xx)*y'}]}
    reply: "{{ last }}."
    continue: true
  - name: everything-else
    forward: support
    note: "{{ text | title }}"
"""
"""Each kind of condition, and templates that take the text in their hands; everything is shown in the chat as well."""
WORDS = ("часы", "помощь", "7722")


def rule_sets() -> Mapping[str, RuleSet]:
    """The shipped rules and every example of the documents that loads."""
    found = {"rules/": load_rules(SHIPPED, CONTEXT)}
    with tempfile.TemporaryDirectory() as folder:
        for number, block in enumerate(GOOD):
            one = Path(folder, str(number))
            one.mkdir()
            (one / "rules.yaml").write_text(block.rules, encoding="utf-8")
            found[str(block)] = load_rules(one, CONTEXT)
    return found


def words_of(rules: RuleSet) -> tuple[str, ...]:
    """The words that the rules look for."""
    keywords = {keyword.written for rule in rules.rules for keyword in rule.keywords}
    prefixes = {" ".join(rule.prefix) for rule in rules.rules if rule.prefix}
    return tuple(sorted(keywords | prefixes, key=len)[-KEYWORDS_TRIED:]) or ("часы",)


def message(text: str, prefix: str = "") -> RuleMessage:
    return RuleMessage(
        text=text, sender=SUBSCRIBER, subscriber=SUBSCRIBER, receiver="1234", prefix=prefix, account="main"
    )


Cost = Callable[[Callable[[], object]], float]


def seconds(work: Callable[[], object]) -> float:
    """Processor seconds of this thread, the best of some tries."""
    best = float("inf")
    for _ in range(TRIES):
        began = time.thread_time()
        work()
        best = min(best, time.thread_time() - began)
    return best


def decisions(
    sets: Mapping[str, RuleSet], length: int = LENGTH, *, cost: Cost = seconds, names: Collection[str] = ()
) -> dict[str, float]:
    """Rule set and text → what deciding cost. All texts, or those named, come by each prefix of the rules as well."""
    costs = {}
    for place, rules in sets.items():
        prefixes = {"", *(" ".join(rule.prefix) for rule in rules.rules if rule.prefix)}
        for name, text in texts(words_of(rules), length).items():
            for prefix in prefixes if not names or name in names else ():
                asked = message(text, prefix)
                costs[f"{place}: {name}{' by its prefix' if prefix else ''}"] = cost(
                    lambda rules=rules, asked=asked: rules.decide(asked, NOON)
                )
    return costs


def alone(length: int = LENGTH) -> Findings:
    """The rules as a function."""
    costs = decisions(rule_sets(), length)
    slowest = sorted(costs, key=costs.__getitem__, reverse=True)
    return Findings(
        figures={
            "decisions": f"{len(costs)}, texts of {length} characters",
            "slowest decision": f"{costs[slowest[0]] * 1000:.1f} ms ({slowest[0]})",
            "usual decision": f"{costs[slowest[len(slowest) // 2]] * 1000:.2f} ms",
        },
        violations=[f"{name} takes {costs[name] * 1000:.0f} ms" for name in slowest if costs[name] >= SLOW][:10],
    )


# ---------------------------------------------------------------- the running service


class Probed:
    """A running service whose loop is watched."""

    def __init__(self, service: Service, platform: SimulatedPlatform, lags: Path) -> None:
        self._service = service
        self._platform = platform
        self._lags = lags
        self._read = 0

    def late(self) -> float:
        """The worst since the last question."""
        with self._lags.open(encoding="ascii") as file:
            file.seek(self._read)
            lines = file.read()
        whole = lines[: lines.rfind("\n") + 1]
        self._read += len(whole)
        return max((float(line.split()[1]) for line in whole.splitlines()), default=0.0)

    async def takes(self, text: str) -> float:
        """Bring it, wait until all is done that comes of it; how late the loop was meanwhile."""
        self.late()
        brought = await self._platform.send_callback(self._service.callback_url, text=text, sender=SUBSCRIBER)
        assert brought.acknowledged, brought
        async with asyncio.timeout(60):
            while any(self._service.count(query) for query in UNFINISHED):
                await asyncio.sleep(LOOK_AGAIN)
        return self.late()


UNFINISHED = (
    "SELECT count(*) FROM inbound WHERE state = 'new'",
    "SELECT count(*) FROM sms WHERE state IN ('queued', 'sending')",
    "SELECT count(*) FROM chat_post WHERE state = 'waiting'",
)


async def in_service(
    folder: Path,
    progress: Progress = nothing,
    *,
    length: int = LENGTH,
    every: int = 1,
    held_up: float = HELD_UP,
    sabotage: str = "lag_probe",
) -> Findings:
    """Every so-many-th text as an SMS; one that held the loop up comes again, and the best of its tries counts.

    :param held_up: seconds that the loop may come late.
    """
    lags = folder / "lags"
    lags.touch()
    platform = SimulatedPlatform(clock=SystemClock(), account=SimulatedAccount(sender_names=None, balance=1e9))
    telegram = SimulatedBotApi(clock=SystemClock(), options=ServerOptions(group_budget=None, global_per_second=None))
    telegram.add_chat(SUPPORT, forum=True)
    await platform.start()
    await telegram.start()
    environment = {"CHAOS_LAGS": str(lags), "CHAOS_PACE": "off"}
    service = Service(
        folder, platform, telegram, sabotage=sabotage, environment=environment, rules=RULES, max_age="off"
    )
    probed = Probed(service, platform, lags)
    findings = Findings()
    longest = 0.0
    try:
        await service.start()
        await probed.takes("часы")  # what is loaded at the first message is no text's fault
        chosen = list(texts(WORDS, length).items())[::every]
        for number, (name, text) in enumerate(chosen):
            late = await probed.takes(text)
            longest = max(longest, late)
            for _ in range(TRIES - 1):
                if late >= held_up:
                    late = min(late, await probed.takes(text))
            if late >= held_up:
                findings.violations.append(f"{name} holds the loop up for {late * 1000:.0f} ms")
            if number % 20 == 0:
                progress(f"{number} of {len(chosen)} texts")
        errors = [event for event in service.events() if event.get("level") in ("error", "critical")]
        findings.violations += [f"error in the log: {event.get('event')}" for event in errors[:5]]
        await service.stop()
    finally:
        await service.close()
        await telegram.stop()
        await platform.stop()
    findings.figures = {"SMS": f"{len(chosen)}", "the loop's longest delay": f"{longest * 1000:.0f} ms"}
    return findings


async def run(folder: Path, progress: Progress) -> Findings:
    progress("deciding")
    pure = await asyncio.to_thread(alone)
    whole = await in_service(folder, progress, every=20 // scaled(20))
    return Findings(figures=pure.figures | whole.figures, violations=pure.violations + whole.violations)


async def control(folder: Path, progress: Progress) -> Findings:
    return await in_service(folder, progress, length=500, every=40, sabotage="naive_pattern")


SCENARIO = Scenario(
    number=13,
    title="hostile texts",
    run=run,
    rule="conditions compare whole words, no backtracking pattern looks at a text",
    control=control,
    alone=True,
)
