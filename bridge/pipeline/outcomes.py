"""What an answer of the platform means for the SMS and for its account. The three outcomes are kept apart here.

Surely not sent: back to the queue. Answered: by the answer's class. Unknown: never sent again by the bridge itself;
the single exception is the opt-in probe, on a platform that refuses the same request within a minute.
"""

from __future__ import annotations

import random

import structlog

from bridge.errors import PlatformError
from bridge.model.alert import Alert
from bridge.model.answers import Reason, Receipt, SendClass
from bridge.model.base import MINUTE, SECOND, Ms
from bridge.model.sms import Change, Move, Sms
from bridge.pipeline import escalations
from bridge.pipeline.account_channel import UNREACHABLE_AFTER, ZEROS_HOLD, AccountChannel
from bridge.pipeline.clock import day_of
from bridge.pipeline.suspensions import AccountSuspensions
from bridge.ports.clock import Clock
from bridge.ports.sending import OutboxStore

log = structlog.get_logger()

SAME_REQUEST_WINDOW: Ms = MINUTE
"""For so long the family's platforms refuse a request identical to an earlier one (seen in the field)."""
PROBE_LATEST: Ms = 45 * SECOND
"""A probe leaves at most so long after the first attempt, so that it surely falls into the window."""
PROBE_CLEAR: Ms = 2 * MINUTE
"""No identical request may be on record for so long: the window, and what a twin may have needed to get there."""

Outcome = tuple[Move, Change]


class OutcomePolicy:
    def __init__(self, *, store: OutboxStore, suspensions: AccountSuspensions, clock: Clock) -> None:
        self._store = store
        self._suspensions = suspensions
        self._clock = clock

    async def decide(self, sms: Sms, receipt: Receipt, channel: AccountChannel) -> Outcome:
        """The one place where an answer becomes a state.

        :raises StoreError: ask again; what was done for the account meanwhile bears being done twice.
        """
        if receipt.outcome not in NOT_TAKEN and receipt.reason not in UNHEARD:
            await self._suspensions.heard(channel)
        match receipt.outcome:
            case SendClass.ACCEPTED:
                return await self._accepted(sms, receipt, channel)
            case SendClass.PARKED:
                await self._suspensions.hold(channel, reason=Reason.PARKED, detail=receipt.detail)
                posts = escalations.about_parked(sms)
                return Move.PARK, Change(reason=Reason.PARKED, detail=receipt.detail, posts=posts)
            case SendClass.REFUSED:
                return await self._refused(sms, receipt, channel)
            case SendClass.ACCOUNT_FAULT:
                return await self._account_fault(sms, receipt, channel)
            case SendClass.ZERO:
                return await self._zero(sms, receipt, channel)
            case SendClass.SAME_REQUEST:
                return await self._same_request(sms, channel)
            case SendClass.NOT_SENT | SendClass.TEMPORARY:
                return await self._not_sent(receipt, channel)
            case SendClass.UNKNOWN:
                return self._unknown(sms, receipt, channel)

    async def _accepted(self, sms: Sms, receipt: Receipt, channel: AccountChannel) -> Outcome:
        await self._suspensions.works(channel)
        # Without an id (a probe that proved arrival) there is nothing to ask about later.
        poll_at = self._clock.now() + channel.settings.status.poll[0] if receipt.ids else None
        return Move.ACCEPTED, Change(reason=receipt.reason, platform_ids=receipt.ids, poll_at=poll_at)

    async def _refused(self, sms: Sms, receipt: Receipt, channel: AccountChannel) -> Outcome:
        if receipt.reason == Reason.BAD_SENDER:
            await self._suspensions.tell(
                Alert(
                    key=f"sender_name:{channel.name}:{sms.sender_name}:{day_of(self._clock.now())}",
                    text="alert.sender_name",
                    params={"account": channel.name, "sender_name": sms.sender_name, "detail": receipt.detail},
                    account=channel.name,
                )
            )
        posts = escalations.about_failed(sms, receipt.reason, receipt.detail)
        return Move.REFUSED, Change(reason=receipt.reason, detail=receipt.detail, posts=posts)

    async def _account_fault(self, sms: Sms, receipt: Receipt, channel: AccountChannel) -> Outcome:
        await self._suspensions.hold(channel, reason=receipt.reason, detail=receipt.detail)
        return Move.RETRY, Change(reason=receipt.reason, detail=receipt.detail, due_at=sms.due_at)

    async def _zero(self, sms: Sms, receipt: Receipt, channel: AccountChannel) -> Outcome:
        """The document's only error: a bad login, no credit and a bad number all look like this. The balance tells."""
        channel.zeros.add(sms.recipient)
        try:
            balance = await channel.platform.balance()
            broke = balance.amount <= 0
        except PlatformError:
            broke = True
        if broke:
            return await self._account_fault(sms, receipt, channel)
        if len(channel.zeros) >= ZEROS_HOLD:
            await self._suspensions.hold(channel, reason=Reason.ZEROS, detail=receipt.detail)
        return await self._refused(sms, receipt, channel)

    async def _same_request(self, sms: Sms, channel: AccountChannel) -> Outcome:
        now = self._clock.now()
        left = sms.sending_since if sms.sending_since is not None else now
        twin = await self._store.identical_since(sms, left - SAME_REQUEST_WINDOW)
        if twin is None:
            # Nothing of ours explains it: an earlier attempt may have arrived after all.
            return self._lost(sms, channel, Reason.SAME_REQUEST, "")
        # A twin that left in the future: the clock was set back since.
        due = min(twin, now) + SAME_REQUEST_WINDOW + SECOND
        return Move.RETRY, Change(reason=Reason.SAME_REQUEST, due_at=due)

    async def _not_sent(self, receipt: Receipt, channel: AccountChannel) -> Outcome:
        due = channel.failed_to_reach(self._clock.now(), random.random())
        if channel.failures >= UNREACHABLE_AFTER:
            await self._suspensions.unreachable(channel)
        return Move.RETRY, Change(reason=receipt.reason, detail=receipt.detail, due_at=due)

    def _unknown(self, sms: Sms, receipt: Receipt, channel: AccountChannel) -> Outcome:
        channel.in_doubt(self._clock.now(), random.random(), sms.sending_since)
        return self._lost(sms, channel, receipt.reason, receipt.detail)

    def _lost(self, sms: Sms, channel: AccountChannel, reason: str, detail: str) -> Outcome:
        posts = escalations.about_unknown(sms, channel.settings, reason)
        return Move.LOSE_TRACK, Change(reason=reason, detail=detail, posts=posts)

    # ------------------------------------------------ the probe

    async def may_probe(self, sms: Sms, channel: AccountChannel) -> bool:
        """Repeat once? Only if asked for, in time, and if a refusal could mean nothing but our own first attempt.

        :raises StoreError: no probe is on record, so none may leave.
        """
        if channel.settings.on_unknown != "probe" or sms.sending_since is None:
            return False
        now = self._clock.now()
        if not 0 <= now - sms.sending_since <= PROBE_LATEST or self._clock.monotonic() < channel.no_probe_before:
            return False
        if await self._store.identical_since(sms, now - PROBE_CLEAR) is not None:
            return False
        noted = await self._store.note_probe(sms.id, now)
        # The note took a commit: look at the clock again right before the request leaves.
        return noted and self._clock.now() - sms.sending_since <= PROBE_LATEST

    def probed(self, first: Receipt, again: Receipt) -> Receipt:
        """What both answers together say."""
        if again.outcome is SendClass.SAME_REQUEST:
            return Receipt(outcome=SendClass.ACCEPTED, reason=Reason.PROVED_BY_PROBE)
        if again.outcome is SendClass.ACCEPTED:
            return again
        return first


NOT_TAKEN = frozenset({SendClass.NOT_SENT, SendClass.TEMPORARY})
"""Of these, one after the other makes the waits grow, whether the platform said something or not."""
UNHEARD = frozenset(
    {
        Reason.DISCONNECTED,
        Reason.READ_TIMEOUT,
        Reason.BAD_HTTP,
        Reason.BROKEN_BODY,
        Reason.CLIENT_ERROR,
        Reason.INTERNAL,
        Reason.INTERRUPTED,
    }
)
"""Unknown outcomes in which the platform said nothing at all."""
