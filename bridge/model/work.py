"""The kinds of work that loops wait for."""

from __future__ import annotations

from enum import StrEnum


class Work(StrEnum):
    INBOUND = "inbound"
    """Messages to route."""
    SMS = "sms"
    """SMS that may be sent: new in the queue, due earlier, or free because another one left the queue."""
    POSTS = "posts"
    """Chat posts to show."""
    UPDATES = "updates"
    """Telegram's updates to process."""
    RULES = "rules"
    """Rule files to load anew. No table holds them, so no transaction makes this work: a person orders it."""
