"""Routes the messages that were left ``new`` when they came.

These are: messages behind an older message of the same subscriber; messages that slow rules left no time for; and
messages of a node that does not route.

The batch is read, decided and settled in one transaction, so routing can be repeated until that commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from bridge.errors import StoreUnavailable
from bridge.model.base import DAY, HOUR, InboundId, Ms
from bridge.model.routing import Decide, RoutingBatch, Settlement, UnroutedMessage
from bridge.pipeline.routing import BATCH, LONGEST_WAIT, Attempt, Routing
from bridge.pipeline.services import Services
from bridge.pipeline.worker import IDLE

log = structlog.get_logger()

USES_KEPT: Ms = 31 * DAY
"""Uses of rules are kept at least this long, so that a limit that is edited to look back further finds them."""
FORGET_BATCH = 2_000
"""How many uses are deleted at a time. The next ones are deleted the next time that there is nothing to route."""


class Router:
    """Routes what is ``new`` in batches."""

    def __init__(self, *, routing: Routing, services: Services) -> None:
        self._routing = routing
        self._store = services.store
        self._clock = services.clock
        self._forgot_at: Ms = 0

    async def step(self) -> Ms:
        """Route one batch. Returns how long to wait for more messages, in milliseconds."""
        # Without slots: the replies are queued, and the outbox takes them from there.
        attempt = self._routing.attempt()
        try:
            attempt.settled(await self._store.route(BATCH, attempt.wanted, attempt.decide))
        except StoreUnavailable:
            raise
        except Exception:
            if not attempt.seen:
                raise
            await self._route_singly(attempt)
        if attempt.seen:
            return 0
        await self._forget()
        return IDLE

    async def _route_singly(self, attempt: Attempt) -> None:
        """Settle one by one, because one of the batch cannot be written. That one is quarantined."""
        refused: list[Exception] = []
        for message in attempt.seen:
            try:
                await self._route_alone(message)
            except StoreUnavailable:
                raise
            except Exception as error:  # its quarantine cannot be written either; the next ones must not wait for it
                refused.append(error)
        if refused:
            raise refused[0]

    async def _route_alone(self, message: UnroutedMessage) -> None:
        attempt = self._routing.attempt()
        inbound_id = message.inbound.id
        try:
            attempt.settled(await self._store.route(BATCH, attempt.wanted, only(inbound_id, attempt.decide)))
        except StoreUnavailable:
            raise
        except Exception as error:
            log.error("settlement_refused", inbound_id=inbound_id, error_class=type(error).__name__)

            def put_aside(batch: RoutingBatch) -> list[Settlement | None]:
                return [attempt.quarantine(each, "cannot be stored") for each in batch.messages]

            attempt.settled(await self._store.route(BATCH, attempt.wanted, only(inbound_id, put_aside)))

    async def _forget(self) -> None:
        """Delete the uses that are too old for every limit. Runs once an hour, when there is nothing to route."""
        now, counting = self._clock.now(), self._routing.rules.counting
        if abs(now - self._forgot_at) < HOUR:
            return
        longest = max((counting.sender, *counting.totals.values(), USES_KEPT))
        if await self._store.forget_uses(now - longest - LONGEST_WAIT, limit=FORGET_BATCH) < FORGET_BATCH:
            self._forgot_at = now


def only(inbound_id: InboundId, decide: Decide) -> Decide:
    """``decide`` for one message alone. The others are left ``new``."""

    def alone(batch: RoutingBatch) -> Sequence[Settlement | None]:
        kept = [each for each in batch.messages if each.inbound.id == inbound_id]
        decided = iter(decide(replace(batch, messages=tuple(kept))))
        return [next(decided) if each.inbound.id == inbound_id else None for each in batch.messages]

    return alone
