"""All commands and their buttons put together: which name and which button leads where. Does nothing itself."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.config import Settings
from bridge.model.base import Ms
from bridge.pipeline.signals import Signals
from bridge.ports.clock import Clock
from bridge.ports.store import Store
from bridge.rules.canned import Canned
from bridge.telegram.buttons.dispatch import ButtonHandler
from bridge.telegram.chats import Chats
from bridge.telegram.client.notes import Notes
from bridge.telegram.commands.canned import CannedReplies
from bridge.telegram.commands.changes import Changes
from bridge.telegram.commands.contacts import ContactCommands
from bridge.telegram.commands.conversations import ConversationCommands
from bridge.telegram.commands.dispatch import CommandDispatcher, Handler
from bridge.telegram.commands.lookup import LookupCommands
from bridge.telegram.commands.me import BotName
from bridge.telegram.commands.presses import CannedPresses, OlderPresses, PastPresses, TalkPresses
from bridge.telegram.commands.rulebook import Rulebook
from bridge.telegram.commands.system import SystemCommands
from bridge.telegram.commands.transient_replies import TransientReplies
from bridge.telegram.replies.writer import Replies


class Commands:
    def __init__(
        self,
        *,
        settings: Settings,
        chats: Chats,
        store: Store,
        speaker: TransientReplies,
        rulebook: Rulebook,
        canned: Mapping[str, Canned],
        signals: Signals,
        clock: Clock,
        bot_id: int,
    ) -> None:
        self._settings = settings
        self._chats = chats
        self._store = store
        self._speaker = speaker
        self._signals = signals
        self._clock = clock
        self._bot_id = bot_id
        self.changes = Changes(store=store, signals=signals, clock=clock)
        replies = Replies(settings=settings, store=store, signals=signals, clock=clock)
        self._contacts = ContactCommands(self.changes, Notes(settings.telegram.note_mark))
        self._talks = ConversationCommands(settings=settings, changes=self.changes, replies=replies)
        self._canned = CannedReplies(settings=settings, store=store, replies=replies, canned=canned)
        self._reading = LookupCommands(settings=settings, chats=chats, store=store, rules=lambda: rulebook.rules)
        self._service = SystemCommands(settings=settings, store=store, rulebook=rulebook)

    def orders(self, me: BotName, restored_at: Ms) -> CommandDispatcher:
        return CommandDispatcher(
            settings=self._settings,
            chats=self._chats,
            store=self._store,
            handlers=self._handlers,
            speaker=self._speaker,
            me=me,
            signals=self._signals,
            clock=self._clock,
            bot_id=self._bot_id,
            restored_at=restored_at,
        )

    @property
    def families(self) -> Mapping[str, ButtonHandler]:
        """What the buttons of commands do, by the word their data begin with."""
        chats, store, clock = self._chats, self._store, self._clock
        return {
            "talk": TalkPresses(settings=self._settings, chats=chats, store=store, changes=self.changes, clock=clock),
            "past": PastPresses(chats=chats, store=store, reading=self._reading, speaker=self._speaker),
            "older": OlderPresses(reading=self._reading, speaker=self._speaker),
            "canned": CannedPresses(chats=chats, store=store, canned=self._canned, bot_id=self._bot_id, clock=clock),
        }

    @property
    def _handlers(self) -> Mapping[str, Handler]:
        contacts, talks, reading, service = self._contacts, self._talks, self._reading, self._service
        return {
            "t": self._canned.t,
            "sms": talks.sms,
            "close": talks.close,
            "open": talks.open,
            "claim": talks.claim,
            "history": reading.history,
            "info": reading.info,
            "why": reading.why,
            "find": reading.find,
            "block": contacts.block,
            "unblock": contacts.unblock,
            "name": contacts.name,
            "tag": contacts.tag,
            "optout": contacts.optout,
            "robot": contacts.robot,
            "balance": service.balance,
            "stats": service.stats,
            "status": service.status,
            "test": service.test,
            "rules": service.rules,
            "reload": service.reload,
            "help": service.help,
        }
