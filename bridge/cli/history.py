"""``sms-bridge history``: what was said with a number."""

from __future__ import annotations

from collections.abc import Sequence

import click

from bridge.cli.common import (
    config_option,
    console,
    json_option,
    looking_into,
    need_store,
    plain,
    print_json,
    run_async,
    settings_of,
    when,
)
from bridge.model.record import HistoryLine
from bridge.text import phones


@click.command()
@click.argument("number")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@config_option
@json_option
def history(number: str, limit: int, config: str | None, as_json: bool) -> None:
    """Both directions with NUMBER, oldest first."""
    settings = settings_of(config, quiet=True)
    need_store(settings)
    subscriber = phones.normalise(number, settings.region)

    async def read() -> Sequence[HistoryLine]:
        async with looking_into(settings) as store:
            return await store.history(subscriber, limit=limit)

    stories = run_async(read)
    if as_json:
        print_json(
            [
                {
                    "at": story.at,
                    "what": story.what,
                    "text": story.text,
                    "state": story.state,
                    "account": story.account,
                    "detail": story.detail,
                    "sms_id": story.sms_id,
                    "inbound_id": story.inbound_id,
                }
                for story in stories
            ]
        )
        return
    if not stories:
        console().print(f"nothing with {subscriber} in this store")
    for story in stories:
        arrow = "[green]←[/green]" if story.what == "in" else "[cyan]→[/cyan]"
        console().print(f"{when(story.at)} {arrow} [dim]{story.state}[/dim] ", end="")
        console().print(plain(story.text), markup=False, soft_wrap=True)
