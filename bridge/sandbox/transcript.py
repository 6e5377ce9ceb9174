"""What the sandbox tells, line by line, and the words in which a command is refused. Knows nobody who speaks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum

from bridge.errors import BridgeError
from bridge.value import value_object


class Source(StrEnum):
    """Who speaks a line; decides its colour."""

    SMS_IN = "SMS in"
    SMS_OUT = "SMS out"
    PLATFORM = "platform"
    STATUS = "status"
    TELEGRAM = "Telegram"
    OPERATOR = "operator"
    BRIDGE = "bridge"
    SANDBOX = "sandbox"


@value_object
class TranscriptLine:
    """One line of the transcript."""

    source: Source
    text: str


class BadCommand(BridgeError):
    """Not a command, or its words are off; carries the usage."""


class WrongUse(BridgeError):
    """A command's words are off; its usage tells what they should be."""

    def __init__(self, command: str, hint: str = "") -> None:
        super().__init__(command)
        self.command = command
        self.hint = hint


class Quit(BridgeError):
    """The person wants to leave."""


@dataclass(kw_only=True, slots=True)
class Transcript:
    """All lines so far, and how far ``wait`` has read."""

    lines: list[TranscriptLine] = field(default_factory=list)
    read: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, line: TranscriptLine) -> None:
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
            if text.casefold() in f"{line.source} {line.text}".casefold():
                self.read = index + 1
                return True
        return False


def number_of(word: str, command: str) -> int:
    """:raises WrongUse: no number."""
    if not word.isdecimal():
        raise WrongUse(command)
    return int(word)
