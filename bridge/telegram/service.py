"""The team's side as one part to start and stop: intake, processing, and a poster for each chat.

It starts and runs with Telegram down, and never ends by itself: SMS come in and automatic replies go out without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import structlog

from bridge.config import Settings
from bridge.errors import StoreError
from bridge.model.base import SECOND, Ms
from bridge.pipeline.retry import backoff
from bridge.pipeline.signals import Signals
from bridge.pipeline.watches.downtime import WaitingUpdates
from bridge.pipeline.worker import IDLE
from bridge.ports.clock import Clock
from bridge.ports.store import Store
from bridge.rules.canned import Canned
from bridge.telegram.buttons.dispatch import ButtonDispatcher
from bridge.telegram.chats import Chats
from bridge.telegram.client.api import Api, bot_id
from bridge.telegram.client.errors import FailureKind
from bridge.telegram.client.notes import AlbumCaptions, Notes
from bridge.telegram.client.rate_limit import RateLimiter
from bridge.telegram.client.sender import ChatSender
from bridge.telegram.client.transient_replies import TransientReplies
from bridge.telegram.commands.dispatch import BotName, CommandDispatcher
from bridge.telegram.commands.menu import Menu
from bridge.telegram.context import OperatorContext, Rulebook
from bridge.telegram.downtime_updates import count_waiting
from bridge.telegram.operator_messages import BUTTONS, OperatorMessageHandler
from bridge.telegram.posts.poster import ChatPoster
from bridge.telegram.posts.publisher import PostPublisher, RenderContext
from bridge.telegram.texts.times import Zones
from bridge.telegram.updates.connection import TelegramConnection
from bridge.telegram.updates.polling import UpdatePoller
from bridge.telegram.updates.processor import UpdateProcessor
from bridge.telegram.updates.webhook import Webhook, WebhookWatch, address
from bridge.value import value_object

log = structlog.get_logger()

T = TypeVar("T")


@value_object
class TelegramHealth:
    """For probes and metrics. How long ago Telegram was last heard tells a dead link from a quiet chat."""

    enabled: bool
    """A token is configured."""
    connected: bool
    """The last question to Telegram got an answer."""
    heard_at: Ms | None
    """When it last answered, or brought an update to the webhook."""
    failure: FailureKind | None = None


class TelegramSide:
    def __init__(
        self,
        settings: Settings,
        store: Store,
        signals: Signals,
        clock: Clock,
        *,
        rulebook: Rulebook,
        canned: Mapping[str, Canned],
    ) -> None:
        """``canned``: the replies of the configuration, by name."""
        self._rulebook = rulebook
        self._canned = canned
        self._settings = settings
        self._store = store
        self._signals = signals
        self._clock = clock
        self._link = TelegramConnection(store=store, signals=signals, clock=clock)
        self._albums = AlbumCaptions(store)
        self._bot_name: BotName | None = None
        self.webhook = self._webhook()
        """Where what Telegram brings is put; None where it is asked for."""

    def health(self) -> TelegramHealth:
        return TelegramHealth(
            enabled=bool(self._settings.telegram.token.get_secret_value()),
            connected=self._link.connected,
            heard_at=self._link.heard_at,
            failure=self._link.failure,
        )

    async def waited(self, began: Ms, ended: Ms) -> WaitingUpdates:
        """What people had done in the chats before a start of ours, as far as it came before ``ended``."""
        telegram = self._settings.telegram
        updates = await self._store.updates_since(bot_id(telegram.token.get_secret_value()), began)
        chats = Chats(telegram, await self._store.chat_aliases())
        bot_name = await self._bot_name.get() if self._bot_name is not None else ""
        came = [update for update in updates if update.received_at < ended]
        return count_waiting(came, began, chats, Notes(telegram.note_mark), bot_name)

    def _webhook(self) -> Webhook | None:
        telegram = self._settings.telegram
        token = telegram.token.get_secret_value()
        if not token or telegram.updates != "webhook":
            return None
        return Webhook(bot_id=bot_id(token), store=self._store, clock=self._clock, link=self._link)

    async def run(self) -> None:
        """Until cancelled. Without a token there is nothing to do: what is to be shown waits in the store."""
        telegram = self._settings.telegram
        if not telegram.token.get_secret_value():
            log.info("telegram_off", reason="no token")
            await asyncio.Event().wait()
        api = Api(telegram.token, telegram.api_url, telegram.proxy)
        await api.start()
        try:
            await self._run(api)
        finally:
            await api.close()

    async def _run(self, api: Api) -> None:
        chats = Chats(self._settings.telegram, await self._asked(self._store.chat_aliases))
        restored = await self._asked(self._store.last_restored)
        # Telegram's times are whole seconds: what it dates within this one came after, for nothing ran just before.
        restored_at = restored.restored_at // SECOND * SECOND if restored is not None else 0
        limiter = RateLimiter(self._clock)
        sender = ChatSender(api, limiter)
        posters = self._posters(sender, chats, limiter)
        transient = TransientReplies(sender, limiter, self._clock)
        context = OperatorContext(
            settings=self._settings,
            store=self._store,
            signals=self._signals,
            clock=self._clock,
            chats=chats,
            bot_id=api.bot_id,
            restored_at=restored_at,
            transient=transient,
            rulebook=self._rulebook,
            canned=self._canned,
        )
        self._bot_name = bot_name = BotName(api)
        buttons = ButtonDispatcher(context, api, sender, BUTTONS)
        handler = OperatorMessageHandler(
            context,
            commands=CommandDispatcher(context, bot_name),
            buttons=buttons,
            albums=self._albums,
            limiter=limiter,
        )
        handler.register(api.application)
        menu = Menu(api=api, chats=chats, clock=self._clock)
        processing = UpdateProcessor(api=api, store=self._store, signals=self._signals, clock=self._clock)
        taking = self._taking(api)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(taking.run(), name="telegram intake")
                group.create_task(processing.run(), name="telegram processing")
                group.create_task(self._wake(posters), name="telegram wake")
                group.create_task(menu.run(), name="telegram menu")
                for poster in posters:
                    group.create_task(poster.run(), name=f"telegram poster {poster.name}")
        finally:
            self._bot_name = None  # it asks by the client that is closed now
            await buttons.stop()
            await transient.stop()

    def _taking(self, api: Api) -> UpdatePoller | WebhookWatch:
        """The loop that sees to it that updates come in."""
        if self.webhook is None:
            return UpdatePoller(api=api, store=self._store, clock=self._clock, link=self._link)
        return WebhookWatch(
            api=api,
            url=address(self._settings.web.public_url),
            secret=self._settings.telegram.webhook_secret,
            clock=self._clock,
            link=self._link,
        )

    def _posters(self, sender: ChatSender, chats: Chats, limiter: RateLimiter) -> list[ChatPoster]:
        """One for each group, however many names the configuration has for it."""
        zones = Zones(of={name: account.callback.timezone for name, account in self._settings.accounts.items()})
        context = RenderContext(many_accounts=len(self._settings.accounts) > 1, zones=zones, albums=self._albums)
        return [
            ChatPoster(
                chat.name,
                chats=chats,
                store=self._store,
                limiter=limiter,
                connection=self._link,
                clock=self._clock,
                publisher=PostPublisher(sender, self._store, self._clock, context),
            )
            for chat in chats
        ]

    async def _asked(self, question: Callable[[], Awaitable[T]]) -> T:
        """What the store says, however long that takes: the side must start without it, too."""
        failures = 0
        while True:
            try:
                return await question()
            except StoreError as error:
                failures += 1
                if failures == 1:
                    log.error("store_unavailable", loop="telegram start", error=str(error))
                await self._clock.sleep(backoff(failures, 0.5, longest=5 * SECOND))

    async def _wake(self, posters: list[ChatPoster]) -> None:
        """One signal for all posts, one loop for each chat: pass it on to all of them."""
        while True:
            await self._signals.posts.take(self._clock, IDLE)
            for poster in posters:
                poster.signal.set()
