"""The part of the store that sends SMS and follows their delivery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bridge.model.base import Ms, SmsId
from bridge.model.post import NewPost
from bridge.model.sms import Change, Move, NewSms, Sms


class OutboxStore(Protocol):
    async def enqueue(self, sms: NewSms, posts: Sequence[NewPost] = ()) -> Sms:
        """Write one SMS and its posts. If its key exists already, return that row and write nothing."""

    async def claim_due(self, account: str, *, now: Ms, limit: int) -> Sequence[Sms]:
        """Move up to ``limit`` due rows from ``queued`` to ``sending``, count the attempts, and return the rows.

        A lane is (account, recipient). At most one row of each lane is taken, in the order of priority, then id.
        These rows are not taken: expired rows; rows in a lane that has a row in ``sending``; and rows with an earlier
        ``queued`` row of the same priority in their lane, due or not.
        """

    async def next_due(self, account: str) -> Ms | None:
        """The earliest ``due_at`` of a queued row of the account, or None."""

    async def expire_queued(self, *, now: Ms, limit: int) -> Sequence[Sms]:
        """Move ``queued`` rows whose ``expires_at`` has come to ``stale`` and return them."""

    async def move(
        self,
        sms_id: SmsId,
        move: Move,
        now: Ms,
        change: Change = ...,
        *,
        began: Ms | None = None,
        ride: bool = False,
    ) -> bool:
        """Compare-and-set: make the move if the row is in one of its source states, else return False.

        ``began``: the move is made only if the row is still in the attempt with this ``sending_since``. The outcome of
        one attempt must not move the next attempt, which another node may have started.

        ``ride``: the move may wait some milliseconds for other work, to share its commit.

        One transaction writes the move, ``change`` and its posts, the times ``sent_at``, ``final_at`` and
        ``sending_since``, and a line in the row's history. It also renews the ``status`` post of a row that has an
        operator's message.
        """

    async def note_probe(self, sms_id: SmsId, now: Ms) -> bool:
        """Record a probe, the one repetition of the request of a ``sending`` row, before it leaves.

        False: not allowed.
        """

    async def identical_since(self, sms: Sms, since: Ms) -> Ms | None:
        """When another row with the same account, recipient, sender name and text left: the latest time, if it is
        ``since`` or later; else None."""

    async def recover_sending(self, now: Ms) -> Sequence[Sms]:
        """Move the ``sending`` rows of nodes that are gone to ``uncertain`` (reason ``interrupted``). Returns them.

        Called at each start, and repeatedly if several nodes share the store.
        """

    async def sms_of_key(self, key: str) -> Sms | None:
        """The SMS with this key, or None."""

    async def due_polls(self, account: str, *, now: Ms, limit: int) -> Sequence[Sms]:
        """``sent`` rows with a platform id whose ``poll_at`` has come, oldest due first."""

    async def note_status(self, sms_id: SmsId, status: str, poll_at: Ms, polls: int) -> None:
        """Store a status that is not final, as it came, and when to ask again.

        If the status changed, the ``status`` post is renewed.
        """

    async def postpone_poll(self, sms_id: SmsId, poll_at: Ms) -> None:
        """Set when to ask again after an answer that cannot be used. Nothing else changes."""
