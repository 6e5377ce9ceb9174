"""Runs the Telegram side of the service: the intake and processing of updates, and a poster for each chat.

It keeps running while Telegram is away, and never ends by itself. SMS come in and automatic replies go out without it.
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
from bridge.pipeline.services import Services
from bridge.pipeline.watches.downtime import WaitingUpdates
from bridge.pipeline.worker import IDLE
from bridge.rules.canned import Canned
from bridge.telegram.buttons.dispatch import ButtonDispatcher
from bridge.telegram.chats import Chats
from bridge.telegram.client.api import Api, bot_id
from bridge.telegram.client.errors import FailureKind
from bridge.telegram.client.rate_limit import RateLimiter
from bridge.telegram.client.sender import ChatSender
from bridge.telegram.client.transient_replies import TransientReplies
from bridge.telegram.commands.dispatch import BotName, CommandDispatcher
from bridge.telegram.commands.menu import Menu
from bridge.telegram.context import OperatorContext, Rulebook
from bridge.telegram.downtime_updates import count_waiting
from bridge.telegram.notes import AlbumCaptions, Notes
from bridge.telegram.operator_messages import BUTTONS, OperatorMessageHandler
from bridge.telegram.posts.poster import ChatPoster
from bridge.telegram.posts.publisher import PostPublisher, RenderContext
from bridge.telegram.texts.labels import Zones
from bridge.telegram.updates.connection import TelegramConnection
from bridge.telegram.updates.intake import UpdatePoller, Webhook, WebhookWatch, address
from bridge.telegram.updates.processor import UpdateProcessor
from bridge.value import value_object

log = structlog.get_logger()

T = TypeVar("T")


@value_object
class TelegramHealth:
    """The state of the connection, for probes and metrics."""

    enabled: bool
    """A token is configured."""
    connected: bool
    """The last request to Telegram succeeded."""
    heard_at: Ms | None
    """When Telegram last answered or brought an update. Tells a dead connection from a quiet chat."""
    failure: FailureKind | None = None


class TelegramService:
    def __init__(
        self, settings: Settings, services: Services, *, rulebook: Rulebook, canned: Mapping[str, Canned]
    ) -> None:
        """``canned``: the canned replies of the configuration, by name."""
        self._settings = settings
        self._services = services
        self._store = services.store
        self._clock = services.clock
        self._rulebook = rulebook
        self._canned = canned
        self._bot_id = bot_id(settings.telegram.token.get_secret_value())
        self._connection = TelegramConnection(services)
        self._albums = AlbumCaptions(services.store)
        self._bot_name: BotName | None = None
        self.webhook: Webhook | None = None
        """Takes the updates that Telegram brings. None: the bridge polls for them."""
        if settings.telegram.token.get_secret_value() and settings.telegram.updates == "webhook":
            self.webhook = Webhook(self._bot_id, services, self._connection)

    def health(self) -> TelegramHealth:
        return TelegramHealth(
            enabled=bool(self._settings.telegram.token.get_secret_value()),
            connected=self._connection.connected,
            heard_at=self._connection.heard_at,
            failure=self._connection.failure,
        )

    async def waiting_updates(self, began: Ms, ended: Ms) -> WaitingUpdates:
        """Counts what operators did before the start at ``began``, from the updates received before ``ended``."""
        telegram = self._settings.telegram
        updates = await self._store.updates_since(self._bot_id, began)
        chats = Chats(telegram, await self._store.chat_aliases())
        bot_name = await self._bot_name.get() if self._bot_name is not None else ""
        came = [update for update in updates if update.received_at < ended]
        return count_waiting(came, began, chats, Notes(telegram.note_mark), bot_name)

    async def run(self) -> None:
        """Runs until cancelled. Without a token it does nothing, and posts wait in the store."""
        telegram = self._settings.telegram
        if not telegram.token.get_secret_value():
            log.info("telegram_disabled", reason="no token")
            await asyncio.Event().wait()
        api = Api(telegram.token, telegram.api_url, telegram.proxy)
        await api.start()
        try:
            await self._run(api)
        finally:
            await api.close()

    async def _run(self, api: Api) -> None:
        chats = Chats(self._settings.telegram, await self._from_store(self._store.chat_aliases))
        limiter = RateLimiter(self._clock)
        sender = ChatSender(api, limiter)
        transient = TransientReplies(sender, limiter, self._clock)
        context = await self._context(chats, transient)
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
        posters = self._posters(sender, chats, limiter)
        menu = Menu(api=api, chats=chats, clock=self._clock)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._intake(api).run(), name="telegram intake")
                group.create_task(UpdateProcessor(api, self._services).run(), name="telegram processing")
                group.create_task(self._wake(posters), name="telegram wake")
                group.create_task(menu.run(), name="telegram menu")
                for poster in posters:
                    group.create_task(poster.run(), name=f"telegram poster {poster.name}")
        finally:
            self._bot_name = None  # it needs the client, which is about to be closed
            await buttons.stop()
            await transient.stop()

    async def _context(self, chats: Chats, transient: TransientReplies) -> OperatorContext:
        return OperatorContext(
            settings=self._settings,
            store=self._store,
            signals=self._services.signals,
            clock=self._clock,
            chats=chats,
            bot_id=self._bot_id,
            restored_at=await self._restored_at(),
            transient=transient,
            rulebook=self._rulebook,
            canned=self._canned,
        )

    async def _restored_at(self) -> Ms:
        """The first second in which nothing is from before the store was restored; 0 if it never was.

        Telegram's times are whole seconds. What has the second of the restoration may be from before it, so the team's
        side begins with the next one: its own buttons are then younger.
        """
        restored = await self._from_store(self._store.last_restored)
        if restored is None:
            return 0
        began = (restored.restored_at // SECOND + 1) * SECOND
        # A clock that was set back must not keep the team's side away.
        await self._clock.sleep(min(max(began - self._clock.now(), 0), SECOND))
        return began

    def _intake(self, api: Api) -> UpdatePoller | WebhookWatch:
        """Makes the loop that brings updates in: the poller, or the watch over the webhook."""
        if self.webhook is None:
            return UpdatePoller(api, self._services, self._connection)
        return WebhookWatch(
            api=api,
            url=address(self._settings.web.public_url),
            secret=self._settings.telegram.webhook_secret,
            clock=self._clock,
            connection=self._connection,
        )

    def _posters(self, sender: ChatSender, chats: Chats, limiter: RateLimiter) -> list[ChatPoster]:
        """Makes one poster for each configured chat. If two chats are the same group, the poster of the first works."""
        zones = Zones(of={name: account.callback.timezone for name, account in self._settings.accounts.items()})
        context = RenderContext(many_accounts=len(self._settings.accounts) > 1, zones=zones, albums=self._albums)
        return [
            ChatPoster(
                chat.name,
                chats=chats,
                store=self._store,
                limiter=limiter,
                connection=self._connection,
                clock=self._clock,
                publisher=PostPublisher(sender, self._store, self._clock, context),
            )
            for chat in chats
        ]

    async def _from_store(self, question: Callable[[], Awaitable[T]]) -> T:
        """Repeats ``question`` until the store answers: the start must not fail while the store is away."""
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
        """Passes each signal for posts on to the posters of all chats."""
        while True:
            await self._services.signals.posts.take(self._clock, IDLE)
            for poster in posters:
                poster.signal.set()
