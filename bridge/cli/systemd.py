"""Messages to systemd by its notify protocol (sd_notify(3)): one datagram each, none if systemd does not listen."""

from __future__ import annotations

import asyncio
import os
import socket


def notify(state: str) -> bool:
    """Send a message such as ``READY=1`` to systemd. False if it did not start us or does not listen."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.sendto(state.encode(), address)
    except OSError:
        return False  # a lost message is no reason to end the service
    return True


def watchdog_seconds() -> float | None:
    """Seconds between two pings: half of ``WatchdogSec``. None without it."""
    micros = os.environ.get("WATCHDOG_USEC", "")
    return int(micros) / 2_000_000 if micros.isdecimal() and int(micros) > 0 else None


async def feed_watchdog() -> None:
    """Ping systemd as long as the event loop runs. Ends at once without ``WatchdogSec``."""
    seconds = watchdog_seconds()
    while seconds is not None:
        notify("WATCHDOG=1")
        await asyncio.sleep(seconds)
