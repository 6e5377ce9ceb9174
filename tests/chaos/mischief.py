"""Both far sides of the bridge, ill now and then: with a given chance a request meets one of all kinds of faults."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from enum import StrEnum
from typing import Any

from bridge.model.base import Json, Ms
from bridge.sandbox.botapi.api import SimulatedBotApi
from bridge.sandbox.botapi.params import Params
from bridge.sandbox.botapi.refusal import OTHER_POLL, Refusal, conflict, too_many_requests
from bridge.sandbox.botapi.server import ApiOutage
from bridge.sandbox.faults import Fault
from bridge.sandbox.platform import SimulatedPlatform
from bridge.sandbox.wire import WireReply, WireRequest

SLOWEST_S = 1.0
LONGEST_FLOOD_S = 2
AFTER_READING = tuple(fault for fault in Fault if fault is not Fault.CUT_BEFORE_READING)


class Mischief:
    """Draws who is struck, and counts by what."""

    def __init__(self, part: float, chance: random.Random) -> None:
        """``part`` of all requests are spoilt."""
        self.on = True
        self.counts: Counter[str] = Counter()
        self.chance = chance
        self._part = part

    def strikes(self, share: float = 1) -> bool:
        """``share``: of the usual chance."""
        return self.on and self.chance.random() < self._part * share

    def note(self, what: str) -> None:
        self.counts[what] += 1


class IllPlatform(SimulatedPlatform):
    """Sends, questions about delivery and about the balance are all struck. Well, it still needs its time, as long as
    there is mischief."""

    def __init__(self, mischief: Mischief, *, answers_within: Ms, **how: Any) -> None:
        super().__init__(**how)
        self._mischief = mischief
        self._answers_within = answers_within

    def cut_unread(self) -> bool:
        if self._mischief.strikes(1 / len(Fault)):
            self._mischief.note(Fault.CUT_BEFORE_READING)
            return True
        return super().cut_unread()

    def answer(self, request: WireRequest) -> WireReply:
        if self._mischief.strikes():
            fault = self._mischief.chance.choice(AFTER_READING)
            self._mischief.note(fault)
            self.misbehave(fault, on=None)
        elif self._mischief.on:
            within = self._answers_within
            self.misbehave(Fault.SLOW, on=None, delay=self._mischief.chance.randint(within // 2, within))
        return super().answer(request)


class Ill(StrEnum):
    """The failures that a call to Telegram may meet."""

    FLOOD = "429"
    """And for so long for all that is sent to this chat."""
    ERROR = "5xx"
    ERROR_AFTER = "5xx with effect"
    SLOW = "slow"
    CUT = "cut"
    CUT_AFTER = "cut with effect"
    CONFLICT = "409"
    """Another program polls for updates."""


class IllBotApi(SimulatedBotApi):
    """Long polls are struck like all other calls."""

    def __init__(self, mischief: Mischief, **how: Any) -> None:
        super().__init__(**how)
        self._mischief = mischief

    async def _answer(self, method: str, params: Params) -> Json:
        if not self._mischief.strikes():
            return await super()._answer(method, params)
        polls = method.lower() == "getupdates"
        ill = self._mischief.chance.choice([kind for kind in Ill if polls or kind is not Ill.CONFLICT])
        self._mischief.note(ill)
        match ill:
            case Ill.FLOOD:
                return await self._flooded(method, params)
            case Ill.CONFLICT:
                raise conflict(OTHER_POLL)
            case Ill.ERROR:
                raise self._broken()
            case Ill.CUT:
                self._cut_all()
                raise self._broken()  # nobody hears it
            case Ill.SLOW:
                await asyncio.sleep(self._mischief.chance.uniform(0, SLOWEST_S))
        result = await super()._answer(method, params)
        if ill is Ill.ERROR_AFTER:
            raise self._broken()
        if ill is Ill.CUT_AFTER:
            self._cut_all()
        return result

    async def _flooded(self, method: str, params: Params) -> Json:
        seconds = self._mischief.chance.randint(1, LONGEST_FLOOD_S)
        if chat := params.text("chat_id"):
            self.flood(int(chat), seconds)
        raise too_many_requests(seconds)

    def _broken(self) -> Refusal:
        code = self._mischief.chance.choice([500, 502, 503, 504])
        return Refusal(code, "Internal Server Error")

    def _cut_all(self) -> None:
        """Every connection with a call under way breaks, this one too."""
        self.down(ApiOutage.CUT_AFTER)
        asyncio.get_running_loop().call_soon(self.up)
