"""``sms-bridge queue``: SMS that wait for a decision of a person."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import click
from rich.markup import escape
from rich.table import Table

from bridge.cli.common import (
    ago,
    config_option,
    console,
    json_option,
    local_time,
    need_store,
    plain,
    print_json,
    read_store,
    run_async,
    settings_of,
    wall_clock,
)
from bridge.cli.service import execute
from bridge.model.base import Json, Ms, SmsId
from bridge.model.record import HistoryLine
from bridge.model.sms import Sms, SmsState
from bridge.web.admin import as_json as sms_json

if TYPE_CHECKING:
    from bridge.pipeline.commands import Commands
    from bridge.store.opening import Queries

FOR_PEOPLE = (SmsState.DRAFT, SmsState.UNCERTAIN, SmsState.PARKED, SmsState.FAILED)
STATES = click.Choice([state.value for state in SmsState])

restored_option = click.option(
    "--restored", is_flag=True, help="Instead of an id: all that a restored back-up left unknown."
)


@click.group()
def queue() -> None:
    """SMS that were not sent, or may not have been sent: list, show, send again, leave."""


@queue.command("list")
@click.option("--state", "states", multiple=True, type=STATES, help="Default: draft, uncertain, parked, failed.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
@config_option
@json_option
def list_rows(states: tuple[str, ...], limit: int, config: str | None, as_json: bool) -> None:
    """List the newest SMS in these states."""
    wanted = [SmsState(state) for state in states] or list(FOR_PEOPLE)
    rows = read_store(settings_of(config, quiet=True), lambda store: store.list_sms(wanted, limit=limit))
    if as_json:
        print_json([sms_json(sms) for sms in rows])
        return
    if not rows:
        console().print("no SMS waits for a person's decision" if not states else "none")
        return
    table = Table()
    for name in ("id", "state", "to", "account", "since", "age", "by", "reason"):
        # Cells are folded, not cut. A phone number stays in one piece: half of one is useless.
        table.add_column(name, overflow="fold", no_wrap=name in ("to", "age"))
    now = wall_clock()
    for sms in rows:
        since = _since(sms)
        cells = (
            str(sms.id),
            sms.state,
            sms.recipient,
            sms.account,
            local_time(since),
            ago(since, now),
            sms.author,
            f"{sms.reason} {sms.detail}".strip(),
        )
        table.add_row(*(escape(plain(cell)) for cell in cells))
    console().print(table)


def _since(sms: Sms) -> Ms:
    """The time at which the SMS reached its present state. For a draft, the time of its last edit."""
    return sms.due_at if sms.state is SmsState.DRAFT else sms.final_at or sms.sending_since or sms.created_at


@queue.command("show")
@click.argument("sms_id", type=int)
@config_option
@json_option
def show(sms_id: int, config: str | None, as_json: bool) -> None:
    """Show every step of one SMS, with its text."""

    async def read(store: Queries) -> tuple[Sms | None, Sequence[HistoryLine]]:
        return await store.get_sms(SmsId(sms_id)), await store.sms_history(SmsId(sms_id))

    sms, steps = read_store(settings_of(config, quiet=True), read)
    if sms is None:
        raise click.ClickException(f"there is no SMS {sms_id}; `sms-bridge queue list` shows the ids")
    if as_json:
        rows: list[Json] = [
            {"at": step.at, "state": step.state, "detail": step.detail, "by": step.author} for step in steps
        ]
        print_json({**sms_json(sms), "text": sms.text, "steps": rows})
        return
    out = console()
    out.print(
        f"[bold]SMS {sms.id}[/bold] to {sms.recipient} by {sms.account} as {escape(sms.sender_name)}", soft_wrap=True
    )
    out.print(plain(sms.text), markup=False, soft_wrap=True)
    for step in steps:
        by = f"  by {plain(step.author)}" if step.author else ""
        line = f"  {local_time(step.at)}  {step.state}{by}  {plain(step.detail)}"
        out.print(line.rstrip(), markup=False, soft_wrap=True)


@queue.command()
@click.argument("sms_id", type=int, required=False)
@restored_option
@config_option
@json_option
def retry(sms_id: int | None, restored: bool, config: str | None, as_json: bool) -> None:
    """Send an SMS again, as a new one. The subscriber may get an uncertain SMS twice."""
    chosen = chosen_sms(sms_id, restored)
    answer, live = carry_out(
        config,
        chosen,
        "retry",
        lambda commands: (
            commands.retry_restored(author="cli") if chosen is None else commands.retry(chosen, author="cli")
        ),
    )
    words = f"{answer['count']} SMS queued again" if chosen is None else f"queued again as SMS {answer['id']}"
    report(answer, live, as_json, words)


@queue.command()
@click.argument("sms_id", type=int, required=False)
@restored_option
@config_option
@json_option
def abandon(sms_id: int | None, restored: bool, config: str | None, as_json: bool) -> None:
    """Leave an uncertain or parked SMS as it is, or take a queued one off the queue."""
    chosen = chosen_sms(sms_id, restored)
    answer, live = carry_out(
        config,
        chosen,
        "abandon",
        lambda commands: (
            commands.abandon_restored(author="cli") if chosen is None else commands.abandon(chosen, author="cli")
        ),
    )
    words = f"{answer['count']} SMS left as they are" if chosen is None else f"SMS {answer['id']} is {answer['state']}"
    report(answer, live, as_json, words)


def chosen_sms(sms_id: int | None, restored: bool) -> SmsId | None:
    """The SMS that a command is about; None: all that a restored back-up left unknown.

    :raises click.UsageError: the person named neither an id nor --restored, or both.
    """
    if (sms_id is None) is not restored:
        raise click.UsageError("name one SMS by its id, or say --restored")
    return None if sms_id is None else SmsId(sms_id)


def carry_out(
    config: str | None, chosen: SmsId | None, command: str, alone: Callable[[Commands], Awaitable[Sms | int]]
) -> tuple[dict[str, Json], bool]:
    """Let the running service carry out a command, or do ``alone``. See :func:`bridge.cli.service.execute`."""
    path = f"/queue/{'restored' if chosen is None else chosen}/{command}"
    settings = settings_of(config, quiet=True)
    need_store(settings)
    return run_async(lambda: execute(settings, path, {}, alone))


def report(answer: dict[str, Json], live: bool, as_json: bool, words: str) -> None:
    if as_json:
        print_json(answer)
        return
    click.echo(words if live else f"{words}; no service is running: it acts at the next start")
