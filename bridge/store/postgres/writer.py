"""Group commit on PostgreSQL: calls of one batch function share a transaction; other units run side by side.

Unlike the SQLite writer, this is not the only writer: other transactions of this node and of other nodes run at the
same time. A unit locks what must not change between its read and its write
(:meth:`~bridge.store.transaction.Tx.lock`). A unit that is not batched has a transaction of its own: two units in one
transaction could otherwise deadlock with two units in another.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import structlog

from bridge.errors import StoreError, StoreUnavailable
from bridge.store.postgres.transaction import OutcomeUnknown, Repairs, Transactions
from bridge.store.repository import RIDE_S
from bridge.store.transaction import BatchUnit, Unit

log = structlog.get_logger()

T = TypeVar("T")
Item = TypeVar("Item")

MAX_ITEMS = 128
"""Most items in one transaction. Each item may hold a lock, and the server has one table of limited size for all
locks."""


@dataclass(eq=False, slots=True)
class _Job:
    item: object
    future: asyncio.Future[Any]


class PostgresWriter:
    """The :class:`~bridge.store.repository.Writer` on PostgreSQL. Call ``close`` after the last unit."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._queues: dict[BatchUnit[Any, Any], _BatchQueue] = {}
        self._running: set[asyncio.Task[Any]] = set()
        self._abandoned: set[asyncio.Task[Any]] = set()
        """Running transactions whose callers were cancelled."""
        self._repairs: deque[Unit[object]] = deque()
        """Units to run before anything else is written."""
        self._repairing = asyncio.Lock()
        self._closing = False
        self.units = 0
        """Units committed since the start."""

    @property
    def commits(self) -> int:
        """Transactions committed since the start; ``units / commits`` is the mean size of a group."""
        return self._transactions.commits

    async def run(self, unit: Unit[T]) -> T:
        """Run the unit and return its result after the commit.

        If the caller is cancelled, the unit is done or not done, never half done.
        :raises StoreUnavailable: nothing was written; a later call may succeed.
        :raises CommitUnknown: (a StoreUnavailable) it is not known whether the unit was written.
        :raises StoreError: the unit cannot be done.
        """
        return await self.run_begun(lambda: unit)

    async def run_begun(self, begin: Callable[[], Unit[T]]) -> T:
        """Like :meth:`run`, for a unit that is made right before its transaction: ``begin`` makes it.

        ``begin`` is not called if the work is refused before.
        """
        await self._repair()
        if self._closing:
            raise StoreError("the store is closed")
        unit = begin()
        task = asyncio.create_task(self._transactions.write(unit))
        self.keep(task)
        try:
            value, _ = await asyncio.shield(task)
        except asyncio.CancelledError:
            self._abandoned.add(task)
            task.add_done_callback(self._take_repairs)
            raise
        except OutcomeUnknown as error:
            self._repairs.extend(error.repairs)
            raise
        self.units += 1
        return value

    async def run_batched(self, do: BatchUnit[Item, T], item: Item, *, ride: bool = False) -> T:
        """Like :meth:`run`, for work that costs less in groups: one call of ``do`` takes all items that wait for it.

        ``ride``: wait up to :data:`~bridge.store.repository.RIDE_S` for other items of ``do``, and share their commit.

        Work that leaves a repair (:meth:`~bridge.store.transaction.Tx.if_caller_gone`) must not be batched.
        """
        if self._closing:
            raise StoreError("the store is closed")
        queue = self._queues.get(do)
        if queue is None:
            queue = self._queues[do] = _BatchQueue(self, do)
        return cast(T, await queue.run(item, ride))

    async def write_batch(self, do: BatchUnit[Any, Any], items: Sequence[object]) -> Sequence[object]:
        """Write the items in one transaction; returns a result for each."""
        await self._repair()
        values, repairs = await self._transactions.write(lambda tx: do(tx, items))
        if repairs:
            raise StoreError("a batch left a repair, which can only be for one caller")
        self.units += len(items)
        return values

    async def close(self) -> None:
        """Finish the running units and refuse new ones."""
        self._closing = True
        while self._running:
            await asyncio.wait(self._running)

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Make :meth:`close` wait for the task."""
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _take_repairs(self, task: asyncio.Task[tuple[object, Repairs]]) -> None:
        """Schedule the repairs of a finished transaction whose caller was cancelled."""
        self._abandoned.discard(task)
        error = task.exception()
        if error is None:
            self._repairs.extend(task.result()[1])
        elif isinstance(error, OutcomeUnknown):
            self._repairs.extend(error.repairs)

    async def _repair(self) -> None:
        """Wait for the transactions of cancelled callers, then run the scheduled repairs.

        :raises StoreUnavailable: a repair cannot run now. Nothing else is written until it has run.
        """
        while self._abandoned:
            await asyncio.wait(self._abandoned)
        while self._repairs:
            async with self._repairing:
                if not self._repairs:
                    return
                try:
                    await self._transactions.write(self._repairs[0])
                except StoreUnavailable:
                    raise
                except Exception as error:
                    # This repair is given up, or all later work would wait for it. Its row stays `sending` and becomes
                    # `uncertain` in the end.
                    log.error("repair_failed", error_class=type(error).__name__)
                self._repairs.popleft()


class _BatchQueue:
    """The items that wait for one batch function. Items that arrive while a transaction runs go into the next one."""

    def __init__(self, writer: PostgresWriter, do: BatchUnit[Any, Any]) -> None:
        self._writer = writer
        self._do = do
        self._waiting: deque[_Job] = deque()
        self._is_running = False
        self._urgent = asyncio.Event()
        """Set if an item waits that may not ride."""

    async def run(self, item: object, ride: bool) -> object:
        job = _Job(item, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        if not ride:
            self._urgent.set()
        if not self._is_running:
            self._is_running = True
            self._writer.keep(asyncio.create_task(self._work()))
        return await job.future

    async def _work(self) -> None:
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._urgent.wait(), RIDE_S)
            self._urgent.clear()
            while self._waiting:
                # Lets the callers that were just woken add their next items.
                await asyncio.sleep(0)
                await self._write([self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_ITEMS))])
        finally:
            self._is_running = False

    async def _write(self, jobs: Sequence[_Job]) -> None:
        wanted = [job for job in jobs if not job.future.done()]
        if not wanted:
            return
        try:
            values = await self._writer.write_batch(self._do, [job.item for job in wanted])
        except Exception as error:  # every caller must get an answer, whatever happened
            if len(wanted) == 1 or isinstance(error, StoreUnavailable):
                _refuse(wanted, error)
            else:
                for job in wanted:  # one item cannot be written; the others are written one by one
                    await self._write([job])
            return
        for job, value in zip(wanted, values, strict=True):
            if not job.future.done():
                job.future.set_result(value)


def _refuse(jobs: Sequence[_Job], error: Exception) -> None:
    for job in jobs:
        if not job.future.done():
            job.future.set_exception(error)
