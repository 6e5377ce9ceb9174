"""Every way in which the service complains, with planted words in each field that could get into the complaint.

What comes out is kept in a folder: the service's log, what its commands print, what its listeners answer. Nothing is
judged here.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from bridge.pipeline.clock import SystemClock
from bridge.sandbox.botapi.api import OPERATOR as OPERATOR_ID
from bridge.sandbox.botapi.api import SimulatedBotApi
from bridge.sandbox.botapi.server import ApiOutage
from bridge.sandbox.botapi.state import ServerOptions
from bridge.sandbox.caller import CallEncoding, call, encode_query
from bridge.sandbox.faults import Fault, RequestKind
from bridge.sandbox.ledger import SimulatedAccount
from bridge.sandbox.platform import SimulatedPlatform
from tests.chaos.hostile_calls import malformed_case
from tests.chaos.outputs import Outputs
from tests.chaos.planted_words import (
    ECHOES,
    FIRST_OF_FAULTS,
    LOGIN,
    NUMBER,
    NUMBERS,
    OPERATOR,
    PASSWORD,
    PERSON,
    REFUSALS,
    RULES,
    SECRET,
    TEXT,
    TOKEN,
    WORD,
    WRONG_SECRET,
)
from tests.chaos.sabotage import clumsy
from tests.service import LOOK_AGAIN, SUPPORT, Service

COMPLAINTS = (
    *("callback_failed", "rules_failed", "plan_failed", "platform_adapter_failed", "outcome_failed", "loop_failed"),
    *("update_parked", "Task exception was never retrieved", "Exception in callback"),
)
"""The log events and messages by which each part reports its failure."""


class Provocateur:
    """Plays all who may say a planted word: subscribers, the platform, operators, Telegram."""

    def __init__(self, service: Service, platform: SimulatedPlatform, telegram: SimulatedBotApi) -> None:
        self._service = service
        self._platform = platform
        self._telegram = telegram
        self._numbers = iter(range(NUMBERS))
        self.url = f"{service.callback_url}/{quote(SECRET, safe='')}"
        self.plain_url = service.callback_url
        self._by_key = f"{service.callback_url}?key={quote(SECRET, safe='')}"

    def number(self) -> str:
        return NUMBER.format(next(self._numbers))

    async def brings(self, text: str, *, sender: str = "", account: str = "sms", **other: object) -> str:
        """An SMS that is taken; returns its sender."""
        sender = sender or self.number()
        url = f"http://127.0.0.1:{self._service.port}/{account}.php/{quote(SECRET, safe='')}"
        brought = await self._platform.send_callback(url, text=text, sender=sender, **other)  # type: ignore[arg-type]
        assert brought.acknowledged, brought
        return sender

    async def answered(self, least: int) -> None:
        """Until nothing is new or in flight and so many SMS met their answer."""
        unfinished = "SELECT count(*) FROM inbound WHERE state = 'new' UNION SELECT count(*) FROM sms WHERE {}"
        await self._so(lambda: self._service.rows(unfinished.format("state = 'sending'")) == [(0,)])
        await self._so(lambda: self._service.count("SELECT count(*) FROM sms WHERE attempts > 0") >= least)

    # ------------------------------------------------ the callback

    async def good_and_bad_calls(self) -> None:
        for encoding in CallEncoding:
            await self.brings(f"{TEXT} {encoding}", encoding=encoding)
        await self.brings(TEXT, smsid="77")
        await self.brings(f"{TEXT} ещё раз", smsid="77")
        await self._platform.redeliver("77", times=4)
        await self.brings(f"сломано {TEXT}")
        fields = {"smsid": "78", "sender": self.number(), "text": TEXT}
        good = encode_query(fields, CallEncoding.UTF_8)
        raw = encode_query(fields, CallEncoding.RAW_1251)
        wrong = quote(WRONG_SECRET).encode()
        for url, asked, method in (
            (self.plain_url, good, "GET"),
            (f"{self.plain_url}/{WRONG_SECRET}", good, "GET"),
            (self.plain_url, good + b"&key=" + wrong, "GET"),
            (f"{self.plain_url}/../{quote(SECRET)}", raw, "GET"),
            (self._by_key, good.replace(b"smsid=78", b"smsid=" + quote(TEXT).encode()), "GET"),
            (self._by_key, good.replace(b"smsid=78", b""), "GET"),
            (self._by_key, good.replace(b"smsid=", b"smsid=79&sender="), "GET"),
            (self._by_key, good.replace(b"sender=", b"x=").replace(b"=78", b"=80"), "GET"),
            (self._by_key, good.replace(b"=78", b"=81") + b"&sender=" + quote(TEXT * 9).encode(), "GET"),
            (self._by_key, good + b"%00%ED%A0%80", "GET"),
            (self._by_key, good + quote(TEXT).encode() * 900, "GET"),
            (self.url, good, "POST"),
            (self.url, good, "HEAD"),
            (f"{self.plain_url}x", good, "GET"),
        ):
            await call(url, asked, method=method)

    async def noise(self, count: int) -> None:
        """Malformed requests with the words among them."""
        words = f"{TEXT} {WRONG_SECRET} {SECRET}".encode()
        for number in range(count):
            data = malformed_case(14, number).data.replace(b"hello", words).replace(b"bridge", words)
            try:
                async with asyncio.timeout(5):
                    reader, writer = await asyncio.open_connection("127.0.0.1", self._service.port)
                    writer.write(data)
                    writer.write_eof()
                    await reader.read()
                    writer.close()
            except (OSError, TimeoutError):
                continue

    async def store_that_cannot_write(self) -> None:
        """Another program holds the file's lock for longer than a writer waits for it."""
        locker = sqlite3.connect(self._service.database, isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        try:
            brought = await self._platform.send_callback(self.url, text=TEXT, sender=self.number(), smsid="90")
            assert not brought.acknowledged, brought
        finally:
            locker.execute("ROLLBACK")
            locker.close()

    # ------------------------------------------------ the platform

    async def bad_answers(self, faults: Sequence[Fault]) -> None:
        for fault in faults:
            recipient = NUMBER.format(FIRST_OF_FAULTS + list(Fault).index(fault))
            self._platform.misbehave(fault, recipient=recipient)
            await self.brings(f"эхо {TEXT}", sender=recipient, account=fault)
        await self.answered(len(faults))
        self._platform.behave()

    async def echoes(self) -> None:
        """To a platform that quotes what it was asked."""
        for form in range(2 * len(ECHOES)):
            await self.brings(f"эхо {TEXT} {form}", account=f"echo{form}")
        await self.answered(2 * len(ECHOES))

    async def bad_statuses(self) -> None:
        for fault in (Fault.HTML, Fault.HTTP_500, Fault.GARBAGE, Fault.CUT_AFTER_READING, Fault.BAD_LOGIN):
            self._platform.misbehave(fault, on=RequestKind.STATUS, times=2)
        await self.brings(f"эхо {TEXT}")
        await self._platform.wait_for(lambda platform: platform.counts[RequestKind.STATUS] >= 3, timeout_s=30)
        self._platform.behave()

    # ------------------------------------------------ the chat

    async def exchange(self) -> None:
        """Operators answer, in every wrong way too; Telegram refuses and fails."""
        chat = self._telegram.chats[SUPPORT]
        await self.brings(f"{TEXT} в чат")
        await self._telegram.wait_for(lambda: any(post.thread_id for post in chat.from_bot), timeout_s=30)
        thread = next(post.thread_id for post in chat.from_bot if post.thread_id)
        self._telegram.says(SUPPORT, OPERATOR, thread_id=thread)
        self._telegram.says(SUPPORT, OPERATOR * 200, thread_id=thread)
        self._telegram.says(SUPPORT, OPERATOR)
        self._telegram.says(SUPPORT, OPERATOR, thread_id=thread, kind="photo")
        self._telegram.says(SUPPORT, f"/start {OPERATOR}", thread_id=thread)
        message = self._telegram.says(SUPPORT, f"// {OPERATOR}", thread_id=thread)
        self._telegram.edits(SUPPORT, message, f"{OPERATOR} (исправлено)")
        for broken in (
            {"message": {"text": OPERATOR, "chat": {"id": OPERATOR}}},
            {"message": {"message_id": OPERATOR, "date": OPERATOR, "chat": {"id": SUPPORT, "type": "supergroup"}}},
            {"callback_query": {"id": 5, "data": OPERATOR, "from": OPERATOR}},
            {"message": OPERATOR},
        ):
            self._telegram.raw_update(broken)  # type: ignore[arg-type]
        await self._done("SELECT count(*) FROM tg_update WHERE state = 'new'")

    async def bad_telegram(self) -> None:
        quoting = f"Bad Request: message '{TEXT}' from {NUMBER.format(2)} is not liked"
        refusals: Sequence[tuple[int, str]] = (
            (400, quoting),
            (429, quoting),
            (500, quoting),
            (403, f"Forbidden: {quoting}"),
        )
        for code, description in refusals[:3]:
            await self._refused(code, description)
        for outage in (ApiOutage.BAD_GATEWAY, ApiOutage.CUT_AFTER, ApiOutage.REFUSE):
            before = self._failures()
            self._telegram.down(outage)
            await self.brings(f"{TEXT} и {outage}")
            await self._so(lambda before=before: self._failures() > before)
            self._telegram.up()
            await self._done("SELECT count(*) FROM chat_post WHERE state = 'waiting'")
        self._telegram.unauthorised()
        await self.brings(f"{TEXT} без права")
        await self._telegram.wait_for(lambda: any(each.status == 401 for each in self._telegram.calls), timeout_s=60)
        self._telegram.unauthorised(False)
        await self._refused(*refusals[3])

    async def _refused(self, code: int, description: str) -> None:
        parameters = {"retry_after": 1} if code == 429 else None
        before = len(self._telegram.calls)
        self._telegram.answer_next("sendMessage", code, description, parameters)
        await self.brings(f"{TEXT} и {code}")
        await self._telegram.wait_for(
            lambda: any(each.description == description for each in self._telegram.calls[before:]), timeout_s=90
        )

    def _failures(self) -> int:
        wanted = {"telegram_lost", "chat_paused", "post_refused", "telegram_reached"}
        return sum(event.get("event") in wanted for event in self._service.events())

    async def _done(self, query: str) -> None:
        await self._so(lambda: self._service.count(query) == 0)

    async def _so(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(LOOK_AGAIN)

    # ------------------------------------------------ ourselves

    async def stumbles(self) -> None:
        """Faults of our own in every part, each of which quotes what it was at; for ``sabotage.clumsy``."""
        for part in clumsy.PARTS:
            for start in ("", "эхо "):
                text = f"{start}{TEXT} at-{part}"
                await self._platform.send_callback(self.url, text=text, sender=self.number(), attempts=4)
        chat = self._telegram.chats[SUPPORT]
        await self._telegram.wait_for(lambda: any(post.thread_id for post in chat.from_bot), timeout_s=30)
        thread = next(post.thread_id for post in chat.from_bot if post.thread_id)
        for _ in range(clumsy.TIMES + 1):
            self._telegram.says(SUPPORT, f"{OPERATOR} at-operator", thread_id=thread)
        await self._done("SELECT count(*) FROM tg_update WHERE state = 'new'")
        await self._so(lambda: set(self._said(COMPLAINTS)) == set(COMPLAINTS))

    def _said(self, words: Sequence[str]) -> list[str]:
        log = self._service.log.read_text(encoding="utf-8")
        return [word for word in words if word in log]


def account(name: str, **other: object) -> Mapping[str, object]:
    """One more account of the same owner."""
    return {
        "login": LOGIN,
        "password": PASSWORD,
        "sender": "MyShop",
        "rate": "off",
        "max_age": "off",
        "balance": {"every": "off"},
        "status": {"poll": ["1s"], "rate": "off"},
        "callback": {"path": f"/{name}.php", "secret": SECRET},
        **other,
    }


@asynccontextmanager
async def provoked(
    folder: Path, *, sabotage: str = "narrow", log_format: str = "json", starts: bool = True
) -> AsyncIterator[tuple[Service, Provocateur, Outputs]]:
    """A running service whose every secret is a planted word, everybody around it, and a place for what it says."""
    folder.mkdir(exist_ok=True)
    clock = SystemClock()
    platform = SimulatedPlatform(
        clock=clock, account=SimulatedAccount(login=LOGIN, password=PASSWORD, sender_names=None, balance=1e9)
    )
    telegram = SimulatedBotApi(
        clock=clock, token=TOKEN, options=ServerOptions(group_budget=None, global_per_second=None)
    )
    telegram.add_chat(SUPPORT, forum=True)
    telegram.add_user(OPERATOR_ID, PERSON)
    await platform.start()
    await telegram.start()
    async with echo() as echo_url:
        faults = {fault.value: account(fault, url=platform.url) for fault in REFUSALS}
        echoes = {f"echo{at}": account(f"echo{at}", url=echo_url, script=f"/{at}") for at in range(2 * len(ECHOES))}
        service = Service(
            folder,
            platform,
            telegram,
            sabotage=sabotage,
            environment={"CHAOS_WORD": WORD, "CHAOS_PACE": "off", **({} if starts else {"CHAOS_START": "fails"})},
            settings={"logging": {"format": log_format, "level": "debug"}, "accounts": {**faults, **echoes}},
            rules=RULES,
            **account("sms", url=platform.url),
        )
        try:
            if starts:
                await service.start()
            yield service, Provocateur(service, platform, telegram), Outputs(folder / "outputs", service)
        finally:
            await service.close()
            await telegram.stop()
            await platform.stop()


@asynccontextmanager
async def echo() -> AsyncIterator[str]:
    """A platform that quotes each request in its answer, in the form that the path of its script names; its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
            form = int(target[1:].partition(b"?")[0])
            quoted = (target, unquote_to_bytes(target))[form // len(ECHOES)]
            writer.write(ECHOES[form % len(ECHOES)] % quoted)
            await writer.drain()
        except (OSError, EOFError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
