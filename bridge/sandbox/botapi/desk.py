"""What every method of the Bot API works on: the world, the updates, the pace, presses and settings."""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.model.base import Json, Ms
from bridge.sandbox.botapi.flood import FloodControl
from bridge.sandbox.botapi.updates import UpdateQueue
from bridge.sandbox.botapi.webhooks import WebhookCaller
from bridge.sandbox.botapi.world import Chat, World


@dataclass(kw_only=True, slots=True)
class Press:
    """A person pressed a button and waits for the bot's word."""

    at: Ms
    chat: Chat
    message_id: int
    answered: bool = False
    answer: str = ""


@dataclass(kw_only=True, slots=True)
class Desk:
    world: World
    updates: UpdateQueue
    caller: WebhookCaller
    flood: FloodControl
    presses: dict[str, Press] = field(default_factory=dict)
    """By callback query id."""
    commands: dict[tuple[str, str], list[Json]] = field(default_factory=dict)
    """By scope (canonical JSON) and language code."""
    local: bool = False
    """A server of one's own in local mode: webhooks may be anywhere, also without TLS."""
    privacy: bool = False
    """Privacy mode: in groups a bot that is no administrator hears only what is meant for it."""

    def spend(self, chat: Chat, *, message: bool = True) -> None:
        """Count a call that changes the chat. :raises Refusal: 429."""
        self.flood.spend(chat.id, group=chat.is_group and message)
