"""``sms-bridge status``: the queues, the oldest entry of each, and when platform and Telegram last answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict

import click
from rich.table import Table

from bridge.cli.common import (
    ago,
    config_option,
    console,
    json_option,
    local_time,
    need_store,
    print_json,
    read_only_store,
    run_async,
    settings_of,
    wall_clock,
)
from bridge.cli.service import ProcessStatus, ServiceRefused, process_statuses
from bridge.config import Settings
from bridge.model.base import Json, Ms
from bridge.model.cluster import Node
from bridge.model.record import QueueStatus
from bridge.pipeline.cluster import ROLES
from bridge.telegram.texts import say
from bridge.web.health import ELSEWHERE


@click.command()
@config_option
@json_option
def status(config: str | None, as_json: bool) -> None:
    """Show what waits and since when, and the state of platform and Telegram.

    Reads the store; a running service adds its live state.
    """
    settings = settings_of(config, quiet=True)
    need_store(settings)
    queues, nodes, running = run_async(lambda: read(settings))
    if as_json:
        live: dict[str, Json] | None = {**joined(running)} if running else None
        bridges = [node_row(node) for node in nodes]
        print_json({"running": bool(running), "live": live, "queues": asdict(queues), "bridges": bridges})
        return
    # Nodes that share a store write its clock into their reports; the latest report is the best estimate of it.
    now = max((node.seen_at for node in nodes), default=wall_clock())
    show(queues, running, now, elsewhere=bool(nodes))
    if nodes:
        show_nodes(nodes, now)


async def read(settings: Settings) -> tuple[QueueStatus, Sequence[Node], Sequence[ProcessStatus]]:
    async with read_only_store(settings) as store:
        queues = await store.queue_status()
        nodes = await store.nodes()
    try:
        running = await process_statuses(settings)
    except ServiceRefused as error:
        running = [ProcessStatus(process="service", parts={"service": str(error)})]
    return queues, nodes, running


def node_row(node: Node) -> Json:
    return {
        "name": node.name,
        "roles": [*sorted(node.roles)],
        "leads": [*sorted(node.leads)],
        "version": node.version,
        "rules": node.rules_version,
        "started_at": node.started_at,
        "seen_at": node.seen_at,
    }


def show_nodes(nodes: Sequence[Node], now: Ms) -> None:
    """Print the processes that share the store."""
    table = Table("bridge", "roles", "leads", "rules", "version", "since")
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


def joined(statuses: Sequence[ProcessStatus], shown: Callable[[str], str] = str) -> dict[str, str]:
    """The state of each part: once if all processes agree, else as ``process 7: …; process 8: …``.

    A process that only says that the part is elsewhere does not count if another one knows more. ``shown`` returns the
    text for a state.
    """
    parts: dict[str, str] = {}
    for part in dict.fromkeys(part for status in statuses for part in status.parts):
        states = {status.process: status.parts[part] for status in statuses if part in status.parts}
        states = {process: state for process, state in states.items() if state not in ELSEWHERE} or states
        same = len(set(states.values())) == 1
        parts[part] = (
            shown(next(iter(states.values())))
            if same
            else "; ".join(f"{process}: {shown(state)}" for process, state in states.items())
        )
    return parts


def explained(state: str) -> str:
    """The state, with the meaning of a failure after its name. Scripts rely on the name, people need the meaning."""
    return re.sub(r"^failure: (\w+)", lambda found: f"{found[0]} ({say('en', f'failure.{found[1]}')})", state)


def show(queues: QueueStatus, running: Sequence[ProcessStatus], now: Ms, *, elsewhere: bool) -> None:
    """Print the state of the service and its queues. ``elsewhere``: other machines may use the store."""
    out = console()
    none = "no service of this user is running on this machine" if elsewhere else "no service is running"
    out.print("[green]service is running[/green]" if running else f"[yellow]{none}[/yellow]")
    for part, state in joined(running, explained).items():
        out.print(f"  {part}: {state}", markup=False, soft_wrap=True)
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
    out.print(f"last inbound SMS: {local_time(queues.last_inbound_at)}")
    for account in queues.accounts:
        suspended = f"[red]suspended: {account.suspended_reason}[/red]" if account.suspended_reason else "ok"
        money = f", balance {account.balance:.2f} {account.currency}" if account.balance is not None else ""
        heard = ago(account.last_answer_at, now)
        out.print(f"account {account.account}: {suspended}{money}, platform last heard {heard}", soft_wrap=True)
