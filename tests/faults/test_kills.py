"""kill -9 at any moment: what was acknowledged is there, nothing goes out twice, no reply is lost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.pipeline.clock import SystemClock
from bridge.sandbox.botapi.api import SimulatedBotApi
from bridge.sandbox.faults import Fault
from bridge.sandbox.platform import SimulatedPlatform
from tests.service import LOOK_AGAIN, SUPPORT, Service

pytestmark = pytest.mark.faults

KILLS = 10
UNDER_WAY = "SELECT count(*) FROM sms WHERE state IN ('queued', 'sending')"
NOT_ROUTED = "SELECT count(*) FROM inbound WHERE state = 'new'"


@pytest.fixture
async def platform() -> AsyncIterator[SimulatedPlatform]:
    simulated = SimulatedPlatform(clock=SystemClock(), sender_names=None, balance=1e9)
    await simulated.start()
    yield simulated
    await simulated.stop()


@pytest.fixture
async def telegram() -> AsyncIterator[SimulatedBotApi]:
    simulated = SimulatedBotApi(clock=SystemClock(), group_budget=None, global_per_second=None)
    simulated.add_chat(SUPPORT, forum=True)
    async with simulated:
        yield simulated


class Clients:
    """Several callers of the callback, each with subscribers of its own, that repeat what was not acknowledged."""

    def __init__(self, service: Service, platform: SimulatedPlatform, chance: random.Random) -> None:
        self._service = service
        self._platform = platform
        self._chance = chance
        self.acknowledged: dict[str, str] = {}
        """smsid → subscriber."""
        self.progress = asyncio.Event()

    async def run(self, client: int, stop: asyncio.Event) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            smsid = f"{client}{number:05d}"
            await self._bring(smsid, f"79{client:02d}{number:07d}", stop)

    async def _bring(self, smsid: str, sender: str, stop: asyncio.Event) -> None:
        while not stop.is_set():
            brought = await self._platform.bring(
                self._service.callback_url, text=f"эхо {smsid}", sender=sender, smsid=smsid, date="2026-01-06 12:00:00"
            )
            if brought.acknowledged:
                self.acknowledged[smsid] = sender
                self.progress.set()
                if self._chance.random() < 0.1:
                    await self._platform.redeliver(smsid)
                return
            # The service is down: let it come back before calling again.
            await asyncio.sleep(LOOK_AGAIN)

    async def until(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.acknowledged) < count:
                self.progress.clear()
                await self.progress.wait()


async def test_intake_killed_ten_times_loses_nothing_and_doubles_nothing(
    tmp_path: Path, platform: SimulatedPlatform
) -> None:
    chance = random.Random(1)
    service = Service(tmp_path, platform, None, max_age="off")
    clients = Clients(service, platform, chance)
    stop = asyncio.Event()
    try:
        await service.start()
        tasks = [asyncio.create_task(clients.run(client, stop)) for client in range(10, 18)]
        for _ in range(KILLS):
            await clients.until(len(clients.acknowledged) + chance.randint(20, 80))
            await service.kill()
            await service.start()
        await clients.until(len(clients.acknowledged) + 50)
        stop.set()
        await asyncio.gather(*tasks)
        await service.until(NOT_ROUTED, 0)
        await service.until(UNDER_WAY, 0)
        stored = {str(row[0]) for row in service.rows("SELECT smsid FROM inbound")}
        assert set(clients.acknowledged) <= stored
        assert service.count("SELECT count(*) - count(DISTINCT smsid) FROM inbound") == 0
        assert service.count("SELECT count(*) FROM inbound") == service.count("SELECT count(*) FROM sms")
        book = Counter(sms.recipient for sms in platform.book)
        assert max(book.values()) == 1
        uncertain = {str(row[0]) for row in service.rows("SELECT recipient FROM sms WHERE state = 'uncertain'")}
        assert set(clients.acknowledged.values()) - set(book) <= uncertain
        assert service.rows("PRAGMA integrity_check") == [("ok",)]
    finally:
        stop.set()
        await service.close()


async def test_sender_killed_ten_times_sends_nothing_twice(tmp_path: Path, platform: SimulatedPlatform) -> None:
    connections = 8
    service = Service(tmp_path, platform, None, connections=connections, max_age="off")
    platform.misbehave(Fault.SLOW, times=None, delay=60)
    try:
        await service.start()
        for round_ in range(KILLS):
            least = platform.taken + 5
            numbers = [f"79{round_:02d}{number:07d}" for number in range(30)]
            calls = [platform.bring(service.callback_url, text="эхо раз", sender=number) for number in numbers]
            assert all(brought.acknowledged for brought in await asyncio.gather(*calls))
            await platform.wait_for(lambda each, least=least: each.taken >= least)
            await service.kill()
            await service.start()
        platform.behave()
        await service.until(NOT_ROUTED, 0)
        await service.until(UNDER_WAY, 0)
        book = Counter(sms.recipient for sms in platform.book)
        assert max(book.values()) == 1, "an SMS was sent twice"
        uncertain = {str(row[0]) for row in service.rows("SELECT recipient FROM sms WHERE state = 'uncertain'")}
        assert 0 < len(uncertain) <= connections * KILLS
        everybody = {f"79{round_:02d}{number:07d}" for round_ in range(KILLS) for number in range(30)}
        assert everybody <= set(book) | uncertain
    finally:
        await service.close()


async def test_telegram_side_killed_ten_times_loses_no_reply_and_doubles_none(
    tmp_path: Path, platform: SimulatedPlatform, telegram: SimulatedBotApi
) -> None:
    chance = random.Random(2)
    service = Service(tmp_path, platform, telegram, max_age="off")
    chat = telegram.chats[SUPPORT]
    wanted: list[str] = []
    try:
        await service.start()
        for number in range(5):
            await platform.bring(service.callback_url, text=f"Вопрос {number}", sender=f"7900000000{number}")
        await telegram.wait_for(lambda: len(chat.topics) >= 5, timeout_s=20)
        await telegram.wait_for(lambda: sum("Вопрос" in post.text for post in chat.from_bot) >= 5, timeout_s=20)
        threads = [post.thread_id for post in chat.from_bot if "Вопрос" in post.text]
        for round_ in range(KILLS):
            for number in range(6):
                text = f"Ответ {round_}-{number}"
                wanted.append(text)
                telegram.says(SUPPORT, text, thread_id=chance.choice(threads))
            least = platform.taken + chance.randint(1, 4)
            await platform.wait_for(lambda each, least=least: each.taken >= least)
            await service.kill()
            await service.start()
        await service.until("SELECT count(*) FROM sms", len(wanted), seconds=60)
        await service.until(UNDER_WAY, 0)
        book = Counter(sms.text for sms in platform.book)
        assert max(book.values()) == 1, "a reply went out twice"
        uncertain = {str(row[0]) for row in service.rows("SELECT text FROM sms WHERE state = 'uncertain'")}
        assert set(wanted) - set(book) <= uncertain, "a reply was lost"
        assert len([topic for topic in chat.topics.values() if not topic.deleted]) == 5
    finally:
        await service.close()
