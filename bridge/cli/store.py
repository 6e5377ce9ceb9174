"""``sms-bridge store``: moves a store to another engine, and marks a store that other tools restored or moved."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

import click
from rich.table import Table

from bridge.cli.common import (
    config_option,
    console,
    fail,
    json_option,
    local_time,
    need_store,
    parse_time,
    print_json,
    progress,
    run_async,
    settings_of,
    wall_clock,
)
from bridge.config.values import check_storage
from bridge.schema import plural


@click.group()
def store() -> None:
    """Move the store to another engine, or say that it was restored or moved by other tools."""


def storage_url(context: click.Context, option: click.Parameter, value: str) -> str:
    try:
        return check_storage(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@store.command()
@click.option(
    "--at", required=True, metavar="TIME", help="What it was put back to: 2026-03-01 22:15, this machine's time."
)
@config_option
def restored(at: str, config: str | None) -> None:
    """Say that the store was restored to an earlier time: the first start asks people about SMS that wait in it.

    For PostgreSQL, after tools that restore a whole server: a base backup, a snapshot, recovery to a point in time, a
    standby that was behind. A dump is recognised without this. No bridge may run on the store.
    """
    settings = settings_of(config, quiet=True)
    zone = datetime.now().astimezone().tzinfo
    assert zone is not None
    taken_at = parse_time(at, zone)
    if taken_at > wall_clock():
        fail("--at is in the future")
    need_store(settings)
    from bridge.store import mark_restored

    run_async(lambda: mark_restored(settings.storage.url, taken_at=taken_at))
    click.echo(
        f"Marked as restored to {local_time(taken_at)}. Start the bridge: SMS that waited are not sent by themselves,"
        " the admin chat gets their number, `sms-bridge queue list` shows them."
    )


@store.command()
@config_option
def adopt(config: str | None) -> None:
    """Say, before the first start, that the store was moved, not copied: SMS that wait in it are sent.

    For PostgreSQL, after pg_upgrade, or after a dump that was made with all bridges stopped and replaces the old store.
    """
    settings = settings_of(config, quiet=True)
    if not settings.storage.is_postgresql:
        fail("this is for PostgreSQL alone")
    from bridge.store import adopt

    run_async(lambda: adopt(settings.storage.url, now=wall_clock()))
    click.echo("Marked as moved. Start the bridge: SMS that wait are sent.")


@store.command()
@click.option("--from", "source", required=True, metavar="URL", callback=storage_url, help="As in storage.url.")
@click.option("--to", "target", required=True, metavar="URL", callback=storage_url, help="Empty, or not there yet.")
@json_option
def copy(source: str, target: str, as_json: bool) -> None:
    """Move everything from one store into another: sqlite:///data/bridge.db, postgresql://user@host/database.

    No bridge may run on either. The copied rows are read back and compared before they are kept. SMS that wait are sent
    from the target. The source is marked, so that a start on it by mistake asks people and sends nothing.

    The password may come from PGPASSWORD or ~/.pgpass. A relative path starts at the current folder.
    """
    from bridge.store.copying import move

    if source == target:
        fail("--from and --to are the same store")
    with progress("copying") as step:
        moved = run_async(lambda: move(source, target, now=wall_clock, progress=step))
    if as_json:
        print_json({"rows": moved.rows, "tables": {name: asdict(content) for name, content in moved.tables.items()}})
        return
    table = Table("table", "rows", "the same on both sides")
    for name, content in moved.tables.items():
        table.add_row(name, str(content.rows), content.digest)
    console().print(table)
    click.echo(
        f"{plural(moved.rows, 'row')} copied and compared. Set storage.url to the new store and start the bridge: what"
        " waits goes on there."
    )
    click.echo(
        "Do not start a bridge on the old store again. It is marked: a start by mistake would ask people about what"
        " waits there, and send nothing of it."
    )
