"""The part of the store that knows what has waited for too long, and when no node ran."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bridge.model.base import Ms
from bridge.model.post import NewPost
from bridge.model.record import Downtime


class WatchStore(Protocol):
    async def remind(self, *, until: Ms, after: Ms, now: Ms, limit: int) -> int:
        """Post reminders of conversations that wait for an answer since a time in ``(after, until]``; returns how many.

        Each conversation once until it is answered, and not where the team has not seen the SMS yet.
        """

    async def remind_of_drafts(self, *, until: Ms, now: Ms, limit: int) -> int:
        """Post reminders of drafts that wait for a decision since ``until`` or longer; returns how many.

        Each under its message and once; not where the question was not shown yet, and not of corrections.
        """

    async def expire_drafts(self, *, before: Ms, now: Ms, limit: int) -> int:
        """Move drafts that wait for a decision since then or longer to ``stale``; returns how many."""

    async def last_inbound_at(self, account: str) -> Ms | None:
        """When the account's latest message came; None where it is not among the newest of all accounts."""

    async def last_activity(self) -> Ms | None:
        """The latest time at which a node surely ran on this store."""

    async def note_downtime(self, downtime: Downtime) -> None:
        """Keep it until it is reported, over any number of stops. Several nodes may note the same one: it is known
        by its beginning, and the latest end counts."""

    async def unreported_downtimes(self) -> Sequence[Downtime]:
        """Those that the team was not told of yet, the oldest first."""

    async def downtimes_reported(self, downtimes: Sequence[Downtime], post: NewPost | None, now: Ms) -> None:
        """Mark them as reported, and write the post that reports them; None where nothing had waited."""

    async def count_late_arrivals(self, *, after: Ms, before: Ms, since: Ms = 0) -> int:
        """The number of messages that had waited for a start at ``before``.

        Either they were received since and the platform dated them between ``after`` and ``before``, or they were
        received earlier and routed since. Of the latter only those dated ``since`` or later: the others had waited for
        an earlier start, and were counted with it.
        """
