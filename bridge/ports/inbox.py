"""The part of the store that takes in messages and routes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bridge.model.base import Ms
from bridge.model.inbound import AcceptedCall, InboundCall
from bridge.model.routing import ClaimedBatch, ClaimRequest, Settled, Settlement


class InboxStore(Protocol):
    async def accept_inbound(self, call: InboundCall) -> AcceptedCall:
        """Store a callback as ``new``, or count it as a repeat if account, smsid and content are the same.

        A callback with the same account and smsid but other content becomes a new row with ``conflict_of`` set.
        :raises StoreUnavailable: nothing may be acknowledged.
        """

    async def claim_unrouted(self, claim: ClaimRequest) -> ClaimedBatch:
        """The oldest ``new`` messages, at most one of each subscriber (its oldest), with contacts and recent replies.

        A subscriber that never wrote has a contact with version 0 and ``first_seen_at`` None.
        """

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Settled | None]:
        """Write the settlements in one transaction: all of them, or none if one cannot be written.

        The result holds ``None`` for a message that must be decided again. The reasons: the contact's version has
        changed; the message is not ``new`` any more; or the day's spend would exceed the limit, counted as if all
        settlements before it were written.

        A settled message increases the contact's version and sets ``first_seen_at``. An automatic reply that asks to
        start as ``sending`` does so only if its lane has no row in ``sending`` and no ``queued`` row of the same or a
        more urgent priority. Otherwise it is ``queued``. Each forward makes or updates the conversation
        (chat, subscriber) and writes one ``inbound`` post.

        :raises StoreError: one of them cannot be written, so none was.
        """

    async def settle_and_claim(
        self, settlements: Sequence[Settlement], claim: ClaimRequest
    ) -> tuple[Sequence[Settled | None], ClaimedBatch]:
        """Do :meth:`settle`, then :meth:`claim_unrouted`, in one transaction. Returns both results."""

    async def forget_uses(self, before: Ms, *, limit: int) -> int:
        """Delete up to ``limit`` uses of rules from before that time, which no longer count. Returns how many."""
