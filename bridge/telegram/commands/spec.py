"""The commands, in the order in which help and menu show them. Pure.

Each has two texts in both catalogues: ``command.<name>`` (what it does) and ``usage.<name>`` (how to write it).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from bridge.telegram.client.message import trimmed
from bridge.value import value_object


@value_object
class Command:
    name: str
    needs_conversation: bool = False
    """It needs a conversation: that of its topic, or of the message it replies to."""
    writes: bool = False
    """It may write an SMS."""
    admin: bool = False
    """Only for administrators (``telegram.admins``)."""


COMMANDS: Mapping[str, Command] = {
    command.name: command
    for command in (
        Command(name="t", needs_conversation=True, writes=True),
        Command(name="sms", writes=True),
        Command(name="history", needs_conversation=True),
        Command(name="info"),
        Command(name="why"),
        Command(name="claim", needs_conversation=True),
        Command(name="close", needs_conversation=True),
        Command(name="open", needs_conversation=True),
        Command(name="name", needs_conversation=True),
        Command(name="tag", needs_conversation=True),
        Command(name="robot", needs_conversation=True),
        Command(name="optout", needs_conversation=True),
        Command(name="find"),
        Command(name="balance"),
        Command(name="stats"),
        Command(name="status"),
        Command(name="test"),
        Command(name="help"),
        Command(name="block", needs_conversation=True, admin=True),
        Command(name="unblock", needs_conversation=True, admin=True),
        Command(name="rules", admin=True),
        Command(name="reload", admin=True),
    )
}
_ALIASES = {"start": "help"}
"""Telegram's own "Start" button writes ``/start`` in a private chat."""

_WRITTEN = re.compile(r"/([A-Za-z0-9_]{1,32})(?:@([A-Za-z0-9_]{1,64}))?(?=\s|$)")
_ADDRESSED = re.compile(r"/[A-Za-z0-9_]{1,64}@([A-Za-z0-9_]{1,64})(?=[\s,;:!?]|\.?(?:\s|$))")
"""A command with the name of a bot, as Telegram offers it in a group with several bots."""


@value_object
class Written:
    """A command as it was written."""

    command: Command
    addressee: str
    """The bot that it is for, in lower case; empty: any bot that knows the command."""
    rest: str


def addressee(text: str) -> str:
    """The bot that a command names, in lower case, also if the command is not ours; empty: none."""
    found = _ADDRESSED.match(trimmed(text))
    return found[1].lower() if found is not None else ""


def parse(text: str) -> Written | None:
    """Parses a command. None if the text is no command of ours."""
    shown = trimmed(text)
    found = _WRITTEN.match(shown)
    if found is None:
        return None
    name = found[1].lower()
    command = COMMANDS.get(_ALIASES.get(name, name))
    if command is None:
        return None
    return Written(command=command, addressee=(found[2] or "").lower(), rest=trimmed(shown[found.end() :]))
