"""``sms-bridge backup`` copies the store into a file; ``sms-bridge restore`` replaces the store with such a copy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import click

from bridge.cli.common import (
    config_option,
    fail,
    json_option,
    local_time,
    need_store,
    print_json,
    progress,
    settings_of,
    sqlite_path_of,
    wall_clock,
)
from bridge.errors import BridgeError
from bridge.schema import display_path, plural

T = TypeVar("T")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@config_option
@json_option
def backup(file: Path, force: bool, config: str | None, as_json: bool) -> None:
    """Copy the store into FILE. The service may run.

    FILE appears when the copy is complete and checked. `sms-bridge restore FILE` puts it back.
    """
    settings = settings_of(config, quiet=True)
    database = sqlite_path_of(settings)
    need_store(settings)
    from bridge.store.sqlite.backup import take

    with progress("copying") as step:
        copy = run_or_fail(lambda: take(database, file, now=wall_clock, overwrite=force, progress=step))
    if as_json:
        print_json(asdict(copy))
        return
    click.echo(
        f"{display_path(file)}: {plural(copy.inbound, 'message')}, {copy.sms} SMS, {copy.bytes / 1e6:.1f} MB,"
        f" as of {local_time(copy.taken_at)}; checked"
    )


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@config_option
@json_option
def restore(file: Path, config: str | None, as_json: bool) -> None:
    """Replace the store with FILE. The service must not run; the present store is kept beside the new one.

    FILE was made by `sms-bridge backup`, or is a plain copy of a store whose service did not run. SMS that waited in it
    are not sent automatically: the first start asks in the admin chat.
    """
    settings = settings_of(config, quiet=True)
    database = sqlite_path_of(settings)
    from bridge.store.sqlite.backup import restore_copy

    with progress("restoring") as step:
        done = run_or_fail(lambda: restore_copy(file, database, now=wall_clock, progress=step))
    if as_json:
        print_json({**asdict(done.copy), "kept": None if done.kept is None else str(done.kept)})
        return
    click.echo(f"{display_path(database)} is the copy of {local_time(done.copy.taken_at)} now; checked")
    if done.kept is not None:
        click.echo(f"the store that was there: {display_path(done.kept)}")
    click.echo(
        "Start the service. SMS that waited in the copy may have been sent since: they are not sent by themselves,"
        " the admin chat gets their number, `sms-bridge queue list` shows them."
    )


def run_or_fail(work: Callable[[], T]) -> T:
    try:
        return work()
    except BridgeError as error:
        fail(str(error))
