"""Suspends an account that cannot send: its queue waits, the team is told once, and the platform is probed regularly.

The suspension is a row in the store, and the account's channel follows it. The probe is a balance question, which costs
nothing. If its answer does not show that the fault is over, one SMS is let through after a while.
"""

from __future__ import annotations

import structlog

from bridge.errors import PlatformError, StoreError
from bridge.model.alert import Alert
from bridge.model.answers import AccountState, Balance, SmsReason
from bridge.model.base import HOUR, MINUTE, SECOND, Json, Ms
from bridge.pipeline.account_channel import AccountChannel
from bridge.pipeline.services import Services

log = structlog.get_logger()

FIRST_PROBE_AFTER: Ms = MINUTE
MAX_PROBE_WAIT: Ms = HOUR // 2
TRY_SMS_AFTER: Ms = HOUR // 2
"""After this time a suspended account may try one SMS, although the balance does not show that the fault is over."""
MAX_COUNTED = 10_000
"""Waiting SMS are counted up to this number, because a slot of the account is taken while they are counted."""
NOTE_ANSWER_EVERY: Ms = 10 * SECOND
"""The shortest time between two commits that note an answer of the platform."""
ENDED_BY_TOP_UP = frozenset({SmsReason.NO_CREDIT, SmsReason.PARKED, SmsReason.ZERO})
"""The reasons of suspensions that end when the balance is higher than at their beginning."""


class AccountSuspensions:
    """Begins, checks and ends the suspensions of accounts, and writes their alerts."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._signals = services.signals
        self._clock = services.clock
        self._answer_noted_at: dict[str, Ms] = {}
        self._writing: set[str] = set()
        """Accounts whose suspension is not in the store yet."""

    # ------------------------------------------------ reports of the outbox

    async def suspend(self, channel: AccountChannel, *, reason: str, detail: str) -> None:
        """Stop the account's queue and tell the team.

        The channel stops before the first await, so that no other SMS leaves.
        """
        if not channel.suspended:  # if it is, another SMS in flight met the same fault first
            channel.suspended = True
            self._writing.add(channel.name)
            try:
                await self._write(channel, reason, detail)
            except StoreError:
                channel.suspended = False
                raise
            finally:
                self._writing.discard(channel.name)
        await self._raise_fault(channel.name, reason, detail)

    async def _write(self, channel: AccountChannel, reason: str, detail: str) -> None:
        now = self._clock.now()
        probe_at = now + FIRST_PROBE_AFTER
        await self._store.suspend_account(channel.name, reason=reason, detail=detail, now=now, probe_at=probe_at)
        log.error("account_suspended", account=channel.name, reason=reason, detail=detail)
        if reason in ENDED_BY_TOP_UP:
            # A later balance is compared with this one, to see a top-up.
            await self.ask_balance(channel)

    async def _raise_fault(self, account: str, reason: str, detail: str) -> None:
        params: dict[str, Json] = {"account": account, "reason": reason, "detail": detail}
        key = f"account:{account}:fault"
        await self.raise_alert(Alert(key=key, text="alert.account_fault", params=params, account=account))

    async def note_accepted(self, channel: AccountChannel) -> None:
        """Note that the platform took an SMS, and close the alerts of the account.

        The store is asked only while the channel is cautious. If it refuses, the channel stays cautious, and the next
        call tries again.
        """
        if channel.cautious and not channel.suspended:
            waiting = await self._store.count_queued(channel.name, limit=MAX_COUNTED)
            params: dict[str, Json] = {"account": channel.name, "waiting": waiting}
            await self._all_clear(f"account:{channel.name}:fault", "alert.account_ok", params)
            await self._all_clear(f"account:{channel.name}:unreachable", "alert.platform_back", params)
        channel.note_accepted()

    async def note_answer(self, channel: AccountChannel) -> None:
        """Note that the platform answered, whatever it said."""
        now = self._clock.now()
        channel.note_answer()
        if abs(now - self._answer_noted_at.get(channel.name, 0)) >= NOTE_ANSWER_EVERY:
            self._answer_noted_at[channel.name] = now
            await self._store.note_answer(channel.name, now)

    async def report_unreachable(self, channel: AccountChannel) -> None:
        """Tell the team that the platform cannot be reached."""
        log.error("platform_unreachable", account=channel.name)
        await self.raise_alert(
            Alert(
                key=f"account:{channel.name}:unreachable",
                text="alert.platform_unreachable",
                params={"account": channel.name},
                account=channel.name,
            )
        )

    async def raise_alert(self, alert: Alert) -> None:
        await self._store.raise_alert(alert, self._clock.now())

    # ------------------------------------------------ the end of a suspension

    async def load(self, channel: AccountChannel) -> None:
        """Set up the channel at the start.

        A suspension survives a restart. The channel begins cautious: its first SMS shows whether an earlier failure is
        over.
        """
        state = await self._store.account_state(channel.name)
        channel.suspended = bool(state.suspended_reason)
        channel.cautious = True
        if channel.suspended:
            # The last run may have ended before it wrote the alert. An alert that is open is not written again.
            await self._raise_fault(channel.name, state.suspended_reason, state.suspended_detail)

    def follow(self, channel: AccountChannel, state: AccountState) -> None:
        """Set the channel by the row in the store.

        Another node may have suspended the account, or ended the suspension.
        """
        suspended = bool(state.suspended_reason)
        if suspended != channel.suspended and channel.name not in self._writing:
            channel.suspended = suspended
            channel.cautious = True
            if not suspended:
                self._signals.sms.set()

    async def probe(self, channel: AccountChannel, state: AccountState) -> Ms:
        """Ask the platform whether the fault is over. Returns when to ask next."""
        now = self._clock.now()
        # A probe that is further away than the longest interval was planned before the clock was set back.
        if state.probe_at is not None and now < state.probe_at <= now + MAX_PROBE_WAIT:
            return state.probe_at
        balance = await self.ask_balance(channel)
        if self._is_over(state, balance, now):
            await self._store.resume_account(channel.name, now)
            channel.suspended, channel.cautious = False, True
            log.info("account_resumed", account=channel.name, reason=state.suspended_reason)
            self._signals.sms.set()
            return now
        again = now + min(FIRST_PROBE_AFTER * (1 << min(state.probes, 10)), MAX_PROBE_WAIT)
        await self._store.postpone_probe(channel.name, probe_at=again)
        return again

    async def ask_balance(self, channel: AccountChannel) -> Balance | None:
        """Ask the platform for the balance and store it. None if the answer cannot be used."""
        try:
            balance = await channel.platform.balance()
        except PlatformError as error:
            log.warning("balance_unknown", account=channel.name, error=str(error))
            return None
        now = self._clock.now()
        await self._store.note_balance(channel.name, balance, now)
        await self.note_answer(channel)
        return balance

    def _is_over(self, state: AccountState, balance: Balance | None, now: Ms) -> bool:
        since = state.suspended_since if state.suspended_since is not None else now
        if abs(now - since) >= TRY_SMS_AFTER:
            return True
        if balance is None:
            return False
        if state.suspended_reason in ENDED_BY_TOP_UP:
            # A balance from before the suspension is not used: the question at its beginning got no usable answer.
            asked = state.balance is not None and state.balance_at is not None and state.balance_at >= since
            known = state.balance if asked and state.balance is not None else 0.0
            return balance.amount > max(known, 0.0)
        return state.suspended_reason != SmsReason.ZEROS

    async def _all_clear(self, key: str, text: str, params: dict[str, Json]) -> None:
        if await self._store.clear_alert(key, text, params, self._clock.now()):
            log.info("alert_cleared", alert=key)
