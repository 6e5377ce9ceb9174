"""The store's verbs for people who look at it, and for bridges that share it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from bridge.model.base import InboundId, Ms, SmsId
from bridge.model.cluster import LeaseStatus, Node
from bridge.model.contact import Contact
from bridge.model.inbound import Inbound
from bridge.model.post import NewPost
from bridge.model.record import HistoryLine, InboundRange, QueueStatus, Restoration
from bridge.model.sms import Sms, SmsState


class RestoreStore(Protocol):
    async def settle_restored(self, now: Ms, tell: Callable[[Restoration], NewPost]) -> Restoration | None:
        """On a copy that was put in the store's place, once and before anything is sent or routed; else None.

        What waited or was being sent becomes ``uncertain`` (reason ``restored``), the post that ``tell`` makes of the
        numbers is written, and the store is a copy no more: one transaction.
        """

    async def last_restored(self) -> Restoration | None:
        """The same numbers later on; None in a store that was never put back."""

    async def restored_sms(self, *, after: SmsId, limit: int) -> Sequence[Sms]:
        """What is still ``uncertain`` because of it and was not judged by a person, oldest first."""


class FleetStore(Protocol):
    """For several bridges on one store: who is alive, and who does what only one may do."""

    async def report_alive(self, *, name: str, roles: frozenset[str], rules: str, wanted: Sequence[str]) -> LeaseStatus:
        """I am here, and would do these duties. One that I do not name any more is free for others."""

    async def leave(self) -> None:
        """I do nothing any more: all that is mine is free at once."""

    async def ring(self, words: Sequence[str]) -> None:
        """Let the other bridges hear these words. May be lost: whoever waits looks now and then by himself."""

    async def hear(self, heard: Callable[[str], None]) -> None:
        """Call ``heard`` with each word that another bridge rings, until cancelled. Survives the server's absence."""


class QueryStore(Protocol):
    """Reading for people and probes; never part of a message's way."""

    async def queue_status(self) -> QueueStatus: ...

    async def nodes(self) -> Sequence[Node]:
        """The bridges that share the store and are alive, the oldest first; none where it belongs to one alone."""

    async def list_sms(self, states: Sequence[SmsState], *, limit: int, before: SmsId | None = None) -> Sequence[Sms]:
        """SMS in these states, the newest first. ``before``: only those with a lower id, for the next page."""

    async def history(self, subscriber: str, *, limit: int) -> Sequence[HistoryLine]:
        """What was said with this number, both directions, oldest first, the newest ``limit`` lines."""

    async def sms_history(self, sms_id: SmsId) -> Sequence[HistoryLine]:
        """Every state change of one SMS."""

    async def get_inbound(self, inbound_id: InboundId) -> Inbound | None: ...

    async def contact(self, subscriber: str) -> Contact: ...

    async def routed_span(self, *, last: int | None = None, since: Ms = 0) -> InboundRange | None:
        """Where the ``last`` messages lie that rules decided about (all of them without it), of those received at
        ``since`` or later; None if there is none. Takes time with what is stored."""

    async def routed(self, span: InboundRange, *, after: InboundId, since: Ms = 0, limit: int) -> Sequence[Inbound]:
        """The next of them above the id ``after``, oldest first."""
