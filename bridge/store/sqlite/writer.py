"""The only writer of the file. It commits all waiting units of work together in one transaction (group commit).

Callers pass a unit of work and await its result. There is no timer: units that arrive while a commit runs go into the
next one. Calls of the same batch function become one call (:meth:`Writer.run_batched`).

A unit must be safe to run again: if one unit of a group fails, each runs again in a transaction of its own. Nothing
else writes the file: on a shared connection the rollback of one caller would undo the acknowledged row of another.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast

from bridge.errors import CommitUnknown, StoreError, StoreUnavailable
from bridge.model.work import Work
from bridge.ports.store import OnWork
from bridge.store.repository import RIDE_S
from bridge.store.sqlite.checkpoint import Checkpoints
from bridge.store.sqlite.connection import FileGuard, ThreadConnection
from bridge.store.sqlite.faults import commit_unknown, is_disk_full, is_environment_fault, is_locked, translate
from bridge.store.sqlite.tx import SqliteTx
from bridge.store.transaction import BatchUnit, Unit

T = TypeVar("T")
Item = TypeVar("Item")

MAX_UNITS = 512
"""Most units in one transaction. It limits how long the first unit waits. Far smaller groups already save as much."""


@dataclass(eq=False, slots=True)
class _Call:
    """A call of ``do`` for the item of one caller. Calls with the same ``do`` become one call."""

    do: BatchUnit[object, object]
    item: object


@dataclass(eq=False, slots=True)
class _Job:
    begin: Callable[[], _Call]
    """Makes the call, right before its transaction."""
    future: asyncio.Future[object]
    repairs: tuple[Unit[object], ...] = ()


@dataclass(slots=True)
class _Outcome:
    """A value or an error. ``repairs`` must run if the caller does not learn that the unit was committed."""

    value: object = None
    error: Exception | None = None
    repairs: tuple[Unit[object], ...] = field(default=())


class Writer:
    """The :class:`~bridge.store.repository.Writer` on SQLite.

    Call ``start`` before the first unit and ``close`` after the last, both in one event loop.
    """

    def __init__(self, connection: ThreadConnection, guard: FileGuard, path: Path, on_work: OnWork) -> None:
        self._connection = connection
        self._guard = guard
        self._path = path
        self._on_work = on_work
        self._work_made: set[Work] = set()
        """Kinds of work made since the last call of ``on_work``. Includes commits with an unknown outcome: at worst a
        loop searches and finds nothing."""
        self.checkpoints = Checkpoints(path)
        self._waiting: deque[_Job] = deque()
        self._repairs: deque[Unit[object]] = deque()
        """Units to run before anything else is written."""
        self._wake = asyncio.Event()
        self._lock_error: Exception | None = None
        """Set when another program had the file locked for the whole time that the last group waited."""
        self._ride: asyncio.TimerHandle | None = None
        """Begins a commit for items that may ride, if no other work does."""
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self.units = 0
        """Units committed since the start."""
        self.commits = 0
        """Transactions committed since the start; ``units / commits`` is the mean size of a group."""

    def start(self) -> None:
        self._task = asyncio.create_task(self._work(), name="store writer")

    async def run(self, unit: Unit[T]) -> T:
        """Run the unit and return its result after the commit.

        If the caller is cancelled, the unit is done or not done, never half done. A unit that still waits does not run.
        :raises StoreUnavailable: nothing was written; a later call may succeed.
        :raises CommitUnknown: (a StoreUnavailable) it is not known whether the unit was written.
        :raises StoreError: the unit cannot be done.
        """
        return await self.run_begun(lambda: unit)

    async def run_begun(self, begin: Callable[[], Unit[T]]) -> T:
        """Like :meth:`run`, for a unit that ``begin`` makes right before its transaction, in the event loop.

        ``begin`` is not called if the work is refused before.
        """
        return cast(T, await self._result(lambda: _unbatched(begin())))

    async def run_batched(self, do: BatchUnit[Item, T], item: Item, *, ride: bool = False) -> T:
        """Like :meth:`run`, for work that costs less in groups: one call of ``do`` takes all items that wait for it.

        ``ride``: wait up to :data:`~bridge.store.repository.RIDE_S` for other work, and share its commit.

        Work that leaves a repair (:meth:`~bridge.store.transaction.Tx.if_caller_gone`) must not be batched: a repair is
        for one caller.
        """
        call = _Call(cast("BatchUnit[object, object]", do), item)
        return cast(T, await self._result(lambda: call, ride))

    async def _result(self, begin: Callable[[], _Call], ride: bool = False) -> object:
        job = self._submit(begin, ride)
        try:
            return await job.future
        except asyncio.CancelledError:
            # If the unit is committed, its caller does not learn it, so the repairs must run. If it is not done yet,
            # ``_deliver`` schedules them.
            if job.future.done() and not job.future.cancelled() and job.future.exception() is None:
                self._schedule(job.repairs)
            raise

    async def close(self) -> None:
        """Finish the waiting units, then close the connection."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.shield(self._task)
        await self._connection.close()

    def _submit(self, begin: Callable[[], _Call], ride: bool) -> _Job:
        if self._closing:
            raise StoreError("the store is closed")
        job = _Job(begin, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        if not ride:
            self._wake.set()
        elif self._ride is None:
            self._ride = asyncio.get_running_loop().call_later(RIDE_S, self._wake.set)
        return job

    def _schedule(self, repairs: Sequence[Unit[object]]) -> None:
        """Queue the repairs. They run before anything else is written."""
        self._repairs.extend(repairs)
        if self._repairs:
            self._wake.set()

    async def _work(self) -> None:
        while self._waiting or not self._closing:
            await self._wake.wait()
            self._wake.clear()
            # A repair that cannot run now is tried again with the next unit, not in a busy loop.
            await self._write_group()
            await self.checkpoints.run_if_due(self._connection)
            if not self._wake.is_set():
                # Lets the callers that were just woken add their next units, so that these share the next commit.
                await asyncio.sleep(0)
        await self._write_group()

    async def _write_group(self) -> None:
        if self._ride is not None:
            self._ride.cancel()
            self._ride = None
        jobs = self._take_jobs(MAX_UNITS)
        if self._waiting or self._closing:
            self._wake.set()
        begun = list(_begun(jobs))
        if not begun and not self._repairs:
            return
        outcomes = await self._attempt([call for _, call in begun])
        if self._work_made:
            made, self._work_made = self._work_made, set()
            self._on_work(made)
        for (job, _), outcome in zip(begun, outcomes, strict=True):
            self._deliver(job, outcome)
        if (error := self._lock_error) is not None:
            # Units that arrived during the wait are refused, too, so that no caller waits for the lock twice.
            self._lock_error = None
            for job in self._take_jobs(len(self._waiting)):
                self._deliver(job, _Outcome(error=error))

    def _take_jobs(self, most: int) -> list[_Job]:
        jobs: list[_Job] = []
        while self._waiting and len(jobs) < most:
            job = self._waiting.popleft()
            if not job.future.done():
                jobs.append(job)
        return jobs

    async def _attempt(self, calls: list[_Call]) -> list[_Outcome]:
        """Run the repairs first, in one transaction of their own, then the calls. If the repairs fail, no call runs."""
        repairs = list(self._repairs)
        try:
            if repairs:
                repair = _unbatched(lambda tx: [each(tx) for each in repairs])
                (repaired,) = await self._connection.call(lambda db: self._commit(db, [repair]))
                if repaired.error is not None:
                    raise repaired.error
                for _ in repairs:
                    self._repairs.popleft()
            return await self._connection.call(lambda db: self._commit(db, calls)) if calls else []
        except Exception as error:  # every caller must get an answer, whatever happened
            known = error if isinstance(error, StoreUnavailable) and not isinstance(error, CommitUnknown) else None
            failure = known or StoreUnavailable(f"{self._path}: nothing was written ({error})")
            return [_Outcome(error=failure) for _ in calls]

    def _deliver(self, job: _Job, outcome: _Outcome) -> None:
        if isinstance(outcome.error, CommitUnknown) or job.future.done():
            self._schedule(outcome.repairs)
        if job.future.done():
            return
        if outcome.error is not None:
            job.future.set_exception(outcome.error)
        else:
            job.repairs = outcome.repairs
            job.future.set_result(outcome.value)

    # -------------------------------------------------------- in the connection's thread

    def _commit(self, db: sqlite3.Connection, calls: Sequence[_Call]) -> list[_Outcome]:
        try:
            self._guard.check()
            db.execute("BEGIN IMMEDIATE")
        except (StoreUnavailable, sqlite3.Error) as error:
            if is_locked(error):
                self._lock_error = self._failure(error)
            return self._refuse(db, calls, error)
        try:
            outcomes, made = _run_calls(db, calls)
        except Exception as error:
            self._roll_back(db)
            # A full disk may still take some of the units. Any other fault of the environment would only come again.
            if len(calls) == 1 or (is_environment_fault(error) and not is_disk_full(error)):
                return self._refuse(db, calls, error)
            return self._commit_singly(db, calls)
        self._work_made |= made
        try:
            db.execute("COMMIT")
            self._guard.check()
        except (StoreUnavailable, sqlite3.Error) as error:
            self._roll_back(db)
            self._connection.distrust_if_faulty(error)
            return [_Outcome(error=self._unknown(error), repairs=outcome.repairs) for outcome in outcomes]
        self.commits += 1
        self.units += len(calls)
        self.checkpoints.committed(len(calls))
        return outcomes

    def _commit_singly(self, db: sqlite3.Connection, calls: Sequence[_Call]) -> list[_Outcome]:
        outcomes: list[_Outcome] = []
        for call in calls:
            outcomes += self._commit(db, [call])
            error = outcomes[-1].error
            # The file is locked or gone by now. One wait for the lock for each unit would take minutes in all.
            if isinstance(error, StoreUnavailable) and not self._may_go_on(error):
                outcomes += [_Outcome(error=error) for _ in calls[len(outcomes) :]]
                break
        return outcomes

    @staticmethod
    def _may_go_on(error: StoreUnavailable) -> bool:
        return error.__cause__ is not None and is_disk_full(error.__cause__)

    def _refuse(self, db: sqlite3.Connection, calls: Sequence[_Call], error: Exception) -> list[_Outcome]:
        self._roll_back(db)
        self._connection.distrust_if_faulty(error)
        return [_Outcome(error=self._failure(error)) for _ in calls]

    def _failure(self, error: Exception) -> Exception:
        failure = translate(error, self._path)
        if failure is not error:
            failure.__cause__ = error
        return failure

    def _unknown(self, error: Exception) -> CommitUnknown:
        unknown = commit_unknown(error, self._path)
        unknown.__cause__ = error
        return unknown

    def _roll_back(self, db: sqlite3.Connection) -> None:
        """Roll back, so that no transaction stays open. After SQLITE_FULL none is open, and ROLLBACK would raise."""
        if db.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # the check below decides, not the error
                db.execute("ROLLBACK")
        if db.in_transaction:
            self._connection.distrust()


def _begun(jobs: Sequence[_Job]) -> Iterator[tuple[_Job, _Call]]:
    """Yields each job with its call. A job whose call cannot be made is answered with the error."""
    for job in jobs:
        try:
            yield job, job.begin()
        except Exception as error:  # a fault of the caller must not end the writer
            job.future.set_exception(error)


def _unbatched(unit: Unit[T]) -> _Call:
    """A call for one unit. Its function is new for each unit, so it never joins another call."""
    return _Call(lambda tx, _: (unit(tx),), None)


def _run_calls(db: sqlite3.Connection, calls: Sequence[_Call]) -> tuple[list[_Outcome], set[Work]]:
    """Run all calls in the open transaction, those of one function together.

    Returns the outcomes in the order of the calls, and the kinds of work that they make.
    """
    positions: dict[BatchUnit[object, object], list[int]] = {}
    for index, call in enumerate(calls):
        positions.setdefault(call.do, []).append(index)
    outcomes: dict[int, _Outcome] = {}
    made: set[Work] = set()
    for do, of_do in positions.items():
        tx = SqliteTx(db)
        values = do(tx, [calls[index].item for index in of_do])
        made |= tx.work
        if tx.repairs and len(of_do) > 1:
            raise StoreError("a batch left a repair, which can only be for one caller")
        outcomes |= {index: _Outcome(value, repairs=(*tx.repairs,)) for index, value in zip(of_do, values, strict=True)}
    return [outcomes[index] for index in range(len(calls))], made
