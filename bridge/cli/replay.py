"""``sms-bridge replay``: runs stored messages through rule files and shows which would be routed differently.

Only reads the store, and sends nothing. The rule stored with a message is compared with the rule that would win if the
message were received again at its time of receipt.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import click
from rich.table import Table
from rich.text import Text

from bridge.cli.common import (
    config_option,
    console,
    json_option,
    local_time,
    need_store,
    parse_time,
    plain,
    print_json,
    progress,
    read_only_store,
    rules_or_exit,
    run_async,
    settings_of,
    wall_clock,
)
from bridge.config import Settings
from bridge.model.base import InboundId, Json, Ms
from bridge.model.contact import Contact
from bridge.model.inbound import Inbound
from bridge.model.routing import UnroutedMessage
from bridge.pipeline.effects import rule_message
from bridge.ports.queries import QueryStore
from bridge.rules import RuleSet
from bridge.schema import parse_duration, plural
from bridge.text import phones

CHUNK = 1_000
"""Messages that are read from the store at a time."""
MAX_EXAMPLES = 3
"""Most messages that are shown as examples of a pair."""

Pair: TypeAlias = tuple[str, str]
"""The names of the rule that won and of the rule that would win now. An empty name means no rule."""


@dataclass(slots=True)
class Comparison:
    """The messages compared so far, and those that would be routed differently."""

    messages: int = 0
    changed: Counter[Pair] = field(default_factory=Counter)
    examples: defaultdict[Pair, list[Inbound]] = field(default_factory=lambda: defaultdict(list))
    failed: Counter[str] = field(default_factory=Counter)
    """The number of messages for which the text of a rule could not be made, by rule."""

    def add(self, message: Inbound, rules: RuleSet) -> None:
        self.messages += 1
        fired = rules.decide(rule_message(with_unknown_sender(message), {}), message.received_at).fired
        for each in fired:
            if each.error is not None:
                self.failed[each.rule] += 1
        pair = (message.rule or "", fired[0].rule if fired else "")
        if pair[0] != pair[1]:
            self.changed[pair] += 1
            if len(self.examples[pair]) < MAX_EXAMPLES:
                self.examples[pair].append(message)


@click.command()
@click.option("--last", type=click.IntRange(1), metavar="N", help="The newest N messages. Default: 1000.")
@click.option("--since", metavar="DATE", help="Those received since: 2026-03-01, '2026-03-01 22:15', or 3d for days.")
@click.option(
    "--rules",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="The rule files to try. Default: those of the configuration, as they are now.",
)
@click.option("--show-texts", is_flag=True, help="Show the texts of the examples, too.")
@config_option
@json_option
def replay(
    last: int | None, since: str | None, folder: Path | None, show_texts: bool, config: str | None, as_json: bool
) -> None:
    """Run stored messages through rule files and show which would go elsewhere than they did.

    Only reads; a service may run. The store does not keep who the sender was then and what was said before, so each
    message counts as one of an unknown sender.

    Exit code 0: done, whatever differs. 1: the rule files have mistakes, or there is no store.
    """
    settings = settings_of(config, quiet=True)
    need_store(settings)
    rules = rules_or_exit(settings if folder is None else settings.model_copy(update={"rules": folder.absolute()}))
    start = 0 if since is None else since_when(since, settings)
    wanted = 1_000 if last is None and since is None else last
    found = run_async(lambda: compare(settings, rules, wanted, start))
    if as_json:
        print_json(as_values(found, rules, show_texts))
    else:
        show(found, rules, show_texts)


def since_when(written: str, settings: Settings) -> Ms:
    try:
        return wall_clock() - parse_duration(written)
    except ValueError:
        zone = next(iter(settings.accounts.values())).callback.timezone
        return parse_time(written, zone)


async def compare(settings: Settings, rules: RuleSet, last: int | None, since: Ms) -> Comparison:
    found = Comparison()
    async with read_only_store(settings) as store:
        with progress("replaying") as step:
            async for total, messages in chunks(store, last, since):
                for message in messages:
                    found.add(message, rules)
                step(found.messages, total)
    return found


async def chunks(store: QueryStore, last: int | None, since: Ms) -> AsyncIterator[tuple[int, Sequence[Inbound]]]:
    """The messages, chunk by chunk, each chunk with the total number of messages."""
    span = await store.routed_range(last=last, since=since)
    after = InboundId(0)
    while span is not None and (messages := await store.routed(span, after=after, since=since, limit=CHUNK)):
        yield span.count, messages
        after = messages[-1].id


def with_unknown_sender(message: Inbound) -> UnroutedMessage:
    """The message with an unknown sender, who has written before."""
    contact = Contact(subscriber=message.subscriber, version=0, first_seen_at=message.received_at)
    return UnroutedMessage(inbound=message, contact=contact, recent=())


def show(found: Comparison, rules: RuleSet, show_texts: bool) -> None:
    out = console()
    if not found.messages:
        out.print("no message that a rule decided about; nothing to compare")
        return
    moved = found.changed.total()
    words = f"{plural(found.messages, 'message')}, {moved} would go elsewhere by version {rules.version}"
    out.print(Text(words, "bold" if moved else "green"), soft_wrap=True)
    if moved:
        out.print(table_of(found, show_texts))
    for rule, count in found.failed.most_common():
        out.print(f"the text of {rule} cannot be made of {plural(count, 'message')}", markup=False, soft_wrap=True)


def table_of(found: Comparison, show_texts: bool) -> Table:
    table = Table()
    table.add_column("messages", justify="right")
    for name in ("rule then", "rule now", "for example"):
        table.add_column(name, overflow="fold")
    for pair, count in found.changed.most_common():
        examples = "\n".join(example_line(message, show_texts) for message in found.examples[pair])
        then, now = (Text(plain(name) if name else "no rule") for name in pair)
        table.add_row(str(count), then, now, Text(examples))
    return table


def example_line(message: Inbound, show_texts: bool) -> str:
    line = f"{message.id}  {local_time(message.received_at)}  {phones.mask(message.subscriber)}"
    return f"{line}  {plain(message.text)}" if show_texts else line


def as_values(found: Comparison, rules: RuleSet, show_texts: bool) -> Json:
    changes: list[Json] = [
        {
            "then": pair[0] or None,
            "now": pair[1] or None,
            "messages": count,
            "examples": [
                {
                    "inbound_id": message.id,
                    "received_at": message.received_at,
                    "subscriber": phones.mask(message.subscriber),
                    **({"text": message.text} if show_texts else {}),
                }
                for message in found.examples[pair]
            ],
        }
        for pair, count in found.changed.most_common()
    ]
    return {
        "messages": found.messages,
        "changed": found.changed.total(),
        "rules_version": rules.version,
        "changes": changes,
        "failed": dict(found.failed),
    }
