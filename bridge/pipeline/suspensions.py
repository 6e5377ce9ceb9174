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

    async def hold(self, gate: AccountChannel, *, reason: str, detail: str) -> None:
        """Stop the account's queue. The gate closes before anything is awaited: nothing else leaves meanwhile."""
        if not gate.held:  # else another SMS in flight met the same fault first
            gate.held = True
            self._writing.add(gate.name)
            try:
                await self._write_hold(gate, reason, detail)
            except StoreError:
                gate.held = False
                raise
            finally:
                self._writing.discard(gate.name)
        await self._tell_hold(gate.name, reason, detail)

    async def _write_hold(self, gate: AccountChannel, reason: str, detail: str) -> None:
        now = self._clock.now()
        probe_at = now + PROBE_FIRST
        await self._store.hold_account(gate.name, reason=reason, detail=detail, now=now, probe_at=probe_at)
        log.error("account_held", account=gate.name, reason=reason, detail=detail)
        if reason in MONEY:
            # What is left now is what a top-up is measured against.
            await self.ask_balance(gate)

    async def _tell_hold(self, account: str, reason: str, detail: str) -> None:
        params: dict[str, Json] = {"account": account, "reason": reason, "detail": detail}
        key = f"account:{account}:fault"
        await self.tell(Alert(key=key, text="alert.account_fault", params=params, account=account))

    async def works(self, gate: AccountChannel) -> None:
        """The platform took an SMS. Closes what was told of this account; cheap when nothing was.

        What is told comes first: should the store refuse it, the trouble is still known when this is tried again.
        """
        if gate.cautious and not gate.held:
            waiting = await self._store.queued(gate.name, limit=MANY)
            params: dict[str, str | int | float] = {"account": gate.name, "waiting": waiting}
            await self._all_clear(f"account:{gate.name}:fault", "alert.account_ok", params)
            await self._all_clear(f"account:{gate.name}:unreachable", "alert.platform_back", params)
        gate.took_one()

    async def heard(self, gate: AccountChannel) -> None:
        """The platform answered something."""
        now = self._clock.now()
        gate.reached()
        if abs(now - self._heard_at.get(gate.name, 0)) >= HEARD_EVERY:
            self._heard_at[gate.name] = now
            await self._store.note_contact(gate.name, now)

    async def unreachable(self, gate: AccountChannel) -> None:
        log.error("platform_unreachable", account=gate.name)
        await self.tell(
            Alert(
                key=f"account:{gate.name}:unreachable",
                text="alert.platform_unreachable",
                params={"account": gate.name},
                account=gate.name,
            )
        )

    async def tell(self, alert: Alert) -> None:
        if await self._store.raise_alert(alert, self._clock.now()):
            self._signals.posts.set()

    # ------------------------------------------------ asking again

    async def load(self, gate: AccountChannel) -> None:
        """At start: a hold survives the restart, and a first SMS shows whether older trouble is over."""
        state = await self._store.account_state(gate.name)
        gate.held = bool(state.held_reason)
        gate.cautious = True
        if gate.held:
            # The run before may have ended between the hold and its alert; one that is open is not told again.
            await self._tell_hold(gate.name, state.held_reason, state.held_detail)

    def follow(self, gate: AccountChannel, state: AccountState) -> None:
        """Another bridge may have met the account's fault, or its end."""
        held = bool(state.held_reason)
        if held != gate.held and gate.name not in self._writing:
            gate.held = held
            gate.cautious = True
            if not held:
                self._signals.sms.set()

    async def probe(self, gate: AccountChannel, state: AccountState) -> Ms:
        """Ask whether the hold is over; returns when to ask next."""
        now = self._clock.now()
        # Further away than any probe is planned: the clock was set back since.
        if state.probe_at is not None and now < state.probe_at <= now + PROBE_LONGEST:
            return state.probe_at
        balance = await self.ask_balance(gate)
        if self._over(state, balance, now):
            await self._store.release_account(gate.name, now)
            gate.held, gate.cautious = False, True
            log.info("account_released", account=gate.name, reason=state.held_reason)
            self._signals.sms.set()
            return now
        again = now + min(PROBE_FIRST * (1 << min(state.probes, 10)), PROBE_LONGEST)
        await self._store.still_held(gate.name, probe_at=again)
        return again

    async def ask_balance(self, gate: AccountChannel) -> Balance | None:
        """None where the platform gave no usable answer."""
        try:
            balance = await gate.platform.balance()
        except PlatformError as error:
            log.warning("balance_unknown", account=gate.name, error=str(error))
            return None
        now = self._clock.now()
        await self._store.note_balance(gate.name, balance, now)
        await self.heard(gate)
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
