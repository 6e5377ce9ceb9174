"""Is the bot what the configuration takes it for: token, chats, rights, and who else takes its updates.

It only asks: nothing is written, set, confirmed or sent. The one question that another program would notice, a poll, is
asked only where the caller says that no bridge of ours is polling.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

import structlog

from bridge.config import ChatSettings, Settings, TelegramSettings
from bridge.model.base import MINUTE, SECOND, Json, Ms
from bridge.ports.clock import Clock
from bridge.telegram.client.api import Api
from bridge.telegram.client.errors import ApiError, FailureKind
from bridge.telegram.posts.render import REACTIONS
from bridge.telegram.setup.findings import Finding, Level, fault, ok, warning
from bridge.telegram.setup.queries import BotInfo, bot_info, chat_info, place_in
from bridge.telegram.updates.intake import address, is_ours

log = structlog.get_logger()

LISTEN: Ms = 6 * SECOND
"""How long a poll is held: another program's next poll ends it. Most ask again at once."""
AGAIN: Ms = 1 * MINUTE
_DONE_BY_A_START = frozenset({"webhook_unset", "webhook_left"})
"""The start that looks for them is about to put them right."""
CLOCK_OFF: Ms = 30 * SECOND


async def examine(settings: Settings, clock: Clock, *, may_poll: bool, listen: Ms = LISTEN) -> list[Finding]:
    """Everything that can be known, also where some of it cannot. :raises ApiError: never."""
    telegram = settings.telegram
    if not telegram.token.get_secret_value():
        return [warning("token_missing")]
    api = Api(telegram.token, telegram.api_url, telegram.proxy)
    await api.start()
    try:
        return await _examine(api, settings, clock, may_poll=may_poll, listen=listen)
    finally:
        await api.close()


async def _examine(api: Api, settings: Settings, clock: Clock, *, may_poll: bool, listen: Ms) -> list[Finding]:
    telegram = settings.telegram
    try:
        bot = await bot_info(api)
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
    return {"why": f"trouble.{error.kind}", "detail": error.detail}


def _clock(api: Api, clock: Clock) -> list[Finding]:
    there = api.server_time
    if there is None:
        return []
    off = clock.now() - there
    return [fault("clock_off", seconds=off // SECOND) if abs(off) > CLOCK_OFF else ok("clock")]


async def _updates(api: Api, settings: Settings, *, may_poll: bool, listen: Ms) -> Finding:
    """Who gets the bot's updates."""
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
    """No offset: what waits is looked at and not confirmed."""
    try:
        await api.updates(None, listen)
    except ApiError as error:
        if error.kind in (FailureKind.CONFLICT, FailureKind.WEBHOOK):
            return fault("polling_conflict")
        return warning("unanswered", **_why(error))
    return ok("polling_alone")


async def _chat(api: Api, bot: BotInfo, name: str, settings: ChatSettings) -> list[Finding]:
    try:
        chat = await chat_info(api, settings.id)
        place = await place_in(api, settings.id)
    except ApiError as error:
        if error.kind is FailureKind.MIGRATED and error.new_chat_id is not None:
            moved = settings.model_copy(update={"id": error.new_chat_id})
            return [warning("chat_moved", chat=name, id=error.new_chat_id), *await _chat(api, bot, name, moved)]
        if error.kind is FailureKind.CHAT_GONE:
            if (right := await _in_full(api, settings.id)) is not None:
                return [fault("chat_id_short", chat=name, id=settings.id, right=right)]
            return [fault("chat_gone", chat=name, id=settings.id, **_why(error))]
        return [warning("chat_unanswered", chat=name, **_why(error))]
    if not place.inside:
        return [fault("chat_gone", chat=name, id=settings.id, why="trouble.chat_gone", detail=place.status)]
    found: list[Finding] = []
    topics = settings.mode == "topics"
    if topics and not chat.forum:
        found.append(fault("chat_not_forum", chat=name))
    elif topics and not place.admin:
        found.append(fault("chat_not_admin", chat=name))
    elif topics and not place.manages_topics:
        found.append(fault("chat_no_topics_right", chat=name))
    if chat.group and not place.admin and not bot.hears_all:
        # Answers to the bot's own posts reach it all the same, and commands.
        found.append((fault if topics else warning)("chat_deaf", chat=name))
    missing = [] if chat.reactions is None else sorted(REACTIONS - chat.reactions)
    if missing:
        found.append(warning("chat_reactions", chat=name, missing=" ".join(missing)))
    return found or [ok("chat", chat=name)]


async def _in_full(api: Api, chat_id: int) -> int | None:
    """The id as the Bot API has it, where it was copied from a client, which shows it without its beginning."""
    right = int(f"-100{abs(chat_id)}")
    try:
        await chat_info(api, right)
    except ApiError:
        return None
    return right


async def at_start(settings: Settings, clock: Clock) -> None:
    """The short form, beside a start and never in its way: what is not well goes to the log, once Telegram answers."""
    while True:
        found = await examine(settings, clock, may_poll=False)
        if not any(each.what in ("telegram_away", "proxy_away") for each in found):
            break
        await clock.sleep(AGAIN)
    told([each for each in found if each.what not in _DONE_BY_A_START])


def told(found: Sequence[Finding]) -> None:
    for each in found:
        if each.level is not Level.OK:
            log.warning("checkup", finding=each.what, level=each.level.value, advice=each.sentence("en"))
