"""The people of a day: subscribers whose calls may be cut, and operators who answer, edit, decide and tidy up."""

from __future__ import annotations

import asyncio
import random
import re
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from bridge.sandbox.botapi.api import SimulatedBotApi
from bridge.sandbox.botapi.markup import buttons
from bridge.sandbox.botapi.world import Chat, Message
from bridge.sandbox.caller import CallEncoding, encode_query
from bridge.sandbox.platform import SimulatedPlatform
from tests.chaos.mischief import Mischief
from tests.service import SUPPORT

SUBSCRIBERS = 40
UNREACHABLE = 4
"""Subscribers whose phones are off: SMS to them are not delivered."""
REPEATED = 0.1
"""The part of the messages that the platform brings again though it has our answer."""
CALL_AGAIN_S = 0.2

RULES = """\
rules:
  - name: echo
    when: {keyword: эхо}
    reply: "Ответ {{ args }}"
  - name: price
    when: {keyword: цена}
    reply: "Цена {{ args }}"
    forward: support
  - name: noise
    when: {keyword: шум}
    drop: true
  - name: everything-else
    forward: support
"""
KINDS = (
    ("эхо {}", 4, "replied"),
    ("цена {}", 1, "replied, forwarded"),
    ("шум {}", 1, "dropped"),
    ("Вопрос {}: когда вы открыты?", 3, "forwarded"),
    ("Рассказ {}: " + "и вот что было дальше, слушайте. " * 150, 1, "forwarded"),
)
"""Text, how many of ten messages have it, and the outcome that ``RULES`` give it. The last fills two chat messages."""


async def pause(stop: asyncio.Event, seconds: float) -> bool:
    """Wait so long; True if the day is over before."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            return await stop.wait()
    return False


@dataclass(frozen=True, slots=True)
class Sms:
    """A message of a subscriber."""

    smsid: str
    text: str
    outcome: str
    query: bytes


class Subscribers:
    """They write; the platform brings each message until it is acknowledged, and some of them again."""

    def __init__(
        self, callback_url: str, platform: SimulatedPlatform, mischief: Mischief, chance: random.Random
    ) -> None:
        self.wrote: dict[str, Sms] = {}
        self.acknowledged: dict[str, Sms] = {}
        self.acknowledged_at: list[float] = []
        self.brought_again = 0
        self.numbers = [f"7900{number:07d}" for number in range(SUBSCRIBERS)]
        for number in self.numbers[:UNREACHABLE]:
            platform.plan_statuses("Send", "not_deliver", recipient=number)
        self._url = callback_url
        self._platform = platform
        self._mischief = mischief
        self._chance = chance
        self._kinds = [(text, outcome) for text, often, outcome in KINDS for _ in range(often)]

    async def write(self, stop: asyncio.Event, a_second: float) -> None:
        """Until then; returns when all that was written is acknowledged."""
        async with asyncio.TaskGroup() as group:
            while not await pause(stop, self._chance.expovariate(a_second)):
                group.create_task(self._bring(self._new()))

    def _new(self) -> Sms:
        text, outcome = self._chance.choice(self._kinds)
        smsid = f"{len(self.wrote) + 1:07d}"
        encoding = self._chance.choice(list(CallEncoding))
        text = text.format(smsid)
        fields = {
            "date": "2026-01-06 12:00:00",
            "text": text,
            "smsid": smsid,
            "sender": self._chance.choice(self.numbers),
            "receiver": "1234",
            "prefix": "",
        }
        sms = Sms(smsid, text, outcome, encode_query(fields, encoding))
        self.wrote[smsid] = sms
        return sms

    async def _bring(self, sms: Sms) -> None:
        """Until it is acknowledged; and perhaps once more, a little later."""
        while not await self._call(sms):
            await asyncio.sleep(CALL_AGAIN_S)
        self.acknowledged[sms.smsid] = sms
        if self._chance.random() < REPEATED:
            await asyncio.sleep(self._chance.uniform(0, 3))
            self.brought_again += await self._call(sms)

    async def _call(self, sms: Sms) -> bool:
        if self._mischief.strikes():
            await self._cut(sms)
            return False
        brought = await self._platform.send_raw_callback(self._url, sms.query)
        if brought.acknowledged:
            self.acknowledged_at.append(time.monotonic())
        return brought.acknowledged

    async def _cut(self, sms: Sms) -> None:
        """A part of the call or the whole of it leaves; then the platform hangs up, politely or not."""
        parts = urlsplit(self._url)
        request = b"GET %s?%s HTTP/1.1\r\nHost: %s\r\n\r\n" % (parts.path.encode(), sms.query, parts.netloc.encode())
        with suppress(OSError):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port)
            self._mischief.note("callback cut")
            writer.write(request[: self._chance.choice([len(request), self._chance.randrange(len(request))])])
            if self._chance.random() < 0.5:
                sock = cast(socket.socket, writer.get_extra_info("socket"))
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.close()
            await writer.wait_closed()


CAPTION = "посмотрите"


def corrected(text: str) -> str:
    """An operator edits, deletes or reacts to a reply."""
    return f"{text}, исправлено"


class Operators:
    """They look at what the bot posted last, and do something about it."""

    def __init__(self, telegram: SimulatedBotApi, mischief: Mischief, chance: random.Random) -> None:
        self.chat: Chat = telegram.chats[SUPPORT]
        self.replies: dict[int, str] = {}
        """Message → text, as it was first."""
        self.captions: set[int] = set()
        """Messages that are pictures with words."""
        self.did: dict[str, int] = {}
        self._telegram = telegram
        self._mischief = mischief
        self._chance = chance
        self._handled: set[int] = set()

    async def work(self, stop: asyncio.Event, a_second: float) -> None:
        often = {self._answer: 14, self._press: 6, self._edit: 2, self._note: 1, self._photo: 1, self._close: 1}
        actions, weights = list(often), list(often.values())
        while not await pause(stop, self._chance.expovariate(a_second)):
            action = self._delete if self._mischief.strikes() else self._chance.choices(actions, weights)[0]
            # The topic or message may be gone by now, for people as for the bot.
            with suppress(LookupError):
                name = action.__name__.strip("_")
                if action():
                    self.did[name] = self.did.get(name, 0) + 1

    # ------------------------------------------------ each says whether there was anything to do

    def _answer(self) -> bool:
        if (post := self._open_post()) is None:
            return False
        text = f"Ответ оператора {len(self.replies)}"
        reply_to = post.id if self._chance.random() < 0.5 else None
        message = self._telegram.says(SUPPORT, text, thread_id=post.thread_id, reply_to=reply_to)
        self.replies[message] = text
        self._handled.add(post.id)
        return True

    def _press(self) -> bool:
        asked = [(post.id, data) for post in self._latest() for _, data in buttons(post.reply_markup)]
        if not asked:
            return False
        message, data = self._chance.choice(asked)
        self._telegram.presses(SUPPORT, message, data)
        if self._chance.random() < 0.2:
            # Two people at once, perhaps of two minds.
            self._telegram.presses(SUPPORT, message, self._chance.choice([d for m, d in asked if m == message]))
        return True

    def _edit(self) -> bool:
        recent = list(self.replies)[-10:]
        if not recent or self.chat.alive(recent[0]) is None:
            return False
        message = self._chance.choice(recent)
        self._telegram.edits(SUPPORT, message, corrected(self.replies[message]))
        return True

    def _note(self) -> bool:
        if (post := self._open_post()) is None:
            return False
        self._telegram.says(SUPPORT, "// это не для абонента", thread_id=post.thread_id)
        return True

    def _photo(self) -> bool:
        if (post := self._open_post()) is None:
            return False
        message = self._telegram.says(SUPPORT, CAPTION, kind="photo", thread_id=post.thread_id)
        self.captions.add(message)
        return True

    def _close(self) -> bool:
        if (post := self._open_post()) is None or post.thread_id is None:
            return False
        self._telegram.close_topic(SUPPORT, post.thread_id)
        return True

    def _delete(self) -> bool:
        if (post := self._open_post()) is None or post.thread_id is None:
            return False
        self._mischief.note("topic deleted")
        self._telegram.delete_topic(SUPPORT, post.thread_id)
        return True

    def _latest(self) -> list[Message]:
        return self.chat.from_bot[-200:]

    def _open_post(self) -> Message | None:
        """Of a subscriber, not answered yet: it bears its conversation's code, and nothing to press."""
        posts = [
            post
            for post in self._latest()
            if post.thread_id is not None
            and post.id not in self._handled
            and post.reply_markup is None
            and CODE.search(post.text)
        ]
        return self._chance.choice(posts) if posts else None


CODE = re.compile(r"^#[0-9a-z]{3,12}$", re.MULTILINE)
