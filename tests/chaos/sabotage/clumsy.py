"""A fault of ours in each part of the program, whose exception quotes what was in work: a text, a number, a whole URL.

Each part stumbles over what holds ``CHAOS_WORD`` and the part's name, twice; then it goes on. No rule is taken out: the
log must show none of it all the same. ``CHAOS_START=fails``: the service does not even start. With ``narrow``.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import bridge.app.running
from bridge.app.service import Bridge
from bridge.pipeline import routing
from bridge.pipeline.commands import Commands
from bridge.pipeline.inbox import Inbox
from bridge.pipeline.outcomes import OutcomePolicy
from bridge.platforms.iba import IbaPlatform
from bridge.rules.engine import RuleSet
from bridge.telegram.operator_messages import OperatorMessageHandler
from bridge.telegram.posts.poster import ChatPoster
from tests.chaos.sabotage import narrow

WORD = os.environ.get("CHAOS_WORD", "")
TIMES = 2


class Clumsy(Exception):
    """Says everything it knows."""


PARTS = ("inbox", "forgotten", "rules", "plan", "adapter", "outcome", "poster", "operator", "order")
"""Each stumbles over ``at-`` and its name."""


def stumbles(at: str, quoting: Callable[..., object], do: Callable[..., Any]) -> Callable[..., Any]:
    """``do``, but it raises where what it works on holds the word and the name of this part."""
    left = TIMES

    def check(arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        nonlocal left
        said = str(quoting(*arguments, **named))
        if left and WORD in said and at in said:
            left -= 1
            raise Clumsy(f"http://platform/sendsms.php?user=u&text={said}") from KeyError(said)

    if asyncio.iscoroutinefunction(do):

        async def later(*arguments: Any, **named: Any) -> Any:
            check(arguments, named)
            return await do(*arguments, **named)

        return later

    def now(*arguments: Any, **named: Any) -> Any:
        check(arguments, named)
        return do(*arguments, **named)

    return now


def spoil(owner: Any, name: str, at: str, quoting: Callable[..., object]) -> None:
    setattr(owner, name, stumbles(at, quoting, getattr(owner, name)))


def forgotten(do: Callable[..., Any]) -> Callable[..., Any]:
    """Beside ``do`` a task runs that fails and that nobody asks for its result."""

    async def fail(said: str) -> None:
        raise Clumsy(said)

    def take(self: Inbox, call: Any, answer: Any) -> None:
        if WORD in call.text and "at-forgotten" in call.text:
            asyncio.get_running_loop().create_task(fail(f"{call.text} {call.sender}"))
            asyncio.get_running_loop().call_soon(_raise, call)
        do(self, call, answer)

    return take


def _raise(call: Any) -> None:
    raise Clumsy(repr(call))


async def start_admin(started: Bridge, _: object) -> None:
    passwords = [account.password.get_secret_value() for account in started.settings.accounts.values()]
    raise Clumsy(f"{WORD} {passwords}")


def apply() -> None:
    narrow.apply()
    if os.environ.get("CHAOS_START") == "fails":
        bridge.app.running.start_admin = start_admin
    spoil(Inbox, "take", "at-inbox", lambda self, call, answer: f"{call.text} {call.sender}")
    Inbox.take = forgotten(Inbox.take)  # type: ignore[method-assign]
    spoil(RuleSet, "decide", "at-rules", lambda self, message, now: f"{message.text} {message.sender}")
    spoil(routing, "plan", "at-plan", lambda *everything, **named: (everything, named))
    spoil(IbaPlatform, "send", "at-adapter", lambda self, recipient, sender_name, text: f"{text} {recipient}")
    spoil(OutcomePolicy, "decide", "at-outcome", lambda self, sms, *rest: f"{sms.text} {sms.recipient}")
    spoil(ChatPoster, "_deliver", "at-poster", lambda self, post, chat: post)
    spoil(OperatorMessageHandler, "on_message", "at-operator", lambda self, update, context: update)
    spoil(Commands, "send", "at-order", lambda self, **order: order)
