"""The bot's own name, which commands in groups are addressed to. Asked for once, when it is first needed."""

from __future__ import annotations

import structlog

from bridge.telegram.client.api import Api
from bridge.telegram.client.errors import ApiError

log = structlog.get_logger()


class BotName:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._name = ""

    async def name(self) -> str:
        """In lower case; empty while Telegram does not tell."""
        if not self._name:
            try:
                self._name = (await self._api.username()).lower()
            except ApiError as error:
                log.warning("own_name_unknown", failure=error.kind)
        return self._name
