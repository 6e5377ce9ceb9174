"""Watches the accounts: asks for the balance, warns when it is low, and finds out when a suspension is over."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from bridge.model.alert import Alert
from bridge.model.answers import Balance
from bridge.model.base import Json, Ms
from bridge.pipeline.account_channel import AccountChannel
from bridge.pipeline.services import Services
from bridge.pipeline.suspensions import AccountSuspensions
from bridge.pipeline.worker import IDLE, together

log = structlog.get_logger()

CLEAR_ABOVE = 1.2
"""The alert ends when the balance reaches this multiple of the threshold. At the threshold itself it would come and go
all day."""


class AccountWatch:
    """Watches all accounts at the same time. A step lasts as long as the slowest answer of a platform."""

    def __init__(
        self,
        *,
        channels: Mapping[str, AccountChannel],
        suspensions: AccountSuspensions,
        leads: Callable[[], bool],
        services: Services,
    ) -> None:
        """``leads``: whether this node asks the platform. The other nodes follow the results in the store."""
        self._channels = channels
        self._suspensions = suspensions
        self._leads = leads
        self._store = services.store
        self._clock = services.clock
        self._ask_at: dict[str, Ms] = {}
        """When to ask next for the balance of each account, in monotonic time."""

    async def step(self) -> Ms:
        """Watch every account once. Returns the time until the next one has to be watched."""
        waits = await together(self._watch(channel) for channel in self._channels.values())
        return max(min(waits, default=IDLE), 1)

    async def _watch(self, channel: AccountChannel) -> Ms:
        suspended = channel.suspended
        state = await self._store.account_state(channel.name)
        if channel.suspended is suspended:  # if not, the suspension changed during the query
            self._suspensions.follow(channel, state)
        if not self._leads():
            return IDLE
        if channel.suspended:
            return await self._suspensions.probe(channel, state) - self._clock.now()
        every = channel.settings.balance.every
        if every is None:
            return IDLE
        now = self._clock.monotonic()
        ask_at = self._ask_at.get(channel.name, now)
        if now < ask_at:
            return ask_at - now
        self._ask_at[channel.name] = now + every
        balance = await self._suspensions.ask_balance(channel)
        if balance is not None:
            await self._check(channel, balance)
        return every

    async def _check(self, channel: AccountChannel, balance: Balance) -> None:
        warn_below = channel.settings.balance.warn_below
        if warn_below is None:
            return
        key = f"account:{channel.name}:balance"
        params: dict[str, Json] = {
            "account": channel.name,
            "balance": balance.amount,
            "currency": balance.currency,
        }
        if balance.amount < warn_below:
            text, more = await self._low_balance(channel, balance)
            await self._suspensions.raise_alert(
                Alert(key=key, text=text, params={**params, **more}, account=channel.name)
            )
        elif balance.amount >= warn_below * CLEAR_ABOVE:
            await self._store.clear_alert(key, "alert.balance_ok", params, self._clock.now())

    async def _low_balance(self, channel: AccountChannel, balance: Balance) -> tuple[str, dict[str, int]]:
        """The text id of the alert, and for how many days the balance lasts, if the recent spending is known."""
        spent = await self._store.spent_a_day(channel.name, self._clock.now())
        if not spent:
            return "alert.low_balance", {}
        days = int(max(balance.amount, 0) // spent)
        return ("alert.low_balance_days", {"days": days}) if days else ("alert.low_balance_day", {})
