"""Checks that the bot and its chats are as the configuration says: token, chats, rights, and who takes the updates.

The checks write, send and confirm nothing. Another program can notice only one of them, the poll. It is made only if
the caller says that no bridge of ours is polling.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import structlog
from telegram import ChatMemberAdministrator
from telegram.constants import ChatMemberStatus, ChatType

from bridge.config import ChatSettings, Settings, TelegramSettings
from bridge.model.base import MINUTE, SECOND, Json, Ms
from bridge.ports.clock import Clock
from bridge.telegram.client.api import Api
from bridge.telegram.client.errors import ApiError, FailureKind, translated
from bridge.telegram.posts.render import REACTIONS
from bridge.telegram.setup.findings import Finding, Level, fault, ok, warning
from bridge.telegram.updates.intake import address, is_ours
from bridge.value import value_object

log = structlog.get_logger()

LISTEN_FOR: Ms = 6 * SECOND
"""How long the poll waits. The next poll of another program ends it, and most programs poll again at once."""
CHECK_AGAIN_AFTER: Ms = 1 * MINUTE
"""Time between two checks after a start while Telegram is away."""
_MENDED_BY_START = frozenset({"webhook_unset", "webhook_left"})
"""Findings that the start itself is about to correct."""
MAX_CLOCK_DIFFERENCE: Ms = 30 * SECOND
"""A larger difference between our clock and Telegram's is reported."""


async def examine(settings: Settings, clock: Clock, *, may_poll: bool, listen: Ms = LISTEN_FOR) -> list[Finding]:
    """Makes all checks and returns their findings. A check that cannot be made is a finding, too; :class:`ApiError` is
    never raised."""
    telegram = settings.telegram
    if not telegram.token.get_secret_value():
        return [warning("token_missing")]
    api = Api(telegram.token, telegram.api_url, telegram.proxy)
    await api.start()
    try:
        return await _examine(api, settings, clock, may_poll=may_poll, listen=listen)
    finally:
        await api.close()


async def report_at_start(settings: Settings, clock: Clock) -> None:
    """Logs what is wrong. It runs beside the start, and checks again each minute until Telegram answers."""
    while True:
        found = await examine(settings, clock, may_poll=False)
        if not any(each.what in ("telegram_away", "proxy_away") for each in found):
            break
        await clock.sleep(CHECK_AGAIN_AFTER)
    for each in found:
        if each.level is not Level.OK and each.what not in _MENDED_BY_START:
            log.warning("setup_checked", finding=each.what, level=each.level.value, advice=each.sentence("en"))


async def _examine(api: Api, settings: Settings, clock: Clock, *, may_poll: bool, listen: Ms) -> list[Finding]:
    telegram = settings.telegram
    try:
        bot = await _bot_info(api)
    except ApiError as error:
        return [_unreached(telegram, error)]
    found = [ok("bot", name=bot.username), *_clock(api, clock)]
    found.append(await _updates(api, settings, may_poll=may_poll, listen=listen))
    for name, chat in telegram.chats.items():
        found += await _chat(api, bot, name, chat)
    return found


def _unreached(telegram: TelegramSettings, error: ApiError) -> Finding:
    if error.kind is FailureKind.UNAUTHORISED:
        return fault("token_refused")
    host = urlsplit(telegram.api_url).hostname or ""
    return fault("proxy_away" if telegram.proxy else "telegram_away", host=host, **_why(error))


def _why(error: ApiError) -> dict[str, Json]:
    return {"why": f"failure.{error.kind}", "detail": error.detail}


def _clock(api: Api, clock: Clock) -> list[Finding]:
    if api.server_time is None:
        return []
    off = clock.now() - api.server_time
    return [fault("clock_off", seconds=off // SECOND) if abs(off) > MAX_CLOCK_DIFFERENCE else ok("clock")]


# ------------------------------------------------ updates


async def _updates(api: Api, settings: Settings, *, may_poll: bool, listen: Ms) -> Finding:
    """Finds out who gets the bot's updates."""
    try:
        state = await api.webhook()
    except ApiError as error:
        return warning("unanswered", **_why(error))
    host = urlsplit(state.url).hostname or ""
    if settings.telegram.updates == "webhook":
        if not state.url:
            return warning("webhook_unset")
        if state.url != address(settings.web.public_url):
            return warning("webhook_elsewhere", host=host)
        if state.waiting and state.error:
            return fault("webhook_failing", detail=state.error, waiting=state.waiting)
        return ok("webhook", host=host)
    if is_ours(state.url):
        return warning("webhook_left", host=host)
    if state.url:
        return fault("webhook_foreign", host=host)
    return await _poll(api, listen) if may_poll else ok("polling")


async def _poll(api: Api, listen: Ms) -> Finding:
    """Polls without an offset, which confirms nothing."""
    try:
        await api.updates(None, listen)
    except ApiError as error:
        if error.kind in (FailureKind.CONFLICT, FailureKind.WEBHOOK):
            return fault("polling_conflict")
        return warning("unanswered", **_why(error))
    return ok("polling_alone")


# ------------------------------------------------ chats


async def _chat(api: Api, bot: _BotInfo, name: str, settings: ChatSettings) -> list[Finding]:
    try:
        chat = await _chat_info(api, settings.id)
        membership = await _membership(api, settings.id)
    except ApiError as error:
        if error.kind is FailureKind.MIGRATED and error.new_chat_id is not None:
            moved = settings.model_copy(update={"id": error.new_chat_id})
            return [warning("chat_moved", chat=name, id=error.new_chat_id), *await _chat(api, bot, name, moved)]
        if error.kind is FailureKind.CHAT_GONE:
            if (right := await _full_id(api, settings.id)) is not None:
                return [fault("chat_id_short", chat=name, id=settings.id, right=right)]
            return [fault("chat_gone", chat=name, id=settings.id, **_why(error))]
        return [warning("chat_unanswered", chat=name, **_why(error))]
    if not membership.inside:
        return [fault("chat_gone", chat=name, id=settings.id, why="failure.chat_gone", detail=membership.status)]
    found: list[Finding] = []
    topics = settings.mode == "topics"
    if topics and not chat.forum:
        found.append(fault("chat_not_forum", chat=name))
    elif topics and not membership.admin:
        found.append(fault("chat_not_admin", chat=name))
    elif topics and not membership.manages_topics:
        found.append(fault("chat_no_topics_right", chat=name))
    if chat.group and not membership.admin and not bot.hears_all:
        # Only commands and replies to the bot's own posts reach it.
        found.append((fault if topics else warning)("chat_deaf", chat=name))
    missing = [] if chat.reactions is None else sorted(REACTIONS - chat.reactions)
    if missing:
        found.append(warning("chat_reactions", chat=name, missing=" ".join(missing)))
    return found or [ok("chat", chat=name)]


async def _full_id(api: Api, chat_id: int) -> int | None:
    """The full id of a chat whose id was copied from a client without its beginning, ``-100``; None: no such chat."""
    right = int(f"-100{abs(chat_id)}")
    try:
        await _chat_info(api, right)
    except ApiError:
        return None
    return right


# ------------------------------------------------ what Telegram says


@value_object
class _BotInfo:
    username: str
    hears_all: bool
    """Privacy mode is off: the bot gets every message of its groups, even where it is no administrator."""


@value_object
class _ChatInfo:
    group: bool
    forum: bool
    """Topics are on."""
    reactions: frozenset[str] | None
    """The reactions that are allowed; None: all."""


@value_object
class _Membership:
    status: str
    """Telegram's own word, such as ``left``."""
    inside: bool
    admin: bool
    manages_topics: bool


async def _bot_info(api: Api) -> _BotInfo:
    with translated():
        me = await api.bot.get_me()
    return _BotInfo(username=me.username or "", hears_all=bool(me.can_read_all_group_messages))


async def _chat_info(api: Api, chat_id: int) -> _ChatInfo:
    chat = await api.raw_chat(chat_id)
    allowed = chat.get("available_reactions")
    return _ChatInfo(
        group=chat.get("type") in (ChatType.GROUP, ChatType.SUPERGROUP),
        forum=chat.get("is_forum") is True,
        # A missing list means "all", an empty one "none"; the library does not tell them apart.
        reactions=frozenset(each["emoji"] for each in allowed if isinstance(each, dict) and "emoji" in each)
        if isinstance(allowed, list)
        else None,
    )


async def _membership(api: Api, chat_id: int) -> _Membership:
    with translated():
        member = await api.bot.get_chat_member(chat_id, api.bot_id)
    admin = isinstance(member, ChatMemberAdministrator)
    return _Membership(
        status=member.status,
        inside=member.status not in (ChatMemberStatus.LEFT, ChatMemberStatus.BANNED),
        admin=admin,
        manages_topics=isinstance(member, ChatMemberAdministrator) and bool(member.can_manage_topics),
    )
