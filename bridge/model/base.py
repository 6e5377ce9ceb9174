"""Units, ids and names that everything else is said with."""

from __future__ import annotations

from typing import NewType

Ms = int
"""Milliseconds: since 1970-01-01 UTC for a point in time, plain for a duration."""
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
"""The name by which a row means "the chat that is the default when the row is posted"."""
ADMIN_CHAT = "@admin"
"""The same for the admin chat. Configured chat names never begin with ``@``."""
