"""Group commit on PostgreSQL: what many callers want at once is one transaction, the rest goes side by side.

Unlike SQLite's this is not the only writer: other transactions of this bridge and of others run at the same time. What
must not change between a look and a write is locked (:meth:`~bridge.store.transaction.Tx.lock`). A unit that stands
alone has a transaction of its own, so that no two units in one transaction can wait for two in another.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import structlog

from bridge.errors import StoreError, StoreUnavailable
from bridge.store.postgres.transaction import OutcomeUnknown, Repairs, Transactions
from bridge.store.transaction import BatchUnit, Unit

log = structlog.get_logger()

T = TypeVar("T")
Item = TypeVar("Item")

MOST_ITEMS = 128
"""In one transaction: each may hold a lock, and the server has a table of them for all."""


@dataclass(eq=False, slots=True)
class _Job:
    item: object
    future: asyncio.Future[Any]


class PostgresWriter:
    """``close`` after the last unit."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._crowds: dict[BatchUnit[Any, Any], _Crowd] = {}
        self._running: set[asyncio.Task[Any]] = set()
        self._orphans: set[asyncio.Task[Any]] = set()
        """Transactions whose callers were cancelled."""
        self._debts: deque[Unit[object]] = deque()
        self._paying = asyncio.Lock()
        self._closing = False
        self.units = 0
        """Units committed since the start."""

    @property
    def commits(self) -> int:
        """Transactions committed since the start; ``units / commits`` is the mean size of a group."""
        return self._transactions.commits

    async def run(self, unit: Unit[T]) -> T:
        """The unit's result, after its commit.

        A cancelled caller finds its unit done or not done, never half.
        :raises StoreUnavailable: nothing was written (:class:`~bridge.errors.CommitUnknown`: nobody knows); a later
            call may succeed.
        :raises StoreError: the unit cannot be done.
        """
        await self._settle_accounts()
        if self._closing:
            raise StoreError("the store is closed")
        task = asyncio.create_task(self._transactions.write(unit))
        self.keep(task)
        try:
            value, _ = await asyncio.shield(task)
        except asyncio.CancelledError:
            self._orphans.add(task)
            task.add_done_callback(self._orphaned)
            raise
        except OutcomeUnknown as error:
            self._debts.extend(error.repairs)
            raise
        self.units += 1
        return value

    async def run_batched(self, do: BatchUnit[Item, T], item: Item) -> T:
        """The same for work that is cheaper for many: items that wait for this very ``do`` are one call of it.

        What leaves a repair (:meth:`~bridge.store.transaction.Tx.if_caller_gone`) does not belong here.
        """
        if self._closing:
            raise StoreError("the store is closed")
        crowd = self._crowds.get(do)
        if crowd is None:
            crowd = self._crowds[do] = _Crowd(self, do)
        return cast(T, await crowd.join(item))

    async def attempt(self, do: BatchUnit[Any, Any], items: Sequence[object]) -> Sequence[object]:
        """One transaction for all of them; for each alone where that is refused."""
        await self._settle_accounts()
        values, repairs = await self._transactions.write(lambda tx: do(tx, items))
        if repairs:
            raise StoreError("what was done together left a repair, which can only be one caller's")
        self.units += len(items)
        return values

    async def close(self) -> None:
        """Finish what waits."""
        self._closing = True
        while self._running:
            await asyncio.wait(self._running)

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Let it end before the store is closed."""
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _orphaned(self, task: asyncio.Task[tuple[object, Repairs]]) -> None:
        """Nobody takes the result."""
        self._orphans.discard(task)
        error = task.exception()
        if error is None:
            self._debts.extend(task.result()[1])
        elif isinstance(error, OutcomeUnknown):
            self._debts.extend(error.repairs)

    async def _settle_accounts(self) -> None:
        """What was cancelled ends first, and its repairs are made; while one cannot be, nothing else is done."""
        while self._orphans:
            await asyncio.wait(self._orphans)
        while self._debts:
            async with self._paying:
                if not self._debts:
                    return
                try:
                    await self._transactions.write(self._debts[0])
                except StoreUnavailable:
                    raise
                except Exception as error:
                    # A row that stays `sending` is called unknown in the end; nothing else must wait for it for ever.
                    log.error("repair_failed", error_class=type(error).__name__)
                self._debts.popleft()


class _Crowd:
    """Those who want the same done. No timer: who comes while a transaction runs goes into the next."""

    def __init__(self, writer: PostgresWriter, do: BatchUnit[Any, Any]) -> None:
        self._writer = writer
        self._do = do
        self._waiting: deque[_Job] = deque()
        self._works = False

    async def join(self, item: object) -> object:
        job = _Job(item, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        if not self._works:
            self._works = True
            self._writer.keep(asyncio.create_task(self._work()))
        return await job.future

    async def _work(self) -> None:
        try:
            while self._waiting:
                # Let those who were just woken hand in what they have next.
                await asyncio.sleep(0)
                await self._batch([self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_ITEMS))])
        finally:
            self._works = False

    async def _batch(self, jobs: Sequence[_Job]) -> None:
        wanted = [job for job in jobs if not job.future.done()]
        if not wanted:
            return
        try:
            values = await self._writer.attempt(self._do, [job.item for job in wanted])
        except Exception as error:  # every caller must be told, whatever happened
            if len(wanted) == 1 or isinstance(error, StoreUnavailable):
                _tell(wanted, error)
            else:
                for job in wanted:  # one of them cannot be done: the others can
                    await self._batch([job])
            return
        for job, value in zip(wanted, values, strict=True):
            if not job.future.done():
                job.future.set_result(value)


def _tell(jobs: Sequence[_Job], error: Exception) -> None:
    for job in jobs:
        if not job.future.done():
            job.future.set_exception(error)
