"""``sms-bridge history``: the SMS of both directions with one number."""

from __future__ import annotations

import click

from bridge.cli.common import (
    config_option,
    console,
    json_option,
    local_time,
    plain,
    print_json,
    read_store,
    settings_of,
)
from bridge.model.base import Json
from bridge.model.record import HistoryLine
from bridge.text import phones


@click.command()
@click.argument("number")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@config_option
@json_option
def history(number: str, limit: int, config: str | None, as_json: bool) -> None:
    """Show the SMS of both directions with NUMBER, oldest first."""
    settings = settings_of(config, quiet=True)
    subscriber = phones.normalise(number, settings.region)
    lines = read_store(settings, lambda store: store.history(subscriber, limit=limit))
    if as_json:
        print_json([row(line) for line in lines])
        return
    if not lines:
        console().print(f"nothing with {subscriber} in this store")
    for line in lines:
        arrow = "[green]←[/green]" if line.what == "in" else "[cyan]→[/cyan]"
        console().print(f"{local_time(line.at)} {arrow} [dim]{line.state}[/dim] ", end="")
        console().print(plain(line.text), markup=False, soft_wrap=True)


def row(line: HistoryLine) -> Json:
    return {
        "at": line.at,
        "what": line.what,
        "text": line.text,
        "state": line.state,
        "account": line.account,
        "detail": line.detail,
        "sms_id": line.sms_id,
        "inbound_id": line.inbound_id,
    }
