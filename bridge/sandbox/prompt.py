"""The sandbox behind its prompt: a subscriber's phone, the platform, a Telegram group, and a transcript of all events.

It plays every part except the bridge's. It knows nothing of the bridge's internals: it reports only events at the
platform and in the chat, so each line is evidence.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import shlex
import textwrap
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, time, timedelta, tzinfo

from bridge.model.base import SECOND
from bridge.sandbox.botapi.api import SimulatedBotApi
from bridge.sandbox.botapi.world import ChatEvent, ChatKind
from bridge.sandbox.botapi.world import EventKind as ChatEventKind
from bridge.sandbox.clock import SandboxClock
from bridge.sandbox.faults import Fault, RequestKind
from bridge.sandbox.ledger import SimulatedAccount
from bridge.sandbox.operators import Operators, SandboxChat
from bridge.sandbox.platform import SimulatedPlatform
from bridge.sandbox.records import EventKind, PlatformEvent
from bridge.sandbox.transcript import BadCommand, Quit, Source, Transcript, TranscriptLine, WrongUse, number_of
from bridge.schema import did_you_mean, parse_duration, plural
from bridge.value import value_object

SUBSCRIBER = "79083730330"
SHORT_NUMBER = "1234"
FIRST_SMSID = 5001
"""Far from the ids of SMS sent, which begin at the clock, so that the two are not confused."""
WAIT_TIMEOUT = 30.0
"""Seconds that ``wait`` waits."""
FAULTS_WIDTH = 66
"""Columns of a list of faults. Beside the name of the source it fits into a terminal of 80 columns."""
QUIET_TIME = 3.0
"""Seconds without a line after which the script counts as finished; the bridge polls delivery within two."""
_TIME_OF_DAY = re.compile(r"([0-9]{1,2}):([0-9]{2})")


@value_object
class Command:
    """A command of the prompt."""

    usage: str
    help: str
    run: Callable[[Prompt, str], Awaitable[None]]


class Prompt:
    """Carries out the lines that a person types or a script holds."""

    def __init__(
        self, *, clock: SandboxClock, zone: tzinfo, chats: Sequence[SandboxChat], tell: Callable[[TranscriptLine], None]
    ) -> None:
        """``zone``: time zone of the times that a person types."""
        self._tell = tell
        self._zone = zone
        self.transcript = Transcript()
        self.platform = SimulatedPlatform(
            clock=clock, on_event=self._platform_event, account=SimulatedAccount(sender_names=None)
        )
        self._clock = clock
        self.telegram = SimulatedBotApi(clock=clock, on_event=self._chat_event)
        self.chats = tuple(chats)
        for chat in chats:
            kind: ChatKind = "private" if chat.id > 0 else "supergroup"
            self.telegram.add_chat(chat.id, title=chat.name, kind=kind, forum=chat.forum)
        self.callback_url = ""
        """Set when the bridge listens."""
        self._smsids = itertools.count(FIRST_SMSID)
        self._last_smsid = ""
        self.operators = Operators(self.telegram, chats, self.transcript, self.say)

    async def start(self) -> None:
        await self.platform.start()
        await self.telegram.start()

    async def stop(self) -> None:
        await self.telegram.stop()
        await self.platform.stop()

    def say(self, source: Source, text: str) -> None:
        line = TranscriptLine(source=source, text=text)
        self.transcript.add(line)
        self._tell(line)

    async def perform(self, words: str) -> None:
        """Carry out one line of the prompt or of a script.

        :raises BadCommand: the line is wrong; the message has the usage. :raises Quit: the person leaves.
        """
        name, _, rest = words.strip().partition(" ")
        if not name or name.startswith("#"):
            return
        command = COMMANDS.get(name.lower())
        if command is None:
            raise BadCommand(f"no command `{name}`{did_you_mean(name, COMMANDS) or '; `help` lists them'}")
        try:
            await command.run(self, rest.strip())
        except WrongUse as wrong:
            raise BadCommand("; ".join(filter(None, (usage(wrong.command), wrong.hint)))) from None

    # ------------------------------------------------ the subscriber and the platform

    async def text(self, rest: str) -> None:
        """``[+NUMBER] TEXT``: the platform calls the bridge with the subscriber's SMS until it is acknowledged, up to
        three times."""
        first, _, tail = rest.partition(" ")
        sender, text = (first.removeprefix("+"), tail) if is_number(first) and tail else (SUBSCRIBER, rest)
        if not text:
            raise WrongUse("sms")
        self.say(Source.SMS_IN, f"{sender} → {SHORT_NUMBER}: {text}")
        self._last_smsid = str(next(self._smsids))
        self.operators.expected = True
        result = await self.platform.send_callback(
            self.callback_url,
            text=text,
            sender=sender,
            receiver=SHORT_NUMBER,
            smsid=self._last_smsid,
            attempts=3,
            gap=1_000,
        )
        words = "acknowledged" if result.acknowledged else "NOT acknowledged"
        self.say(Source.PLATFORM, f"{words}: {result.status} {result.body.strip() or result.error}")

    async def redeliver(self, rest: str) -> None:
        if not self._last_smsid:
            raise BadCommand("there is no SMS to repeat yet; text something first: sms часы")
        times = number_of(rest or "1", "redeliver")
        for result in await self.platform.redeliver(self._last_smsid, times):
            self.say(Source.PLATFORM, f"repeated: {result.status} {result.body.strip() or result.error}")

    async def fault(self, rest: str) -> None:
        words = rest.split()
        names = [fault.value for fault in Fault]
        if not words:
            self.say(Source.SANDBOX, f"{usage('fault')}; NAME is one of:")
            for some in textwrap.wrap(", ".join(names), FAULTS_WIDTH, break_on_hyphens=False):
                self.say(Source.SANDBOX, some)
            return
        name = words[0].lower().replace("-", "_")
        if name not in names:
            raise BadCommand(f"no fault `{words[0]}`{did_you_mean(name, names) or '; `fault` alone lists them'}")
        times = number_of(words[1], "fault") if len(words) > 1 else 1
        self.platform.misbehave(Fault(name), times=times)
        self.say(Source.SANDBOX, f"the platform will misbehave: {name}, {plural(times, 'time')}")

    async def behave(self, rest: str) -> None:
        self.platform.behave()
        self.telegram.up()
        self.say(Source.SANDBOX, "platform and Telegram behave again")

    async def balance(self, rest: str) -> None:
        self.platform.balance = float(number_of(rest, "balance"))
        self.say(Source.SANDBOX, f"the account's balance is {rest} now")

    async def top_up(self, rest: str) -> None:
        self.platform.top_up(float(number_of(rest, "topup")))
        self.say(Source.SANDBOX, f"topped up by {rest}")

    async def statuses(self, rest: str) -> None:
        words = shlex.split(rest)
        if not words:
            raise WrongUse("statuses")
        self.platform.plan_statuses(*words)
        self.say(Source.SANDBOX, f"status questions will be answered: {', then '.join(words)}")

    # ------------------------------------------------ time

    async def outage(self, rest: str) -> None:
        self.telegram.down()
        self.say(Source.SANDBOX, "Telegram is away; `behave` brings it back")

    async def later(self, rest: str) -> None:
        """``DURATION``: let that much time pass."""
        try:
            by = parse_duration(rest)
        except ValueError:
            raise WrongUse("later", "DURATION is written as in the configuration: 5m, 2h, 1h30m") from None
        self._clock.later(by)
        self.say(Source.SANDBOX, f"{rest} later")

    async def until(self, rest: str) -> None:
        """``HH:MM``: let time pass until then, today or tomorrow."""
        at = time_of_day(rest)
        now = self._clock.now()
        local = datetime.fromtimestamp(now / SECOND, self._zone)
        then = local.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
        if then <= local:
            then += timedelta(days=1)
        self._clock.later(round(then.timestamp() * SECOND) - now)
        self.say(Source.SANDBOX, f"it is {then:%H:%M}")

    # ------------------------------------------------ scripts

    async def wait(self, rest: str) -> None:
        """``TEXT``: wait for a line that contains it, after the lines that earlier waits found."""
        if not rest:
            raise WrongUse("wait")
        try:
            async with asyncio.timeout(WAIT_TIMEOUT):
                while not self.transcript.find(rest):
                    await self.transcript.next()
        except TimeoutError:
            raise BadCommand(f"waited {WAIT_TIMEOUT:.0f} s in vain for a line with `{rest}`") from None

    async def settle(self) -> None:
        """Wait until no line has come for :data:`QUIET_TIME`, because piped commands end before their effects do."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_TIMEOUT):
                while self.transcript.lines:
                    await asyncio.wait_for(self.transcript.next(), QUIET_TIME)

    async def help(self, rest: str) -> None:
        for command in COMMANDS.values():
            self.say(Source.SANDBOX, f"{command.usage:<24} {command.help}")

    async def quit(self, rest: str) -> None:
        raise Quit("bye")

    # ------------------------------------------------ events

    def _platform_event(self, event: PlatformEvent) -> None:
        if event.sms is not None:
            sms = event.sms
            self.say(Source.SMS_OUT, f"{sms.sender_name} → {sms.recipient}: {sms.text}  (id {sms.id})")
        elif event.kind is EventKind.ASKED and event.request is not None:
            request = event.request
            if request.kind is RequestKind.STATUS:
                said = " ".join(request.answer.split())
                self.say(Source.STATUS, f"id {request.fields.get('smsid', '')}: {said}")
            elif request.kind is RequestKind.SEND and request.fault is not None:
                self.say(Source.PLATFORM, f"misbehaves: {request.fault}")

    def _chat_event(self, event: ChatEvent) -> None:
        place = f"{event.chat} / {event.topic}" if event.topic else event.chat
        self.operators.seen(event)
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
        source = Source.TELEGRAM if event.by_bot else Source.OPERATOR
        who = "" if event.by_bot else f" {event.who}:"
        self.say(source, f"{place}:{who} {' ⏎ '.join(words.splitlines())} {buttons}".rstrip())


def time_of_day(word: str) -> time:
    """Read ``HH:MM`` or ``H:MM``. :raises WrongUse: for any other form."""
    with contextlib.suppress(ValueError):
        if found := _TIME_OF_DAY.fullmatch(word):
            return time(int(found[1]), int(found[2]))
    raise WrongUse("until", "HH:MM is a time of day such as 09:00")


def is_number(word: str) -> bool:
    return word.removeprefix("+").isdecimal() and len(word) >= 7


def usage(name: str) -> str:
    return f"usage: {COMMANDS[name].usage}"


def operator(act: Callable[[Operators, str], Awaitable[None]]) -> Callable[[Prompt, str], Awaitable[None]]:
    """Make a command of the prompt from an action of the operators."""
    return lambda prompt, rest: act(prompt.operators, rest)


def command(usage: str, help: str, run: Callable[[Prompt, str], Awaitable[None]]) -> tuple[str, Command]:
    """A command under its name, which is the first word of ``usage``."""
    return usage.split()[0], Command(usage=usage, help=help, run=run)


COMMANDS: dict[str, Command] = dict(
    [
        command("sms [+NUMBER] TEXT", "a subscriber texts", Prompt.text),
        command("reply TEXT", "the operator answers in the conversation", operator(Operators.reply)),
        command(
            "send KIND [CAPTION]", "the operator sends a voice, sticker, location … there", operator(Operators.send)
        ),
        command("photo [CAPTION]", "the operator sends a photo there", operator(Operators.photo)),
        command("edit TEXT", "edit the operator's latest message", operator(Operators.edit)),
        command("delete", "delete the operator's latest message", operator(Operators.delete)),
        command("press [N]", "press the N-th button of the latest message with buttons", operator(Operators.press)),
        command("react EMOJI", "react to the conversation's latest post", operator(Operators.react)),
        command("say TEXT", "write to colleagues, in the chat itself", operator(Operators.say)),
        command("as NAME", "this operator acts from now on", operator(Operators.act_as)),
        command("with [NUMBER]", "choose a conversation; without NUMBER the latest", operator(Operators.choose)),
        command("redeliver [TIMES]", "the platform repeats the last SMS", Prompt.redeliver),
        command("fault NAME [TIMES]", "a fault of the platform at the next sends", Prompt.fault),
        command("statuses WORD…", "set the answers to delivery polls", Prompt.statuses),
        command("balance AMOUNT", "set the account's balance", Prompt.balance),
        command("topup AMOUNT", "top up; parked SMS are sent", Prompt.top_up),
        command("outage", "Telegram cannot be reached", Prompt.outage),
        command("behave", "end all faults and outages", Prompt.behave),
        command("close-topic", "the operator closes the topic", operator(Operators.close_topic)),
        command("reopen-topic", "the operator opens the topic again", operator(Operators.reopen_topic)),
        command("delete-topic", "the operator deletes the topic", operator(Operators.delete_topic)),
        command("later DURATION", "let this much time pass", Prompt.later),
        command("until HH:MM", "let time pass until then", Prompt.until),
        command("wait TEXT", "(scripts) wait for a line with TEXT", Prompt.wait),
        command("help", "print this list", Prompt.help),
        command("quit", "leave the sandbox", Prompt.quit),
    ]
)
"""The commands of the prompt, in the order in which `help` lists them."""
