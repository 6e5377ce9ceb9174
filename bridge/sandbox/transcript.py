"""The lines that the sandbox prints, and the errors of its commands. Does not know the parts that write the lines."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum

from bridge.errors import BridgeError
from bridge.value import value_object


class Source(StrEnum):
    """The part of the sandbox that writes a line; decides its colour."""

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
    """A line that is no command, or a command with wrong words. The text of the error has the usage."""


class WrongUse(BridgeError):
    """The words behind a command are wrong. The prompt adds the usage."""

    def __init__(self, command: str, hint: str = "") -> None:
        super().__init__(command)
        self.command = command
        self.hint = hint


class Quit(BridgeError):
    """The person leaves the sandbox."""


@dataclass(kw_only=True, slots=True)
class Transcript:
    """All lines so far, and the position up to which ``wait`` has read."""

    lines: list[TranscriptLine] = field(default_factory=list)
    read: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, line: TranscriptLine) -> None:
        self.lines.append(line)
        self.changed.set()

    async def next(self) -> None:
        """Wait for the next line."""
        self.changed.clear()
        await self.changed.wait()

    def find(self, text: str) -> bool:
        """Search for ``text`` in the lines after the last line found. True if a line contains it."""
        for index in range(self.read, len(self.lines)):
            line = self.lines[index]
            if text.casefold() in f"{line.source} {line.text}".casefold():
                self.read = index + 1
                return True
        return False


def number_of(word: str, command: str) -> int:
    """Read a whole number. :raises WrongUse: it is none."""
    if not word.isdecimal():
        raise WrongUse(command)
    return int(word)
