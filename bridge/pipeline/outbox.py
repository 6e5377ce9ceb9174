"""Sends queued SMS, each once: ``sending`` is committed before a request leaves, and no unknown outcome is repeated.

The store decides which row may leave (lanes, priorities, due times). The account channel decides when (rate,
connections, suspension). :mod:`bridge.pipeline.outcomes` decides what an answer means. This module takes rows from one
to the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

import structlog

from bridge.errors import StoreError
from bridge.model.alert import Alert
from bridge.model.answers import Receipt, SendOutcome, SmsReason
from bridge.model.base import SECOND, Ms
from bridge.model.sms import Change, Move, Origin, Sms
from bridge.pipeline.account_channel import AccountChannel
from bridge.pipeline.clock import day_of
from bridge.pipeline.outcomes import NextMove, OutcomePolicy, after_probe, unknown_outcome
from bridge.pipeline.retry import backoff
from bridge.pipeline.services import Services
from bridge.pipeline.worker import IDLE
from bridge.telemetry.lines import safe_traceback
from bridge.text import phones

log = structlog.get_logger()

T = TypeVar("T")

EXPIRY_BATCH = 500
EXPIRY_EVERY: Ms = SECOND


class Lease(Protocol):
    """The part of the cluster that the outbox uses: the lease of this node.

    Implemented by :class:`~bridge.pipeline.cluster.Cluster`.
    """

    @property
    def senders(self) -> int:
        """How many nodes share the rate of an account."""

    @property
    def position(self) -> int:
        """The position of this node among them, from 0."""

    @property
    def joined(self) -> int:
        """How often this node joined other nodes that had divided the rate without it."""

    def may_send(self) -> bool:
        """Whether a request may leave now.

        It must end before another node calls it lost, and the other nodes must share the rate with this one.
        """


class Outbox:
    """Sends the due SMS of all accounts. For the router it launches the SMS that the router wrote as ``sending``."""

    def __init__(
        self,
        *,
        channels: Mapping[str, AccountChannel],
        policy: OutcomePolicy,
        lease: Lease,
        services: Services,
    ) -> None:
        self._channels = channels
        self._policy = policy
        self._lease = lease
        self._store = services.store
        self._signals = services.signals
        self._clock = services.clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._expired_at: Ms = 0
        self._divided = (1, 0, 0)
        """``senders``, ``position`` and ``joined`` of the lease at the last division of the rates."""

    @property
    def under_way(self) -> int:
        """The number of SMS whose request is under way or whose outcome is not written yet."""
        return len(self._tasks)

    # ------------------------------------------------ the loop

    async def step(self) -> Ms:
        """Claim and launch the due SMS. Returns the milliseconds until more may be due."""
        if self._closing:
            return IDLE
        if not self._lease.may_send():
            return SECOND
        self._divide_rates(self._clock.now())
        await self._expire()
        waits = [await self._serve(channel) for channel in self._channels.values()]
        return min(waits, default=IDLE)

    def _divide_rates(self, now: Ms) -> None:
        """Divide the rates as the lease says.

        Called each time before a token is taken, because the other nodes rely on it.
        """
        senders, position, joined = divided = self._lease.senders, self._lease.position, self._lease.joined
        if divided == self._divided:
            return
        for channel in self._channels.values():
            channel.bucket.divide(senders, position, now)
            if joined != self._divided[2]:
                channel.bucket.drain(now)
        self._divided = divided

    async def _expire(self) -> None:
        """Make rows stale that waited too long. It may be late, because ``claim_due`` passes over expired rows."""
        now = self._clock.now()
        if abs(now - self._expired_at) < EXPIRY_EVERY:
            return
        stale = await self._store.expire_queued(now=now, limit=EXPIRY_BATCH)
        if stale:
            log.info("sms_expired", count=len(stale))
            for account in {sms.account for sms in stale}:
                await self._store.raise_alert(stale_alert(account, now), now)
        if len(stale) < EXPIRY_BATCH:
            self._expired_at = now

    async def _serve(self, channel: AccountChannel) -> Ms:
        now = self._clock.now()
        if not channel.backlog:
            wait = await self._until_due(channel, now)
            if not channel.backlog:
                return wait
        # No await from here until the tokens are taken. They are taken before the claim, because the router takes slots
        # of the same channel while the claim waits for the store.
        if not self._lease.may_send():
            return SECOND
        self._divide_rates(now)
        channel.queue_waits = True
        slots = channel.free_slots(now)
        if not slots:
            # A signal comes when a suspension ends or a connection is free. A pause or a lack of tokens ends with time.
            return IDLE if channel.suspended else channel.wait(now) or IDLE
        slots = self._take(channel, slots, now)
        claimed = 0
        try:
            rows = await self._store.claim_due(channel.name, now=now, limit=slots)
            claimed = len(rows)
        finally:
            self.give_back(channel.name, slots - claimed)
        for sms in rows:
            self.launch(sms)
        channel.queue_waits = claimed == slots
        if claimed == slots:
            return 0
        wait = await self._until_due(channel, now)
        # Due rows that were not claimed wait for their lanes. When the SMS ahead of them ends, it sets the signal. If
        # another node sends that SMS, it may end without a signal here.
        return min(wait, SECOND) if channel.backlog and self._lease.senders > 1 else wait

    async def _until_due(self, channel: AccountChannel, now: Ms) -> Ms:
        """Note in ``channel.backlog`` whether rows are due.

        Returns the milliseconds until the next row is due, if none is due now.
        """
        due = await self._store.next_due(channel.name)
        channel.backlog = due is not None and due <= now
        return IDLE if due is None or channel.backlog else min(due - now, IDLE)

    # ------------------------------------------------ the router's shortcut

    def reserve(self, account: str, most: int) -> int:
        channel = self._channels.get(account)
        if channel is None or self._closing or channel.queue_waits or not self._lease.may_send():
            return 0
        now = self._clock.now()
        self._divide_rates(now)
        return self._take(channel, min(channel.free_slots(now), most), now)

    @staticmethod
    def _take(channel: AccountChannel, slots: int, now: Ms) -> int:
        taken = 0
        while taken < slots and channel.bucket.take(now):
            taken += 1
        channel.in_flight += taken
        return taken

    def give_back(self, account: str, count: int) -> None:
        channel = self._channels[account]
        channel.in_flight -= count
        for _ in range(count):
            channel.bucket.give_back()
        if count and channel.backlog:
            self._signals.sms.set()

    def launch(self, sms: Sms) -> None:
        task = asyncio.create_task(self._send(sms, self._channels[sms.account]), name=f"send {sms.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ------------------------------------------------ one SMS

    async def _send(self, sms: Sms, channel: AccountChannel) -> None:
        outcome: NextMove | None = None
        try:
            try:
                if self._lease.may_send():
                    receipt = await self._request(sms, channel)
                    outcome = await self._decide(sms, receipt, channel)
                else:
                    # The machine slept or lost the store after the claim, so other nodes may soon call the SMS lost.
                    outcome = Move.RETRY, Change(reason=SmsReason.INTERRUPTED, detail="not sent", due_at=sms.due_at)
            finally:
                # The connection is free, and the channel knows what the answer means for the account. The next SMS may
                # leave while this outcome is written.
                channel.in_flight -= 1
            await self._write(sms, *outcome)
        except asyncio.CancelledError:
            # The service stops. Without a known answer the SMS may have arrived. If this write fails, too, the next
            # start calls the SMS unknown.
            await self._move(sms, *(outcome or unknown_outcome(sms, channel, SmsReason.INTERRUPTED)))
            raise
        finally:
            # The lane and the connection are free. The signal is set only if rows wait, since each look costs a query.
            if channel.backlog:
                self._signals.sms.set()

    async def _request(self, sms: Sms, channel: AccountChannel) -> Receipt:
        receipt = await send(channel, sms)
        # The probe is one more request, and the lease must last until its end, too.
        if receipt.outcome is SendOutcome.UNKNOWN and await self._may_probe(sms, channel) and self._lease.may_send():
            log.info("sms_probed", sms_id=sms.id, reason=receipt.reason)
            return after_probe(receipt, await send(channel, sms))
        return receipt

    async def _may_probe(self, sms: Sms, channel: AccountChannel) -> bool:
        try:
            return await self._policy.may_probe(sms, channel)
        except StoreError as error:
            log.warning("sms_probe_not_recorded", sms_id=sms.id, error=str(error))
            return False

    async def _decide(self, sms: Sms, receipt: Receipt, channel: AccountChannel) -> NextMove:
        try:
            return await self._repeat_until_stored(sms, lambda: self._policy.decide(sms, receipt, channel))
        except Exception as error:  # a fault of ours must not make the platform's answer vanish
            log.error("outcome_failed", sms_id=sms.id, error_class=type(error).__name__, trace=safe_traceback(error))
            return unknown_outcome(sms, channel, SmsReason.INTERNAL)

    async def _repeat_until_stored(self, sms: Sms, work: Callable[[], Awaitable[T]]) -> T:
        """Repeat ``work`` until the store accepts it, without a time limit. Until then the row blocks its lane as
        ``sending``."""
        failures = 0
        while True:
            try:
                return await work()
            except StoreError as error:
                failures += 1
                if failures == 1:
                    log.error("sms_outcome_not_stored", sms_id=sms.id, error=str(error))
            await self._clock.sleep(backoff(failures, 0.5, first=100, longest=5_000))

    async def _write(self, sms: Sms, move: Move, change: Change) -> None:
        moved = await self._repeat_until_stored(sms, lambda: self._move(sms, move, change))
        if not moved and move is Move.ACCEPTED:
            # Another node called the SMS lost while this node was cut off. The answer proves that it was not lost.
            moved = await self._repeat_until_stored(sms, lambda: self._move(sms, Move.PROVE, change))
        if not moved:
            log.warning("sms_moved_elsewhere", sms_id=sms.id, move=move)
        # An automatic reply that leaves as usual has the line of its message. One line a message is enough.
        usual = move is Move.ACCEPTED and sms.origin is Origin.RULE and not change.reason
        (log.debug if usual else log.info)(
            "sms_" + move,
            sms_id=sms.id,
            account=sms.account,
            to=phones.mask(sms.recipient),
            reason=change.reason or None,
        )

    async def _move(self, sms: Sms, move: Move, change: Change) -> bool:
        """Move the row only if it is still in this attempt.

        If the store did not confirm a write, another attempt may have begun.
        """
        # A kill makes an outcome unknown that still waits for its commit. So only the usual outcome waits a little.
        ride = move is Move.ACCEPTED
        return await self._store.move(sms.id, move, self._clock.now(), change, began=sms.sending_since, ride=ride)

    # ------------------------------------------------ start and stop

    async def recover(self) -> int:
        """Call unknown the SMS that were being sent by a node that is gone. Returns how many.

        Runs at the start, before anything is sent, and regularly if there are other nodes.
        """
        lost_rows = await self._store.recover_sending(self._clock.now())
        for sms in lost_rows:
            log.warning("sms_uncertain", sms_id=sms.id, reason="interrupted", to=phones.mask(sms.recipient))
        return len(lost_rows)

    async def drain(self, timeout: Ms) -> None:
        """Stop claiming, wait up to ``timeout`` milliseconds for the SMS in flight, then call the rest unknown."""
        self._closing = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout / 1000)
        for task in (left := list(self._tasks)):
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def stale_alert(account: str, now: Ms) -> Alert:
    """The alert, once a day for each account, that a subscriber waits for a reply which will not come by itself."""
    return Alert(key=f"stale:{account}:{day_of(now)}", text="alert.stale", params={"account": account}, account=account)


async def send(channel: AccountChannel, sms: Sms) -> Receipt:
    """Make one request. A fault of ours in the adapter counts as an unknown outcome, so it is not repeated."""
    try:
        return await channel.platform.send(sms.recipient, sms.sender_name, sms.text)
    except Exception as error:
        log.error(
            "platform_adapter_failed",
            sms_id=sms.id,
            error_class=type(error).__name__,
            trace=safe_traceback(error),
        )
        return Receipt(outcome=SendOutcome.UNKNOWN, reason=SmsReason.INTERNAL)
