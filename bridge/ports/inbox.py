"""The part of the store that takes in messages and routes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from bridge.model.base import Ms
from bridge.model.routing import Decide, FactsWanted, Intake, Routed, TakenIn


class InboxStore(Protocol):
    async def take_in(self, begin: Callable[[], Intake]) -> TakenIn:
        """Store callbacks and settle them, in one transaction: all of them, or none.

        ``begin`` is called once, in the event loop, right before the transaction. So the callbacks that come while the
        store is busy still join it. It is not called if the store refuses the work before.

        A callback becomes a ``new`` message. If account, smsid and content are those of a stored message, it is counted
        as a repeat. With the same account and smsid but other content it is a message with ``conflict_of`` set.

        ``Intake.decide`` gets the new messages, except those whose subscriber has an older message that is ``new``.
        What it returns is written as in :meth:`route`.
        :raises StoreUnavailable: nothing may be acknowledged.
        :raises StoreError: a callback or a settlement cannot be written, so nothing was.
        """

    async def route(self, limit: int, wanted: FactsWanted, decide: Decide) -> Sequence[Routed]:
        """Let ``decide`` settle the oldest ``new`` messages, at most one of each subscriber (its oldest), in one
        transaction. Returns those that were settled.

        A message stays ``new`` if ``decide`` returns None for it, if the contact's version has changed, or if the day's
        spend would exceed the limit, counted as if all settlements before it were written.

        A subscriber that never wrote has a contact with version 0 and ``first_seen_at`` None. A settled message
        increases the version and sets ``first_seen_at``. An automatic reply that asks to start as ``sending`` does so
        only if its lane has no row in ``sending`` and no ``queued`` row of the same or a more urgent priority.
        Otherwise it is ``queued``. Each forward makes or updates the conversation (chat, subscriber) and writes one
        ``inbound`` post.

        :raises StoreError: one of the settlements cannot be written, so none was.
        """

    async def forget_uses(self, before: Ms, *, limit: int) -> int:
        """Delete up to ``limit`` uses of rules from before that time, which no longer count. Returns how many."""
