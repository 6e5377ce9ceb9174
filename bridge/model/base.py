"""Units, ids, chat names and languages that all other modules use."""

from __future__ import annotations

from typing import Literal, NewType, TypeAlias, get_args

Ms = int
"""Milliseconds. A point in time counts from 1970-01-01 UTC."""
SECOND: Ms = 1_000
MINUTE: Ms = 60 * SECOND
HOUR: Ms = 60 * MINUTE
DAY: Ms = 24 * HOUR

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]

InboundId = NewType("InboundId", int)
SmsId = NewType("SmsId", int)
PostId = NewType("PostId", int)
ConversationId = NewType("ConversationId", int)

DEFAULT_CHAT = ""
"""In a row: the chat that is the default chat at the time when the row is posted."""
ADMIN_CHAT = "@admin"
"""In a row: the admin chat. Configured chat names never begin with ``@``."""

Language: TypeAlias = Literal["ru", "en"]
"""The languages of the bot, of rules' reasons and of the help in editors."""
LANGUAGES: tuple[Language, ...] = get_args(Language)
