"""``sms-bridge send``: sends one SMS, through the same queue as all others."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from typing import cast

import click
from rich.markup import escape

from bridge.cli.common import (
    config_option,
    console,
    fail,
    json_option,
    plain,
    print_json,
    read_only_store,
    run_async,
    settings_of,
)
from bridge.cli.service import call, execute, nodes
from bridge.config import Settings
from bridge.model.base import Json, SmsId
from bridge.model.cluster import Node
from bridge.model.sms import Sms, SmsState

WAIT_TIMEOUT = 60.0
"""Seconds after which the command stops waiting; the SMS stays in the queue."""
DRAIN_TIMEOUT = 60_000
"""Milliseconds to wait at the end for requests that are under way. Longer than any request may take."""


@click.command()
@click.argument("number")
@click.argument("text")
@click.option("--account", default="", help="Needed where more than one account is configured.")
@click.option("--key", default="", help="The same key twice is one SMS: for scripts that may run again.")
@config_option
@json_option
def send(number: str, text: str, account: str, key: str, config: str | None, as_json: bool) -> None:
    """Send TEXT to NUMBER and wait for the platform's answer.

    Exit code 0: the platform took it. 1: it did not, or that is unknown; the state is printed.
    """
    settings = settings_of(config, quiet=True)
    sms = run_async(lambda: deliver(settings, number, text, account, key))
    if as_json:
        print_json(sms)
    else:
        console().print(line(sms), soft_wrap=True)
    if not SmsState(str(sms["state"])).is_accepted:
        fail(what_next(sms))


def line(sms: dict[str, Json]) -> str:
    """One line about the SMS, without its earlier errors if the platform has taken it."""
    ids = ", ".join(map(str, cast("list[Json]", sms["platform_ids"])))
    names = ("reason", "detail") if not SmsState(str(sms["state"])).is_accepted else ()
    words = " ".join(escape(plain(str(sms[name]))) for name in names if sms[name])
    return " ".join(f"SMS {sms['id']} to {sms['recipient']}: [bold]{sms['state']}[/bold] {ids} {words}".split())


def what_next(sms: dict[str, Json]) -> str:
    """A sentence about an SMS that the platform has not accepted: what a person can do."""
    number = sms["id"]
    if SmsState(str(sms["state"])).is_under_way:
        return f"it waits in the queue; `sms-bridge queue show {number}` says how it goes on"
    if sms["state"] == SmsState.UNCERTAIN:
        return (
            f"it is unknown whether it was sent; `sms-bridge queue retry {number}` sends it again"
            f" (it may arrive twice), `sms-bridge queue abandon {number}` leaves it"
        )
    if sms["state"] == SmsState.PARKED:
        return "the platform took it and sends it when there is money on the account"
    return f"`sms-bridge queue show {number}` has every step"


async def deliver(settings: Settings, number: str, text: str, account: str, key: str) -> dict[str, Json]:
    """Queue the SMS with the running service, or send it here under the store's lock. Returns its state in the end."""
    from bridge.pipeline.commands import account_of, recipient_of

    # Read with our own configuration, because the process that gets the request may have another one.
    account = account_of(settings, account)
    number = f"+{recipient_of(settings, number)}"
    # With a key it is one SMS, even if it is submitted several times or to several processes.
    key = key or secrets.token_hex(8)
    request: dict[str, Json] = {"to": number, "text": text, "account": account, "key": key}
    queued = await call(settings, "POST", "/send", request)
    if queued is None and has_sender(await nodes(settings)):
        # A node on another machine is the sender. A second sender would have to wait until all nodes know it, and would
        # take a part of the rate.
        queued, _ = await execute(
            settings,
            "/send",
            request,
            lambda commands: commands.send(to=number, text=text, account=account, author="cli", key=key),
        )
    followed = await follow(settings, queued) if queued is not None else None
    return followed or await send_alone(settings, number, text, account, key)


def has_sender(nodes: Sequence[Node]) -> bool:
    from bridge.pipeline.cluster import SENDER

    return any(SENDER in node.roles for node in nodes)


async def follow(settings: Settings, queued: dict[str, Json]) -> dict[str, Json] | None:
    """Wait for the outcome of a queued SMS. None if it waits and no node that shares the store sends."""
    from bridge.web.admin import as_json

    sms_id = SmsId(int(str(queued["id"])))
    async with read_only_store(settings) as store:
        deadline = time.monotonic() + WAIT_TIMEOUT
        while time.monotonic() < deadline:
            sms = await store.get_sms(sms_id)
            if sms is not None and not sms.state.is_under_way:
                return as_json(sms)
            waits = sms is not None and sms.state is SmsState.QUEUED
            # A killed node is listed for some seconds. A node that is a command ends after its own SMS.
            if waits and settings.storage.is_postgresql and not has_sender(await store.nodes()):
                return None
            await asyncio.sleep(0.1)
    return queued


async def send_alone(settings: Settings, number: str, text: str, account: str, key: str) -> dict[str, Json]:
    """Send the SMS with this process as the sender, because no other sender runs."""
    from bridge.app.sending import open_sending
    from bridge.pipeline.cluster import SENDER
    from bridge.pipeline.commands import Commands
    from bridge.web.admin import as_json

    async with open_sending(settings, roles=frozenset({SENDER})) as parts:
        commands = Commands(settings=settings, services=parts.services)
        sms: Sms | None = await commands.send(to=number, text=text, account=account, author="cli", key=key)
        assert sms is not None
        deadline = time.monotonic() + WAIT_TIMEOUT
        try:
            while sms is not None and sms.state.is_under_way and time.monotonic() < deadline:
                await parts.cluster.step()
                wait = await parts.outbox.step()
                await parts.services.signals.sms.take(parts.clock, min(wait, 500))
                sms = await parts.services.store.get_sms(sms.id)
        finally:
            # Other SMS of the queue may be under way, too. Without this wait their outcomes would be unknown.
            await parts.outbox.drain(DRAIN_TIMEOUT)
        assert sms is not None
        return as_json(sms)
