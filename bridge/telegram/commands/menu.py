"""Tells Telegram which commands to offer in each chat, in the chat's language. Commands work even if that fails.

Telegram keeps the list for ever, so the bridge reads it first and sets it only if it differs.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from bridge.model.base import MINUTE, SECOND, Ms
from bridge.pipeline.retry import backoff
from bridge.ports.clock import Clock
from bridge.telegram.chats import Chat, Chats
from bridge.telegram.client.api import Api
from bridge.telegram.client.errors import PASSING, ApiError
from bridge.telegram.commands.spec import COMMANDS
from bridge.telegram.texts import say

log = structlog.get_logger()

_MAX_WAIT: Ms = 10 * MINUTE


class Menu:
    def __init__(self, *, api: Api, chats: Chats, clock: Clock) -> None:
        self._api = api
        self._chats = chats
        self._clock = clock

    async def run(self) -> None:
        """Runs until every chat has its list, or Telegram refuses it."""
        for chat in list(self._chats):
            failures = 0
            while (wait := await self._offered(chat, failures)) is not None:
                failures += 1
                await self._clock.sleep(wait)

    async def _offered(self, chat: Chat, failures: int) -> Ms | None:
        """Sets the list of one chat. Returns milliseconds until the next try; None: there is nothing more to do."""
        wanted = menu_of(chat, admin=chat.name == self._chats.admin_name)
        try:
            if await self._api.commands(chat.id) != wanted:
                await self._api.set_commands(chat.id, wanted)
                log.info("commands_offered", chat=chat.name, count=len(wanted))
        except ApiError as error:
            if error.kind in PASSING:
                return max(backoff(failures + 1, 0.5, first=5 * SECOND, longest=_MAX_WAIT), error.retry_after)
            log.info("commands_not_offered", chat=chat.name, failure=error.kind, detail=error.detail)
        return None


def menu_of(chat: Chat, *, admin: bool) -> Mapping[str, str]:
    """The commands to offer in a chat. Those of administrators are offered in the admin chat only."""
    return {
        command.name: say(chat.language, f"command.{command.name}")
        for command in COMMANDS.values()
        if admin or not command.admin
    }
