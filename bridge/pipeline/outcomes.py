"""Decides what the platform's answer to a send means for the SMS and for its account.

There are three outcomes. Surely not sent: the SMS goes back to the queue. Answered: the class of the answer decides.
Unknown: the bridge never sends the SMS again by itself. The one exception is the probe, an option for platforms that
refuse the same request within a minute.
"""

from __future__ import annotations

import random

import structlog

from bridge.errors import PlatformError
from bridge.model.alert import Alert
from bridge.model.answers import Receipt, SendOutcome, SmsReason
from bridge.model.base import MINUTE, SECOND, Ms
from bridge.model.sms import Change, Move, Sms
from bridge.pipeline import escalations
from bridge.pipeline.account_channel import SUSPEND_AFTER_ZEROS, UNREACHABLE_AFTER, AccountChannel
from bridge.pipeline.clock import day_of
from bridge.pipeline.services import Services
from bridge.pipeline.suspensions import AccountSuspensions

log = structlog.get_logger()

SAME_REQUEST_WINDOW: Ms = MINUTE
"""The platforms of this family refuse a request identical to one of the last minute (seen in the field)."""
MAX_PROBE_DELAY: Ms = 45 * SECOND
"""A probe leaves no later than this after the first attempt, so that it surely falls into the window."""
MIN_TWIN_AGE: Ms = 2 * MINUTE
"""No other identical request may have left within this time before a probe: the window, plus the time that such a
request may take."""

NOT_TAKEN = frozenset({SendOutcome.NOT_SENT, SendOutcome.TEMPORARY})
"""Answers that say that the SMS was not taken. With each one in a row the wait grows, whether the platform answered or
not."""
NO_ANSWER = frozenset(
    {
        SmsReason.DISCONNECTED,
        SmsReason.READ_TIMEOUT,
        SmsReason.BAD_HTTP,
        SmsReason.BROKEN_BODY,
        SmsReason.CLIENT_ERROR,
        SmsReason.INTERNAL,
        SmsReason.INTERRUPTED,
    }
)
"""The reasons of unknown outcomes for which the platform did not answer at all."""

NextMove = tuple[Move, Change]
"""The move that an SMS makes after an attempt, and what is written with it."""


class OutcomePolicy:
    """Decides, by the answer to a send, about the SMS and about its account."""

    def __init__(self, *, suspensions: AccountSuspensions, services: Services) -> None:
        self._store = services.store
        self._clock = services.clock
        self._suspensions = suspensions

    async def decide(self, sms: Sms, receipt: Receipt, channel: AccountChannel) -> NextMove:
        """Turn an answer into a move. This is the only place that does so.

        :raises StoreError: the caller calls it again. A failure still counts once.
        """
        if receipt.outcome not in NOT_TAKEN and receipt.reason not in NO_ANSWER:
            await self._suspensions.note_answer(channel)
        match receipt.outcome:
            case SendOutcome.ACCEPTED:
                return await self._accepted(receipt, channel)
            case SendOutcome.PARKED:
                await self._suspensions.suspend(channel, reason=SmsReason.PARKED, detail=receipt.detail)
                posts = escalations.about_parked(sms)
                return Move.PARK, Change(reason=SmsReason.PARKED, detail=receipt.detail, posts=posts)
            case SendOutcome.REFUSED:
                return await self._refused(sms, receipt, channel)
            case SendOutcome.ACCOUNT_FAULT:
                return await self._account_fault(sms, receipt, channel)
            case SendOutcome.ZERO:
                return await self._zero(sms, receipt, channel)
            case SendOutcome.SAME_REQUEST:
                return await self._same_request(sms, channel)
            case SendOutcome.NOT_SENT | SendOutcome.TEMPORARY:
                return await self._not_sent(receipt, channel)
            case SendOutcome.UNKNOWN:
                channel.note_unknown(self._clock.now(), random.random(), sms.sending_since)
                return unknown_outcome(sms, channel, receipt.reason, receipt.detail)

    async def _accepted(self, receipt: Receipt, channel: AccountChannel) -> NextMove:
        await self._suspensions.note_accepted(channel)
        # A probe that proved the arrival brings no id, so no delivery report can be asked for.
        poll_at = self._clock.now() + channel.settings.status.poll[0] if receipt.ids else None
        return Move.ACCEPTED, Change(reason=receipt.reason, platform_ids=receipt.ids, poll_at=poll_at)

    async def _refused(self, sms: Sms, receipt: Receipt, channel: AccountChannel) -> NextMove:
        if receipt.reason == SmsReason.BAD_SENDER:
            await self._suspensions.raise_alert(
                Alert(
                    key=f"sender_name:{channel.name}:{sms.sender_name}:{day_of(self._clock.now())}",
                    text="alert.sender_name",
                    params={"account": channel.name, "sender_name": sms.sender_name, "detail": receipt.detail},
                    account=channel.name,
                )
            )
        posts = escalations.about_failed(sms, receipt.reason, receipt.detail)
        return Move.REFUSED, Change(reason=receipt.reason, detail=receipt.detail, posts=posts)

    async def _account_fault(self, sms: Sms, receipt: Receipt, channel: AccountChannel) -> NextMove:
        await self._suspensions.suspend(channel, reason=receipt.reason, detail=receipt.detail)
        return Move.RETRY, Change(reason=receipt.reason, detail=receipt.detail, due_at=sms.due_at)

    async def _zero(self, sms: Sms, receipt: Receipt, channel: AccountChannel) -> NextMove:
        """Find out by the balance whether a bare ``0`` is a fault of the account or of the SMS."""
        channel.zeros.add(sms.recipient)
        try:
            account_at_fault = (await channel.platform.balance()).amount <= 0
        except PlatformError:
            account_at_fault = True
        if account_at_fault:
            return await self._account_fault(sms, receipt, channel)
        if len(channel.zeros) >= SUSPEND_AFTER_ZEROS:
            await self._suspensions.suspend(channel, reason=SmsReason.ZEROS, detail=receipt.detail)
        return await self._refused(sms, receipt, channel)

    async def _same_request(self, sms: Sms, channel: AccountChannel) -> NextMove:
        now = self._clock.now()
        started_at = sms.sending_since if sms.sending_since is not None else now
        twin = await self._store.identical_since(sms, started_at - SAME_REQUEST_WINDOW)
        if twin is None:
            # No other request of ours explains the answer, so an earlier attempt may have arrived after all.
            return unknown_outcome(sms, channel, SmsReason.SAME_REQUEST, "")
        # If the twin left in the future, the clock was set back since.
        due = min(twin, now) + SAME_REQUEST_WINDOW + SECOND
        return Move.RETRY, Change(reason=SmsReason.SAME_REQUEST, due_at=due)

    async def _not_sent(self, receipt: Receipt, channel: AccountChannel) -> NextMove:
        if channel.failures + 1 >= UNREACHABLE_AFTER:
            await self._suspensions.report_unreachable(channel)
        # Counted last: while the store refuses the alert, the caller repeats the call.
        due = channel.note_not_sent(self._clock.now(), random.random())
        return Move.RETRY, Change(reason=receipt.reason, detail=receipt.detail, due_at=due)

    # ------------------------------------------------ the probe

    async def may_probe(self, sms: Sms, channel: AccountChannel) -> bool:
        """Whether the request may be repeated once, as a probe. If so, the probe is recorded.

        A probe is allowed only if its refusal would prove that our own first attempt arrived.

        :raises StoreError: the probe is not recorded, so it must not leave.
        """
        if channel.settings.on_unknown != "probe" or sms.sending_since is None:
            return False
        now = self._clock.now()
        if not 0 <= now - sms.sending_since <= MAX_PROBE_DELAY or self._clock.monotonic() < channel.no_probe_before:
            return False
        if await self._store.identical_since(sms, now - MIN_TWIN_AGE) is not None:
            return False
        noted = await self._store.note_probe(sms.id, now)
        # The record took a commit, so the time is checked again right before the request leaves.
        return noted and self._clock.now() - sms.sending_since <= MAX_PROBE_DELAY


def unknown_outcome(sms: Sms, channel: AccountChannel, reason: str, detail: str | None = None) -> NextMove:
    """The outcome of an SMS that may have arrived: it becomes ``uncertain``, with a question to people.

    :func:`bridge.pipeline.escalations.about_unknown` says when no question is asked.
    """
    posts = escalations.about_unknown(sms, channel.settings, reason)
    return Move.LOSE_TRACK, Change(reason=reason, detail=detail, posts=posts)


def after_probe(first: Receipt, again: Receipt) -> Receipt:
    """Combine the answers to a request and to its probe into one receipt."""
    if again.outcome is SendOutcome.SAME_REQUEST:
        return Receipt(outcome=SendOutcome.ACCEPTED, reason=SmsReason.PROVED_BY_PROBE)
    if again.outcome is SendOutcome.ACCEPTED:
        return again
    return first
