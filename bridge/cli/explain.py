"""``sms-bridge explain``: shows what the bridge would do with a text, and why each rule matched or did not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.cli.common import (
    config_option,
    console,
    fail,
    has_store,
    json_option,
    parse_time,
    plain,
    print_json,
    read_only_store,
    rules_or_exit,
    run_async,
    settings_of,
    wall_clock,
)
from bridge.config import Settings
from bridge.model.base import Json
from bridge.model.contact import Contact
from bridge.model.decision import FiredRule
from bridge.pipeline.dry_run import DryRun, SampleMessage, dry_run, subscriber_of
from bridge.rules.explain import TriedRule
from bridge.schema import plural
from bridge.telegram.texts import say
from bridge.text import parts

UNKNOWN_SENDER = "79001234567"
CHARACTERS_SHOWN = 20
ENCODINGS = {"gsm7": "GSM-7, 160 characters a part", "ucs2": "UCS-2, 70 characters a part"}


@click.command()
@click.argument("text")
@click.option("--from", "sender", default=UNKNOWN_SENDER, show_default=True, metavar="NUMBER", help="Who writes.")
@click.option("--to", "receiver", default="", metavar="NUMBER", help="The number it was sent to.")
@click.option("--prefix", default="", help="The platform's prefix parameter.")
@click.option("--account", default="", help="The account it comes by. Default: the first.")
@click.option(
    "--at", "at", metavar="TIME", help="When, such as '2026-03-01 22:15', in the account's zone. Default: now."
)
@config_option
@json_option
def explain(
    text: str,
    sender: str,
    receiver: str,
    prefix: str,
    account: str,
    at: str | None,
    config: str | None,
    as_json: bool,
) -> None:
    """Show what would be done with TEXT, and why. Sends nothing and writes nothing.

    If there is a store, what it knows of the number counts: a name, opted out, blocked, taken over by a person. Limits
    that depend on earlier messages count as not reached.

    Exit code 0: explained. 1: the configuration or the rules have mistakes.
    """
    settings = settings_of(config, quiet=True)
    rules = rules_or_exit(settings)
    chosen = account or next(iter(settings.accounts))
    if chosen not in settings.accounts:
        fail(f"there is no account {chosen!r}; configured: {', '.join(settings.accounts)}")
    zone = settings.accounts[chosen].callback.timezone
    now = wall_clock() if at is None else parse_time(at, zone)
    sample = SampleMessage(text=text, sender=sender, receiver=receiver, prefix=prefix, account=chosen, at=now)
    contact = run_async(lambda: known_contact(settings, subscriber_of(sample, settings)))
    found = dry_run(sample, rules=rules, settings=settings, contact=contact)
    if as_json:
        print_json(as_values(found))
        return
    written_time = f"{datetime.fromtimestamp(now / 1000, zone):%Y-%m-%d %H:%M, %A} ({zone})"
    show(console(), found, sample, written_time)


async def known_contact(settings: Settings, subscriber: str) -> Contact:
    """The contact in the store, or an unknown contact if there is no store."""
    if not has_store(settings):
        return Contact(subscriber=subscriber, version=0)
    async with read_only_store(settings) as store:
        return await store.contact(subscriber)


# ------------------------------------------------ for a person


def show(out: Console, found: DryRun, sample: SampleMessage, written_time: str) -> None:
    why = found.explanation
    line(out, "message", plain(sample.text))
    line(out, "from", f"{plain(found.subscriber)} by {sample.account}, {written_time}")
    line(out, "words", " ".join(why.words) or "none", "as they are compared")
    if why.prefix:
        line(out, "prefix", " ".join(why.prefix), f"rules with it see: {' '.join(why.words_after_prefix) or 'nothing'}")
    out.print()
    out.print(tried_table(found))
    out.print()
    for fired in why.decision.fired:
        show_fired(out, fired)
    if why.winner is None:
        line(out, "rule", "none matched", "the message goes to the default chat")
    show_outcome(out, found)


def line(out: Console, label: str, words: str, remark: str = "", style: str = "") -> None:
    shown = Text.assemble((f"{label:9}", "bold"), (words, style))
    if remark:
        shown.append(f"  ({remark})", "dim")
    out.print(shown, soft_wrap=True)


def tried_table(found: DryRun) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for _ in range(4):
        table.add_column(overflow="fold")
    for tried in found.explanation.tried:
        mark = Text("✓", "green") if tried.matched else Text("–", "dim")
        name = Text(tried.rule, "bold" if tried.matched else "")
        where = Text(f"{tried.file}:{tried.line}", "dim")
        table.add_row(mark, name, where, Text(plain(tried.reason.say("en"))))
    return table


def show_fired(out: Console, fired: FiredRule) -> None:
    line(out, "rule", fired.rule, f"{fired.file}:{fired.line}", "green")
    if fired.error is not None:
        line(out, "error", plain(fired.error), "nothing of this rule is done", "red")
    if fired.recovered is not None:
        line(out, "error", plain(fired.recovered), "its on_error is done instead", "red")
    for reply in fired.replies:
        cost = parts.split(reply.text)
        line(out, "reply", plain(reply.text))
        line(
            out,
            "",
            f"{plural(cost.count, 'part')}, {ENCODINGS[cost.encoding]}{reason_for_ucs2(cost.ucs2_characters)}",
            style="dim",
        )
    if fired.spent:
        line(out, "reply", "none", "this number has had it as often as `once` allows")
    if fired.drop:
        line(out, "drop", "nothing is done; the message is stored and counted")


def reason_for_ucs2(ucs2_characters: tuple[str, ...]) -> str:
    """The characters that need UCS-2, for the end of a line; empty if none does."""
    if not ucs2_characters:
        return ""
    more = " …" if len(ucs2_characters) > CHARACTERS_SHOWN else ""
    return f" because of: {' '.join(ucs2_characters[:CHARACTERS_SHOWN])}{more}"


def show_outcome(out: Console, found: DryRun) -> None:
    settlement = found.settlement
    if suppressions := settlement.outcome.suppressions:
        words = "; ".join(say("en", f"suppression.{each}") for each in suppressions)
        line(out, "guards", f"no reply: {words}", ", ".join(suppressions), "yellow")
    elif settlement.replies:
        line(out, "guards", "none holds the reply back", "as far as this number's past is not known")
    for sms in settlement.replies:
        line(out, "sent as", sms.sender_name)
    for post in settlement.forwards:
        note = post.payload.note
        line(out, "forward", post.chat, f"note: {plain(note)}" if note else "")
    line(out, "outcome", str(settlement.outcome), style="bold")


# ------------------------------------------------ for scripts


def as_values(found: DryRun) -> Json:
    why, settlement = found.explanation, found.settlement
    winner = why.winner
    return {
        "words": list(why.words),
        "prefix": " ".join(why.prefix),
        "words_behind_prefix": list(why.words_after_prefix),
        "tried": [tried_values(each) for each in why.tried],
        "winner": None if winner is None else {"rule": winner.rule, "file": winner.file, "line": winner.line},
        "errors": [fired.error for fired in why.decision.fired if fired.error is not None],
        "replies": list(reply_values(found)),
        "held": list[Json](settlement.outcome.suppressions),
        "forwards": [{"chat": post.chat, "note": post.payload.note} for post in settlement.forwards],
        "outcome": str(settlement.outcome),
        "rules_version": why.decision.rules_version,
    }


def tried_values(tried: TriedRule) -> Json:
    return {
        "rule": tried.rule,
        "file": tried.file,
        "line": tried.line,
        "matched": tried.matched,
        "reason": tried.reason.say("en"),
    }


def reply_values(found: DryRun) -> Iterator[Json]:
    for fired in found.explanation.decision.fired:
        for reply in fired.replies:
            cost = parts.split(reply.text)
            yield {
                "rule": fired.rule,
                "text": reply.text,
                "encoding": cost.encoding,
                "parts": cost.count,
                "forcing": list(cost.ucs2_characters),
            }
