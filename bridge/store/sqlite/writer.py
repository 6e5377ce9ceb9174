"""The one writer: it owns every transaction and commits the work that waits together (group commit).

Callers hand in a unit of work and await it. No timer: what comes in while a commit runs goes into the next. What many
callers want at once is done together where that is cheaper (:meth:`Writer.run_batched`). A unit must be safe to run
again, since one that fails is separated from its neighbours by running each of them in a transaction of its own. Nobody
else may write: a shared connection would let one caller's rollback undo another's acknowledged row.
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
from bridge.store.sqlite.faults import commit_unknown, is_disk_full, is_locked, is_surroundings, translate
from bridge.store.sqlite.tx import SqliteTx
from bridge.store.transaction import BatchUnit, Unit

T = TypeVar("T")
Item = TypeVar("Item")

MOST_UNITS = 512
"""Units in one transaction: a bound on how long the first of them waits, far above where batching stops paying."""


@dataclass(eq=False, slots=True)
class _Work:
    """What one caller wants: ``do`` for ``item``, together with all who want the same ``do``."""

    do: BatchUnit[object, object]
    item: object


@dataclass(eq=False, slots=True)
class _Job:
    work: _Work
    future: asyncio.Future[object]
    repairs: tuple[Unit[object], ...] = ()


@dataclass(slots=True)
class _Outcome:
    """Of one unit: a value, or an error. ``repairs`` are due where nobody learns that it was kept."""

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
        """Since ``on_work`` was called last. A commit whose outcome is unknown counts: a loop may look for nothing."""
        self.checkpoints = Checkpoints(path)
        self._waiting: deque[_Job] = deque()
        self._debts: deque[Unit[object]] = deque()
        self._wake = asyncio.Event()
        self._kept_out: Exception | None = None
        """Another program had the file for all of the time that the last batch waited."""
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self.units = 0
        """Units committed since the start."""
        self.commits = 0
        """Transactions committed since the start; ``units / commits`` is the mean size of a group."""

    def start(self) -> None:
        self._task = asyncio.create_task(self._work(), name="store writer")

    async def run(self, unit: Unit[T]) -> T:
        """The unit's result, after the commit that holds it.

        A cancelled caller finds its unit done or not done, never half; one that was cancelled while the unit waited
        is not run at all.
        :raises StoreUnavailable: nothing was written (:class:`CommitUnknown`: nobody knows); a later call may succeed.
        :raises StoreError: the unit cannot be done.
        """
        return cast(T, await self._result(_alone(unit)))

    async def run_batched(self, do: BatchUnit[Item, T], item: Item) -> T:
        """The same for work that is cheaper for many: all items that wait for this very ``do`` are one call of it.

        Work that leaves a repair (:meth:`Tx.if_caller_gone`) does not belong here: it would be done for each alone.
        """
        return cast(T, await self._result(_Work(cast("BatchUnit[object, object]", do), item)))

    async def _result(self, work: _Work) -> object:
        job = self._submit(work)
        try:
            return await job.future
        except asyncio.CancelledError:
            self._orphan(job)
            raise

    async def close(self) -> None:
        """Finish what waits, then close the connection."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.shield(self._task)
        await self._connection.close()

    def _submit(self, work: _Work) -> _Job:
        if self._closing:
            raise StoreError("the store is closed")
        job = _Job(work, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        self._wake.set()
        return job

    def _orphan(self, *jobs: _Job) -> None:
        """Nobody takes the results. A future that was cancelled itself is looked after by ``_deliver``."""
        for job in jobs:
            if job.future.done() and not job.future.cancelled() and job.future.exception() is None:
                self._debts.extend(job.repairs)
        if self._debts:
            self._wake.set()

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting or (self._debts and not self._closing):
                await self._batch()
                await self.checkpoints.run_if_due(self._connection)
                # Let those just woken hand in what they have next, so that it shares the next commit.
                await asyncio.sleep(0)
                if self._debts and not self._waiting:
                    break  # a debt that cannot be paid now is tried again with the next work, not in a hot loop
            if self._closing:
                await self._batch()
                return

    async def _batch(self) -> None:
        jobs = self._next(MOST_UNITS)
        if not jobs and not self._debts:
            return
        outcomes = await self._attempt([job.work for job in jobs])
        if self._work_made:
            made, self._work_made = self._work_made, set()
            self._on_work(made)
        for job, outcome in zip(jobs, outcomes, strict=True):
            self._deliver(job, outcome)
        if (kept_out := self._kept_out) is not None:
            # Who came meanwhile has waited for the same: no caller waits twice as long because he came a little later.
            self._kept_out = None
            for job in self._next(len(self._waiting)):
                self._deliver(job, _Outcome(error=kept_out))

    def _next(self, most: int) -> list[_Job]:
        jobs: list[_Job] = []
        while self._waiting and len(jobs) < most:
            job = self._waiting.popleft()
            if not job.future.done():
                jobs.append(job)
        return jobs

    async def _attempt(self, work: list[_Work]) -> list[_Outcome]:
        """Debts first, in a transaction of their own; while one cannot be paid nothing else is done."""
        debts = list(self._debts)
        try:
            if debts:
                pay = _alone(lambda tx: [debt(tx) for debt in debts])
                (paid,) = await self._connection.call(lambda db: self._commit(db, [pay]))
                if paid.error is not None:
                    raise paid.error
                for _ in debts:
                    self._debts.popleft()
            return await self._connection.call(lambda db: self._commit(db, work)) if work else []
        except Exception as error:  # every caller must be told, whatever happened
            known = error if isinstance(error, StoreUnavailable) and not isinstance(error, CommitUnknown) else None
            failure = known or StoreUnavailable(f"{self._path}: nothing was written ({error})")
            return [_Outcome(error=failure) for _ in work]

    def _deliver(self, job: _Job, outcome: _Outcome) -> None:
        if isinstance(outcome.error, CommitUnknown) or job.future.done():
            self._debts.extend(outcome.repairs)
            self._wake.set()
        if job.future.done():
            return
        if outcome.error is not None:
            job.future.set_exception(outcome.error)
        else:
            job.repairs = outcome.repairs
            job.future.set_result(outcome.value)

    # -------------------------------------------------------- in the connection's thread

    def _commit(self, db: sqlite3.Connection, work: Sequence[_Work]) -> list[_Outcome]:
        try:
            self._guard.check()
            db.execute("BEGIN IMMEDIATE")
        except (StoreUnavailable, sqlite3.Error) as error:
            if is_locked(error):
                self._kept_out = self._failure(error)
            return self._refuse(db, work, error)
        try:
            outcomes, made = _done(db, work)
        except Exception as error:
            self._reset(db)
            # A full disk may still take some of them; any other trouble of the surroundings would only come again.
            if len(work) == 1 or (is_surroundings(error) and not is_disk_full(error)):
                return self._refuse(db, work, error)
            return self._commit_singly(db, work)
        self._work_made |= made
        try:
            db.execute("COMMIT")
            self._guard.check()
        except (StoreUnavailable, sqlite3.Error) as error:
            self._reset(db)
            self._connection.judge(error)
            return [_Outcome(error=self._unknown(error), repairs=outcome.repairs) for outcome in outcomes]
        self.commits += 1
        self.units += len(work)
        self.checkpoints.committed(len(work))
        return outcomes

    def _commit_singly(self, db: sqlite3.Connection, work: Sequence[_Work]) -> list[_Outcome]:
        outcomes: list[_Outcome] = []
        for each in work:
            outcomes += self._commit(db, [each])
            error = outcomes[-1].error
            # Locked or gone by now: waiting for the lock once a unit would keep everybody for minutes.
            if isinstance(error, StoreUnavailable) and not self._may_go_on(error):
                outcomes += [_Outcome(error=error) for _ in work[len(outcomes) :]]
                break
        return outcomes

    @staticmethod
    def _may_go_on(error: StoreUnavailable) -> bool:
        return error.__cause__ is not None and is_disk_full(error.__cause__)

    def _refuse(self, db: sqlite3.Connection, work: Sequence[_Work], error: Exception) -> list[_Outcome]:
        self._reset(db)
        self._connection.judge(error)
        return [_Outcome(error=self._failure(error)) for _ in work]

    def _failure(self, error: Exception) -> Exception:
        failure = translate(error, self._path)
        if failure is not error:
            failure.__cause__ = error
        return failure

    def _unknown(self, error: Exception) -> CommitUnknown:
        unknown = commit_unknown(error, self._path)
        unknown.__cause__ = error
        return unknown

    def _reset(self, db: sqlite3.Connection) -> None:
        """Leave no transaction open. SQLITE_FULL has ended it already, and ROLLBACK then raises."""
        if db.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # judged by the state right below, not by the error
                db.execute("ROLLBACK")
        if db.in_transaction:
            self._connection.distrust()


def _alone(unit: Unit[T]) -> _Work:
    """A function of its own for each, so that it is never done together with another."""
    return _Work(lambda tx, _: (unit(tx),), None)


def _done(db: sqlite3.Connection, work: Sequence[_Work]) -> tuple[list[_Outcome], set[Work]]:
    """Run the work in one transaction, equal kinds together; returns the outcomes, and the kinds of work it makes."""
    kinds: dict[BatchUnit[object, object], list[int]] = {}
    for at, each in enumerate(work):
        kinds.setdefault(each.do, []).append(at)
    outcomes: dict[int, _Outcome] = {}
    made: set[Work] = set()
    for do, places in kinds.items():
        tx = SqliteTx(db)
        values = do(tx, [work[at].item for at in places])
        made |= tx.work
        repairs = tx.orphaned
        if repairs and len(places) > 1:
            raise StoreError("what was done together left a repair, which can only be one caller's")
        outcomes |= {at: _Outcome(value, repairs=repairs) for at, value in zip(places, values, strict=True)}
    return [outcomes[at] for at in range(len(work))], made
