"""How subscribers' SMS look in a chat: one SMS, several in one message, the first message of a topic. Pure.

Every message begins with the number and ends with the conversation's code, so no text of an SMS can pass for either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import takewhile

from bridge.model.base import Json, Language, Ms
from bridge.model.chat import Conversation, Post
from bridge.model.contact import Contact
from bridge.model.inbound import Inbound
from bridge.model.post import InboundPayload
from bridge.telegram.buttons.kinds import ButtonKind, button
from bridge.telegram.client.message import MAX_UNITS, Button, ChatMessage, Entity, clean, one_line, pieces, units
from bridge.telegram.texts import say
from bridge.telegram.texts.labels import code_line, number, reason, subscriber_line
from bridge.value import value_object

MAX_MERGED = 50
"""Most SMS in one message. Telegram takes 100 entities (pieces of formatting) in a message, and each SMS needs one."""
_NUMBERING = 64
"""UTF-16 units left free for the line that counts the pieces of a text, or the SMS in a message."""

ShownTime = Callable[[Inbound], str]
"""The time of an SMS as people read it."""


def single(
    post: Post, language: Language, *, many_accounts: bool, withheld: str = "", more: Sequence[str] = ()
) -> Sequence[ChatMessage]:
    """A subscriber's SMS: number and origin, what the rules did, text, code. A long one is several messages.

    ``withheld``: why Telegram refuses the text; the message gives this reason in place of the text.
    ``more``: further words for the head.
    """
    sms, payload = post.inbound, post.payload
    if sms is None or not isinstance(payload, InboundPayload):
        return ()
    words = [*_origin(sms, payload, language, many_accounts=many_accounts), *more]
    head = bold_head(subscriber_line(sms.subscriber, post.contact, language), words, _remarks(payload, language))
    body = _text(sms, language)
    if withheld:
        params: dict[str, Json] = {"error": one_line(withheld, 200), "number": number(sms.subscriber)}
        body = say(language, "head.withheld", params)
    # Without a conversation there is no code; the last line of the text must not pass for one.
    tail = code_line(post.conversation) or "\n—"
    messages = split(replace(head, silent=payload.silent), body, tail, language)
    return (*messages[:-1], replace(messages[-1], buttons=_opt_buttons(payload, language)))


def bold_head(who: str, words: Sequence[str], lines: Sequence[str] = ()) -> ChatMessage:
    """The beginning of a message: ``who`` in bold and ``words`` behind it, then ``lines``."""
    return ChatMessage(
        text="\n".join([" · ".join([who, *words]), *lines]),
        entities=(Entity(kind="bold", offset=0, length=units(who)),),
    )


def split(
    head: ChatMessage, body: str, tail: str, language: Language, *, next_head: ChatMessage | None = None
) -> list[ChatMessage]:
    """Puts ``body`` under ``head``, in as many messages as it needs. ``next_head``: the head of the later ones; None:
    the same head."""
    parts = list(pieces(body, MAX_UNITS - units(head.text) - units(tail) - _NUMBERING))
    messages = []
    for at, part in enumerate(parts):
        begin = head if at == 0 or next_head is None else next_head
        counted = [say(language, "head.part", {"number": at + 1, "count": len(parts)})] if len(parts) > 1 else []
        messages.append(replace(begin, text="\n".join([begin.text, *counted]) + "\n\n" + part + tail))
    return messages


def mergeable(first: Post, behind: Sequence[Post], now: Ms) -> Sequence[Post]:
    """``first`` and the posts behind it that may share a message with it, in order.

    A post that Telegram refused before stays alone: if it is refused again, it is known to be the cause. A post with
    buttons stays alone, too.
    """
    if not _can_merge(first, now):
        return [first]
    return [first, *takewhile(lambda post: post.chat == first.chat and _can_merge(post, now), behind)]


def _can_merge(post: Post, now: Ms) -> bool:
    if not isinstance(post.payload, InboundPayload) or post.inbound is None or post.conversation is None:
        return False
    return post.attempts == 0 and post.due_at <= now and not post.payload.opt_question


def merged(
    posts: Sequence[Post], language: Language, shown: ShownTime, *, many_accounts: bool, more: Sequence[str] = ()
) -> tuple[ChatMessage, int] | None:
    """One message with several SMS, each with its time, and the number of ``posts`` in it; None if only one fits.

    A group takes few messages a minute: a subscriber who sends many SMS must not delay the others.
    """
    known = [
        (post, post.inbound, post.payload)
        for post in posts[:MAX_MERGED]
        if post.inbound is not None and isinstance(post.payload, InboundPayload)
    ]
    origins = [" · ".join(_origin(sms, payload, language, many_accounts=many_accounts)) for _, sms, payload in known]
    alike = len(set(origins)) == 1
    last, last_sms, _ = known[-1]
    who = subscriber_line(last_sms.subscriber, last.contact, language)
    head = bold_head(who, [*(origins[:1] if alike else ()), *more])
    tail = code_line(last.conversation)
    items: list[_Item] = []
    used = units(head.text) + units(tail) + _NUMBERING
    for (_, sms, payload), origin in zip(known, origins, strict=True):
        time = shown(sms) if alike else f"{shown(sms)} · {origin}"
        item = _Item(time=time, text="\n".join([time, *_remarks(payload, language), _text(sms, language)]))
        used += units(item.text) + 2
        if used > MAX_UNITS:
            break
        items.append(item)
    if len(items) < 2:
        return None
    silent = all(payload.silent for _, _, payload in known[: len(items)])
    return replace(_joined(head, items, tail, language), silent=silent), len(items)


@value_object
class _Item:
    time: str
    """The first line, in bold: the text of an SMS cannot forge it."""
    text: str


def _joined(head: ChatMessage, items: Sequence[_Item], tail: str, language: Language) -> ChatMessage:
    text = head.text + "\n" + say(language, "head.burst", {"count": len(items)})
    entities = list(head.entities)
    for item in items:
        text += "\n\n"
        entities.append(Entity(kind="bold", offset=units(text), length=units(item.time)))
        text += item.text
    return ChatMessage(text=text + tail, entities=tuple(entities))


def recap(conversation: Conversation, contact: Contact | None, language: Language, lines: Sequence[str]) -> ChatMessage:
    """The first message of a topic that replaces a deleted one. ``lines``: the latest SMS of the conversation."""
    who = subscriber_line(conversation.subscriber, contact, language)
    text = "\n".join([say(language, "head.recap", {"number": who}), *lines])
    return ChatMessage(text=text + code_line(conversation))


def _origin(sms: Inbound, payload: InboundPayload, language: Language, *, many_accounts: bool) -> Sequence[str]:
    """Where an SMS came from: the number it was written to, the account, the rule."""
    words: list[str] = []
    if sms.receiver:
        words.append(say(language, "head.to", {"receiver": one_line(sms.receiver, 32)}))
    if many_accounts:
        words.append(say(language, "head.account", {"account": sms.account}))
    rule = one_line(payload.rule, 64)
    words.append(say(language, "head.rule", {"rule": rule}) if rule else say(language, "head.no_rule"))
    return words


def _remarks(payload: InboundPayload, language: Language) -> Sequence[str]:
    """What the rules say about an SMS and did with it, one line each."""
    lines: list[str] = []
    if payload.note:
        lines.append(say(language, "head.note", {"note": one_line(payload.note, 500)}))
    if payload.error:
        lines.append(say(language, "head.error", {"error": one_line(payload.error, 300)}))
    if payload.answered:
        lines.append(say(language, "head.answered", {"count": payload.answered}))
    lines += [say(language, "head.suppression", {"reason": reason(code, language)}) for code in payload.suppressions]
    if payload.opt_question:
        lines.append(say(language, f"head.opt_question_{payload.opt_question}"))
    return lines


def _opt_buttons(payload: InboundPayload, language: Language) -> tuple[Button, ...]:
    """Buttons by which an operator decides whether the subscriber gets automatic SMS, if the rules leave it open."""
    if not payload.opt_question:
        return ()
    return (
        button(say(language, f"button.opt_{payload.opt_question}"), ButtonKind.OPT_OUT, payload.opt_question),
        button(say(language, "button.opt_keep"), ButtonKind.OPT_OUT, "keep"),
    )


def _text(sms: Inbound, language: Language) -> str:
    return clean(sms.text).strip("\n") or say(language, "head.empty")
