"""When an account cannot send: its queue stands still, the team is told once, and the platform is asked now and then.

The hold is a row in the store; the gate in memory follows it. A balance question costs nothing, so it does the
asking; where the platform's answer to it says nothing, one SMS is let through after a while, slowly.
"""

from __future__ import annotations

from typing import Protocol

import structlog

from bridge.errors import PlatformError, StoreError
from bridge.model.alert import Alert
from bridge.model.answers import AccountState, Balance, Reason
from bridge.model.base import HOUR, MINUTE, SECOND, Json, Ms
from bridge.pipeline.account_channel import AccountChannel
from bridge.pipeline.signals import Signals
from bridge.ports.clock import Clock
from bridge.ports.record import QueryStore
from bridge.ports.sending import AccountStore

log = structlog.get_logger()

PROBE_FIRST: Ms = MINUTE
PROBE_LONGEST: Ms = HOUR // 2
TRY_ANYWAY: Ms = HOUR // 2
"""After so long a held account may try one SMS although the balance did not say that the trouble is over."""
MANY = 10_000
"""What waits is counted no further: one place of the account is taken meanwhile."""
HEARD_EVERY: Ms = 10 * SECOND
"""How often "the platform answered" is worth a commit."""
MONEY = frozenset({Reason.NO_CREDIT, Reason.PARKED, Reason.ZERO})
"""Holds that end when there is more money than at their beginning."""


class SuspensionStore(AccountStore, QueryStore, Protocol):
    """The account's state, and how much waits for it."""


class AccountSuspensions:
    def __init__(self, *, store: SuspensionStore, signals: Signals, clock: Clock) -> None:
        self._store = store
        self._signals = signals
        self._clock = clock
        self._heard_at: dict[str, Ms] = {}
        self._writing: set[str] = set()
        """Accounts whose hold is not in the store yet."""

    # ------------------------------------------------ from the outbox

    async def hold(self, channel: AccountChannel, *, reason: str, detail: str) -> None:
        """Stop the account's queue. The gate closes before anything is awaited: nothing else leaves meanwhile."""
        if not channel.held:  # else another SMS in flight met the same fault first
            channel.held = True
            self._writing.add(channel.name)
            try:
                await self._write_hold(channel, reason, detail)
            except StoreError:
                channel.held = False
                raise
            finally:
                self._writing.discard(channel.name)
        await self._tell_hold(channel.name, reason, detail)

    async def _write_hold(self, channel: AccountChannel, reason: str, detail: str) -> None:
        now = self._clock.now()
        probe_at = now + PROBE_FIRST
        await self._store.hold_account(channel.name, reason=reason, detail=detail, now=now, probe_at=probe_at)
        log.error("account_held", account=channel.name, reason=reason, detail=detail)
        if reason in MONEY:
            # What is left now is what a top-up is measured against.
            await self.ask_balance(channel)

    async def _tell_hold(self, account: str, reason: str, detail: str) -> None:
        params: dict[str, Json] = {"account": account, "reason": reason, "detail": detail}
        key = f"account:{account}:fault"
        await self.tell(Alert(key=key, text="alert.account_fault", params=params, account=account))

    async def works(self, channel: AccountChannel) -> None:
        """The platform took an SMS. Closes what was told of this account; cheap when nothing was.

        What is told comes first: should the store refuse it, the trouble is still known when this is tried again.
        """
        if channel.cautious and not channel.held:
            waiting = await self._store.queued(channel.name, limit=MANY)
            params: dict[str, str | int | float] = {"account": channel.name, "waiting": waiting}
            await self._all_clear(f"account:{channel.name}:fault", "alert.account_ok", params)
            await self._all_clear(f"account:{channel.name}:unreachable", "alert.platform_back", params)
        channel.took_one()

    async def heard(self, channel: AccountChannel) -> None:
        """The platform answered something."""
        now = self._clock.now()
        channel.reached()
        if abs(now - self._heard_at.get(channel.name, 0)) >= HEARD_EVERY:
            self._heard_at[channel.name] = now
            await self._store.note_contact(channel.name, now)

    async def unreachable(self, channel: AccountChannel) -> None:
        log.error("platform_unreachable", account=channel.name)
        await self.tell(
            Alert(
                key=f"account:{channel.name}:unreachable",
                text="alert.platform_unreachable",
                params={"account": channel.name},
                account=channel.name,
            )
        )

    async def tell(self, alert: Alert) -> None:
        if await self._store.raise_alert(alert, self._clock.now()):
            self._signals.posts.set()

    # ------------------------------------------------ asking again

    async def load(self, channel: AccountChannel) -> None:
        """At start: a hold survives the restart, and a first SMS shows whether older trouble is over."""
        state = await self._store.account_state(channel.name)
        channel.held = bool(state.held_reason)
        channel.cautious = True
        if channel.held:
            # The run before may have ended between the hold and its alert; one that is open is not told again.
            await self._tell_hold(channel.name, state.held_reason, state.held_detail)

    def follow(self, channel: AccountChannel, state: AccountState) -> None:
        """Another bridge may have met the account's fault, or its end."""
        held = bool(state.held_reason)
        if held != channel.held and channel.name not in self._writing:
            channel.held = held
            channel.cautious = True
            if not held:
                self._signals.sms.set()

    async def probe(self, channel: AccountChannel, state: AccountState) -> Ms:
        """Ask whether the hold is over; returns when to ask next."""
        now = self._clock.now()
        # Further away than any probe is planned: the clock was set back since.
        if state.probe_at is not None and now < state.probe_at <= now + PROBE_LONGEST:
            return state.probe_at
        balance = await self.ask_balance(channel)
        if self._over(state, balance, now):
            await self._store.release_account(channel.name, now)
            channel.held, channel.cautious = False, True
            log.info("account_released", account=channel.name, reason=state.held_reason)
            self._signals.sms.set()
            return now
        again = now + min(PROBE_FIRST * (1 << min(state.probes, 10)), PROBE_LONGEST)
        await self._store.still_held(channel.name, probe_at=again)
        return again

    async def ask_balance(self, channel: AccountChannel) -> Balance | None:
        """None where the platform gave no usable answer."""
        try:
            balance = await channel.platform.balance()
        except PlatformError as error:
            log.warning("balance_unknown", account=channel.name, error=str(error))
            return None
        now = self._clock.now()
        await self._store.note_balance(channel.name, balance, now)
        await self.heard(channel)
        return balance

    def _over(self, state: AccountState, balance: Balance | None, now: Ms) -> bool:
        since = state.held_since if state.held_since is not None else now
        if abs(now - since) >= TRY_ANYWAY:
            return True
        if balance is None:
            return False
        if state.held_reason in MONEY:
            # A balance from before the hold says nothing: it was silent then.
            asked = state.balance is not None and state.balance_at is not None and state.balance_at >= since
            known = state.balance if asked and state.balance is not None else 0.0
            return balance.amount > max(known, 0.0)
        return state.held_reason != Reason.ZEROS

    async def _all_clear(self, key: str, text: str, params: dict[str, str | int | float]) -> None:
        if await self._store.clear_alert(key, text, params, self._clock.now()):
            log.info("all_clear", alert=key)
            self._signals.posts.set()
