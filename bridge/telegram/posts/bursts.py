"""Several SMS of one subscriber as one message: each with its time and readable apart, nothing left out. Pure.

A group takes few messages a minute; who writes five SMS in a row must not push everybody else back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile

from bridge.model.base import Ms
from bridge.model.chat import Post
from bridge.model.inbound import Inbound
from bridge.model.post import InboundPayload
from bridge.telegram.chats import Language
from bridge.telegram.client.message import LIMIT, Entity, Message, units
from bridge.telegram.posts.render import code, remarks, shown_text, subscriber_line, way
from bridge.telegram.texts import say
from bridge.value import value_object

MOST = 50
"""SMS in one message. Telegram takes 100 pieces of formatting, and each SMS has one."""
_ROOM = LIMIT - 64
"""For the line that counts them."""

Shown = Callable[[Inbound], str]
"""An SMS's time, as people read it."""


@value_object
class _Item:
    time: str
    """The bold line: an SMS's text cannot forge it."""
    text: str


def mergeable(first: Post, behind: Sequence[Post], now: Ms) -> Sequence[Post]:
    """``first`` and those that may stand in one message with it, in order.

    What Telegram refused once stands alone, so that it is known what it refused; so does what has buttons.
    """
    if not _plain(first, now):
        return [first]
    return [first, *takewhile(lambda post: post.chat == first.chat and _plain(post, now), behind)]


def _plain(post: Post, now: Ms) -> bool:
    if not isinstance(post.payload, InboundPayload) or post.inbound is None or post.conversation is None:
        return False
    return post.attempts == 0 and post.due_at <= now and not post.payload.opt_question


def merged(
    posts: Sequence[Post], language: Language, shown: Shown, *, many_accounts: bool, more: Sequence[str] = ()
) -> tuple[Message, int] | None:
    """One message, and how many of ``posts`` it holds; None where no second one fits."""
    known = [
        (post, post.inbound, post.payload)
        for post in posts[:MOST]
        if post.inbound is not None and isinstance(post.payload, InboundPayload)
    ]
    ways = [" · ".join(way(sms, payload, language, many_accounts=many_accounts)) for _, sms, payload in known]
    alike = len(set(ways)) == 1
    who = subscriber_line(known[-1][1].subscriber, known[-1][0].contact, language)
    head = " · ".join([who, *(ways[:1] if alike else ()), *more])
    tail = code(known[-1][0].conversation)
    items: list[_Item] = []
    used = units(head) + units(tail)
    for (_, sms, payload), came in zip(known, ways, strict=True):
        time = shown(sms) if alike else f"{shown(sms)} · {came}"
        item = _Item(time=time, text="\n".join([time, *remarks(payload, language), shown_text(sms, language)]))
        used += units(item.text) + 2
        if used > _ROOM:
            break
        items.append(item)
    if len(items) < 2:
        return None
    silent = all(payload.silent for _, _, payload in known[: len(items)])
    return _joined(who, head, items, tail, language, silent=silent), len(items)


def _joined(who: str, head: str, items: Sequence[_Item], tail: str, language: Language, *, silent: bool) -> Message:
    text = head + "\n" + say(language, "head.burst", {"count": len(items)})
    entities = [Entity(kind="bold", offset=0, length=units(who))]
    for item in items:
        text += "\n\n"
        entities.append(Entity(kind="bold", offset=units(text), length=units(item.time)))
        text += item.text
    return Message(text=text + tail, entities=tuple(entities), silent=silent)
