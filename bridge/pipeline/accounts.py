"""Watching the accounts: the balance with its two thresholds, and the end of a hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from bridge.model.alert import Alert
from bridge.model.answers import Balance
from bridge.model.base import Ms
from bridge.pipeline.account_channel import AccountChannel
from bridge.pipeline.signals import Signals
from bridge.pipeline.suspensions import AccountSuspensions, SuspensionStore
from bridge.pipeline.worker import IDLE
from bridge.ports.clock import Clock

log = structlog.get_logger()

CLEAR_ABOVE = 1.2
"""A low balance is over only this far above the threshold, or spending and topping up would ring all day."""


class AccountWatch:
    def __init__(
        self,
        *,
        gates: Mapping[str, AccountChannel],
        holds: AccountSuspensions,
        store: SuspensionStore,
        on_duty: Callable[[], bool],
        signals: Signals,
        clock: Clock,
    ) -> None:
        """``on_duty``: of several bridges one asks; the others follow what it finds out."""
        self._gates = gates
        self._holds = holds
        self._store = store
        self._on_duty = on_duty
        self._signals = signals
        self._clock = clock
        self._ask_at: dict[str, Ms] = {}
        """In monotonic time."""

    async def step(self) -> int:
        waits = [await self._watch(gate) for gate in self._gates.values()]
        return max(min(waits, default=IDLE), 1)

    async def _watch(self, gate: AccountChannel) -> int:
        held = gate.held
        state = await self._store.account_state(gate.name)
        if gate.held is held:  # else it changed while the store was asked
            self._holds.follow(gate, state)
        if not self._on_duty():
            return IDLE
        if gate.held:
            return await self._holds.probe(gate, state) - self._clock.now()
        every = gate.settings.balance.every
        if every is None:
            return IDLE
        now = self._clock.monotonic()
        ask_at = self._ask_at.get(gate.name, now)
        if now < ask_at:
            return ask_at - now
        self._ask_at[gate.name] = now + every
        balance = await self._holds.ask_balance(gate)
        if balance is not None:
            await self._judge(gate, balance)
        return every

    async def _judge(self, gate: AccountChannel, balance: Balance) -> None:
        warn_below = gate.settings.balance.warn_below
        if warn_below is None:
            return
        key = f"account:{gate.name}:balance"
        params: dict[str, str | int | float] = {
            "account": gate.name,
            "balance": balance.amount,
            "currency": balance.currency,
        }
        if balance.amount < warn_below:
            text, more = await self._how_long(gate, balance)
            await self._holds.tell(Alert(key=key, text=text, params={**params, **more}, account=gate.name))
        elif balance.amount >= warn_below * CLEAR_ABOVE and await self._store.clear_alert(
            key, "alert.balance_ok", params, self._clock.now()
        ):
            self._signals.posts.set()

    async def _how_long(self, gate: AccountChannel, balance: Balance) -> tuple[str, dict[str, int]]:
        """What to say of it: for how many days it is enough, where the last days tell."""
        spent = await self._store.spent_a_day(gate.name, self._clock.now())
        if not spent:
            return "alert.low_balance", {}
        days = int(max(balance.amount, 0) // spent)
        return ("alert.low_balance_days", {"days": days}) if days else ("alert.low_balance_day", {})
