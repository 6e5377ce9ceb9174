"""One transaction: begin, work, commit, and what its end means."""

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
TRIES = 5
"""Where transactions are in each other's way."""

Repairs = tuple[Unit[object], ...]


class OutcomeUnknown(CommitUnknown):
    """With the repairs that are due where the work was kept after all."""

    def __init__(self, message: str, repairs: Repairs) -> None:
        super().__init__(message)
        self.repairs = repairs


class Transactions:
    """Runs work on the connections of a pool, each piece in a transaction of its own."""

    def __init__(
        self, pool: Pool, space: str, node: str, on_commit: Callable[[PostgresTx], None] = lambda tx: None
    ) -> None:
        self._pool = pool
        self._space = space
        self._node = node
        self._on_commit = on_commit
        self.routes = False
        """What comes in here is routed here."""
        self.commits = 0
        """Since the start."""

    @property
    def where(self) -> str:
        return self._pool.where

    async def write(self, work: Callable[[PostgresTx], T]) -> tuple[T, Repairs]:
        """The result after the commit, and the repairs due where nobody learns of it.

        :raises StoreUnavailable: nothing was written. :raises OutcomeUnknown: nobody knows.
        :raises StoreError: it cannot be done.
        """
        tries = 1
        while True:
            try:
                return await self._write(work)
            except Exception as error:
                if tries == TRIES or not faults.is_conflict(error):
                    raise faults.translate(error, self.where) from error
                tries += 1

    async def _write(self, work: Callable[[PostgresTx], T]) -> tuple[T, Repairs]:
        async with self._pool.connection() as connection:
            value, tx = await self._done(work, connection, BEGIN_WRITE)
            try:
                if tx.begun:
                    await self._commit(connection, tx.orphaned)
            except OutcomeUnknown:
                self._on_commit(tx)  # a loop that looks for nothing costs little
                raise
            self._on_commit(tx)
            self.commits += 1
            return value, tx.orphaned

    async def _done(self, work: Callable[[PostgresTx], T], connection: Any, begin: str) -> tuple[T, PostgresTx]:
        """The result, and the transaction, still open; where the work fails it is not."""
        router = self._node if self.routes else ""
        tx = PostgresTx(connection, self._space, begin=begin, node=self._node, router=router)
        try:
            return await greenlets.run(lambda: work(tx)), tx
        except TimeoutError:
            # The server has not even said that it took too long: perhaps there is none any more.
            self._pool.distrust(connection)
            raise
        except BaseException:
            await _rolled_back(connection)
            raise

    async def _commit(self, connection: Any, repairs: Repairs) -> None:
        try:
            done = await connection.execute("COMMIT")
        except Exception as error:
            if isinstance(error, TimeoutError):
                self._pool.distrust(connection)
            if isinstance(error, asyncpg.PostgresError) and not faults.is_surroundings(error):
                raise  # the server says that it did not
            raise OutcomeUnknown(faults.commit_unknown(error, self.where), repairs) from error
        if done != "COMMIT":
            raise StoreError(f"{self.where}: a statement had failed unnoticed; nothing was written")

    async def read(self, query: Unit[T]) -> T:
        """The query's result out of one snapshot."""
        try:
            async with self._pool.connection() as connection:
                value, _ = await self._done(query, connection, BEGIN_READ)
                await _rolled_back(connection)
                return value
        except Exception as error:
            raise faults.translate(error, self.where) from error


async def _rolled_back(connection: Any) -> None:
    """Leave no transaction open; where that cannot be had, the pool throws the connection away."""
    with contextlib.suppress(Exception):  # the error that led here is the one to report
        await connection.execute("ROLLBACK")
