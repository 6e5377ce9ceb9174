"""Robots that answer each of our SMS at once, and a thousand numbers that pump one keyword: the limits end both.

With kill -9 in the middle, and over midnight (UTC), where a new day's budget begins. What was spent is counted in the
platform's own book, its parts by another library than the bridge's.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import smsutil

from bridge.model.base import DAY, HOUR, SECOND, Ms
from bridge.pipeline.clock import SystemClock
from bridge.sandbox.ledger import SimulatedAccount
from bridge.sandbox.platform import EventKind, PlatformEvent, SimulatedPlatform
from tests.chaos import invariants
from tests.chaos.callers import Callers, Delivery, delivery
from tests.chaos.rest import at_rest
from tests.chaos.scenario import Findings, Progress, Scenario, nothing, scaled
from tests.service import LOOK_AGAIN, Service

RULES = """\
rules:
  - name: prize
    when: {keyword: приз}
    reply: "Спасибо за участие! Итоги розыгрыша объявим в пятницу, победителям позвоним сами. Удачи вам и хорошего дня."
  - name: echo
    reply: "Вы написали: {{ text }}"
"""
PER_NUMBER, SAME_TEXT = 5, 3
GUARDS = {"per_number": f"{PER_NUMBER} per 10m", "same_text": f"{SAME_TEXT} per 10m", "takeover": "off"}
NO_GUARDS = {"per_number": "off", "same_text": "off", "daily_parts": "off", "takeover": "off"}
TOLD_AT_MOST = 12
"""Words to the team in a day, whatever goes on: ten numbers by name, that there are more, and the budget's end."""
TOLD = "SELECT date(opened_at / 1000, 'unixepoch'), count(*) FROM alert GROUP BY 1"
"""That nothing ran for a while is on record, and told of only where something had waited."""
CONNECTIONS = 8
STANDS_STILL_S = 60
WEARY = 40
"""SMS after which a robot gives up: only a bridge without limits gets that far."""


class Clock:
    """Where the service's day is; set while it does not run."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "clock-ahead"
        self.ahead: Ms = 0
        self._morning = time.time_ns() // 1_000_000 // DAY * DAY + DAY
        self.midnight = self._morning + DAY
        """Between the first and the second day of the scenario."""
        self.set(12 * HOUR)

    def set(self, time_of_day: Ms) -> None:
        """Sets the time of day, on the first day."""
        self.ahead = self._morning + time_of_day - time.time_ns() // 1_000_000
        self.file.write_text(str(self.ahead))

    def now(self) -> Ms:
        return time.time_ns() // 1_000_000 + self.ahead


class Robots:
    """Subscribers that answer each SMS they get with another one, at once, until it is acknowledged."""

    def __init__(self, count: int) -> None:
        self.echoing = {f"7990{number:07d}" for number in range(count)}
        """Each gets another text each time."""
        self.thanked = {f"7991{number:07d}" for number in range(count)}
        """Each gets the same text each time."""
        self.got: Counter[str] = Counter()
        self.answers: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    def see(self, event: PlatformEvent) -> None:
        if event.kind is not EventKind.TAKEN or event.sms is None:
            return
        number = event.sms.recipient
        if number in self.echoing or number in self.thanked:
            self.got[number] += 1
            if self.got[number] < WEARY:
                word = "приз" if number in self.thanked else "Я робот, это автоответ"
                self.answers.put_nowait((number, f"{word} {self.got[number]}"))

    def begin(self) -> None:
        for number in self.echoing:
            self.answers.put_nowait((number, "Здравствуйте"))
        for number in self.thanked:
            self.answers.put_nowait((number, "приз 0"))

    def ask_again(self) -> None:
        """After a kill: an answer that was in flight then is unknown to the bridge, which rightly sends it no more.

        A robot that waits for it would be silent for ever.
        """
        for number in sorted(self.echoing | self.thanked):
            self.answers.put_nowait((number, "приз ещё раз" if number in self.thanked else "Вы здесь?"))

    def over_the_limit(self) -> list[str]:
        limits = {**dict.fromkeys(self.echoing, PER_NUMBER), **dict.fromkeys(self.thanked, SAME_TEXT)}
        return [f"…{number[-4:]}: {got} SMS" for number, got in sorted(self.got.items()) if got > limits[number]]


class Day:
    """Everybody who writes, and the service that answers."""

    def __init__(self, service: Service, platform: SimulatedPlatform, robots: Robots, progress: Progress) -> None:
        self.service = service
        self.platform = platform
        self.robots = robots
        self.progress = progress
        self.brought = 0
        self.kills = 0
        self.start_took = 0.0
        """Seconds of the last start."""
        self._ids = iter(range(1_000_000, 10_000_000))

    async def play(self, source: Iterator[Delivery], *, total: int, kills: int) -> None:
        """Bring these and what robots answer meanwhile; kill the service so many times on the way."""
        callers = Callers(
            self.service.callback_url, CONNECTIONS, lambda: self._robot() or next(source, None), lambda _: None
        )
        callers.start()
        try:
            for kill in range(kills):
                await callers.until((kill + 1) * total // (kills + 1), STANDS_STILL_S)
                await self.again()
            await callers.until(total, STANDS_STILL_S)
            await self._robots_are_silent(callers)
            await callers.stop(STANDS_STILL_S)
        finally:
            callers.close()
        self.brought += callers.count

    async def again(self) -> None:
        await self.service.kill()
        self.kills += 1
        self.progress(f"{self.kills} kills, {self.platform.taken:,} SMS sent")
        await self.start()
        self.robots.ask_again()

    async def start(self) -> None:
        began = time.monotonic()
        await self.service.start()
        self.start_took = time.monotonic() - began

    async def _robots_are_silent(self, callers: Callers) -> None:
        """Until nothing is on its way to a robot and no robot has anything to say."""
        seen = -1
        async with asyncio.timeout(STANDS_STILL_S):
            while seen != callers.count:
                seen = callers.count
                await at_rest(self.service, seconds=STANDS_STILL_S, chats=False, asks=False)
                while not self.robots.answers.empty():
                    await asyncio.sleep(LOOK_AGAIN)

    def _robot(self) -> Delivery | None:
        if self.robots.answers.empty():
            return None
        return self.message(*self.robots.answers.get_nowait())

    def message(self, sender: str, text: str) -> Delivery:
        return delivery(self.service.callback_url, smsid=str(next(self._ids)), sender=sender, text=text)

    # ------------------------------------------------ who pumps

    def pumped(self, numbers: int, each: int) -> Iterator[Delivery]:
        """One keyword from so many numbers, each in a burst."""
        for number in range(numbers):
            for turn in range(each):
                yield self.message(f"7992{number:07d}", f"приз {turn}")


def parts_sent(platform: SimulatedPlatform) -> int:
    return sum(len(smsutil.split(sms.text).parts) for sms in platform.book)


async def budgets(
    folder: Path,
    progress: Progress = nothing,
    *,
    robots: int,
    numbers: int,
    each: int,
    limit: int,
    kills: int,
    before_midnight: Ms,
    guards: bool = True,
    spoiled: str = "",
) -> Findings:
    """A day with robots and pumping, the minute around midnight, and the next day's pumping.

    :param robots: of each kind. :param numbers: that pump, ``each`` so many messages a day.
    :param limit: parts of automatic replies a day. :param kills: in each of the three.
    :param before_midnight: how much of the first day is left when the second part begins.
    """
    clock, others = Clock(folder), Robots(robots)
    platform = SimulatedPlatform(
        clock=SystemClock(), on_event=others.see, account=SimulatedAccount(sender_names=None, balance=1e9)
    )
    await platform.start()
    service = Service(
        folder,
        platform,
        None,
        sabotage="another_day",
        environment={"CLOCK_AHEAD": str(clock.file), "SPOILED": spoiled},
        settings={
            "guards": {**GUARDS, "daily_parts": limit} if guards else NO_GUARDS,
            "logging": {"level": "warning"},
        },
        rules=RULES,
        connections=16,
        max_age="off",
        status={"poll": ["6h"], "rate": "off"},
    )
    day = Day(service, platform, others, progress)
    spent: list[int] = []
    found: list[str] = []
    most = 0
    try:
        await day.start()
        others.begin()
        # The robots first: the day's budget must not be what stops them.
        await day.play(iter(()), total=2 * robots * (1 + SAME_TEXT), kills=kills)
        most = max(others.got.values(), default=0)
        for number in others.over_the_limit():
            found.append(f"a robot got more than the limit for a number or a text: {number}")
        await day.play(day.pumped(numbers, each), total=numbers * each, kills=kills)
        spent.append(parts_sent(platform))
        await service.kill()
        clock.set(DAY - before_midnight - round(1.5 * day.start_took * SECOND))
        await day.start()
        found += await over_midnight(day, clock, numbers)
        await day.play(day.pumped(numbers, each), total=numbers * each, kills=kills)
        spent.append(parts_sent(platform) - spent[0])
        found += await at_rest(service, chats=False, asks=False)
    except TimeoutError as error:
        found.append(f"stood still: {error}")
    finally:
        await service.close()
        await platform.stop()
    found += judged(service, platform, spent, limit)
    told = dict(service.rows(TOLD))
    figures = {
        "robots": f"{2 * robots}, at most {most} SMS to one in the time that the limits are for",
        "numbers that pump": f"{numbers:,}, {day.brought:,} messages brought",
        "kills": f"{day.kills}",
        "parts a day": " and ".join(f"{parts:,}" for parts in spent) + f" of {limit:,}",
        "words to the team a day": " and ".join(map(str, told.values())),
    }
    return Findings(figures=figures, violations=found)


async def over_midnight(day: Day, clock: Clock, numbers: int) -> list[str]:
    """A subscriber writes all the time: suppressed by the old day's budget, answered by the new one's."""
    if clock.now() >= clock.midnight:
        return ["the start took until after midnight, so midnight was not tried"]
    async with asyncio.timeout(STANDS_STILL_S):
        number = numbers
        while clock.now() < clock.midnight:
            number += 1
            await day.play(iter([day.message(f"7993{number:07d}", "приз")]), total=1, kills=0)
    return []


def judged(service: Service, platform: SimulatedPlatform, spent: list[int], limit: int) -> list[str]:
    found = [f"{parts} parts were sent in a day of {limit}" for parts in spent if parts > limit]
    rows = service.rows(
        "SELECT date(created_at / 1000, 'unixepoch'), sum(parts) FROM sms WHERE origin = 'rule' GROUP BY 1 ORDER BY 1"
    )
    found += [f"{parts} parts were written on a day of {limit}" for _, parts in rows if int(str(parts)) > limit]
    used = [int(str(parts)) for _, parts in rows]
    if len(used) != 2 or min(used) < limit - 1:
        found.append(f"the budget of {limit} was not used up on both days, so it was not tried: {used}")
    told = service.rows(TOLD)
    found += [f"the team was told {count} times on one day" for _, count in told if int(str(count)) > TOLD_AT_MOST]
    silent = service.count(
        "SELECT count(*) FROM inbound WHERE outcome LIKE '%suppressed: daily_parts%' AND outcome NOT LIKE '%forwarded%'"
    )
    found += [f"{silent} × message that the day's budget held back and nobody sees"] if silent else []
    return found + invariants.store(service.database) + invariants.platform(service.database, platform.book)


async def run(folder: Path, progress: Progress) -> Findings:
    return await budgets(
        folder,
        progress,
        robots=scaled(20, 2),
        numbers=scaled(1_000, 30),
        each=5,
        limit=scaled(1_500, 60),
        kills=scaled(5),
        before_midnight=10 * SECOND,
    )


SMALL = {"robots": 1, "numbers": 20, "each": 5, "limit": 100, "kills": 1, "before_midnight": 2 * SECOND}


async def control(folder: Path, progress: Progress) -> Findings:
    """Each of two rules taken out must show; if one of them does not, nothing counts as found."""
    both = Findings()
    for name, changes in (("unlimited", {"guards": False}), ("forgetful", {"spoiled": "spend_in_memory"})):
        inside = folder / name
        inside.mkdir()
        found = await budgets(inside, progress, **{**SMALL, **changes})
        if not any("parts were sent in a day" in each for each in found.violations):
            return Findings()
        both.violations += [f"{name}: {violation}" for violation in found.violations]
    return both


SCENARIO = Scenario(
    number=15,
    title="robots, and a thousand numbers that pump",
    run=run,
    rule="limits for a number, a text and a day; the day's spend is written with the SMS",
    control=control,
)
