"""The part of the store that answers questions of people and probes. Routing and sending do not use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bridge.model.actions import SearchPage, SearchQuery, TrafficCounts
from bridge.model.base import InboundId, Ms, SmsId
from bridge.model.cluster import Node
from bridge.model.contact import Contact
from bridge.model.inbound import Inbound
from bridge.model.record import HistoryLine, InboundRange, QueueStatus
from bridge.model.sms import Sms, SmsState


class QueryStore(Protocol):
    """Only reads. The command line uses it while a service runs."""

    async def queue_status(self) -> QueueStatus:
        """How much waits, and since when.

        ``sms_by_state`` leaves out ``delivered``: counting it would take ever longer.
        """

    async def nodes(self) -> Sequence[Node]:
        """The nodes that share the store and are alive, the oldest first.

        Empty if the store belongs to one node alone.
        """

    async def get_sms(self, sms_id: SmsId) -> Sms | None:
        """The SMS with this id, or None."""

    async def list_sms(self, states: Sequence[SmsState], *, limit: int, before: SmsId | None = None) -> Sequence[Sms]:
        """SMS in these states, the newest first. ``before``: only those with a lower id, for the next page."""

    async def sms_history(self, sms_id: SmsId) -> Sequence[HistoryLine]:
        """Every state change of one SMS, oldest first."""

    async def get_inbound(self, inbound_id: InboundId) -> Inbound | None:
        """The inbound message with this id, or None."""

    async def answers_to(self, inbound: Inbound, *, limit: int) -> Sequence[Sms]:
        """The SMS that answered an inbound message, oldest first."""

    async def contact(self, subscriber: str) -> Contact:
        """The facts about the subscriber. The version is 0 if none are stored."""

    async def history(self, subscriber: str, *, limit: int) -> Sequence[HistoryLine]:
        """The newest ``limit`` SMS from and to this number, oldest first."""

    async def conversation_lines(
        self, subscriber: str, *, before: Ms, limit: int
    ) -> tuple[Sequence[HistoryLine], bool]:
        """One page of the SMS from and to this number and of operators' actions (``act``).

        Returns the newest ``limit`` lines from before that time, oldest first, and whether there are older lines.
        """

    async def actions_on(self, subscriber: str, *, limit: int) -> Sequence[HistoryLine]:
        """The newest ``limit`` actions of operators about this number, oldest first."""

    async def find(self, wanted: SearchQuery) -> SearchPage:
        """One page of a search."""

    async def traffic_since(self, since: Ms) -> TrafficCounts:
        """The numbers of SMS received and sent since then."""

    async def routed_range(self, *, last: int | None = None, since: Ms = 0) -> InboundRange | None:
        """The range of the messages that rules decided about and that were received at ``since`` or later.

        ``last``: only the range of the last so many of them; None: of all. Returns None if there is no such message.
        The time it takes grows with the number of stored messages.
        """

    async def routed(self, span: InboundRange, *, after: InboundId, since: Ms = 0, limit: int) -> Sequence[Inbound]:
        """The next messages of the range above the id ``after``, oldest first."""
