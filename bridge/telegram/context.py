"""The services that the handlers of operators' messages, commands and presses share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Protocol

import structlog

from bridge.config import Settings
from bridge.model.actions import Action, ActionKind
from bridge.model.base import Ms
from bridge.model.chat import Conversation
from bridge.model.post import NewPost
from bridge.pipeline.reload import Reloaded
from bridge.pipeline.signals import Signals
from bridge.ports.clock import Clock
from bridge.ports.store import Store
from bridge.rules import RuleSet
from bridge.rules.canned import Canned
from bridge.telegram.chats import Chat, Chats
from bridge.telegram.client.transient_replies import TransientReplies
from bridge.value import value_object

log = structlog.get_logger()


class Rulebook(Protocol):
    """The rules of the running service; ``app`` passes it in."""

    @property
    def rules(self) -> RuleSet:
        """The rules in force. Read them once for each piece of work: a reload may replace them between two reads."""

    async def reload(self) -> Reloaded:
        """Loads the rule files as they are now. If they have a mistake, the old rules stay in force. Never raises."""


@value_object
class ActionSource:
    """The message or press that an action comes from."""

    key: str
    """The same however often Telegram brings it."""
    author: str
    """For histories: name and id."""
    user_id: int | None = None
    topic_line: tuple[int, int] | None = None
    """Chat id and message id of the service message that Telegram shows about the action, if it was done in Telegram
    itself, such as a topic closed by hand."""


@value_object
class OperatorContext:
    """The services of a handler, and the steps that several handlers take."""

    settings: Settings
    store: Store
    signals: Signals
    clock: Clock
    chats: Chats
    bot_id: int
    restored_at: Ms
    """The first full second after the store was restored from a copy, else 0. Messages and presses from before it have
    no effect: they may have been handled already, and the record of it may be lost with the old store."""
    transient: TransientReplies
    rulebook: Rulebook
    canned: Mapping[str, Canned]
    """The canned replies of the configuration, by name."""

    def zone(self, conversation: Conversation | None = None) -> tzinfo:
        """The time zone in which a team reads times: that of the conversation's account, else of the first account."""
        accounts = self.settings.accounts
        account = accounts.get(conversation.account) if conversation is not None else None
        return (account or next(iter(accounts.values()))).callback.timezone

    async def conversation_by_code(self, chat: Chat, code: str) -> Conversation | None:
        """Finds a conversation of this chat by its code; not one of another chat, because a client may send any code
        with a press."""
        for name in self.chats.names(chat):
            if found := await self.store.conversation_of_code(name, code):
                return found
        return None

    async def act(
        self,
        kind: ActionKind,
        conversation: Conversation,
        source: ActionSource,
        *,
        detail: str = "",
        until: Ms = 0,
        done: NewPost | None = None,
        already: NewPost | None = None,
    ) -> bool:
        """Makes a change, records its author and writes the post ``done``: one transaction.

        :returns: False if it was so before and nothing changed; then the post ``already`` is written.
        """
        action = Action(
            key=f"{source.key}:{kind}",
            kind=kind,
            author=source.author,
            subscriber=conversation.subscriber,
            conversation_id=conversation.id,
            detail=detail,
            user_id=source.user_id,
            until=until,
            topic_line=source.topic_line,
        )
        changed = await self.store.carry_out(action, done=done, already=already, now=self.clock.now())
        if changed:
            log.info("action_done", action=kind, conversation_id=conversation.id)
        return changed
