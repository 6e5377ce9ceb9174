"""Runs units of work in transactions of PostgreSQL: begins and commits them, and translates errors."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

import asyncpg

from bridge.errors import CommitUnknown, StoreError
from bridge.store.postgres import faults, greenlets
from bridge.store.postgres.pool import Pool
from bridge.store.postgres.tx import PostgresTx
from bridge.store.transaction import Unit

T = TypeVar("T")

BEGIN_WRITE = "BEGIN;"
BEGIN_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
MAX_TRIES = 5
"""Most attempts of a unit whose transaction conflicts with others."""

Repairs = tuple[Unit[object], ...]


class OutcomeUnknown(CommitUnknown):
    """A commit whose outcome is not known. ``repairs`` must run, in case the work was committed."""

    def __init__(self, message: str, repairs: Repairs) -> None:
        super().__init__(message)
        self.repairs = repairs


class Transactions:
    """Runs each unit in a transaction of its own, on the connections of a pool."""

    def __init__(
        self, pool: Pool, schema: str, node: str, on_commit: Callable[[PostgresTx], None] = lambda tx: None
    ) -> None:
        """``on_commit`` is called with each committed transaction, and with each whose commit has an unknown outcome.
        ``schema`` and ``node`` are the names that the transactions use for locks and marks on rows."""
        self._pool = pool
        self._schema = schema
        self._node = node
        self._on_commit = on_commit
        self.routes = False
        """Whether this node has the role ``router``, so it routes the messages that it accepts."""
        self.commits = 0
        """Transactions committed since the start."""

    @property
    def where(self) -> str:
        return self._pool.where

    async def write(self, work: Callable[[PostgresTx], T]) -> tuple[T, Repairs]:
        """Run the work and commit. Returns its result, and the repairs to run if the caller does not learn the result.

        :raises StoreUnavailable: nothing was written.
        :raises OutcomeUnknown: it is not known whether the work was written.
        :raises StoreError: the work cannot be done.
        """
        tries = 1
        while True:
            try:
                return await self._write(work)
            except Exception as error:
                if tries == MAX_TRIES or not faults.is_conflict(error):
                    raise faults.translate(error, self.where) from error
                tries += 1

    async def _write(self, work: Callable[[PostgresTx], T]) -> tuple[T, Repairs]:
        async with self._pool.connection() as connection:
            value, tx = await self._run(work, connection, BEGIN_WRITE)
            repairs = (*tx.repairs,)
            try:
                if tx.begun:
                    await self._commit(connection, repairs)
            except OutcomeUnknown:
                self._on_commit(tx)
                raise
            self._on_commit(tx)
            self.commits += 1
            return value, repairs

    async def _run(self, work: Callable[[PostgresTx], T], connection: Any, begin: str) -> tuple[T, PostgresTx]:
        """Run the work. Returns its result and the transaction, which is still open. Rolls back if the work fails."""
        router = self._node if self.routes else ""
        tx = PostgresTx(connection, self._schema, begin=begin, node=self._node, router=router)
        try:
            return await greenlets.run(lambda: work(tx)), tx
        except TimeoutError:
            # The server did not even report its own timeout, so it may be unreachable.
            self._pool.distrust(connection)
            raise
        except BaseException:
            await _roll_back(connection)
            raise

    async def _commit(self, connection: Any, repairs: Repairs) -> None:
        try:
            done = await connection.execute("COMMIT")
        except Exception as error:
            if isinstance(error, TimeoutError):
                self._pool.distrust(connection)
            if isinstance(error, asyncpg.PostgresError) and not faults.is_environment_fault(error):
                raise  # the server says that it did not commit
            raise OutcomeUnknown(faults.commit_unknown(error, self.where), repairs) from error
        if done != "COMMIT":
            raise StoreError(f"{self.where}: a statement had failed unnoticed; nothing was written")

    async def close(self) -> None:
        """Close the pool, after the last transaction."""
        await self._pool.close()

    async def read(self, query: Unit[T]) -> T:
        """Run the query on one snapshot and return its result."""
        try:
            async with self._pool.connection() as connection:
                value, _ = await self._run(query, connection, BEGIN_READ)
                await _roll_back(connection)
                return value
        except Exception as error:
            raise faults.translate(error, self.where) from error


async def _roll_back(connection: Any) -> None:
    """Roll back, so that no transaction stays open. If that fails, the pool throws the connection away."""
    with contextlib.suppress(Exception):  # the error that led here is the one to report
        await connection.execute("ROLLBACK")
