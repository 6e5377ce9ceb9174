"""The state that the methods of the Bot API work on: world, updates, flood control, presses and options."""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.model.base import SECOND, Json, Ms
from bridge.sandbox.botapi.flood import FloodControl
from bridge.sandbox.botapi.updates import UpdateQueue
from bridge.sandbox.botapi.webhooks import WebhookCaller
from bridge.sandbox.botapi.world import Chat, World
from bridge.value import value_object


@value_object
class ServerOptions:
    """How the simulated server treats its bot."""

    group_budget: int | None = 20
    """Calls a minute for one group; None: no limit."""
    global_per_second: int | None = 30
    """Calls a second over all chats; None: no limit."""
    privacy: bool = False
    """Privacy mode: in groups, a bot without administrator rights gets only messages that are addressed to it."""
    local: bool = False
    """Local mode: a webhook may be any address, also without TLS."""
    webhook_retry: Ms = SECOND
    """Milliseconds before the first repeat of a failed webhook call. The pause doubles with each failure."""


@dataclass(kw_only=True, slots=True)
class PressedButton:
    """A person pressed a button and waits for the answer of the bot."""

    at: Ms
    chat: Chat
    message_id: int
    answered: bool = False
    answer: str = ""


@dataclass(kw_only=True, slots=True)
class ApiState:
    """The parts of the simulated Telegram that its methods share."""

    world: World
    updates: UpdateQueue
    caller: WebhookCaller
    flood: FloodControl
    options: ServerOptions
    presses: dict[str, PressedButton] = field(default_factory=dict)
    """By callback query id."""
    commands: dict[tuple[str, str], list[Json]] = field(default_factory=dict)
    """By scope (canonical JSON) and language code."""

    def spend(self, chat: Chat, *, message: bool = True) -> None:
        """Count a call that changes the chat. :raises Refusal: 429."""
        self.flood.spend(chat.id, group=chat.is_group and message)
