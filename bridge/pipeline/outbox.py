"""Paid SMS leave here, each once. ``sending`` is on disk before a request leaves; what may have left is never repeated.

The store decides which row may go (lanes, priorities, due times); the gate decides when (rate, connections, holds);
:mod:`bridge.pipeline.outcomes` decides what an answer means. This module only carries rows between them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

import structlog

from bridge.errors import StoreError
from bridge.model.alert import Alert
from bridge.model.answers import Reason, Receipt, SendClass
from bridge.model.base import SECOND, Ms
from bridge.model.post import NewPost
from bridge.model.sms import Change, Move, Sms
from bridge.pipeline import escalations
from bridge.pipeline.account_channel import AccountChannel
from bridge.pipeline.clock import day_of
from bridge.pipeline.outcomes import Outcome, OutcomePolicy
from bridge.pipeline.retry import backoff
from bridge.pipeline.signals import Signals
from bridge.pipeline.worker import IDLE
from bridge.ports.clock import Clock
from bridge.ports.sending import AccountStore, OutboxStore
from bridge.telemetry.lines import frames
from bridge.text import phones

log = structlog.get_logger()

T = TypeVar("T")

EXPIRY_BATCH = 500
EXPIRY_EVERY = 1_000


class Lease(Protocol):
    """How far this bridge may act by itself; see :class:`~bridge.pipeline.cluster.Cluster`."""

    @property
    def senders(self) -> int:
        """How many bridges share the rate of an account."""

    @property
    def position(self) -> int:
        """Which of them this one is, from 0."""

    @property
    def joined(self) -> int:
        """How often this bridge came to others that shared the rate without it."""

    def may_send(self) -> bool:
        """Whether a request that leaves now ends before anybody calls it lost, and is within this bridge's share."""


class SendStore(OutboxStore, AccountStore, Protocol):
    """The rows, and what the team is told of them."""


class Outbox:
    """Sends what the store says is due, over all accounts; launches for the router what was born ``sending``."""

    def __init__(
        self,
        *,
        channels: Mapping[str, AccountChannel],
        store: SendStore,
        policy: OutcomePolicy,
        lease: Lease,
        signals: Signals,
        clock: Clock,
    ) -> None:
        self._channels = channels
        self._store = store
        self._policy = policy
        self._lease = lease
        self._signals = signals
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._expired_at = 0
        self._shared = (1, 0, 0)
        """``senders``, ``place`` and ``joined`` of the lease when the rates were last divided."""

    @property
    def under_way(self) -> int:
        """SMS whose request or whose outcome is not written yet."""
        return len(self._tasks)

    # ------------------------------------------------ the loop

    async def step(self) -> int:
        """Claim and launch what is due; returns milliseconds until there may be more."""
        if self._closing:
            return IDLE
        if not self._lease.may_send():
            return SECOND
        self._share(self._clock.now())
        await self._expire()
        waits = [await self._serve(channel) for channel in self._channels.values()]
        return min(waits, default=IDLE)

    def _share(self, now: Ms) -> None:
        """Divide the rates as the lease says. Before each taking, not now and then: the others count on it."""
        senders, position, joined = shared = self._lease.senders, self._lease.position, self._lease.joined
        if shared == self._shared:
            return
        for channel in self._channels.values():
            channel.bucket.divide(senders, position, now)
            if joined != self._shared[2]:
                channel.bucket.drain(now)
        self._shared = shared

    async def _expire(self) -> None:
        """Call stale what waited too long. ``claim_due`` passes such rows over anyway, so this need not be prompt."""
        now = self._clock.now()
        if abs(now - self._expired_at) < EXPIRY_EVERY:
            return
        stale = await self._store.expire_queued(now=now, limit=EXPIRY_BATCH)
        if stale:
            log.info("sms_stale", count=len(stale))
            for account in {sms.account for sms in stale}:
                await self._store.raise_alert(stale_alert(account, now), now)
            self._signals.posts.set()
        if len(stale) < EXPIRY_BATCH:
            self._expired_at = now

    async def _serve(self, channel: AccountChannel) -> int:
        now = self._clock.now()
        if not channel.backlog:
            wait = await self._until_due(channel, now)
            if not channel.backlog:
                return wait
        # No await from here to the taking, and the taking before the claim: the router hands out places of the same
        # gate while we wait for the store.
        if not self._lease.may_send():
            return SECOND
        self._share(now)
        channel.queue_waits = True
        places = channel.places(now)
        if not places:
            # Held, or all connections busy: a signal comes. Out of tokens or paused: time alone ends it.
            return IDLE if channel.held else channel.wait(now) or IDLE
        for _ in range(places):
            channel.bucket.take(now)
        channel.in_flight += places
        claimed = 0
        try:
            rows = await self._store.claim_due(channel.name, now=now, limit=places)
            claimed = len(rows)
        finally:
            for _ in range(places - claimed):
                self.give_back(channel.name)
        for sms in rows:
            self.launch(sms)
        channel.queue_waits = claimed == places
        if claimed == places:
            return 0
        wait = await self._until_due(channel, now)
        # Due rows that were not claimed wait for their lanes: the end of what blocks them sets the signal. Of what
        # another bridge does in a lane nothing may be heard.
        return min(wait, SECOND) if channel.backlog and self._lease.senders > 1 else wait

    async def _until_due(self, channel: AccountChannel, now: Ms) -> int:
        """See whether rows are due; how long until the next one is, where none is."""
        due = await self._store.next_due(channel.name)
        channel.backlog = due is not None and due <= now
        return IDLE if due is None or channel.backlog else min(due - now, IDLE)

    # ------------------------------------------------ the router's shortcut

    def reserve(self, account: str) -> bool:
        channel = self._channels.get(account)
        if channel is None or self._closing or channel.queue_waits or not self._lease.may_send():
            return False
        now = self._clock.now()
        self._share(now)
        if not channel.places(now) or not channel.bucket.take(now):
            return False
        channel.in_flight += 1
        return True

    def give_back(self, account: str) -> None:
        channel = self._channels[account]
        channel.in_flight -= 1
        channel.bucket.give_back()

    def launch(self, sms: Sms) -> None:
        task = asyncio.create_task(self._send(sms, self._channels[sms.account]), name=f"send {sms.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ------------------------------------------------ one SMS

    async def _send(self, sms: Sms, channel: AccountChannel) -> None:
        outcome: Outcome | None = None
        try:
            try:
                if self._lease.may_send():
                    receipt = await self._request(sms, channel)
                    outcome = await self._outcome(sms, receipt, channel)
                else:
                    # Asleep, or cut off from the store, since it was claimed: the others may soon take it for lost.
                    outcome = Move.RETRY, Change(reason=Reason.INTERRUPTED, detail="not sent", due_at=sms.due_at)
            finally:
                # The connection is free, and what the answer means for the account is known: another may go while
                # this one's outcome is written.
                channel.in_flight -= 1
            await self._write(sms, *outcome)
        except asyncio.CancelledError:
            # Stopping in the middle of it: as long as no answer is known, it may have arrived. If even this write
            # fails, the next start calls it unknown.
            move, change = outcome or (Move.LOSE_TRACK, lost(sms, channel, Reason.INTERRUPTED))
            await self._move(sms, move, change)
            raise
        finally:
            # Only where rows wait, or this one waits anew: each look costs a question to the store.
            if channel.backlog or outcome is None or outcome[0] is not Move.ACCEPTED:
                self._signals.sms.set()

    async def _request(self, sms: Sms, channel: AccountChannel) -> Receipt:
        receipt = await ask(channel, sms)
        # The probe is one more request: by its end the lease must last, too.
        if receipt.outcome is SendClass.UNKNOWN and await self._may_probe(sms, channel) and self._lease.may_send():
            log.info("sms_probe", sms_id=sms.id, reason=receipt.reason)
            again = await ask(channel, sms)
            return self._policy.probed(receipt, again)
        return receipt

    async def _may_probe(self, sms: Sms, channel: AccountChannel) -> bool:
        try:
            return await self._policy.may_probe(sms, channel)
        except StoreError as error:
            log.warning("sms_probe_not_recorded", sms_id=sms.id, error=str(error))
            return False

    async def _outcome(self, sms: Sms, receipt: Receipt, channel: AccountChannel) -> Outcome:
        try:
            return await self._insist(sms, lambda: self._policy.decide(sms, receipt, channel))
        except Exception as error:  # a fault of ours; what the platform answered must not vanish with it
            log.error("verdict_failed", sms_id=sms.id, error_class=type(error).__name__, trace=frames(error))
            return Move.LOSE_TRACK, lost(sms, channel, Reason.INTERNAL)

    async def _insist(self, sms: Sms, work: Callable[[], Awaitable[T]]) -> T:
        """Until the store takes it, however long that is: the row blocks its lane as ``sending`` meanwhile."""
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
        moved = await self._insist(sms, lambda: self._move(sms, move, change))
        if not moved and move is Move.ACCEPTED:
            # Called lost by another bridge while this one could not be heard of; here is the proof that it was not.
            moved = await self._insist(sms, lambda: self._move(sms, Move.PROVE, change))
        if not moved:
            log.warning("sms_moved_elsewhere", sms_id=sms.id, move=move)
        log.info(
            "sms_" + move,
            sms_id=sms.id,
            account=sms.account,
            to=phones.mask(sms.recipient),
            reason=change.reason or None,
        )
        if change.posts or sms.chat_id is not None:
            self._signals.posts.set()

    async def _move(self, sms: Sms, move: Move, change: Change) -> bool:
        """Of this very attempt: where the store did not say whether it took the word, another may have begun since."""
        return await self._store.move(sms.id, move, self._clock.now(), change, began=sms.sending_since)

    # ------------------------------------------------ start and stop

    async def recover(self) -> int:
        """What was ``sending`` at a bridge that is gone may have arrived. At start, before anything is sent, and then
        again and again where there are others."""
        lost_rows = await self._store.recover_sending(self._clock.now())
        for sms in lost_rows:
            log.warning("sms_uncertain", sms_id=sms.id, reason="interrupted", to=phones.mask(sms.recipient))
        return len(lost_rows)

    async def drain(self, timeout: int) -> None:
        """Stop claiming, let what is in flight finish for ``timeout`` milliseconds, then call the rest unknown."""
        self._closing = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout / 1000)
        for task in (left := list(self._tasks)):
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def stale_alert(account: str, now: Ms) -> Alert:
    """Once a day an account: somebody waits for an answer that no longer comes by itself."""
    return Alert(key=f"stale:{account}:{day_of(now)}", text="alert.stale", params={"account": account}, account=account)


async def ask(channel: AccountChannel, sms: Sms) -> Receipt:
    """One request. A fault of ours in the adapter is an unknown outcome, not a reason to send again."""
    try:
        return await channel.platform.send(sms.recipient, sms.sender_name, sms.text)
    except Exception as error:
        log.error("platform_adapter_failed", sms_id=sms.id, error_class=type(error).__name__, trace=frames(error))
        return Receipt(outcome=SendClass.UNKNOWN, reason=Reason.INTERNAL)


def lost(sms: Sms, channel: AccountChannel, reason: str) -> Change:
    posts: tuple[NewPost, ...] = escalations.about_unknown(sms, channel.settings, reason)
    return Change(reason=reason, posts=posts)
