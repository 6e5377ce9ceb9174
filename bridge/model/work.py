"""The kinds of work that loops wait for."""

from __future__ import annotations

from enum import StrEnum


class Work(StrEnum):
    """A kind of work. A commit that makes some of it wakes the loop that does it."""

    INBOUND = "inbound"
    """Messages to route."""
    SMS = "sms"
    """SMS that may be sent now: new in the queue, due earlier than before, or next after one that left the queue."""
    POSTS = "posts"
    """Chat posts to show."""
    UPDATES = "updates"
    """Telegram's updates to process."""
    RULES = "rules"
    """Rule files to load again. No table holds them, so no transaction makes this work: a person asks for it."""
