"""Polls the delivery reports of SMS that the platform took, by the schedule of the account, the oldest due first."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from bridge.errors import PlatformError
from bridge.model.answers import DeliveryReport, ReportOutcome
from bridge.model.base import SECOND, Ms
from bridge.model.sms import Change, Move, Sms
from bridge.pipeline.account_channel import AccountChannel
from bridge.pipeline.rate_limit import TokenBucket
from bridge.pipeline.services import Services
from bridge.pipeline.worker import IDLE, together

log = structlog.get_logger()

BATCH = 20
"""How many due reports of an account are read at a time."""
MAX_CONCURRENT = 4
"""How many reports of an account are asked for at the same time."""

FINAL_MOVES: Mapping[ReportOutcome, Move] = {
    ReportOutcome.DELIVERED: Move.DELIVERED,
    ReportOutcome.UNDELIVERED: Move.UNDELIVERED,
    ReportOutcome.EXPIRED: Move.EXPIRED,
}


class DeliveryPoller:
    """Asks the platform for delivery reports, at the rate of each account, and writes the answers."""

    def __init__(self, *, channels: Mapping[str, AccountChannel], services: Services) -> None:
        self._channels = channels
        self._store = services.store
        self._clock = services.clock
        began = self._clock.monotonic()
        self._buckets = {name: TokenBucket(channel.settings.status.rate, began) for name, channel in channels.items()}

    async def step(self) -> Ms:
        """Ask for the reports that are due. Returns the time until more may be due."""
        waits = await together(self._serve(channel) for channel in self._channels.values())
        return min(waits, default=IDLE)

    async def _serve(self, channel: AccountChannel) -> Ms:
        started = self._clock.monotonic()
        bucket = self._buckets[channel.name]
        allowed = bucket.free(started, BATCH)
        if not allowed:
            return max(bucket.wait(started), 1)
        now = self._clock.now()
        rows = await self._store.due_polls(channel.name, now=now, limit=allowed)
        for _ in rows:
            bucket.take(started)
        for first in range(0, len(rows), MAX_CONCURRENT):
            await together(self._ask(channel, sms, now) for sms in rows[first : first + MAX_CONCURRENT])
        return 0 if len(rows) == allowed else SECOND

    async def _ask(self, channel: AccountChannel, sms: Sms, since: Ms) -> None:
        """Ask about one SMS and write the answer. ``since``: a time before the row was read."""
        try:
            report = await channel.platform.report(sms.platform_ids[0])
        except PlatformError as error:
            log.debug("status_unknown", sms_id=sms.id, account=channel.name, error=str(error))
            await self._no_answer(channel, sms, since)
            return
        await self._answered(channel, sms, report, since)

    async def _answered(self, channel: AccountChannel, sms: Sms, report: DeliveryReport, since: Ms) -> None:
        now = self._clock.now()
        polls = sms.polls + 1
        move = FINAL_MOVES.get(report.outcome)
        if move is not None:
            change = Change(reason=report.outcome.value, platform_status=report.status, polls=polls)
            await self._finish(sms, move, change)
        elif self._given_up(channel, sms, min(since, now)):
            await self._finish(sms, Move.GIVE_UP, Change(platform_status=report.status, polls=polls))
        else:
            await self._store.note_status(sms.id, report.status, next_poll(channel, polls, now), polls)

    async def _no_answer(self, channel: AccountChannel, sms: Sms, since: Ms) -> None:
        """Postpone the next question. Without a usable answer the SMS keeps its state until the time to give up."""
        now = self._clock.now()
        if self._given_up(channel, sms, min(since, now)):
            await self._finish(sms, Move.GIVE_UP, Change())
        else:
            await self._store.postpone_poll(sms.id, next_poll(channel, sms.polls + 1, now))

    async def _finish(self, sms: Sms, move: Move, change: Change) -> None:
        if await self._store.move(sms.id, move, self._clock.now(), change):
            log.info("sms_" + move, sms_id=sms.id, account=sms.account)

    def _given_up(self, channel: AccountChannel, sms: Sms, now: Ms) -> bool:
        """Whether it is time to stop asking.

        ``now``: the earlier of two times, one before the row was read and one after the answer. The clock may have been
        set between them, and ``sent_at`` of the row may come from before or after that.
        """
        return sms.sent_at is not None and now - sms.sent_at >= channel.settings.status.give_up


def next_poll(channel: AccountChannel, polls: int, now: Ms) -> Ms:
    """When to ask again after the ``polls``-th question, counted from 1. The last gap of the schedule repeats."""
    gaps = channel.settings.status.poll
    return now + gaps[min(polls, len(gaps) - 1)]
