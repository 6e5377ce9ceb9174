"""``sms-bridge store``: the store itself, moved from one engine to the other."""

from __future__ import annotations

from dataclasses import asdict

import click
from rich.table import Table

from bridge.cli.backup import now
from bridge.cli.common import console, fail, json_option, print_json, progress, run_async
from bridge.config.values import check_storage
from bridge.schema import plural


@click.group()
def store() -> None:
    """The store itself: move it to another engine."""


def storage_url(context: click.Context, option: click.Parameter, value: str) -> str:
    try:
        return check_storage(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@store.command()
@click.option("--from", "source", required=True, metavar="URL", callback=storage_url, help="As in storage.url.")
@click.option("--to", "target", required=True, metavar="URL", callback=storage_url, help="Empty, or not there yet.")
@json_option
def copy(source: str, target: str, as_json: bool) -> None:
    """Move everything from one store into another: sqlite:///data/bridge.db, postgresql://user@host/database.

    No bridge may run on either. What arrived is read back and compared before it is kept. What waits goes on in the
    target; the source is marked, so that a start on it by mistake asks people and sends nothing.

    A password need not stand in the URL: PGPASSWORD and ~/.pgpass are looked at. A relative path counts from here.
    """
    from bridge.store.copying import move

    if source == target:
        fail("--from and --to are the same store")
    with progress("copying") as step:
        moved = run_async(lambda: move(source, target, now=now, progress=step))
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
