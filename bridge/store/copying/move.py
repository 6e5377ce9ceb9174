"""Moves a store: copies each table, reads the copy back, compares, commits, and only then marks the source."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack

from bridge.errors import StoreError
from bridge.model.base import Ms
from bridge.store.copying.engines import open_source, open_target
from bridge.store.copying.tables import Content, Digest, Progress, Source, Target, check_tables
from bridge.store.schema.mapping import Table
from bridge.store.schema.tables import MOVED
from bridge.value import value_object


@value_object
class Moved:
    """The result of a move: the content of each table of the target, in the order in which they were copied."""

    tables: dict[str, Content]

    @property
    def rows(self) -> int:
        return sum(content.rows for content in self.tables.values())


async def move(source_url: str, target_url: str, *, now: Callable[[], Ms], progress: Progress) -> Moved:
    """Copy everything from one store into another, which must be empty. Then mark the source as a copy.

    :raises StoreLocked: a service runs on the source.
    :raises StoreUnavailable: one of the two stores cannot be used now.
    :raises StoreError: the source is of another version, the target is not empty, or the copy differs from the source.
        The target is as it was before, unless the message says otherwise.
    """
    async with AsyncExitStack() as stack:
        source = await stack.enter_async_context(open_source(source_url))
        target = await stack.enter_async_context(open_target(target_url))
        await source.mark_if_restored(now())
        async with target.transaction():
            moved = await _copied(source, target, progress)
        await _mark(source, target, now())
        return moved


async def _copied(source: Source, target: Target, progress: Progress) -> Moved:
    check_tables(source.where, await source.table_names())
    # Every row is written once and read back once.
    total = 2 * sum([await source.count(table) for table in MOVED])
    done = 0

    def step(rows: int) -> None:
        nonlocal done
        done += rows
        progress(done, total)

    sent = {table.name: await _sent(source, target, table, step) for table in MOVED}
    await target.finish()
    for table in MOVED:
        arrived = await _content(target, table, step)
        if arrived != sent[table.name]:
            raise StoreError(
                f"{target.where}: {table.name} does not hold what was copied ({sent[table.name].rows} rows sent,"
                f" {arrived.rows} arrived); the copy was thrown away"
            )
    return Moved(tables=sent)


async def _sent(source: Source, target: Target, table: Table, step: Callable[[int], None]) -> Content:
    digest = Digest()
    async for lines in source.lines(table):
        digest.add(lines)
        await target.put(table, lines)
        step(len(lines))
    return digest.content()


async def _content(side: Target, table: Table, step: Callable[[int], None]) -> Content:
    digest = Digest()
    async for lines in side.lines(table):
        digest.add(lines)
        step(len(lines))
    return digest.content()


async def _mark(source: Source, target: Target, now: Ms) -> None:
    try:
        await source.mark(now)
    except StoreError as error:
        raise StoreError(
            f"everything is in {target.where} now, but the source could not be marked ({error}):"
            " move it away, so that nobody starts a bridge on it: that would send again what waits in it"
        ) from error
