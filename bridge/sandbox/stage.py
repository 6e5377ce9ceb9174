"""The sandbox's stage: a subscriber's phone, the platform, a Telegram group, and a voice that tells what happens.

It plays everybody but the bridge. It knows nothing of the bridge's insides: what it tells is what the platform and the
chat have seen, so a line here is proof, not hope.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shlex
import textwrap
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from bridge.errors import BridgeError
from bridge.frozen import frozen
from bridge.ports import Clock
from bridge.sandbox.botapi.api import SimulatedBotApi
from bridge.sandbox.botapi.people import MessageKind
from bridge.sandbox.botapi.world import ChatEvent
from bridge.sandbox.botapi.world import EventKind as ChatEventKind
from bridge.sandbox.faults import Fault, RequestKind
from bridge.sandbox.platform import SimulatedPlatform
from bridge.sandbox.records import EventKind, PlatformEvent
from bridge.schema import near, plural

SUBSCRIBER = "79083730330"
SHORT_NUMBER = "1234"
FIRST_SMSID = 5001
"""Far from the ids of SMS sent, which begin at the clock: nobody should take one for the other."""
PATIENCE = 30.0
"""Seconds that ``wait`` waits."""
FAULTS_WIDTH = 66
"""Columns of a list, so that it stays readable beside the voice in a terminal of 80."""
SOON = 5.0
"""Seconds that an operator's command waits for the conversation or the button it needs."""
QUIET = 3.0
"""Seconds without a line after which a story seems to be at its end; delivery is asked about within two."""


class Voice(StrEnum):
    """Who speaks a line; decides its colour."""

    SMS_IN = "SMS in"
    SMS_OUT = "SMS out"
    PLATFORM = "platform"
    STATUS = "status"
    TELEGRAM = "Telegram"
    OPERATOR = "operator"
    BRIDGE = "bridge"
    STAGE = "sandbox"


@frozen
class Line:
    """One line of the transcript."""

    voice: Voice
    text: str


@frozen
class StageChat:
    """A chat of the configuration, to be made in the simulated Telegram."""

    name: str
    id: int
    forum: bool


class BadCommand(BridgeError):
    """Not a command, or its words are off; carries the usage."""


class Quit(BridgeError):
    """The person wants to leave."""


@frozen
class Command:
    usage: str
    help: str
    run: Callable[[Stage, str], Awaitable[None]]


@dataclass(kw_only=True, slots=True)
class Transcript:
    """All lines so far, and how far ``wait`` has read."""

    lines: list[Line] = field(default_factory=list)
    read: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, line: Line) -> None:
        self.lines.append(line)
        self.changed.set()

    async def next(self) -> None:
        """Until one more line is there."""
        self.changed.clear()
        await self.changed.wait()

    def find(self, text: str) -> bool:
        """Look for a line that holds ``text`` after the last one found."""
        for index in range(self.read, len(self.lines)):
            line = self.lines[index]
            if text.casefold() in f"{line.voice} {line.text}".casefold():
                self.read = index + 1
                return True
        return False


class Stage:
    def __init__(self, *, clock: Clock, chats: Sequence[StageChat], tell: Callable[[Line], None]) -> None:
        self._tell = tell
        self.transcript = Transcript()
        self.platform = SimulatedPlatform(clock=clock, on_event=self._platform_event, sender_names=None)
        self.telegram = SimulatedBotApi(clock=clock, on_event=self._chat_event)
        self.chats = tuple(chats)
        for chat in chats:
            self.telegram.add_chat(chat.id, title=chat.name, forum=chat.forum)
        self.callback_url = ""
        """Set when the bridge listens."""
        self._smsids = itertools.count(FIRST_SMSID)
        self._last_smsid = ""
        self._conversation: ChatEvent | None = None
        self._buttons: ChatEvent | None = None

    async def start(self) -> None:
        await self.platform.start()
        await self.telegram.start()

    async def stop(self) -> None:
        await self.telegram.stop()
        await self.platform.stop()

    def say(self, voice: Voice, text: str) -> None:
        line = Line(voice=voice, text=text)
        self.transcript.add(line)
        self._tell(line)

    async def perform(self, words: str) -> None:
        """Carry out one line of the prompt or of a script. :raises BadCommand: with the usage. :raises Quit:"""
        name, _, rest = words.strip().partition(" ")
        if not name or name.startswith("#"):
            return
        command = COMMANDS.get(name.lower())
        if command is None:
            raise BadCommand(f"no command `{name}`{near(name, COMMANDS) or '; `help` lists them'}")
        await command.run(self, rest.strip())

    # ------------------------------------------------ the subscriber and the platform

    async def text(self, rest: str) -> None:
        """``[+NUMBER] TEXT``: the subscriber's SMS, brought by the platform until it is acknowledged."""
        first, _, tail = rest.partition(" ")
        sender, text = (first.removeprefix("+"), tail) if is_number(first) and tail else (SUBSCRIBER, rest)
        if not text:
            raise BadCommand(usage("sms"))
        self.say(Voice.SMS_IN, f"{sender} → {SHORT_NUMBER}: {text}")
        self._last_smsid = str(next(self._smsids))
        brought = await self.platform.bring(
            self.callback_url,
            text=text,
            sender=sender,
            receiver=SHORT_NUMBER,
            smsid=self._last_smsid,
            attempts=3,
            gap=1_000,
        )
        words = "acknowledged" if brought.acknowledged else "NOT acknowledged"
        self.say(Voice.PLATFORM, f"{words}: {brought.status} {brought.body.strip() or brought.error}")

    async def redeliver(self, rest: str) -> None:
        if not self._last_smsid:
            raise BadCommand("nothing was brought yet; text something first: sms часы")
        times = number_of(rest or "1", "redeliver")
        for brought in await self.platform.redeliver(self._last_smsid, times):
            self.say(Voice.PLATFORM, f"brought again: {brought.status} {brought.body.strip() or brought.error}")

    async def fault(self, rest: str) -> None:
        words = rest.split()
        names = [fault.value for fault in Fault]
        if not words:
            self.say(Voice.STAGE, f"{usage('fault')}; NAME is one of:")
            for some in textwrap.wrap(", ".join(names), FAULTS_WIDTH, break_on_hyphens=False):
                self.say(Voice.STAGE, some)
            return
        name = words[0].lower().replace("-", "_")
        if name not in names:
            raise BadCommand(f"no fault `{words[0]}`{near(name, names) or '; `fault` alone lists them'}")
        times = number_of(words[1], "fault") if len(words) > 1 else 1
        self.platform.misbehave(Fault(name), times=times)
        self.say(Voice.STAGE, f"the platform will misbehave: {name}, {plural(times, 'time')}")

    async def behave(self, rest: str) -> None:
        self.platform.behave()
        self.telegram.up()
        self.say(Voice.STAGE, "platform and Telegram behave again")

    async def balance(self, rest: str) -> None:
        self.platform.balance = float(number_of(rest, "balance"))
        self.say(Voice.STAGE, f"the account's balance is {rest} now")

    async def top_up(self, rest: str) -> None:
        self.platform.top_up(float(number_of(rest, "topup")))
        self.say(Voice.STAGE, f"topped up by {rest}")

    async def statuses(self, rest: str) -> None:
        words = shlex.split(rest)
        if not words:
            raise BadCommand(usage("statuses"))
        self.platform.plan_statuses(*words)
        self.say(Voice.STAGE, f"status questions will be answered: {', then '.join(words)}")

    # ------------------------------------------------ the operator

    async def reply(self, rest: str) -> None:
        if not rest:
            raise BadCommand(usage("reply"))
        await self._say_in_chat(rest, MessageKind.TEXT)

    async def photo(self, rest: str) -> None:
        await self._say_in_chat(rest, MessageKind.PHOTO)

    async def press(self, rest: str) -> None:
        await self._soon(lambda: self._buttons is not None)
        post = self._buttons
        if post is None:
            raise BadCommand("there is no button in the chat yet")
        index = number_of(rest or "1", "press")
        if not 1 <= index <= len(post.buttons):
            raise BadCommand(f"{usage('press')}; there is only {plural(len(post.buttons), 'button')}")
        label, data = post.buttons[index - 1]
        assert post.message_id is not None
        self.say(Voice.OPERATOR, f"presses [{label}]")
        self.telegram.presses(post.chat_id, post.message_id, data)

    async def outage(self, rest: str) -> None:
        self.telegram.down()
        self.say(Voice.STAGE, "Telegram is away; `behave` brings it back")

    async def delete_topic(self, rest: str) -> None:
        post = await self._place()
        if post.thread_id is None:
            raise BadCommand("the conversation has no topic: the chat works by replies")
        self.telegram.delete_topic(post.chat_id, post.thread_id)
        self._conversation = None

    async def _place(self) -> ChatEvent:
        """The latest conversation."""
        await self._soon(lambda: self._conversation is not None)
        if self._conversation is None:
            raise BadCommand("no conversation in the chat yet; text a question first: sms где мой заказ?")
        return self._conversation

    async def _soon(self, there: Callable[[], bool]) -> None:
        """Wait a little for what an SMS is about to bring about: a pipe types faster than the bridge works."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SOON if self._last_smsid else 0):
                while not there():
                    await self.transcript.next()

    async def _say_in_chat(self, text: str, kind: MessageKind) -> None:
        """In the topic of the latest conversation, or as a reply to its latest post where there are no topics."""
        post = await self._place()
        forum = any(chat.id == post.chat_id and chat.forum for chat in self.chats)
        thread_id, reply_to = (post.thread_id, None) if forum else (None, post.message_id)
        self.telegram.says(post.chat_id, text, kind=kind, thread_id=thread_id, reply_to=reply_to)

    # ------------------------------------------------ scripts

    async def wait(self, rest: str) -> None:
        """``TEXT``: until a line with it is told, after those that earlier waits found."""
        if not rest:
            raise BadCommand(usage("wait"))
        try:
            async with asyncio.timeout(PATIENCE):
                while not self.transcript.find(rest):
                    await self.transcript.next()
        except TimeoutError:
            raise BadCommand(f"waited {PATIENCE:.0f} s in vain for a line with `{rest}`") from None

    async def settle(self) -> None:
        """Until nothing has happened for a while: the end of piped commands is not the end of what they began."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while self.transcript.lines:
                    await asyncio.wait_for(self.transcript.next(), QUIET)

    async def help(self, rest: str) -> None:
        for command in COMMANDS.values():
            self.say(Voice.STAGE, f"{command.usage:<24} {command.help}")

    async def quit(self, rest: str) -> None:
        raise Quit("bye")

    # ------------------------------------------------ what is seen

    def _platform_event(self, event: PlatformEvent) -> None:
        if event.sms is not None:
            sms = event.sms
            self.say(Voice.SMS_OUT, f"{sms.sender_name} → {sms.recipient}: {sms.text}  (id {sms.id})")
        elif event.kind is EventKind.ASKED and event.request is not None:
            request = event.request
            if request.kind is RequestKind.STATUS:
                said = " ".join(request.answer.split())
                self.say(Voice.STATUS, f"id {request.fields.get('smsid', '')}: {said}")
            elif request.kind is RequestKind.SEND and request.fault is not None:
                self.say(Voice.PLATFORM, f"misbehaves: {request.fault}")

    def _chat_event(self, event: ChatEvent) -> None:
        place = f"{event.chat} / {event.topic}" if event.topic else event.chat
        if event.by_bot and event.buttons:
            self._buttons = event
        if event.by_bot and event.kind is ChatEventKind.POST and "#" in event.text:
            self._conversation = event
        buttons = "  ".join(f"[{label}]" for label, _ in event.buttons)
        words = {
            ChatEventKind.POST: event.text,
            ChatEventKind.EDIT: f"(edited) {event.text}",
            ChatEventKind.REACTION: f"reaction {event.text}",
            ChatEventKind.TOPIC: f"topic {event.text}",
            ChatEventKind.ANSWER: f"pop-up: {event.text}",
            ChatEventKind.DELETE: f"topic {event.text} deleted" if event.text else "message deleted",
            ChatEventKind.BUTTON: f"pressed {event.text}",
            ChatEventKind.MEMBER: event.text,
        }[event.kind]
        voice = Voice.TELEGRAM if event.by_bot else Voice.OPERATOR
        who = "" if event.by_bot else f" {event.who}:"
        self.say(voice, f"{place}:{who} {' ⏎ '.join(words.splitlines())} {buttons}".rstrip())


def is_number(word: str) -> bool:
    return word.removeprefix("+").isdecimal() and len(word) >= 7


def number_of(word: str, command: str) -> int:
    if not word.isdecimal():
        raise BadCommand(usage(command))
    return int(word)


def usage(name: str) -> str:
    return f"usage: {COMMANDS[name].usage}"


COMMANDS: dict[str, Command] = {
    "sms": Command(usage="sms [+NUMBER] TEXT", help="a subscriber texts", run=Stage.text),
    "reply": Command(usage="reply TEXT", help="the operator answers in the latest conversation", run=Stage.reply),
    "photo": Command(usage="photo [CAPTION]", help="the operator sends a photo there", run=Stage.photo),
    "press": Command(usage="press [N]", help="the operator presses the N-th button shown last", run=Stage.press),
    "redeliver": Command(usage="redeliver [TIMES]", help="the platform brings the last SMS again", run=Stage.redeliver),
    "fault": Command(usage="fault NAME [TIMES]", help="the platform treats the next sends badly", run=Stage.fault),
    "statuses": Command(usage="statuses WORD…", help="what status questions are answered", run=Stage.statuses),
    "balance": Command(usage="balance AMOUNT", help="set the account's balance", run=Stage.balance),
    "topup": Command(usage="topup AMOUNT", help="top up; parked SMS go out", run=Stage.top_up),
    "outage": Command(usage="outage", help="Telegram cannot be reached", run=Stage.outage),
    "behave": Command(usage="behave", help="end of all faults", run=Stage.behave),
    "delete-topic": Command(usage="delete-topic", help="somebody deletes the topic", run=Stage.delete_topic),
    "wait": Command(usage="wait TEXT", help="(scripts) until a line with TEXT appears", run=Stage.wait),
    "help": Command(usage="help", help="this list", run=Stage.help),
    "quit": Command(usage="quit", help="leave", run=Stage.quit),
}
"""Everything the prompt understands; `help` shows it in this order."""
