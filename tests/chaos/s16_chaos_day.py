"""A day of subscribers and operators while everything fails now and then: in the end all promises hold.

Each request to the platform and to Telegram, and each callback, is spoilt with a small chance; both far sides go away
for moments, somebody locks the database, and the service is killed again and again. Then the faults end and all is
worked off; what is judged is what everybody has in his hands by then.

What happens is drawn from a seed; at which moment of the service's work it happens is not.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import signal
import sqlite3
import time
from bisect import bisect
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from bridge.model.base import Ms
from bridge.model.sms import SmsState
from bridge.pipeline.clock import SystemClock
from bridge.sandbox.botapi.markup import buttons
from bridge.sandbox.botapi.server import ApiOutage
from bridge.sandbox.botapi.state import ServerOptions
from bridge.sandbox.faults import Fault
from bridge.sandbox.ledger import SimulatedAccount
from tests.chaos import invariants
from tests.chaos.crowded_day import CAPTION, RULES, Operators, Subscribers, corrected, pause
from tests.chaos.mischief import IllBotApi, IllPlatform, Mischief
from tests.chaos.rest import MOVING
from tests.chaos.sabotage.brisk import CALLS_A_MINUTE
from tests.chaos.scenario import Findings, Progress, Scenario, scaled
from tests.service import LOOK_AGAIN, SUPPORT, Service

SECONDS = 300
KILL_EVERY_S = 20
FAULTY = 0.05
"""The part of all requests, calls and callbacks that is spoilt."""
MESSAGES_A_SECOND = 4
ACTIONS_A_SECOND = 3
"""Actions of operators."""
ANSWERS_WITHIN: Ms = 300
"""The longest answer time of the platform when it is well."""
OUTAGE_EVERY_S = 40
LOCK_EVERY_S = 15
LOCKED_S = 1.0
TOP_UP_EVERY_S = 1.0
KILLED_WHILE_STARTING = 0.1
DRAIN_S = 240

SHOWN = {
    SmsState.DRAFT: "✍",  # the words under a picture, which nobody has let go
    SmsState.SENT: "🕊",
    SmsState.DELIVERED: "👍",
    SmsState.UNDELIVERED: "💔",
    SmsState.FAILED: "💔",
    SmsState.CANCELLED: "💔",
    SmsState.UNCERTAIN: "🤔",
    SmsState.PARKED: "🤔",
    SmsState.ABANDONED: "🤔",
}
"""The reactions that may be the last on an operator's message."""
SMSID = re.compile(r"\b0\d{6}\b")
FAULTS_OF_OURS = frozenset(
    {
        "callback_failed",
        "loop_failed",
        "part_ended",
        "part_failed",
        "plan_failed",
        "platform_adapter_failed",
        "post_dropped",
        "rules_failed",
        "rules_load_failed",
        "settlement_refused",
        "update_parked",
        "outcome_failed",
    }
)
"""Lines of the log that no ill neighbour can be the reason of."""
ASKED_OF_DELIVERY = " + (SELECT count(*) FROM sms WHERE state = 'sent' AND poll_at IS NOT NULL)"
EVER_UNCERTAIN = "SELECT count(DISTINCT sms_id) FROM sms_event WHERE to_state = 'uncertain'"
STILL_UNCERTAIN = "SELECT count(*) FROM sms WHERE state = 'uncertain'"
TO_SHOW = " + (SELECT count(*) FROM chat_post WHERE state = 'waiting')"


class Day:
    """Everybody who takes part, until :meth:`run` is over."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int,
        sabotage: str | None,
        answers_within: Ms,
        faulty: float,
        messages_a_second: float,
    ) -> None:
        def chance(of: str) -> random.Random:
            return random.Random(f"{seed} {of}")

        clock = SystemClock()
        self.mischief = Mischief(faulty, chance("mischief"))
        self.platform = IllPlatform(
            self.mischief,
            answers_within=answers_within,
            clock=clock,
            account=SimulatedAccount(sender_names=None, balance=1e6),
        )
        self.telegram = IllBotApi(self.mischief, clock=clock, options=ServerOptions(group_budget=CALLS_A_MINUTE))
        self.telegram.add_chat(SUPPORT, forum=True)
        self.kills: list[float] = []
        """When, by the monotonic clock."""
        self.killed_while_starting = 0
        self.ended_by_itself: list[str] = []
        self._folder = folder
        self._chance = chance("events")
        self._chance_of = chance
        self._sabotage = sabotage
        self._answers_within = answers_within
        self._messages_a_second = messages_a_second
        self._over = asyncio.Event()

    async def run(self, progress: Progress, *, seconds: float, kill_every: float, findings: Findings) -> None:
        await self.platform.start()
        await self.telegram.start()
        self.service = Service(
            self._folder,
            self.platform,
            self.telegram,
            sabotage="brisk",
            environment={"SPOILED": self._sabotage} if self._sabotage else {},
            rules=RULES,
            connections=8,
            max_age="off",
        )
        self.subscribers = Subscribers(
            self.service.callback_url, self.platform, self.mischief, self._chance_of("subscribers")
        )
        self.operators = Operators(self.telegram, self.mischief, self._chance_of("operators"))
        try:
            await self.service.start()
            async with asyncio.TaskGroup() as group:
                accountant = group.create_task(self._top_up())
                writing = group.create_task(self.subscribers.write(self._over, self._messages_a_second))
                happening = [
                    group.create_task(self.operators.work(self._over, ACTIONS_A_SECOND)),
                    group.create_task(self._kill(kill_every)),
                    group.create_task(self._take_away()),
                    group.create_task(self._lock()),
                ]
                await self._pass(seconds, progress)
                await asyncio.wait(happening)
                began = time.monotonic()
                await self._recover()
                findings.violations += await self._drained(writing, progress)
                findings.figures["worked off"] = f"{time.monotonic() - began:.1f} s after the last fault"
                accountant.cancel()
                writing.cancel()
            if code := await self.service.stop():
                findings.violations.append(f"the service ended with {code}")
        finally:
            await self.service.close()
            await self.telegram.stop()
            await self.platform.stop()

    async def _pass(self, seconds: float, progress: Progress) -> None:
        began = time.monotonic()
        while (left := began + seconds - time.monotonic()) > 0:
            await asyncio.sleep(min(left, 5))
            progress(
                f"{time.monotonic() - began:.0f} of {seconds:.0f} s: {len(self.subscribers.acknowledged):,} messages, "
                f"{len(self.operators.replies):,} replies, {self.mischief.counts.total():,} faults, "
                f"{len(self.kills)} kills"
            )
        self._over.set()

    # ------------------------------------------------ what happens

    async def _kill(self, every: float) -> None:
        while not await pause(self._over, self._chance.uniform(0.5, 1.5) * every):
            self.kills.append(time.monotonic())
            await self._end()
            if self._chance.random() < KILLED_WHILE_STARTING:
                await self.service.spawn()
                await asyncio.sleep(self._chance.random())
                self.killed_while_starting += 1
                await self._end()
            await self.service.start()

    async def _end(self) -> None:
        with suppress(ProcessLookupError):
            code = await self.service.end(signal.SIGKILL)
            if code == -signal.SIGKILL:
                return
        self.ended_by_itself.append(f"before kill {len(self.kills)}")

    async def _take_away(self) -> None:
        """One of the far sides does not listen, or not properly, for a moment."""
        while not await pause(self._over, self._chance.uniform(0.5, 1.5) * OUTAGE_EVERY_S):
            moment = self._chance.uniform(0.5, 3)
            if self._chance.random() < 0.5:
                self.mischief.note("platform away")
                await self.platform.stop()
                await asyncio.sleep(moment)
                await self.platform.start()
            else:
                outage = self._chance.choice(
                    [ApiOutage.REFUSE, ApiOutage.HANG, ApiOutage.BAD_GATEWAY, ApiOutage.CUT_AFTER]
                )
                self.mischief.note(f"Telegram away ({outage})")
                self.telegram.down(outage)
                await asyncio.sleep(moment)
                self.telegram.up()

    async def _lock(self) -> None:
        """Another program opens the database to change it, and takes its time."""
        while not await pause(self._over, self._chance.uniform(0.5, 1.5) * LOCK_EVERY_S):
            if await asyncio.to_thread(locked, self.service.database, LOCKED_S):
                self.mischief.note("database locked")

    async def _top_up(self) -> None:
        """Also after the faults: what waits for money waits for that."""
        while True:
            await asyncio.sleep(TOP_UP_EVERY_S)
            self.platform.top_up(1_000)

    # ------------------------------------------------ the end of all faults

    async def _recover(self) -> None:
        self.mischief.on = False
        self.platform.behave()
        # What is merely slow gets its answer. What hangs ends here, and not after the client's long patience: each
        # unknown outcome makes the account pause longer, so these must be few.
        await asyncio.sleep(self._answers_within / 1000)
        await self.platform.stop()
        await self.platform.start()
        self.telegram.up()

    async def _drained(self, writing: asyncio.Task[None], progress: Progress) -> list[str]:
        query = MOVING + TO_SHOW + ASKED_OF_DELIVERY
        try:
            async with asyncio.timeout(DRAIN_S):
                await asyncio.shield(writing)
                while self.telegram.updates.unconfirmed or self.service.count(query):
                    progress(f"{self.service.count(query):,} things left to do")
                    await asyncio.sleep(5 * LOOK_AGAIN)
        except TimeoutError:
            left = len(self.subscribers.wrote) - len(self.subscribers.acknowledged)
            return [
                f"not worked off {DRAIN_S} s after the last fault: {left} messages not acknowledged, "
                f"{len(self.telegram.updates.unconfirmed)} updates not confirmed, {self.service.count(query)} rows"
            ]
        return []

    def recoveries(self) -> Iterator[float]:
        """Seconds from each kill to the next acknowledgement."""
        times = self.subscribers.acknowledged_at
        for kill in self.kills:
            at = bisect(times, kill)
            if at < len(times):
                yield times[at] - kill


def locked(database: Path, seconds: float) -> bool:
    """Hold the write lock; False if it is not to be had."""
    with closing(sqlite3.connect(database, timeout=5, isolation_level=None)) as db:
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        time.sleep(seconds)
        db.execute("ROLLBACK")
        return True


async def chaos_day(
    folder: Path,
    progress: Progress,
    *,
    seconds: float,
    kill_every: float = KILL_EVERY_S,
    answers_within: Ms = ANSWERS_WITHIN,
    faulty: float = FAULTY,
    messages_a_second: float = MESSAGES_A_SECOND,
    sabotage: str | None = None,
    seed: int = 16,
) -> Findings:
    findings = Findings()
    day = Day(
        folder,
        seed=seed,
        sabotage=sabotage,
        answers_within=answers_within,
        faulty=faulty,
        messages_a_second=messages_a_second,
    )
    await day.run(progress, seconds=seconds, kill_every=kill_every, findings=findings)
    findings.violations += judged(day)
    findings.figures |= figures(day)
    return findings


# ------------------------------------------------ what everybody has in his hands


def judged(day: Day) -> Iterator[str]:
    database = day.service.database
    yield from invariants.said("end of the service by itself", day.ended_by_itself)
    yield from invariants.acknowledged(database, day.subscribers.acknowledged)
    yield from as_written(day)
    yield from invariants.store(database)
    yield from invariants.at_rest(database)
    yield from invariants.platform(database, day.platform.book)
    yield from invariants.telegram(database, day.telegram.chats)
    yield from replied(day)
    yield from shown(day)
    yield from asked(day)
    yield from invariants.said("fault of the bridge's own in its log", faults_of_ours(day.service.log))


def as_written(day: Day) -> Iterator[str]:
    stored = {row[0]: row[1:] for row in day.service.rows("SELECT smsid, text, outcome FROM inbound")}
    wrote = day.subscribers.wrote
    yield from invariants.said("message that nobody wrote", sorted(stored.keys() - wrote.keys()))
    known = [sms for sms in wrote.values() if sms.smsid in stored]
    yield from invariants.said("message with another text", [s.smsid for s in known if stored[s.smsid][0] != s.text])
    yield from invariants.said(
        "message that its rule was not followed for", [s.smsid for s in known if stored[s.smsid][1] != s.outcome]
    )


def replied(day: Day) -> Iterator[str]:
    """Each reply of an operator is one SMS, as it was or as it was corrected, or one each; more only where somebody
    asked for it with a button. A picture's words are one where somebody pressed for that."""
    rows = day.service.rows("SELECT message_id, text FROM sms WHERE origin = 'operator' AND retry_of IS NULL")
    written = Counter(rows)
    wanted = {message: {text, corrected(text)} for message, text in day.operators.replies.items()}
    may = wanted | {message: {CAPTION} for message in day.operators.captions}
    missing = [m for m, texts in wanted.items() if not any(written[m, text] for text in texts)]
    yield from invariants.said("reply that is no SMS", missing)
    yield from invariants.said("reply that is several SMS", [m for (m, _), count in written.items() if count > 1])
    yield from invariants.said("SMS of no reply", [m for m, text in written if text not in may.get(m, ())])


def shown(day: Day) -> Iterator[str]:
    """The latest SMS of each operator's message is what its reaction tells of; a correction once it was let go."""
    latest = dict(
        day.service.rows(
            "SELECT message_id, state FROM sms WHERE origin = 'operator'"
            " AND NOT (state IN ('draft', 'cancelled') AND confirmation_reasons LIKE '%corrects_%') ORDER BY id"
        )
    )
    # A correction that was let go and then stopped: the reaction tells of it, or of the first text.
    stopped = {
        row[0]
        for row in day.service.rows(
            "SELECT s.message_id FROM sms AS s JOIN sms_event AS e ON e.sms_id = s.id AND e.move = 'release'"
            " WHERE s.state = 'cancelled' AND s.confirmation_reasons LIKE '%corrects_%'"
        )
    }
    wrong = []
    for message_id, state in latest.items():
        message = day.operators.chat.alive(message_id)
        may = {(SHOWN.get(state),)} | ({(SHOWN[SmsState.CANCELLED],)} if message_id in stopped else set())
        if message is not None and message.reactions not in may:
            wrong.append(f"{message_id} ({state}, shown {''.join(message.reactions) or 'nothing'})")
    yield from invariants.said("reply whose fate is not shown on it", wrong)


def asked(day: Day) -> Iterator[str]:
    """Every unknown outcome is put to the operators with both choices, even in a topic that was deleted since."""
    offered = {data for message in day.operators.chat.history.values() for _, data in buttons(message.reply_markup)}
    open_rows = day.service.rows("SELECT id FROM sms WHERE state IN ('uncertain', 'parked')")
    unasked = [row for (row,) in open_rows if not {f"again:{row}", f"leave:{row}"} <= offered]
    yield from invariants.said("SMS of unknown outcome without its question", [life(day, row) for row in unasked])


def life(day: Day, sms_id: int) -> str:
    """What was written down about an SMS, for whoever has to find out what happened to it."""
    [sms] = day.service.rows(f"SELECT state, reason, origin, message_id, retry_of FROM sms WHERE id = {sms_id}")
    events = day.service.rows(f"SELECT at, move, to_state, reason FROM sms_event WHERE sms_id = {sms_id} ORDER BY id")
    posts = day.service.rows(
        "SELECT id, key, kind, state, message_id, error, created_at, finished_at FROM chat_post"
        f" WHERE sms_id = {sms_id}"
    )
    messages = [
        (message.id, buttons(message.reply_markup))
        for message in day.operators.chat.history.values()
        if message.id in {post[4] for post in posts}
    ]
    return f"{sms_id} {sms}; events {events}; posts {posts}; messages {messages}"


def shown_again(day: Day) -> int:
    """How many posts repeat a message of a subscriber: a kill or a call without an answer may cost that."""
    in_topics = [post for post in day.operators.chat.from_bot if post.thread_id is not None]
    posts = Counter((post.thread_id, post.text) for post in in_topics if SMSID.search(post.text))
    return sum(count - 1 for count in posts.values())


def faults_of_ours(log: Path) -> list[str]:
    with log.open("rb") as lines:
        events = [str(json.loads(line).get("event")) for line in lines if line.startswith(b"{") and b'"error' in line]
    return [event for event in events if event in FAULTS_OF_OURS]


def figures(day: Day) -> dict[str, str]:
    count = day.service.count
    faults = day.mischief.counts
    gateway = {fault: number for fault, number in faults.items() if fault in set(Fault)}
    others = ", ".join(f"{number} × {what}" for what, number in sorted(faults.items()) if what not in gateway)
    actions = ", ".join(f"{number} {what}" for what, number in sorted(day.operators.did.items()))
    recoveries = list(day.recoveries())
    return {
        "messages": f"{len(day.subscribers.acknowledged):,}, {day.subscribers.brought_again:,} of them brought again",
        "operators": f"{len(day.operators.replies):,} replies; {actions}",
        "SMS taken": f"{day.platform.taken:,}",
        "kills": f"{len(day.kills)}, and {day.killed_while_starting} of a service that was just starting",
        "faults": f"{sum(gateway.values())} × platform in {len(gateway)} ways, {others}",
        "ever uncertain": f"{count(EVER_UNCERTAIN)}, {count(STILL_UNCERTAIN)} still",
        "messages shown again": f"{shown_again(day)}",
        "longest from a kill to an acknowledgement": f"{max(recoveries, default=0):.1f} s",
    }


async def run(folder: Path, progress: Progress) -> Findings:
    return await chaos_day(folder, progress, seconds=scaled(SECONDS, least=20))


async def control(folder: Path, progress: Progress) -> Findings:
    """Short, with so much to send and a platform so slow that a kill finds SMS under way; nothing else goes wrong."""
    return await chaos_day(
        folder,
        progress,
        seconds=4,
        kill_every=2,
        answers_within=1_200,
        faulty=0,
        messages_a_second=10,
        sabotage="send_again_at_start",
    )


SCENARIO = Scenario(
    number=16,
    title="a day of chaos",
    run=run,
    rule="what is found in flight at a start is of unknown outcome, not queued again",
    control=control,
)
