"""The whole service in a narrower or an easier world; the rules stay. What is other is told by variables:

``CHAOS_FILES``: so many open files. ``CHAOS_LOOP=asyncio``: the standard library's loop, also where a faster one is
installed. ``CHAOS_STRANGERS``: only 127.0.0.1 is this machine, 127.0.0.2 and on are strangers. ``CHAOS_SECONDS``: the
listener's time limits, so that a test need not wait for the usual ones. ``CHAOS_SENDBUFFER``: bytes that the kernel
keeps of answers nobody reads. ``CHAOS_PACE=off``: posts to a chat are not held
back for Telegram's budget.
"""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import sys
from dataclasses import replace

from bridge.model.base import MINUTE
from bridge.telegram.client import rate_limit
from bridge.web.access import ConnectionCounter
from bridge.web.connection import CallbackConnection
from bridge.web.server import DEFAULT_LIMITS, Listeners


def apply() -> None:
    if files := os.environ.get("CHAOS_FILES"):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(files), hard))
    if os.environ.get("CHAOS_LOOP") == "asyncio":
        sys.modules["uvloop"] = None  # type: ignore[assignment]  # importing it fails
    if os.environ.get("CHAOS_STRANGERS"):
        ConnectionCounter._exempt = lambda self, remote: remote == "127.0.0.1"  # type: ignore[method-assign]
    if seconds := os.environ.get("CHAOS_SECONDS"):
        short = replace(DEFAULT_LIMITS, keepalive=float(seconds), head_timeout=float(seconds))
        Listeners.__init__.__kwdefaults__["limits"] = short
    if os.environ.get("CHAOS_PACE") == "off":
        rate_limit.GROUP = (100_000, MINUTE)
    if size := os.environ.get("CHAOS_SENDBUFFER"):
        _shrink_buffers(int(size))


def _shrink_buffers(size: int) -> None:
    made = CallbackConnection.connection_made

    def connection_made(self: CallbackConnection, transport: asyncio.BaseTransport) -> None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
        made(self, transport)

    CallbackConnection.connection_made = connection_made  # type: ignore[method-assign]
