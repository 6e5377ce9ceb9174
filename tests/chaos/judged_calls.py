"""What a malformed connection's answer must not hold, and what the store must have of a call, by a reading of our own.

Shares no line with the bridge: whatever is wrong there must show here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.chaos.hostile_calls import Case

PATIENCE = 30.0
"""Seconds for one connection from its first byte to its end."""

_ACKNOWLEDGED = re.compile(rb"(?:smsid|id_sms)=([0-9A-Za-z_-]{1,64})")
_BARE = re.compile(rb"[0-9A-Za-z_-]*7[0-9]{11}[0-9A-Za-z_-]*")
"""An id of a case, with whatever an id may hold around it."""
_LENGTH = re.compile(rb"\r\nContent-Length: ([0-9]+)", re.IGNORECASE)
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_UNSAFE = re.compile(rb"[^!-~]")


@dataclass(kw_only=True, slots=True)
class Trial:
    """A case and what came back."""

    name: str
    case: Case
    answer: bytes = b""
    answered_after: float = 0
    """Seconds from its last byte to the first of an answer; 0: there was none."""
    ended: bool = False
    """The server closed in time."""


@dataclass(frozen=True, slots=True)
class Row:
    """An inbound message as the store has it."""

    raw_query: bytes
    text: str
    sender: str
    receiver: str


def unescaped(value: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), value.replace(b"+", b" "))


def readable(value: bytes) -> str:
    """UTF-8 where it is that, else Windows-1251; no NUL."""
    try:
        return value.decode("utf-8").replace("\0", "")
    except UnicodeDecodeError:
        return value.decode("cp1251", "replace").replace("\0", "")


def first_values(raw_query: bytes) -> Mapping[bytes, str]:
    """The first value of each parameter."""
    values: dict[bytes, str] = {}
    for pair in raw_query.split(b"&"):
        name, _, value = pair.partition(b"=")
        values.setdefault(unescaped(name), readable(unescaped(value)))
    return values


def spelt(data: bytes) -> bytes:
    """With every byte that may not stand raw in a request line in its escape."""
    return _UNSAFE.sub(lambda found: b"%%%02X" % found[0][0], data)


def came_so(row: Row, smsid: str, sent: bytes) -> bool:
    """Is this row what was sent: its query a part of it, its fields the query's?"""
    values = first_values(row.raw_query)
    number = values.get(b"sender", "")
    return (
        spelt(row.raw_query) in sent
        and values.get(b"smsid") == smsid
        and row.text == values.get(b"text", "")
        and row.sender.lstrip("+").strip() == number.lstrip("+").strip()
        and row.receiver.lstrip("+").strip() == values.get(b"receiver", "").lstrip("+").strip()
    )


def answers(received: bytes) -> Iterator[bytes]:
    """One after the other, as their lengths say; what does not say its length goes to the end."""
    while received:
        head, gap, _ = received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        end = len(head) + len(gap) + int(length[1]) if length else len(received)
        yield received[:end]
        received = received[end:]


def judge(trial: Trial, stored: Mapping[str, list[Row]]) -> Iterator[tuple[str, str]]:
    """(kind of violation, where) for each promise that this trial saw broken."""
    sent = spelt(trial.case.data)
    given = list(answers(trial.answer))
    acknowledged = {found.decode() for answer in given for found in _ACKNOWLEDGED.findall(answer)}
    # A platform may search for the bare id as well.
    bare = {found.decode() for answer in given for found in _BARE.findall(answer)}
    for smsid in sorted(acknowledged | bare):
        if not any(came_so(row, smsid, sent) for row in stored.get(smsid, ())):
            yield "an answer holds an id that is not stored with that content", trial.name
    for needed in trial.case.needed:
        if needed.decode() not in acknowledged:
            yield "a good call was not acknowledged", f"{trial.name}: {trial.answer[:60]!r}"
    in_turn = [found for answer in given for found in _ACKNOWLEDGED.findall(answer) if found in trial.case.order]
    if in_turn != sorted(in_turn, key=trial.case.order.index):
        yield "answers are not in the order of the calls", trial.name
    for barred in trial.case.barred:
        if barred.decode() in stored:
            yield "a call was stored that was none", trial.name
    if trial.answer and not trial.answer.startswith(b"HTTP/"):
        yield "an answer is no HTTP", trial.name
    if not trial.ended:
        yield "a connection stays open", trial.name
