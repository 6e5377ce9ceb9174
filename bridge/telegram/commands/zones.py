"""In which zone a team reads times: that of the account a conversation goes by, as the platform's own times."""

from __future__ import annotations

from datetime import tzinfo

from bridge.config import Settings
from bridge.model.chat import Conversation


def zone_of(settings: Settings, conversation: Conversation | None = None) -> tzinfo:
    account = settings.accounts.get(conversation.account) if conversation is not None else None
    return (account or next(iter(settings.accounts.values()))).callback.timezone
