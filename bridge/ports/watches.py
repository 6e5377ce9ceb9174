"""The part of the store that knows what has waited too long, and when no node ran."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bridge.model.base import Ms
from bridge.model.post import NewPost
from bridge.model.record import Downtime


class WatchStore(Protocol):
    async def remind(self, *, until: Ms, after: Ms, now: Ms, limit: int) -> int:
        """Post reminders of conversations that wait for an answer since a time in ``(after, until]``. Returns how many.

        A conversation gets one reminder until it is answered. It gets none before the SMS was shown to the team.
        """

    async def remind_of_drafts(self, *, until: Ms, now: Ms, limit: int) -> int:
        """Post reminders of drafts that wait for a decision since ``until`` or longer. Returns how many.

        A draft gets one reminder, under its message. It gets none before its question was shown. Corrections get none.
        """

    async def expire_drafts(self, *, before: Ms, now: Ms, limit: int) -> int:
        """Move drafts that wait for a decision since ``before`` or longer to ``stale``. Returns how many."""

    async def last_inbound_at(self, account: str) -> Ms | None:
        """When the latest message of the account came. None if it is not among the newest messages of all accounts."""

    async def last_activity(self) -> Ms | None:
        """The latest time at which a node surely ran on this store."""

    async def note_downtime(self, downtime: Downtime) -> None:
        """Store a downtime until it is reported, over any number of stops.

        Several nodes may note the same one: its beginning identifies it, and the latest end counts.
        """

    async def unreported_downtimes(self) -> Sequence[Downtime]:
        """The downtimes that the team has not been told of yet, the oldest first."""

    async def downtimes_reported(self, downtimes: Sequence[Downtime], post: NewPost | None, now: Ms) -> None:
        """Mark the downtimes as reported, and write the post that reports them.

        ``post`` is None if nothing had waited.
        """

    async def count_late_arrivals(self, *, after: Ms, before: Ms, since: Ms = 0) -> int:
        """The number of messages that had waited for a start at ``before``.

        Two kinds count. Messages that were received since ``before`` and that the platform dated between ``after`` and
        ``before``. And messages that were received earlier and routed since ``before``, if they are dated ``since`` or
        later; the others had waited for an earlier start, and were counted with it. Only the newest 100,000 messages
        are searched.
        """
