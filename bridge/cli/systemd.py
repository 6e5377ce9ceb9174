"""systemd's notify protocol: one datagram a message, nothing where no systemd listens (sd_notify(3))."""

from __future__ import annotations

import asyncio
import os
import socket


def notify(state: str) -> bool:
    """Tell systemd, for example ``READY=1``. False where it did not start us or does not listen."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.sendto(state.encode(), address)
    except OSError:
        return False  # a service must not die because nobody listens to its good news
    return True


def watchdog_seconds() -> float | None:
    """Half of the time within which systemd wants to hear from us; None without ``WatchdogSec``."""
    micros = os.environ.get("WATCHDOG_USEC", "")
    return int(micros) / 2_000_000 if micros.isdecimal() and int(micros) > 0 else None


async def feed_watchdog() -> None:
    """Ping as long as the loop turns; ends at once where systemd does not watch."""
    seconds = watchdog_seconds()
    while seconds is not None:
        notify("WATCHDOG=1")
        await asyncio.sleep(seconds)
