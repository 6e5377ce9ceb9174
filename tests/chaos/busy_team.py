"""A team at its topics that uses everything: replies and corrections of them, pictures, long and dear texts, the
buttons under all that, commands and canned replies. And what must have come of each, whatever was killed meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.sandbox.botapi import Message
from bridge.sandbox.botapi.api import SimulatedBotApi
from bridge.sandbox.botapi.markup import buttons
from bridge.sandbox.botapi.people import MessageKind
from bridge.sandbox.ledger import TakenSms
from tests.chaos import invariants
from tests.service import SUPPORT, Service

CORRECTED = " (исправлено)"
REPLIES: Mapping[str, str] = {"hello": "Заготовка: здравствуйте", "call": "Заготовка: перезвоним за час"}
CANNED = "Заготовка: "
LONG = " слово" * 40
"""Four parts: asked about."""
PRESSED_TWICE = 0.3
DECIDED = "SELECT count(*) FROM sms_event WHERE sms_id = ? AND from_state = 'draft' AND to_state = 'queued'"
STOPPED = "SELECT count(*) FROM sms_event WHERE sms_id = ? AND to_state = 'cancelled'"
CONFIRMED_BY_HAND = ("release", "plain")


@dataclass(eq=False, slots=True)
class Team:
    """Operators who write and press in the group with its topics, and a record of what each did, for the check."""

    telegram: SimulatedBotApi
    chance: random.Random
    answers: list[str] = field(default_factory=list)
    pressed: set[str] = field(default_factory=set)
    """Data of buttons, as ``again:ID``."""
    lists: dict[int, int] = field(default_factory=dict)
    """Lists of canned replies in which a button was pressed: the message, and the command that it answers."""
    shortened: dict[int, str] = field(default_factory=dict)
    """Questions that were answered by an edit: the message, and what it says now."""
    commands: dict[int, str] = field(default_factory=dict)
    """Message → what it says."""
    _written: list[int] = field(default_factory=list)
    _asked: list[int] = field(default_factory=list)
    """Messages with a text that is asked about."""
    _decided: set[str] = field(default_factory=set)
    """Ids of SMS under which somebody has pressed a button that decides."""
    _under: set[int | None] = field(default_factory=set)
    """Messages of the team under which those stood."""
    _count: int = 0

    @property
    def seen(self) -> list[Message]:
        return self.telegram.chats[SUPPORT].from_bot

    def threads(self) -> list[int]:
        """Topics in which a subscriber was seen to write."""
        return sorted({post.thread_id for post in self.seen if post.thread_id is not None})

    # ------------------------------------------------ what is written

    def answer(self) -> None:
        text = f"Ответ {len(self.answers)}"
        self.answers.append(text)
        self._written.append(self._says(text))

    def correct(self) -> None:
        """An operator edits an answer, sent or not: it must neither be sent a second time nor be lost."""
        number = self.chance.randrange(len(self._written))
        self.telegram.edits(SUPPORT, self._written[number], self.answers[number] + CORRECTED)

    def ask_first(self) -> None:
        """A text, or the words under a picture, that wait for a word: too long, too dear, no text at all."""
        self._count += 1
        what = self.chance.randrange(3)
        text = (f"Длинно {self._count}:{LONG}", f"Order “{self._count}” is ready", f"Подпись {self._count}")[what]
        message = self._says(text, MessageKind.PHOTO if what == 2 else MessageKind.TEXT)
        if what == 0:
            self._asked.append(message)

    def shorten(self) -> None:
        """A question is answered by an edit after which there is nothing to ask."""
        if open_ := [
            message for message in self._asked if message not in self._under and message not in self.shortened
        ]:
            message = self.chance.choice(open_)
            self.shortened[message] = f"Короче {message}"
            self.telegram.edits(SUPPORT, message, self.shortened[message])

    def command(self) -> None:
        self._count += 1
        written = self.chance.choice(
            [
                f"/name Имя {self._count}",
                "/close",
                "/open",
                "/claim 1h",
                f"/tag t{self._count}",
                "/t",
                "/t hello",
                f"/sms +7912{self._count:07d} Пишем первыми {self._count}",
            ]
        )
        self.commands[self._says(written)] = written

    def _says(self, text: str, kind: MessageKind = MessageKind.TEXT) -> int:
        return self.telegram.says(SUPPORT, text, kind=kind, thread_id=self.chance.choice(self.threads()))

    # ------------------------------------------------ what is pressed

    def settle(self) -> None:
        """The last button under everything that waits for a word: what failed again, what is unknown not again."""
        for post in self.seen:
            shown = [data for _, data in buttons(post.reply_markup) if data.startswith(("again:", "leave:"))]
            if shown and shown[-1] not in self.pressed:
                self._press(post, shown[-1])

    def press(self) -> None:
        """One of the other buttons that are to be seen, under something that nobody has decided about yet."""
        choices = [
            (post, data)
            for post in self.seen
            for _, data in buttons(post.reply_markup)
            if data.startswith(("release:", "plain:", "stop:", "canned:")) and self._open(post, data)
        ]
        if choices:
            self._press(*self.chance.choice(choices))

    def _open(self, post: Message, data: str) -> bool:
        if data.startswith("canned:"):
            # A command that a kill let be processed twice shows two lists: whoever pressed in one is served.
            return post.reply_to not in self.lists.values()
        return data.split(":")[1] not in self._decided and post.reply_to not in self.shortened

    def _press(self, post: Message, data: str) -> None:
        if data.startswith("canned:"):
            assert post.reply_to is not None
            self.lists[post.id] = post.reply_to
        else:
            self._decided.add(data.split(":")[1])
            self._under.add(post.reply_to)
        self.pressed.add(data)
        for _ in range(1 + (self.chance.random() < PRESSED_TWICE)):
            self.telegram.presses(SUPPORT, post.id, data)


# ------------------------------------------------ what must have come of it


def judged(service: Service, team: Team, book: Sequence[TakenSms]) -> Iterator[str]:
    kinds: Mapping[str, Callable[[Service, Team], Iterator[object]]] = {
        "answer of an operator that was lost": _lost,
        "press of a button that was lost or had two effects": _unheeded,
        "canned reply of a list that was lost or sent twice": _canned,
        "question answered by an edit that did not leave as edited": _not_shortened,
        "SMS that left though nobody let it go": _unconfirmed,
        "command that was lost, or answered twice": _unanswered,
        "command that was carried out twice": _twice,
        "subscriber without the name that was given last": _misnamed,
    }
    for what, find in kinds.items():
        yield from invariants.said(what, list(find(service, team)))
    yield from invariants.said("answer that went as it was and as it was corrected", list(_both(service, team, book)))
    yield from invariants.said("SMS that was withdrawn and went out", list(_withdrawn(service, book)))


def _lost(service: Service, team: Team) -> Iterator[int]:
    written = {row[0] for row in service.rows("SELECT text FROM sms")}
    return (number for number, text in enumerate(team.answers) if not {text, text + CORRECTED} & written)


def _both(service: Service, team: Team, book: Sequence[TakenSms]) -> Iterator[int]:
    """A correction that came too late is a question, and another SMS only if somebody says so: by letting it go, or by
    sending the first words again, which an edit may still reach."""
    went = {sms.text for sms in book}
    pressed = {int(data.split(":")[1]) for data in team.pressed if data.startswith((*CONFIRMED_BY_HAND, "again"))}
    for number, text in enumerate(team.answers):
        if {text, text + CORRECTED} <= went:
            rows = service.rows("SELECT id FROM sms WHERE text IN (?, ?)", text, text + CORRECTED)
            if pressed.isdisjoint(int(str(row[0])) for row in rows):
                yield number


def _unheeded(service: Service, team: Team) -> Iterator[str]:
    for data in sorted(team.pressed):
        what, _, rest = data.partition(":")
        if what == "canned":
            continue
        sms_id = int(rest.partition(":")[0])
        if what == "again":
            effects = service.count("SELECT count(*) FROM sms WHERE retry_of = ?", sms_id)
        elif what == "leave":
            effects = service.count("SELECT count(*) FROM sms WHERE state = 'abandoned' AND id = ?", sms_id)
        elif what == "stop":
            effects = service.count(STOPPED, sms_id)
            left = "SELECT count(*) FROM sms WHERE id = ? AND attempts > 0"
            # One that is held back for a moment may be gone before the press comes in.
            effects = effects or service.count(left, sms_id)
        else:
            effects = service.count(DECIDED, sms_id)
        if effects != 1:
            yield f"{data} ({effects})"


def _canned(service: Service, team: Team) -> Iterator[int]:
    for posted, command in team.lists.items():
        if service.count("SELECT count(*) FROM sms WHERE key LIKE ?", f"tg:%:{SUPPORT}:{posted}:canned") != 1:
            yield command


def _not_shortened(service: Service, team: Team) -> Iterator[int]:
    for message, text in team.shortened.items():
        rows = service.rows("SELECT text, state FROM sms WHERE message_id = ? AND retry_of IS NULL", message)
        if len(rows) != 1 or rows[0][0] != text or rows[0][1] == "draft":
            yield message


def _unconfirmed(service: Service, team: Team) -> Iterator[object]:
    """``undo`` asks for nobody's word; a retry is somebody's word."""
    asked = """
        SELECT id FROM sms
        WHERE confirmation_reasons NOT IN ('', 'undo') AND retry_of IS NULL AND state NOT IN ('draft', 'cancelled')"""
    let_go = {int(data.split(":")[1]) for data in team.pressed if data.startswith(CONFIRMED_BY_HAND)}
    return (sms_id for (sms_id,) in service.rows(asked) if sms_id not in let_go)


def _withdrawn(service: Service, book: Sequence[TakenSms]) -> Iterator[str]:
    rows = service.rows("SELECT recipient, text, state IN ('draft', 'cancelled') FROM sms")
    waits = {(recipient, text) for recipient, text, waiting in rows if waiting}
    waits -= {(recipient, text) for recipient, text, waiting in rows if not waiting}
    return (sms.id for sms in book if (sms.recipient, sms.text) in waits)


def _unanswered(service: Service, team: Team) -> Iterator[str]:
    """A command that changes something gets a stored answer, one that sends gets its SMS. A list is not stored."""
    for message, written in team.commands.items():
        if written == "/t":
            continue
        sends = written.startswith(("/sms", "/t"))
        # The answer's key ends so; a command without a conversation (its topic is not on record) has no other effect.
        key = f"tg:%:{SUPPORT}:{message}:command"
        words = service.count("SELECT count(*) FROM chat_post WHERE key LIKE ?", f"{key}:answer")
        sms = service.count("SELECT count(*) FROM sms WHERE key LIKE ?", f"{key}:sms")
        if words + sms != 1 or (sms and not sends):
            yield f"{written} ({message}): {words} answers, {sms} SMS"


def _twice(service: Service, team: Team) -> Iterator[str]:
    for message, written in team.commands.items():
        if service.count("SELECT count(*) FROM audit WHERE key LIKE ?", f"tg:%:{SUPPORT}:{message}:command:%") > 1:
            yield f"{written} ({message})"


def _misnamed(service: Service, team: Team) -> Iterator[object]:
    """Actions are recorded in the order of the commands; the contact has the name of the last one."""
    last = dict(service.rows("SELECT subscriber, detail FROM audit WHERE action = 'rename' ORDER BY id"))
    known = dict(service.rows("SELECT subscriber, name FROM contact"))
    return (subscriber for subscriber, name in last.items() if known.get(subscriber) != name)


def unlike_canned(book: Sequence[TakenSms]) -> list[TakenSms]:
    """Canned replies say the same again and again; all else that the team writes is written once."""
    return [sms for sms in book if not sms.text.startswith(CANNED)]
