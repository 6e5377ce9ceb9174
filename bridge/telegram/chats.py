"""The chats of the configuration, found by name or id.

A group that becomes a supergroup (turning topics on does that) gets a new id. A configuration with the old id goes on
working: ids are looked up through the store's aliases, in both directions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bridge.config import ChatSettings, TelegramSettings
from bridge.model.base import ADMIN_CHAT, DEFAULT_CHAT, Language
from bridge.value import value_object

ANONYMOUS_ADMIN = 1_087_968_824
"""The account that Telegram shows as the author of an anonymous administrator's message."""


@value_object
class Chat:
    """A chat of the configuration, with its present id."""

    name: str
    id: int
    language: Language
    settings: ChatSettings
    moved: bool = False
    """The group had another id before. Its message ids began again at 1 under the present id."""

    @property
    def topics(self) -> bool:
        return self.settings.mode == "topics"

    def admits(self, user_id: int | None, *, on_behalf_of: int | None) -> bool:
        """Whether this author may send SMS and decide about them.

        :param on_behalf_of: the chat or channel that a message was written as.
        """
        if user_id == ANONYMOUS_ADMIN and on_behalf_of == self.id:
            return self.settings.anonymous_admins
        if user_id is None or on_behalf_of is not None:
            # A channel hides who writes.
            return False
        operators = self.settings.operators
        return operators == "members" or user_id in operators


class Chats:
    """All chats of the configuration. Aliases (old id → present id) are given at the start and when a group moves."""

    def __init__(self, settings: TelegramSettings, aliases: Mapping[int, int]) -> None:
        self._settings = settings
        self._aliases = dict(aliases)

    def set_aliases(self, aliases: Mapping[int, int]) -> None:
        """Replaces the known aliases."""
        self._aliases = dict(aliases)

    @property
    def default_name(self) -> str:
        return self._settings.default_chat

    @property
    def admin_name(self) -> str:
        return self._settings.admin_chat or self._settings.default_chat

    def current_id(self, chat_id: int) -> int:
        return self._aliases.get(chat_id, chat_id)

    def by_name(self, name: str) -> Chat | None:
        if name == DEFAULT_CHAT:
            name = self.default_name
        elif name == ADMIN_CHAT:
            name = self.admin_name
        settings = self._settings.chats.get(name)
        if settings is None:
            return None
        current = self.current_id(settings.id)
        return Chat(
            name=name,
            id=current,
            moved=current in self._aliases.values(),
            language=settings.language or self._settings.language,
            settings=settings,
        )

    def by_id(self, chat_id: int) -> Chat | None:
        """None for a chat that is not in the configuration: the bot stays mute there."""
        current = self.current_id(chat_id)
        return next((chat for chat in self if chat.id == current), None)

    def __iter__(self) -> Iterator[Chat]:
        for name in self._settings.chats:
            chat = self.by_name(name)
            if chat is not None:
                yield chat

    def names(self, chat: Chat) -> Sequence[str]:
        """The names that a conversation of this group may be stored under, the chat's own first."""
        names = [other.name for other in self if other.id == chat.id]
        if self.default_name in names:
            # A conversation forwarded while no default chat was configured belongs to the present default chat.
            names.append(DEFAULT_CHAT)
        return names

    def addresses(self, chat: Chat) -> Sequence[str]:
        """The names under which a stored post may address this chat."""
        names = list(self.names(chat))
        if self.admin_name in names:
            names.append(ADMIN_CHAT)
        former = [old for old, new in self._aliases.items() if new == chat.id]
        return [*names, *(f"id:{each}" for each in (chat.id, *former))]
