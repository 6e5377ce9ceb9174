"""Under an SMS that waits for a word: send it, send it with plain characters, or do not send it.

The buttons disappear with the question, which is how the SMS's state shows (``fate``), so a press that decides leaves
them to it. A later press finds them only where a crash left a second question behind, and takes them away.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Protocol

import structlog

from bridge.model.base import Ms
from bridge.model.sms import DRAFT_LIFE, UNDECIDED, Change, Move, Rewrite, Sms, SmsState
from bridge.pipeline.signals import Signals
from bridge.ports.clock import Clock
from bridge.ports.desk import DraftStore
from bridge.telegram.buttons.dispatch import DECIDED, UNKNOWN, ButtonPress, PressResult
from bridge.telegram.buttons.failed_sms import SmsButton, SmsButtonStore
from bridge.telegram.chats import Chats
from bridge.text import parts
from bridge.text.gsm7_substitution import with_gsm7_characters

log = structlog.get_logger()

_OUTLIVED = PressResult(answer="pressed.undecided")
_CHANGED = PressResult(answer="pressed.changed", stays=True)


class DraftButtonStore(SmsButtonStore, DraftStore, Protocol):
    """The parts of the store that let a draft go."""


class Release(SmsButton):
    """``<id>:<parts>``: what was asked about. A text that costs another number of parts now is another question."""

    def __init__(
        self,
        *,
        accounts: Collection[str],
        chats: Chats,
        store: DraftButtonStore,
        signals: Signals,
        clock: Clock,
        plain: bool,
    ) -> None:
        """``plain``: put plain characters in place of those that make the SMS dearer."""
        super().__init__(chats=chats, store=store, signals=signals, clock=clock)
        self._accounts = accounts
        self._drafts = store
        self._plain = plain

    async def pressed(self, press: ButtonPress) -> PressResult:
        number, _, count = press.data.partition(":")
        sms = await self.meant(replace(press, data=number))
        if sms is None:
            return UNKNOWN
        if sms.account not in self._accounts:
            return PressResult(answer="pressed.no_account", params={"account": sms.account}, stays=True)
        if _outlived(sms, self._clock.now()):
            return _OUTLIVED
        if sms.state is not SmsState.DRAFT:
            return DECIDED
        if count != str(sms.parts):
            return _CHANGED
        if not await self._released(sms, press.author):
            return DECIDED
        log.info("sms_released", sms_id=sms.id, plain=self._plain)
        self._signals.sms.set()
        self._signals.posts.set()
        return PressResult(answer="pressed.released", stays=True)

    async def _released(self, sms: Sms, author: str) -> bool:
        now = self._clock.now()
        text = with_gsm7_characters(sms.text) if self._plain else None
        if text is None:
            return await self._store.move(sms.id, Move.RELEASE, now, Change(author=author, due_at=now))
        count = parts.split(text).count
        new = Rewrite(
            text=text,
            parts=count,
            confirmation_reasons=sms.confirmation_reasons,
            draft=False,
            due_at=now,
            author=author,
        )
        return await self._drafts.rewrite(sms.id, sms.text, new, now)


class Stop(SmsButton):
    """A draft, or a reply that is held back for a moment."""

    async def pressed(self, press: ButtonPress) -> PressResult:
        sms = await self.meant(press)
        if sms is None:
            return UNKNOWN
        if await self._store.move(sms.id, Move.CANCEL, self._clock.now(), Change(author=press.author)):
            log.info("sms_stopped", sms_id=sms.id)
            self._signals.posts.set()
            return PressResult(answer="pressed.stopped", stays=True)
        if sms.reason == UNDECIDED:
            return _OUTLIVED
        return DECIDED if sms.state is SmsState.CANCELLED else PressResult(answer="pressed.too_late")


def _outlived(sms: Sms, now: Ms) -> bool:
    """It waited for a word too long, whether that is on record yet or not."""
    return sms.reason == UNDECIDED or (sms.state is SmsState.DRAFT and now - sms.due_at >= DRAFT_LIFE)
