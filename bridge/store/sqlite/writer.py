"""The one writer of the file: it commits the units of work that wait together in one transaction (group commit).

Callers hand in a unit of work and await its result. There is no timer: units that arrive while a commit runs go into
the next one. Calls of the same batch function are one call of it (:meth:`Writer.run_batched`). A unit must be safe to
run again: where one of a group fails, each runs again in a transaction of its own. Nothing else writes the file: on a
shared connection one caller's rollback would undo another's acknowledged row.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast

from bridge.errors import CommitUnknown, StoreError, StoreUnavailable
from bridge.model.work import Work
from bridge.ports.store import OnWork
from bridge.store.sqlite.checkpoint import Checkpoints
from bridge.store.sqlite.connection import FileGuard, ThreadConnection
from bridge.store.sqlite.faults import commit_unknown, is_disk_full, is_environment_fault, is_locked, translate
from bridge.store.sqlite.tx import SqliteTx
from bridge.store.transaction import BatchUnit, Unit

T = TypeVar("T")
Item = TypeVar("Item")

MAX_UNITS = 512
"""Units in one transaction. Limits how long the first of them waits; group commit saves nothing more long before it."""


@dataclass(eq=False, slots=True)
class _Call:
    """A call of ``do`` for the item of one caller. Calls of the same ``do`` are made together."""

    do: BatchUnit[object, object]
    item: object


@dataclass(eq=False, slots=True)
class _Job:
    call: _Call
    future: asyncio.Future[object]
    repairs: tuple[Unit[object], ...] = ()


@dataclass(slots=True)
class _Outcome:
    """A value or an error. ``repairs`` are due if the caller does not learn that the unit was kept."""

    value: object = None
    error: Exception | None = None
    repairs: tuple[Unit[object], ...] = field(default=())


class Writer:
    """``start`` before the first unit, ``close`` after the last; both in one event loop."""

    def __init__(self, connection: ThreadConnection, guard: FileGuard, path: Path, on_work: OnWork) -> None:
        self._connection = connection
        self._guard = guard
        self._path = path
        self._on_work = on_work
        self._work_made: set[Work] = set()
        """Since the last call of ``on_work``. Commits with an unknown outcome count: a loop may look for nothing."""
        self.checkpoints = Checkpoints(path)
        self._waiting: deque[_Job] = deque()
        self._repairs: deque[Unit[object]] = deque()
        """Due before anything else is written."""
        self._wake = asyncio.Event()
        self._lock_error: Exception | None = None
        """Another program had the file locked for the whole time that the last group waited."""
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self.units = 0
        """Units committed since the start."""
        self.commits = 0
        """Transactions committed since the start; ``units / commits`` is the mean size of a group."""

    def start(self) -> None:
        self._task = asyncio.create_task(self._work(), name="store writer")

    async def run(self, unit: Unit[T]) -> T:
        """The result of the unit, after the commit that holds it.

        If the caller is cancelled, the unit is done or not done, never half done; if it still waited, it does not run.
        :raises StoreUnavailable: nothing was written (:class:`CommitUnknown`: that is not known); a later call may
            succeed.
        :raises StoreError: the unit cannot be done.
        """
        return cast(T, await self._result(_unbatched(unit)))

    async def run_batched(self, do: BatchUnit[Item, T], item: Item) -> T:
        """The same for work that costs less together: all items that wait for this very ``do`` are one call of it.

        Work that leaves a repair (:meth:`Tx.if_caller_gone`) must not be batched: a repair is for one caller alone.
        """
        return cast(T, await self._result(_Call(cast("BatchUnit[object, object]", do), item)))

    async def _result(self, call: _Call) -> object:
        job = self._submit(call)
        try:
            return await job.future
        except asyncio.CancelledError:
            # The unit was kept, and its caller does not learn it. If it is not done yet, ``_deliver`` sees to it.
            if job.future.done() and not job.future.cancelled() and job.future.exception() is None:
                self._schedule(job.repairs)
            raise

    async def close(self) -> None:
        """Finish the units that wait, then close the connection."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.shield(self._task)
        await self._connection.close()

    def _submit(self, call: _Call) -> _Job:
        if self._closing:
            raise StoreError("the store is closed")
        job = _Job(call, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        self._wake.set()
        return job

    def _schedule(self, repairs: Sequence[Unit[object]]) -> None:
        """Have the repairs made before anything else is written."""
        self._repairs.extend(repairs)
        if self._repairs:
            self._wake.set()

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting or (self._repairs and not self._closing):
                await self._write_group()
                await self.checkpoints.run_if_due(self._connection)
                # The callers that were just woken hand in what they have next, so that it shares the next commit.
                await asyncio.sleep(0)
                if self._repairs and not self._waiting:
                    break  # a repair that cannot be made now is tried again with the next unit, not in a busy loop
            if self._closing:
                await self._write_group()
                return

    async def _write_group(self) -> None:
        jobs = self._take_jobs(MAX_UNITS)
        if not jobs and not self._repairs:
            return
        outcomes = await self._attempt([job.call for job in jobs])
        if self._work_made:
            made, self._work_made = self._work_made, set()
            self._on_work(made)
        for job, outcome in zip(jobs, outcomes, strict=True):
            self._deliver(job, outcome)
        if (error := self._lock_error) is not None:
            # Units that arrived in the meantime are refused, too: no caller waits for the lock twice.
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
        """Make repairs first, in a transaction of their own. While one cannot be made, nothing else is written."""
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
        except Exception as error:  # every caller must be told, whatever happened
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
            # A full disk may still take some of them. Any other trouble of the surroundings would only come again.
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
            # The file is locked or gone by now. To wait for the lock once a unit would take minutes.
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
        """Leave no transaction open. SQLITE_FULL has ended it already; ROLLBACK raises then."""
        if db.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # the state below counts, not the error
                db.execute("ROLLBACK")
        if db.in_transaction:
            self._connection.distrust()


def _unbatched(unit: Unit[T]) -> _Call:
    """The function is new for each unit, so it is never called together with another."""
    return _Call(lambda tx, _: (unit(tx),), None)


def _run_calls(db: sqlite3.Connection, calls: Sequence[_Call]) -> tuple[list[_Outcome], set[Work]]:
    """Run all calls in one transaction, those of one function together; returns the outcomes and the work they make."""
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
