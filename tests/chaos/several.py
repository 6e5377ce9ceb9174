"""Several bridges on one PostgreSQL schema, as a load balancer in front of them sees them."""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from bridge.sandbox.botapi.api import SimulatedBotApi
from bridge.sandbox.platform import SimulatedPlatform
from tests import postgres
from tests.chaos import invariants
from tests.chaos.callers import Callers, Delivery, Source, delivery
from tests.service import LOOK_AGAIN, Service

MOST_WAITING = 300
"""Messages acknowledged and not answered yet. The subscribers wait while there are more."""
PATH = "http://127.0.0.1/sms.php"
"""The path of callbacks, the same at every node."""


class Several:
    """As many real processes, each with a configuration and ports of its own."""

    def __init__(
        self,
        folder: Path,
        number: int,
        url: str,
        platform: SimulatedPlatform,
        telegram: SimulatedBotApi | None = None,
        *,
        settings: Mapping[str, Mapping[str, object]] | None = None,
        sabotage: str | None = None,
        short: bool = False,
        rules: str,
        **account: Any,
    ) -> None:
        """``short``: with leases of seconds, else those of the program."""
        self.url = url
        self._folder = folder
        self.bridges: list[Service] = []
        for at in range(number):
            (folder / str(at)).mkdir()
            bridge = Service(
                folder / str(at),
                platform,
                telegram,
                sabotage="short_leases" if short else sabotage,
                environment={"SPOILED": sabotage or ""} if short else None,
                rules=rules,
                settings={**(settings or {}), "storage": {"url": url}},
                **account,
            )
            self.bridges.append(bridge)

    async def start(self) -> None:
        for bridge in self.bridges:
            await bridge.start()

    async def close(self) -> None:
        for bridge in self.bridges:
            await bridge.close()

    def id_of(self, bridge: Service) -> str:
        """The id by which the other nodes know it. It has to run."""
        name = f"{socket.gethostname()}:{bridge.pid}"
        return str(self.rows(f"SELECT id FROM node WHERE name = '{name}' ORDER BY started_at DESC")[0][0])

    def rows(self, query: str) -> list[tuple[object, ...]]:
        return postgres.rows(self.url, query)

    def count(self, query: str) -> int:
        return cast(int, self.rows(query)[0][0])

    async def until(self, query: str, expected: int, *, seconds: float) -> None:
        """Until a count in the store is what it should be. :raises TimeoutError: it never was."""
        found = -1
        try:
            async with asyncio.timeout(seconds):
                while (found := self.count(query)) != expected:
                    await asyncio.sleep(LOOK_AGAIN)
        except TimeoutError:
            raise TimeoutError(f"{query} is {found}, not {expected}, after {seconds:.0f} s") from None

    async def judged(self, platform: SimulatedPlatform, acknowledged: set[str], *, chats: bool) -> list[str]:
        """All that must hold of any bridge, of what they did together."""
        copy = self._folder / "copy.db"
        await postgres.as_sqlite(self.url, copy)
        return [
            *invariants.acknowledged(copy, acknowledged),
            *invariants.store(copy),
            *invariants.at_rest(copy, chats=chats),
            *invariants.platform(copy, platform.book),
            *invariants.sent_once(platform.book),
        ]


class Balanced(Callers):
    """Each new connection goes to the next bridge, whether it is there or not."""

    def __init__(
        self, bridges: list[Service], connections: int, source: Source, acknowledged: Callable[[Delivery], None]
    ) -> None:
        super().__init__(bridges[0].callback_url, connections, source, acknowledged)
        self._addresses = itertools.cycle([("127.0.0.1", bridge.port) for bridge in bridges])

    @property
    def address(self) -> tuple[str, int]:
        return next(self._addresses)

    @address.setter
    def address(self, value: tuple[str, int]) -> None:
        """The first bridge's is none of its own."""


class Talkers:
    """Subscribers who write again only when their last SMS was acknowledged: what they write has an order.

    They wait while more than ``MOST_WAITING`` were not answered yet.
    """

    def __init__(self, number: int, text: str, chance: random.Random, platform: SimulatedPlatform) -> None:
        self.acknowledged: set[str] = set()
        self.over = False
        """No subscriber writes any more."""
        self._free = [f"79{at:09d}" for at in range(number)]
        self._text = text
        self._chance = chance
        self._platform = platform
        self._numbers = itertools.count(1)

    def next(self) -> Delivery | None:
        waiting = len(self.acknowledged) - self._platform.taken
        if self.over or waiting > MOST_WAITING or not self._free:
            return None
        sender = self._free.pop(self._chance.randrange(len(self._free)))
        smsid = f"{next(self._numbers):07d}"
        return delivery(PATH, smsid=smsid, sender=sender, text=self._text.format(smsid))

    def note(self, done: Delivery) -> None:
        self.acknowledged.add(done.smsid)
        self._free.append(done.sender)


def in_order(platform: SimulatedPlatform) -> list[str]:
    """Replies end in the number of what they answer, and go out as their subscriber wrote."""
    latest: dict[str, str] = {}
    wrong = []
    for sms in platform.book:
        number = sms.text.split()[-1]
        if number < latest.get(sms.recipient, ""):
            wrong.append(sms.id)
        latest[sms.recipient] = number
    return invariants.said("SMS sent behind a later one of its subscriber", wrong)
