"""Takes in callbacks: each is one transaction, in which it is stored, decided and settled. Then it is acknowledged.

Callbacks that come together share a transaction. The store asks for them when a transaction can begin, so those that
come while it is busy with another go into the next. What cannot be decided at once is stored as ``new``, acknowledged
all the same, and left to the router.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import structlog

from bridge.errors import StoreError, StoreUnavailable
from bridge.model.alert import Alert
from bridge.model.inbound import AcceptedCall, InboundCall
from bridge.model.routing import FactsWanted, Intake
from bridge.pipeline.clock import day_of
from bridge.pipeline.routing import BATCH, Attempt, Routing
from bridge.pipeline.services import Services

REPEATS_BEFORE_ALERT = 3
"""One repeat may mean that our answer was lost. Three repeats mean that the platform does not understand our answer."""

MOST_TRANSACTIONS = 2
"""Most transactions at a time. While the store writes one, the event loop follows up the one before."""
GATHER_S = 0.001
"""For how long a batch waits for company when many callbacks come. Each transaction costs as much as several messages,
so this halves the work, and all of them are answered sooner."""
MANY = 50
"""So many callbacks in :data:`PERIOD_S` are many: 500 a second."""
PERIOD_S = 0.1

log = structlog.get_logger()

Answer = Callable[[AcceptedCall | Exception], None]
"""Called once with the result of a callback. After an error nothing may be acknowledged."""


class Inbox:
    """Takes in callbacks. Any number of them may wait at the same time."""

    def __init__(
        self, services: Services, routing: Routing | None, steady: AbstractAsyncContextManager[object]
    ) -> None:
        """``routing``: None in a process that does not route; all messages are left ``new``.

        ``steady``: held during a transaction, so that the clock is not set meanwhile.
        """
        self._store = services.store
        self._clock = services.clock
        self._routing = routing
        self._steady = steady
        self._rate = _Rate()
        self._waiting: deque[_Waiting] = deque()
        self._under_way: Counter[tuple[str, str, bytes]] = Counter()
        """The callbacks that are not answered yet, by what identifies a message."""
        self._asks = False
        """Whether a transaction was asked for that has not begun. It takes the callbacks that wait by then."""
        self._transactions: set[asyncio.Task[None]] = set()

    def take(self, call: InboundCall, answer: Answer) -> None:
        """Store a callback, or count it as a repeat of a stored one. ``answer`` is called after the commit."""
        # A repeat that comes before the first call was answered says nothing about our answer.
        self._waiting.append(_Waiting(call, answer, acknowledged_before=_key(call) not in self._under_way))
        self._under_way[_key(call)] += 1
        self._rate.count()
        self._ask()

    async def idle(self) -> None:
        """Wait until all callbacks are answered."""
        while self._transactions:
            await asyncio.wait(self._transactions)

    def _ask(self) -> None:
        if self._waiting and not self._asks and len(self._transactions) < MOST_TRANSACTIONS:
            self._asks = True
            task = asyncio.create_task(self._transaction(), name="inbox")
            self._transactions.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._transactions.discard(task)
        self._ask()

    async def _transaction(self) -> None:
        batch: list[_Waiting] = []
        attempt: Attempt | None = None

        def begin() -> Intake:
            nonlocal attempt
            self._next(batch)
            calls = [each.call for each in batch]
            if self._routing is None:
                return self._stored_only(calls)
            attempt = self._routing.attempt(Counter(call.account for call in calls))
            return Intake(calls=calls, wanted=attempt.wanted, decide=attempt.decide)

        # Lets the callbacks come that have arrived in this turn of the event loop.
        await asyncio.sleep(GATHER_S if self._rate.many and len(self._waiting) < BATCH else 0)
        try:
            async with self._steady:
                taken = await self._store.take_in(begin)
        except BaseException as error:
            if not batch:  # it was refused before it began, and the store would refuse the next one, too
                self._next(batch)
            if attempt is not None:  # a slot that is not given back is lost for good, also after a cancellation
                attempt.failed()
            if not isinstance(error, Exception):
                raise
            ignored = self._answer(batch, await self._results(batch, error))
        else:
            ignored = self._answer(batch, taken.calls)
            if attempt is not None:
                attempt.settled(taken.routed)
        for call, accepted in ignored:
            await self._alert(call, accepted)

    def _next(self, batch: list[_Waiting]) -> None:
        """Move the callbacks that wait into ``batch``. The next ones go into the next transaction."""
        batch += [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH))]
        self._asks = False
        self._ask()

    async def _results(self, batch: Sequence[_Waiting], error: Exception) -> Sequence[AcceptedCall | Exception]:
        """What becomes of the callbacks of a transaction that failed."""
        if isinstance(error, StoreUnavailable):
            return [error] * len(batch)
        return await self._store_only([each.call for each in batch])

    async def _store_only(self, calls: Sequence[InboundCall]) -> Sequence[AcceptedCall | Exception]:
        """Store the callbacks and decide nothing, because something of the batch cannot be written.

        If it is a settlement, the router finds it and quarantines its message. If it is a callback, each is stored by
        itself, so that only that one is refused.
        """
        try:
            return (await self._store.take_in(lambda: self._stored_only(calls))).calls
        except Exception as error:
            if len(calls) == 1:
                return [error]
        return [result for call in calls for result in await self._store_only([call])]

    def _stored_only(self, calls: Sequence[InboundCall]) -> Intake:
        now = self._clock.now()
        return Intake(calls=calls, wanted=FactsWanted(recent_since=now, day=day_of(now)))

    def _answer(
        self, batch: Sequence[_Waiting], results: Sequence[AcceptedCall | Exception]
    ) -> Collection[tuple[InboundCall, AcceptedCall]]:
        """Answer the callbacks. Returns those whose earlier acknowledgements were ignored, one of each account."""
        for each in batch:
            self._under_way[_key(each.call)] -= 1
            if not self._under_way[_key(each.call)]:
                del self._under_way[_key(each.call)]
        ignored: dict[str, tuple[InboundCall, AcceptedCall]] = {}
        for each, result in zip(batch, results, strict=True):
            each.answer(result)
            if isinstance(result, AcceptedCall) and result.repeats >= REPEATS_BEFORE_ALERT and each.acknowledged_before:
                ignored[each.call.account] = each.call, result
        return ignored.values()

    async def _alert(self, call: InboundCall, accepted: AcceptedCall) -> None:
        """Tell the team once a day that the platform does not understand our answers to callbacks of this account."""
        now = self._clock.now()
        alert = Alert(
            key=f"account:{call.account}:not_acknowledged:{day_of(now)}",
            text="alert.not_acknowledged",
            params={
                "account": call.account,
                "smsid": call.smsid,
                "repeats": accepted.repeats,
                "setting": f"accounts.{call.account}.callback.answer",
            },
            account=call.account,
        )
        try:
            opened = await self._store.raise_alert(alert, now)
        except StoreError as error:
            # The next repeat raises the alert again.
            log.warning("alert_not_stored", alert=alert.key, error=type(error).__name__)
            return
        if opened:
            log.warning("acknowledgement_ignored", account=call.account, smsid=call.smsid, repeats=accepted.repeats)


@dataclass(frozen=True, slots=True)
class _Waiting:
    call: InboundCall
    answer: Answer
    acknowledged_before: bool
    """Whether every earlier call with the same message was answered when this one came."""


class _Rate:
    """Counts callbacks in periods, to know whether many come."""

    def __init__(self) -> None:
        self._ends = 0.0
        self._count = 0
        self.many = False
        """Whether the last period, or this one so far, had many."""

    def count(self) -> None:
        now = time.monotonic()
        if now >= self._ends:
            self.many = self._count >= MANY and now < self._ends + PERIOD_S
            self._count, self._ends = 0, now + PERIOD_S
        self._count += 1
        if self._count >= MANY:
            self.many = True


def _key(call: InboundCall) -> tuple[str, str, bytes]:
    return call.account, call.smsid, call.content_hash
