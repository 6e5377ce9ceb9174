"""``sms-bridge status``: the queues, the oldest that waits, and when platform and Telegram were last heard."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import asdict

import click
from rich.table import Table

from bridge.cli.common import (
    ago,
    config_option,
    console,
    json_option,
    looking_into,
    need_store,
    print_json,
    run_async,
    settings_of,
    when,
)
from bridge.cli.service import ServiceRefused, live
from bridge.config import Settings
from bridge.model.base import Json, Ms
from bridge.model.cluster import Node
from bridge.model.record import QueueStatus
from bridge.pipeline.cluster import ROLES
from bridge.telegram.texts import say


@click.command()
@config_option
@json_option
def status(config: str | None, as_json: bool) -> None:
    """What waits, since when, and how the neighbours are. Reads the store; a running service adds its live state."""
    settings = settings_of(config, quiet=True)
    need_store(settings)
    queues, nodes, running = run_async(lambda: read(settings))
    if as_json:
        bridges = [as_json_member(node) for node in nodes]
        print_json({"running": running is not None, "live": running, "queues": as_values(queues), "bridges": bridges})
        return
    # Rows are by the clock that bridges share, where several do; the latest report tells what it shows.
    now = max((node.seen_at for node in nodes), default=time.time_ns() // 1_000_000)
    show(queues, running, now, elsewhere=bool(nodes))
    if nodes:
        show_bridges(nodes, now)


async def read(settings: Settings) -> tuple[QueueStatus, Sequence[Node], dict[str, Json] | None]:
    async with looking_into(settings) as store:
        queues = await store.queue_status()
        nodes = await store.nodes()
    try:
        running = await live(settings)
    except ServiceRefused as error:
        running = {"service": str(error)}
    return queues, nodes, running


def as_values(queues: QueueStatus) -> Json:
    values: dict[str, Json] = asdict(queues)
    return values


def as_json_member(node: Node) -> Json:
    return {
        "name": node.name,
        "roles": [*sorted(node.roles)],
        "duties": [*sorted(node.leads)],
        "version": node.version,
        "rules": node.rules_version,
        "started_at": node.started_at,
        "seen_at": node.seen_at,
    }


def show_bridges(nodes: Sequence[Node], now: Ms) -> None:
    """All that share the store."""
    table = Table("bridge", "roles", "duties", "rules", "version", "since")
    for node in nodes:
        roles = [role for role in ROLES if role in node.roles]
        table.add_row(
            node.name,
            "all" if len(roles) == len(ROLES) else ", ".join(roles),
            ", ".join(sorted(node.leads)),
            node.rules_version,
            node.version,
            ago(node.started_at, now),
        )
    console().print(table)


def explained(word: str) -> str:
    """A trouble with Telegram has a name that scripts may count on; a person wants to know what it is."""
    return re.sub(r"\btrouble: (\w+)", lambda found: f"{found[0]} ({say('en', f'trouble.{found[1]}')})", word)


def show(queues: QueueStatus, running: dict[str, Json] | None, now: Ms, *, elsewhere: bool) -> None:
    """``elsewhere``: bridges share the store, if not on this machine."""
    out = console()
    none = "no service of this user is running on this machine" if elsewhere else "no service is running"
    out.print("[green]service is running[/green]" if running is not None else f"[yellow]{none}[/yellow]")
    for name, word in (running or {}).items():
        out.print(f"  {name}: {explained(str(word))}", markup=False, soft_wrap=True)
    table = Table("queue", "waiting", "oldest")
    table.add_row("inbound, not routed", str(queues.inbound_new), ago(queues.inbound_oldest, now))
    table.add_row("inbound, quarantined", str(queues.inbound_quarantined), "")
    table.add_row("chat posts", str(queues.posts_waiting), ago(queues.posts_oldest, now))
    table.add_row("telegram updates", str(queues.updates_pending), "")
    table.add_row("telegram updates, unreadable", str(queues.updates_parked), "")
    for state, count in sorted(queues.sms_by_state.items()):
        oldest = {"queued": queues.sms_oldest_queued, "draft": queues.sms_oldest_draft}.get(state)
        table.add_row(f"sms {state}", str(count), ago(oldest, now) if oldest is not None else "")
    out.print(table)
    out.print(f"last inbound SMS: {when(queues.last_inbound_at)}")
    for account in queues.accounts:
        held = f"[red]held: {account.held_reason}[/red]" if account.held_reason else "ok"
        money = f", balance {account.balance:.2f} {account.currency}" if account.balance is not None else ""
        heard = ago(account.last_contact_at, now)
        out.print(f"account {account.account}: {held}{money}, platform last heard {heard}", soft_wrap=True)
