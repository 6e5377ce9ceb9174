"""A platform client with short limits, a server of raw sockets, and a search for secrets in all that is written."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from bridge.config import AccountSettings
from bridge.platforms.http import HttpLimits
from bridge.platforms.iba import IbaPlatform
from tests.certificate import self_signed
from tests.needs import lacking
from tests.unit.platforms.rawserver import RawServer, raw_server

LOGIN = "login-of-shop"
PASSWORD = "Pa55&word+Ы"
NUMBER = "79001112233"
TEXT = "Тайный текст № 1 + 100%"

# Generous limits; ``sock_read`` is short, because tests reach it.
LIMITS = HttpLimits(total=5_000, connect=2_000, sock_connect=2_000, sock_read=400)

Connect = Callable[..., IbaPlatform]


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with raw_server() as server:
        yield server


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    async with AsyncExitStack() as stack:

        def make(
            url: str, *, limits: HttpLimits = LIMITS, tls: ssl.SSLContext | None = None, **settings: Any
        ) -> IbaPlatform:
            account = AccountSettings(url=url, login=LOGIN, password=SecretStr(PASSWORD), sender="MyShop", **settings)
            platform = IbaPlatform(account, limits=limits, tls=tls)
            stack.push_async_callback(platform.close)
            return platform

        yield make


@pytest.fixture
async def platform(server: RawServer, connect: Connect) -> IbaPlatform:
    return connect(server.url)


class Watch:
    """Collects all output that could contain a secret: log records, errors of the loop, and what a test adds."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog
        self.seen: list[str] = []

    def leaks(self) -> list[str]:
        formatter = logging.Formatter()
        written = [formatter.format(record) + repr(record.args) for record in self._caplog.records]
        everything = "\n".join([*written, *self.seen])
        secret = (PASSWORD, quote(PASSWORD), "Pa55", TEXT, quote(TEXT), "Тайный", quote("Тайный"), NUMBER)
        return [word for word in secret if word in everything]


@pytest.fixture
async def watch(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Watch]:
    caplog.set_level(logging.DEBUG)
    caplog.handler.setLevel(logging.DEBUG)
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    watch = Watch(caplog)
    loop.set_exception_handler(lambda _, context: watch.seen.append(repr(context)))
    yield watch
    assert watch.leaks() == []


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 and its key in one file."""
    made = self_signed(tmp_path_factory.mktemp("tls"))
    if made is None:
        lacking("openssl")
    return made
