"""The part of the store that takes in messages and routes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bridge.model.base import Ms
from bridge.model.inbound import AcceptedCall, InboundCall
from bridge.model.routing import ClaimedBatch, ClaimRequest, Settled, Settlement


class InboxStore(Protocol):
    async def accept_inbound(self, call: InboundCall) -> AcceptedCall:
        """Store a callback as ``new``, or count it as a repeat of the same (account, smsid, content).

        The same account and smsid with other content is a new row with ``conflict_of`` set.
        :raises StoreUnavailable: nothing may be acknowledged.
        """

    async def claim_unrouted(self, claim: ClaimRequest) -> ClaimedBatch:
        """The oldest ``new`` messages, at most one of each subscriber (its oldest), with contact and recent replies.

        A subscriber that never wrote has a contact of version 0 with ``first_seen_at`` None.
        """

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Settled | None]:
        """Write the settlements in one transaction: all of them, or none where one cannot be written.

        ``None`` for one that must be decided again: the contact's version moved, the message is not ``new`` any more,
        or the day's spend would pass the limit if those before it are all settled. A settled message bumps the
        contact's version and sets ``first_seen_at``. An automatic reply that is to start as ``sending`` does so only
        if its lane has no row in ``sending`` and no ``queued`` row of its own priority or a more urgent one; else it
        is ``queued``. Forwards make or update the conversation (chat, subscriber) and write one ``inbound`` post each.
        :raises StoreError: one of them cannot be written, so none was.
        """

    async def settle_and_claim(
        self, settlements: Sequence[Settlement], claim: ClaimRequest
    ) -> tuple[Sequence[Settled | None], ClaimedBatch]:
        """:meth:`settle`, and what :meth:`claim_unrouted` finds then, in one transaction."""

    async def forget_uses(self, before: Ms, *, limit: int) -> int:
        """Delete up to ``limit`` uses of rules from before that time, which count no more; returns how many."""
