"""The one writer: it owns every transaction and commits the work that waits together (group commit).

Callers hand in a unit of work and await it. No timer: what comes in while a commit runs goes into the next. A unit must
be safe to run again, since one that fails is separated from its neighbours by running each of them in a transaction of
its own. Nobody else may write: a shared connection would let one caller's rollback undo another's acknowledged row.
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
from bridge.store.checkpoint import Checkpoints
from bridge.store.faults import commit_unknown, is_disk_full, is_surroundings, translate
from bridge.store.link import FileGuard, Link
from bridge.store.tx import Tx, Unit

T = TypeVar("T")

MOST_UNITS = 512
"""Units in one transaction: a bound on how long the first of them waits, far above where batching stops paying."""


@dataclass(eq=False, slots=True)
class _Job:
    unit: Unit[object]
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

    def __init__(self, link: Link, guard: FileGuard, path: Path) -> None:
        self._link = link
        self._guard = guard
        self._path = path
        self.checkpoints = Checkpoints(path)
        self._waiting: deque[_Job] = deque()
        self._debts: deque[Unit[object]] = deque()
        self._wake = asyncio.Event()
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
        job = self._submit(unit)
        try:
            return cast(T, await job.future)
        except asyncio.CancelledError:
            self._orphan(job)
            raise

    async def close(self) -> None:
        """Finish what waits, then close the connection."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.shield(self._task)
        await self._link.close()

    def _submit(self, unit: Unit[T]) -> _Job:
        if self._closing:
            raise StoreError("the store is closed")
        job = _Job(cast("Unit[object]", unit), asyncio.get_running_loop().create_future())
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
                await self.checkpoints.run_if_due(self._link)
                # Let those just woken hand in what they have next, so that it shares the next commit.
                await asyncio.sleep(0)
                if self._debts and not self._waiting:
                    break  # a debt that cannot be paid now is tried again with the next work, not in a hot loop
            if self._closing:
                await self._batch()
                return

    async def _batch(self) -> None:
        jobs: list[_Job] = []
        while self._waiting and len(jobs) < MOST_UNITS:
            job = self._waiting.popleft()
            if not job.future.done():
                jobs.append(job)
        if not jobs and not self._debts:
            return
        outcomes = await self._attempt([job.unit for job in jobs])
        for job, outcome in zip(jobs, outcomes, strict=True):
            self._deliver(job, outcome)

    async def _attempt(self, units: list[Unit[object]]) -> list[_Outcome]:
        """Debts first, in a transaction of their own; while one cannot be paid nothing else is done."""
        debts = list(self._debts)
        try:
            if debts:
                (paid,) = await self._link.call(lambda db: self._commit(db, [lambda tx: [debt(tx) for debt in debts]]))
                if paid.error is not None:
                    raise paid.error
                for _ in debts:
                    self._debts.popleft()
            return await self._link.call(lambda db: self._commit(db, units)) if units else []
        except Exception as error:  # every caller must be told, whatever happened
            known = error if isinstance(error, StoreUnavailable) and not isinstance(error, CommitUnknown) else None
            failure = known or StoreUnavailable(f"{self._path}: nothing was written ({error})")
            return [_Outcome(error=failure) for _ in units]

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

    def _commit(self, db: sqlite3.Connection, units: Sequence[Unit[object]]) -> list[_Outcome]:
        try:
            self._guard.check()
            db.execute("BEGIN IMMEDIATE")
        except (StoreUnavailable, sqlite3.Error) as error:
            return self._refuse(db, units, error)
        outcomes: list[_Outcome] = []
        try:
            for unit in units:
                tx = Tx(db)
                value = unit(tx)
                outcomes.append(_Outcome(value, repairs=tx.orphaned))
        except Exception as error:
            self._reset(db)
            # A full disk may still take some of them; any other trouble of the surroundings would only come again.
            if len(units) == 1 or (is_surroundings(error) and not is_disk_full(error)):
                return self._refuse(db, units, error)
            return self._commit_singly(db, units)
        try:
            db.execute("COMMIT")
            self._guard.check()
        except (StoreUnavailable, sqlite3.Error) as error:
            self._reset(db)
            self._link.judge(error)
            return [_Outcome(error=self._unknown(error), repairs=outcome.repairs) for outcome in outcomes]
        self.commits += 1
        self.units += len(units)
        self.checkpoints.committed(len(units))
        return outcomes

    def _commit_singly(self, db: sqlite3.Connection, units: Sequence[Unit[object]]) -> list[_Outcome]:
        outcomes: list[_Outcome] = []
        for unit in units:
            outcomes += self._commit(db, [unit])
            error = outcomes[-1].error
            # Locked or gone by now: waiting for the lock once a unit would keep everybody for minutes.
            if isinstance(error, StoreUnavailable) and not self._may_go_on(error):
                outcomes += [_Outcome(error=error) for _ in units[len(outcomes) :]]
                break
        return outcomes

    @staticmethod
    def _may_go_on(error: StoreUnavailable) -> bool:
        return error.__cause__ is not None and is_disk_full(error.__cause__)

    def _refuse(self, db: sqlite3.Connection, units: Sequence[Unit[object]], error: Exception) -> list[_Outcome]:
        self._reset(db)
        self._link.judge(error)
        return [_Outcome(error=self._failure(error)) for _ in units]

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
            self._link.distrust()
