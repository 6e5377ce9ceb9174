"""``sms-bridge queue``: what waits for a person's word."""

from __future__ import annotations

import time

import click
from rich.markup import escape
from rich.table import Table

from bridge.cli.common import (
    ago,
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
from bridge.cli.service import order, order_all
from bridge.model.base import Json, Ms, SmsId
from bridge.model.sms import Sms, SmsState
from bridge.web.admin import as_json as sms_json

FOR_PEOPLE = (SmsState.DRAFT, SmsState.UNCERTAIN, SmsState.PARKED, SmsState.FAILED)
STATES = click.Choice([state.value for state in SmsState])


restored_option = click.option(
    "--restored", is_flag=True, help="Instead of an id: all that a restored back-up left unknown."
)


@click.group()
def queue() -> None:
    """SMS that were not sent, or may not have been: list, show, send again, leave."""


@queue.command("list")
@click.option("--state", "states", multiple=True, type=STATES, help="Default: draft, uncertain, parked, failed.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
@config_option
@json_option
def list_rows(states: tuple[str, ...], limit: int, config: str | None, as_json: bool) -> None:
    """The newest rows in these states."""
    settings = settings_of(config, quiet=True)
    need_store(settings)

    async def read() -> list[Sms]:
        async with looking_into(settings) as store:
            wanted = [SmsState(state) for state in states] or list(FOR_PEOPLE)
            return list(await store.list_sms(wanted, limit=limit))

    rows = run_async(read)
    if as_json:
        print_json([sms_json(sms) for sms in rows])
        return
    if not rows:
        console().print("nothing waits for a person's word" if not states else "none")
        return
    table = Table()
    for name in ("id", "state", "to", "account", "since", "age", "by", "reason"):
        # Folded and not cut; a number stays in one piece, half of one is of no use to anybody.
        table.add_column(name, overflow="fold", no_wrap=name in ("to", "age"))
    now = time.time_ns() // 1_000_000
    for sms in rows:
        since = _since(sms)
        cells = (
            str(sms.id),
            sms.state,
            sms.recipient,
            sms.account,
            when(since),
            ago(since, now),
            sms.author,
            f"{sms.reason} {sms.detail}".strip(),
        )
        table.add_row(*(escape(plain(cell)) for cell in cells))
    console().print(table)


def _since(sms: Sms) -> Ms:
    """When it came to be as it is; a draft waits for a word since it was last edited."""
    return sms.due_at if sms.state is SmsState.DRAFT else sms.final_at or sms.sending_since or sms.created_at


@queue.command("show")
@click.argument("sms_id", type=int)
@config_option
@json_option
def show(sms_id: int, config: str | None, as_json: bool) -> None:
    """Every step of one SMS, with its text."""
    settings = settings_of(config, quiet=True)
    need_store(settings)

    async def read() -> tuple[Sms | None, list[dict[str, Json]]]:
        async with looking_into(settings) as store:
            story = await store.sms_story(SmsId(sms_id))
            steps: list[dict[str, Json]] = [
                {"at": step.at, "state": step.state, "detail": step.detail, "by": step.author} for step in story
            ]
            return await store.get_sms(SmsId(sms_id)), steps

    sms, steps = run_async(read)
    if sms is None:
        raise click.ClickException(f"there is no SMS {sms_id}; `sms-bridge queue list` shows the ids")
    if as_json:
        print_json({**sms_json(sms), "text": sms.text, "steps": list(steps)})
        return
    out = console()
    out.print(
        f"[bold]SMS {sms.id}[/bold] to {sms.recipient} by {sms.account} as {escape(sms.sender_name)}", soft_wrap=True
    )
    out.print(plain(sms.text), markup=False, soft_wrap=True)
    for step in steps:
        by = f"  by {plain(str(step['by']))}" if step["by"] else ""
        words = f"  {when(int(str(step['at'])))}  {step['state']}{by}  {plain(str(step['detail']))}"
        out.print(words.rstrip(), markup=False, soft_wrap=True)


@queue.command()
@click.argument("sms_id", type=int, required=False)
@restored_option
@config_option
@json_option
def retry(sms_id: int | None, restored: bool, config: str | None, as_json: bool) -> None:
    """Send it again, as a new SMS. For an uncertain one: the subscriber may get it twice."""
    settings = settings_of(config, quiet=True)
    need_store(settings)
    number = chosen(sms_id, restored)
    if number is None:
        answer, live = run_async(
            lambda: order_all(settings, "/queue/restored/retry", lambda desk: desk.retry_restored(author="cli"))
        )
        report(answer, live, as_json, f"{answer['count']} SMS queued again")
        return
    answer, live = run_async(
        lambda: order(settings, f"/queue/{number}/retry", {}, lambda desk: desk.retry(number, author="cli"))
    )
    report(answer, live, as_json, f"queued again as SMS {answer['id']}")


@queue.command()
@click.argument("sms_id", type=int, required=False)
@restored_option
@config_option
@json_option
def abandon(sms_id: int | None, restored: bool, config: str | None, as_json: bool) -> None:
    """Leave an uncertain or parked SMS as it is, or take a queued one off the queue."""
    settings = settings_of(config, quiet=True)
    need_store(settings)
    number = chosen(sms_id, restored)
    if number is None:
        answer, live = run_async(
            lambda: order_all(settings, "/queue/restored/abandon", lambda desk: desk.abandon_restored(author="cli"))
        )
        report(answer, live, as_json, f"{answer['count']} SMS left as they are")
        return
    answer, live = run_async(
        lambda: order(settings, f"/queue/{number}/abandon", {}, lambda desk: desk.abandon(number, author="cli"))
    )
    report(answer, live, as_json, f"SMS {answer['id']} is {answer['state']}")


def chosen(sms_id: int | None, restored: bool) -> SmsId | None:
    """None for all that a restored back-up left unknown. :raises click.UsageError: neither or both."""
    if (sms_id is None) is not restored:
        raise click.UsageError("name one SMS by its id, or say --restored")
    return None if sms_id is None else SmsId(sms_id)


def report(answer: dict[str, Json], live: bool, as_json: bool, words: str) -> None:
    if as_json:
        print_json(answer)
        return
    click.echo(words if live else f"{words}; no service is running: it acts at the next start")
