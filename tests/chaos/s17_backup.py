"""A back-up taken under load and put back later: whole, nothing older missing, nothing sent again without a person.

The store it was taken from goes on meanwhile: it sends what waited, and obeys an operator whose message Telegram then
brings to the restored store a second time.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.pipeline.clock import SystemClock
from bridge.sandbox.botapi.api import SimulatedBotApi
from bridge.sandbox.botapi.state import ServerOptions
from bridge.sandbox.botapi.world import Message
from bridge.sandbox.faults import Fault
from bridge.sandbox.ledger import SimulatedAccount
from bridge.sandbox.platform import SimulatedPlatform
from bridge.store import open_store
from tests.chaos import invariants
from tests.chaos.rest import at_rest
from tests.chaos.scenario import Findings, Progress, Scenario, nothing, scaled
from tests.chaos.stubborn import Stubborn
from tests.service import LOOK_AGAIN, SUPPORT, Service

DOUBTFUL = "79000000001"
"""The subscriber whose SMS has an unknown outcome before the back-up. An operator sends it again after it."""
ASKER = "79000000002"
"""The subscriber who writes to the team."""
SLOW_MS = 100
COMMAND_S = 300


async def command(service: Service, *words: str) -> dict[str, Any]:
    """``sms-bridge …`` as a process of its own; what it prints as JSON. :raises AssertionError: it failed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge", *words, "--json", "-c", str(service.config)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(COMMAND_S):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, f"sms-bridge {words[0]}: {err.decode()[-2000:]}"
    answer: dict[str, Any] = json.loads(out)
    return answer


async def grown(database: Path, messages: int) -> None:
    """A store with so many old messages, so that a copy takes a while."""
    database.parent.mkdir()
    await (await open_store(database, clock=SystemClock())).close()
    text = "сообщение обычной длины, около семидесяти знаков, каких в базе большинство"
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.execute("BEGIN")
        db.executemany(
            "INSERT INTO inbound (account, smsid, content_hash, sender, subscriber, receiver, prefix, text, date_raw,"
            " raw_query, received_at, state, outcome) VALUES ('main', ?, ?, ?, ?, '1234', '', ?, '', ?, 1, 'routed',"
            " 'dropped')",
            (
                (f"old{n}", n.to_bytes(32, "big"), f"78{n:09d}", f"78{n:09d}", text, text.encode() * 2)
                for n in range(messages)
            ),
        )
        db.execute("COMMIT")


def buttons(message: Message) -> list[str]:
    rows: Any = (message.reply_markup or {}).get("inline_keyboard") or []
    return [str(button["callback_data"]) for row in rows for button in row]


@dataclass(frozen=True, kw_only=True, slots=True)
class Inside:
    """The work in a copy that the bridge may not do by itself."""

    unsent: int
    sending: int
    unrouted: list[int]

    @classmethod
    def of(cls, copy: Path) -> Inside:
        with closing(sqlite3.connect(copy)) as db:
            (unsent,) = db.execute("SELECT count(*) FROM sms WHERE state IN ('draft', 'queued', 'sending')").fetchone()
            (sending,) = db.execute("SELECT count(*) FROM sms WHERE state = 'sending'").fetchone()
            unrouted = [row[0] for row in db.execute("SELECT id FROM inbound WHERE state = 'new'")]
        return cls(unsent=unsent, sending=sending, unrouted=unrouted)


class History:
    """One service before the back-up, between back-up and restore, and after it."""

    def __init__(
        self, service: Service, platform: SimulatedPlatform, telegram: SimulatedBotApi, *, callers: int
    ) -> None:
        self.service = service
        self.platform = platform
        self.telegram = telegram
        self.chat = telegram.chats[SUPPORT]
        self.callers = Stubborn(service, platform, count=callers)
        self.took = (0.0, 0.0)
        """From when to when the copy was made, by the monotonic clock."""

    async def text(self, sender: str, text: str) -> None:
        brought = await self.platform.send_callback(self.service.callback_url, text=text, sender=sender, attempts=3)
        assert brought.acknowledged, brought

    async def post(self, text: str) -> Message:
        """The newest post of the bot that says this."""
        await self.telegram.wait_for(lambda: any(text in post.text for post in self.chat.from_bot), timeout_s=30)
        return [post for post in self.chat.from_bot if text in post.text][-1]

    async def taken(self, count: int) -> None:
        await self.platform.wait_for(lambda each: each.taken >= count, timeout_s=60)

    # ------------------------------------------------ before

    async def prepare(self) -> None:
        """A conversation, and an SMS that nobody knows the outcome of."""
        await self.text(ASKER, "Где мой заказ?")
        self.question = await self.post("Где мой заказ?")
        self.telegram.says(SUPPORT, "Ответ до копии", thread_id=self.question.thread_id)
        await self.taken(1)
        self.platform.misbehave(Fault.CUT_AFTER_TAKING, recipient=DOUBTFUL)
        await self.text(DOUBTFUL, "эхо сомнение")
        await self.telegram.wait_for(lambda: any(map(buttons, self.chat.from_bot)), timeout_s=30)
        self.doubt = next(post for post in self.chat.from_bot if buttons(post))

    async def back_up_under_load(self, copy: Path, *, before: int, after: int) -> set[str]:
        """The smsids that were acknowledged when the back-up was ordered."""
        self.platform.misbehave(Fault.SLOW, times=None, delay=SLOW_MS)
        async with self.callers.calling():
            await self.callers.until_acknowledged(before)
            acknowledged = set(self.callers.acknowledged)
            began = time.monotonic()
            await command(self.service, "backup", str(copy))
            self.took = (began, time.monotonic())
            await self.callers.until_acknowledged(after)
        self.platform.behave()
        return acknowledged

    # ------------------------------------------------ between

    async def obey_unconfirmed(self) -> None:
        """An operator writes and presses; Telegram never learns that the bridge got it, and will bring it again."""
        async with asyncio.timeout(60):
            while not (self.telegram.updates.polled and not self.telegram.updates.unconfirmed):
                await asyncio.sleep(LOOK_AGAIN)
        # The question that waits brings them; every later one, which would confirm them, is refused.
        self.telegram.unauthorised()
        before = self.platform.taken
        self.telegram.says(SUPPORT, "Ответ после копии", thread_id=self.question.thread_id)
        self.press = self.telegram.presses(SUPPORT, self.doubt.id, buttons(self.doubt)[0])
        await self.taken(before + 2)

    def brought_again(self) -> list[str]:
        """Checks that the scenario had something of every kind to restore. The service has to be dead."""
        waiting = len(self.telegram.updates.unconfirmed)
        return [] if waiting == 2 else [f"Telegram brings {waiting} updates again, not 2: nothing was tried"]

    # ------------------------------------------------ after

    async def told(self) -> list[str]:
        """Is everything that came before the restore neutralised, and in words that people see?"""
        try:
            await self.telegram.wait_for(lambda: not self.telegram.updates.unconfirmed, timeout_s=60)
            await self.telegram.wait_for(lambda: self.telegram.presses_by_id[self.press].answered, timeout_s=30)
            await self.post("Сейчас не отправлено")
            await self.post("База восстановлена")
        except TimeoutError as error:
            return [f"an operator or the team was not told of the restore: {error}"]
        return []

    def numbers_told(self, inside: Inside) -> list[str]:
        posts = [post.text for post in self.chat.from_bot if "База восстановлена" in post.text]
        wanted = (f": {inside.unsent}.", f": {len(inside.unrouted)}.")
        if len(posts) != 1 or not all(number in posts[0] for number in wanted):
            return [f"the team was told {len(posts)} times of the restore, or not of {inside}"]
        return []


def slowest(callers: Stubborn, since: float, until: float) -> tuple[float, float]:
    """99th percentile and longest time to an answer, in milliseconds, of the calls that were under way then."""
    times = sorted(each.ended - each.began for each in callers.answers if each.ended >= since and each.began <= until)
    return (times[int(len(times) * 0.99)] * 1000, times[-1] * 1000) if times else (0.0, 0.0)


def lose(database: Path) -> None:
    """The disk forgets a part of the store: why one wants a back-up."""
    with database.open("r+b") as file:
        file.seek(4096)
        file.write(random.Random(17).randbytes(4096 * 8))


@asynccontextmanager
async def neighbours() -> AsyncIterator[tuple[SimulatedPlatform, SimulatedBotApi]]:
    platform = SimulatedPlatform(clock=SystemClock(), account=SimulatedAccount(sender_names=None, balance=1e9))
    telegram = SimulatedBotApi(clock=SystemClock(), options=ServerOptions(group_budget=None, global_per_second=None))
    telegram.add_chat(SUPPORT, forum=True)
    await platform.start()
    try:
        async with telegram:
            yield platform, telegram
    finally:
        await platform.stop()


async def restored_later(
    folder: Path,
    progress: Progress = nothing,
    *,
    history: int,
    before: int,
    after: int,
    rate: int,
    callers: int,
    sabotage: str | None = None,
) -> Findings:
    """:param history: old messages in the store.
    :param before: messages under load until the back-up is ordered, ``after`` it as many until they end.
    :param rate: SMS a second that leave; fewer than come in, so that many wait when the copy is made.
    """
    async with neighbours() as (platform, telegram):
        service = Service(
            folder,
            platform,
            telegram,
            sabotage=sabotage,
            settings={"logging": {"level": "info"}},
            max_age="off",
            rate=f"{rate}/s",
            connections=8,
            status={"poll": ["1h"], "rate": "off"},
        )
        try:
            await grown(service.database, history)
            history = History(service, platform, telegram, callers=callers)
            return await told_history(history, folder, progress, before=before, after=after)
        finally:
            await service.close()


async def told_history(history: History, folder: Path, progress: Progress, *, before: int, after: int) -> Findings:
    service, platform = history.service, history.platform
    copy = folder / "copy.db"
    found: list[str] = []
    await service.start()
    await history.prepare()
    progress("traffic, and a back-up in the middle of it")
    acknowledged = await history.back_up_under_load(copy, before=before, after=after)
    inside, size = Inside.of(copy), copy.stat().st_size
    found += invariants.acknowledged(copy, acknowledged)
    progress(f"{inside.unsent:,} SMS wait in the copy; the store goes on and sends them")
    found += await at_rest(service, seconds=300, chats=False)
    progress("an operator writes and presses, and the disk goes")
    await history.obey_unconfirmed()
    await service.kill()
    history.telegram.unauthorised(False)
    found += history.brought_again()
    lose(service.database)
    sent = list(platform.book)
    await command(service, "restore", str(copy))
    progress("restored")
    await service.start()
    found += await at_rest(service, seconds=300, chats=False, asks=False)
    if not (found := found + again(sent, platform)):
        found += await history.told()
        found += await at_rest(service, chats=False, asks=False)
        found += again(sent, platform)
        found += history.numbers_told(inside)
    found += invariants.store(service.database)
    found += invariants.acknowledged(service.database, acknowledged)
    found += invariants.sent_once([sms for sms in platform.book if sms.recipient != DOUBTFUL])
    found += unknown(service, inside)
    if not found:
        progress("life goes on, and a person decides")
        found += await goes_on(history, inside)
    p99, longest = slowest(history.callers, *history.took)
    calm = slowest(history.callers, 0, history.took[0])
    figures = {
        "back-up": f"{size / 1e6:.0f} MB in {history.took[1] - history.took[0]:.1f} s",
        "callbacks meanwhile": f"p99 {p99:.0f} ms, longest {longest:.0f} ms (before it: {calm[0]:.0f}, {calm[1]:.0f})",
        "acknowledged before it": f"{len(acknowledged):,}",
        "in the copy": f"{inside.unsent:,} SMS unsent ({inside.sending} being sent), {len(inside.unrouted)} unrouted",
        "sent again by itself": f"{sum('sent after the restore' in each for each in found)}",
    }
    return Findings(figures=figures, violations=found)


def again(before: Sequence[object], platform: SimulatedPlatform) -> list[str]:
    """Nothing new came in and nobody said a word: whatever was sent was sent by itself."""
    new = [sms.id for sms in platform.book[len(before) :]]
    return invariants.said("SMS sent after the restore without a person's word", new)


def unknown(service: Service, inside: Inside) -> list[str]:
    wrong = []
    count = service.count("SELECT count(*) FROM sms WHERE state = 'uncertain' AND reason = 'restored'")
    if count != inside.unsent:
        wrong.append(f"{inside.unsent} SMS waited in the copy, {count} are unknown because of it")
    ids = ", ".join(map(str, inside.unrouted)) or "0"
    answered = service.rows(f"SELECT id FROM sms WHERE inbound_id IN ({ids})")
    return wrong + invariants.said("SMS that answers a message of the copy", [row[0] for row in answered])


async def goes_on(history: History, inside: Inside) -> list[str]:
    service, platform = history.service, history.platform
    count = platform.taken
    await history.text("79000000003", "эхо после")
    history.telegram.says(SUPPORT, "Ответ новой базы", thread_id=history.question.thread_id)
    try:
        await history.taken(count + 2)
        answer = await command(service, "queue", "retry", "--restored")
        await history.taken(count + 2 + inside.unsent)
    except TimeoutError as error:
        return [f"the restored store does not go on: {error}"]
    found = await at_rest(service, chats=False, asks=False)
    if answer["count"] != inside.unsent or platform.taken != count + 2 + inside.unsent:
        found.append(f"a person wanted {inside.unsent} SMS sent again, {platform.taken - count - 2} went")
    return found + invariants.store(service.database)


async def run(folder: Path, progress: Progress) -> Findings:
    sizes = {"history": scaled(200_000, 1_000), "before": scaled(2_500, 60), "after": scaled(500, 10)}
    return await restored_later(folder, progress, **sizes, rate=150, callers=8)


async def control(folder: Path, progress: Progress) -> Findings:
    return await restored_later(
        folder, progress, history=100, before=100, after=20, rate=60, callers=3, sabotage="copy_goes_on"
    )


SCENARIO = Scenario(
    number=17,
    title="back-up under load, restored later",
    run=run,
    rule="a copy knows that it is one",
    control=control,
)
