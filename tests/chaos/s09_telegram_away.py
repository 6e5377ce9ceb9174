"""Telegram away for a day, then back and refusing: every SMS is shown in the end, in order, at the pace it asked for.

Two parts. Over simulated time: a day without Telegram (nobody listens, nobody answers, error pages) while SMS come in,
then 429 after 429, then Telegram's real budgets; judged by what stands in the chat and by when calls reached Telegram.
In real time, at full size: what a callback costs meanwhile, and how much memory the service takes.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from bridge.model.base import HOUR, MINUTE, SECOND, Ms
from bridge.model.chat import Post
from bridge.model.post import PostPriority
from bridge.sandbox.botapi.server import ApiOutage, Call
from bridge.telegram.chats import Chat
from bridge.telegram.client.errors import ApiError
from bridge.telegram.client.rate_limit import RateLimiter
from bridge.telegram.posts import poster
from tests.chaos import invariants
from tests.chaos.callback_cost import OUTAGES, intake
from tests.chaos.scenario import Findings, Progress, Scenario, nothing, scaled
from tests.chaos.timeline import LOOK_AGAIN, Timeline
from tests.clock import ManualClock
from tests.flow.harness import SUPPORT, World, world

RULES = """\
rules:
  - name: hours
    when: {keyword: часы}
    reply: "Работаем с 9 до 18."
  - name: everything
    forward: support
"""
ANSWERED_S = 10
"""Real seconds that an answer may take on a slow machine."""
AT_ONCE = 25
"""Callbacks under way at a time."""
REFUSED_FOR = (3, 17, 35, 1, 60, 8, 41, 5, 29, 120)
"""Seconds that Telegram asks for, one after the other."""
_TEXT = re.compile(r"\bSMS (\d+)\b")
_DIGEST = re.compile(r"И ещё \d+ SMS от")
_RETRY_AFTER = re.compile(r"retry after (\d+)")
ON_ITS_WAY: Ms = 1_500
"""Time goes on by so much while a call is under way; the bridge reckons with two seconds."""


@dataclass(kw_only=True, slots=True)
class Backlog:
    """Counts the calls, and the posts that the poster claimed at a time."""

    subscribers: int
    brought: int = 0
    asked: int = 0
    """Questions that a rule answers, while Telegram was away."""
    unanswered: int = 0
    """SMS whose answer did not leave at once. Time stands still until it does."""
    claimed: int = 0

    def sender(self, number: int) -> str:
        return f"7901{number % self.subscribers:07d}"

    async def bring(self, around: World, count: int) -> None:
        numbers = range(self.brought, self.brought + count)
        self.brought += count
        # A subscriber's SMS one after the other: several at once have no order of their own.
        for first in range(0, count, min(AT_ONCE, self.subscribers)):
            part = numbers[first : first + min(AT_ONCE, self.subscribers)]
            await asyncio.gather(*(around.text(f"SMS {n} text", sender=self.sender(n)) for n in part))

    async def ask(self, around: World) -> None:
        self.asked += 1
        await around.text("часы", sender=f"7902{self.asked:07d}")
        for _ in range(int(ANSWERED_S / LOOK_AGAIN)):
            if around.platform.taken == self.asked - self.unanswered:
                return
            await asyncio.sleep(LOOK_AGAIN)
        self.unanswered += 1

    def watch(self, around: World) -> None:
        claim = around.bridge.store.claim_posts

        async def counted(
            chats: Sequence[str], *, now: Ms, limit: int, least: PostPriority = PostPriority.AHEAD
        ) -> Sequence[Post]:
            posts = await claim(chats, now=now, limit=limit, least=least)
            self.claimed = max(self.claimed, len(posts))
            return posts

        around.bridge.store.claim_posts = counted  # type: ignore[method-assign]


async def away(
    folder: Path,
    progress: Progress = nothing,
    *,
    sms: int,
    subscribers: int,
    hours: int = 24,
    strides: int = 480,
    hang_s: float = 0,
    refusals: int = len(REFUSED_FOR),
    without: AbstractContextManager[object] | None = None,
) -> Findings:
    """``hang_s``: real seconds that calls hang until the bridge gives them up. ``without`` takes a rule out."""
    clock = ManualClock()
    database = folder / "data" / "bridge.db"
    backlog = Backlog(subscribers=subscribers)
    with without or nullcontext():
        async with world(folder, clock=clock, rules=RULES) as around:
            around.platform.top_up(1e9)
            around.telegram.flood_control.group_budget = 20
            around.telegram.flood_control.per_second = 30
            line = Timeline(clock, around.bridge)
            await line.begin()
            backlog.watch(around)
            await _a_day(around, line, backlog, progress, sms=sms, hours=hours, strides=strides, hang_s=hang_s)
            await _refused(around, line, refusals)
            began = clock.now()
            drained = await _shown(around, line, backlog, progress)
            calls = list(around.telegram.calls)
            violations = list(_judge(around, backlog, calls, since=began, drained=drained))
            await around.stop()
            chats = {SUPPORT: around.support, around.admins.id: around.admins}
            violations += invariants.at_rest(database)
            violations += invariants.telegram(database, chats)
    to_chat = [call for call in calls if chat_of(call) == SUPPORT]
    return Findings(
        figures={
            "SMS while Telegram was away": f"{sms} of {subscribers} subscribers in {hours} h",
            "answered by a rule meanwhile": f"{backlog.asked}, {backlog.unanswered} of them late",
            "429 answered": f"{sum(call.status == 429 for call in to_chat)}",
            "calls to the chat": f"{len(to_chat)}, {len(around.support.topics)} topics",
            "until all was shown": f"{(clock.now() - began) / HOUR:.1f} h (20 a minute)",
            "posts claimed at once": f"at most {backlog.claimed}",
        },
        violations=violations,
    )


# ------------------------------------------------ the day


async def _a_day(
    around: World,
    line: Timeline,
    backlog: Backlog,
    progress: Progress,
    *,
    sms: int,
    hours: int,
    strides: int,
    hang_s: float,
) -> None:
    stride = hours * HOUR // strides
    stuck = 0
    for number in range(strides):
        if number % (strides // 3) == 0 and number < strides // 3 * 3:
            outage = OUTAGES[number * 3 // strides]
            around.telegram.down(outage)
            # While calls hang, the poster and the poller wait for an answer and not for a time.
            stuck = 2 if outage is ApiOutage.HANG else 0
        await backlog.bring(around, sms * (number + 1) // strides - backlog.brought)
        await backlog.ask(around)
        if stuck and hang_s:
            # Once in real time: the bridge's own limit ends the call.
            await line.later(2 * MINUTE, but=stuck)
            await _given_up(line, hang_s)
            hang_s = 0
        await line.much_later(stride, but=stuck)
        if number % 20 == 0:
            progress(f"{backlog.brought} SMS in {number * stride / HOUR:.0f} h without Telegram")
    around.telegram.up()


async def _given_up(line: Timeline, hang_s: float) -> None:
    """Both callers give a hanging call up by their own limits, and wait for the time like all others."""
    async with asyncio.timeout(hang_s):
        await line.clock.until_sleepers(line.sleepers, timeout_s=hang_s)


async def _refused(around: World, line: Timeline, rounds: int) -> None:
    """Telegram is back, and says "later" again and again."""
    for seconds in REFUSED_FOR[:rounds]:
        around.telegram.flood(SUPPORT, seconds)
        before = _refusals(around)
        over = around.clock.now() + seconds * SECOND
        # After an outage every loop calls again within its longest wait.
        for _ in range(2 * MINUTE // SECOND):
            if _refusals(around) > before:
                break
            around.telegram.flood(SUPPORT, seconds)
            over = around.clock.now() + seconds * SECOND
            await line.later(SECOND, step=SECOND)
        await line.later(max(over - around.clock.now(), 0), step=SECOND)


def _refusals(around: World) -> int:
    return sum(call.status == 429 for call in around.telegram.calls)


async def _shown(around: World, line: Timeline, backlog: Backlog, progress: Progress) -> bool:
    """Until nothing waits to be shown; False where that takes much longer than Telegram's budget needs."""
    budget = 2 * (backlog.brought + backlog.subscribers) * MINUTE // 20 + HOUR
    began = around.clock.now()
    while around.clock.now() - began < budget:
        await line.later(MINUTE, step=ON_ITS_WAY)
        waiting = (await around.bridge.store.queue_status()).posts_waiting
        if not waiting:
            # The digest's all-clear is written when nothing waits, so it comes behind all the rest.
            await line.later(MINUTE, step=ON_ITS_WAY)
            return True
        progress(f"{waiting} posts wait, {(around.clock.now() - began) / HOUR:.1f} h after Telegram came back")
    return False


# ------------------------------------------------ what must have come out


def _judge(around: World, backlog: Backlog, calls: Sequence[Call], *, since: Ms, drained: bool) -> Iterator[str]:
    if backlog.unanswered:
        yield f"{backlog.unanswered} questions that a rule answers were not answered at once"
    if not drained:
        yield "not everything was shown within twice the time that Telegram's budget needs"
    shown = defaultdict(list)
    for message in around.support.from_bot:
        shown[message.thread_id] += map(int, _TEXT.findall(message.text))
    everywhere = Counter(number for numbers in shown.values() for number in numbers)
    missing = [number for number in range(backlog.brought) if number not in everywhere]
    if missing:
        yield f"{len(missing)} SMS never shown, the first: {missing[:5]}"
    if doubled := [number for number, count in everywhere.items() if count > 1]:
        yield f"{len(doubled)} SMS shown twice, the first: {doubled[:5]}"
    for thread, numbers in shown.items():
        if numbers != sorted(numbers):
            yield f"topic {thread}: not in the order they came: {numbers[:10]}"
        if len({number % backlog.subscribers for number in numbers}) > 1:
            yield f"topic {thread}: of several subscribers"
    yield from _digests(around, backlog)
    yield from too_early(calls)
    if late := [call for call in calls if call.status == 429 and call.at > since]:
        yield f"{len(late)} calls above Telegram's budget after the outage"
    if backlog.claimed > poster.BATCH:
        yield f"{backlog.claimed} posts claimed at once"


def _digests(around: World, backlog: Backlog) -> Iterator[str]:
    """One where the backlog takes the group more than a minute, and it says in the end that it is over."""
    wanted = backlog.subscribers > poster.MANY_CONVERSATIONS + 1
    told = [call for call in around.telegram.calls_of("sendMessage") if _DIGEST.search(call.params.get("text", ""))]
    taken = [call for call in told if call.status == 200]
    if len(taken) != wanted:
        yield f"{len(taken)} digests of a backlog of {backlog.subscribers} subscribers"
    if standing := [message for message in around.support.from_bot if _DIGEST.search(message.text)]:
        yield f"{len(standing)} digests that still say that SMS wait"


def too_early(calls: Sequence[Call]) -> Iterator[str]:
    """By Telegram's own clock: did a call come for a chat before the wait was over that it had asked for?"""
    until: dict[int, Ms] = {}
    early = 0
    for call in calls:
        chat = chat_of(call)
        if chat is None:
            continue
        early += call.at < until.get(chat, 0)
        if found := _RETRY_AFTER.search(call.description):
            until[chat] = max(until.get(chat, 0), call.at + int(found[1]) * SECOND)
    if early:
        yield f"{early} calls before retry_after was over"


def chat_of(call: Call) -> int | None:
    return int(call.params["chat_id"]) if "chat_id" in call.params else None


# ------------------------------------------------ controls


def hasty() -> AbstractContextManager[object]:
    """Asks again after a second, whatever Telegram asked for."""
    pause = RateLimiter.pause

    def short(self: RateLimiter, chat_id: int, length: Ms) -> None:
        pause(self, chat_id, min(length, SECOND))

    return patch.object(RateLimiter, "pause", short)


def careless() -> AbstractContextManager[object]:
    """A post that cannot be shown at once is dropped."""

    async def drop(self: poster.ChatPoster, post: Post, chat: Chat, error: ApiError) -> bool:
        await self._store.post_dropped(post.id, str(error), self._clock.now())
        return True

    return patch.object(poster.ChatPoster, "_failed", drop)


# ------------------------------------------------ the scenario


async def run(folder: Path, progress: Progress) -> Findings:
    parts = [folder / "simulated", folder / "real"]
    for part in parts:
        part.mkdir()
    both = await away(parts[0], progress, sms=scaled(10_000), subscribers=300, hang_s=45)
    cost = await intake(parts[1], progress, turn=scaled(700, 100), rate=400)
    return Findings(figures=both.figures | cost.figures, violations=both.violations + cost.violations)


async def control(folder: Path, progress: Progress) -> Findings:
    """Both rules taken out, one after the other; comes back with violations only where each of them is missed."""
    parts = {"retry_after": hasty(), "drop": careless()}
    both = Findings()
    for name, without in parts.items():
        (folder / name).mkdir()
        found = await away(folder / name, progress, sms=60, subscribers=6, strides=12, refusals=3, without=without)
        if found.held:
            return Findings(figures={"not noticed": name})
        both.violations += [f"{name}: {violation}" for violation in found.violations]
    return both


SCENARIO = Scenario(
    number=9,
    title="Telegram away for a day",
    run=run,
    rule="retry_after is waited out; a post that cannot be shown now is kept",
    control=control,
    alone=True,
)
