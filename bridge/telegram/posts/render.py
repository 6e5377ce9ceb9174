"""From a stored post to chat messages. Pure: no I/O, no clock, no chance.

It says only what the store says, and every message about a conversation ends in the conversation's short id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bridge.model.base import Json, Ms
from bridge.model.chat import Conversation, Post
from bridge.model.contact import Contact
from bridge.model.inbound import Inbound
from bridge.model.post import AlertPayload, InboundPayload, NoticePayload
from bridge.model.sms import CORRECTIONS, UNDECIDED, Sms, SmsState
from bridge.telegram.buttons.kinds import ButtonKind, button
from bridge.telegram.chats import Language
from bridge.telegram.client.message import LIMIT, Button, Entity, Message, clean, one_line, pieces, units
from bridge.telegram.posts.confirmation import question
from bridge.telegram.texts import known, say
from bridge.telegram.texts.times import length
from bridge.value import value_object

_TOPIC_NAME = 128
"""Telegram's limit for the name of a topic, in characters; names are cut well below it."""


@value_object
class StatusView:
    """How the state of an SMS looks on the operator's message."""

    emoji: str
    line: str
    """The state in words: the status line where reactions are refused, and the answer under the message."""
    speak: bool
    """Worth an answer under the message, beside the reaction."""
    mark: str
    """Another one wherever the answer is to be another one."""
    buttons: tuple[Button, ...] = ()


# Every emoji here is in Telegram's list of reactions; ✅ ❌ ⏳ are not.
_EMOJI: Mapping[SmsState, str] = {
    SmsState.DRAFT: "✍",
    SmsState.QUEUED: "👀",
    SmsState.SENDING: "👀",
    SmsState.SENT: "🕊",
    SmsState.DELIVERED: "👍",
    SmsState.UNDELIVERED: "💔",
    SmsState.EXPIRED: "💔",
    SmsState.FAILED: "💔",
    SmsState.CANCELLED: "💔",
    SmsState.STALE: "💔",
    SmsState.UNCONFIRMED: "😴",
    SmsState.PARKED: "🤔",
    SmsState.UNCERTAIN: "🤔",
    SmsState.ABANDONED: "🤔",
}


def inbound(
    post: Post, language: Language, *, many_accounts: bool, withheld: str = "", more: Sequence[str] = ()
) -> Sequence[Message]:
    """A subscriber's SMS: head, what the rules did, text, code. Too long for one message: several, nothing lost.

    ``withheld``: why Telegram does not show the text; the message says so in its place. ``more``: words for the head.
    """
    sms, payload = post.inbound, post.payload
    if sms is None or not isinstance(payload, InboundPayload):
        return ()
    head = _head(sms, post.contact, payload, language, many_accounts=many_accounts, more=more)
    body = shown_text(sms, language)
    if withheld:
        params: dict[str, Json] = {"error": one_line(withheld, 200), "number": number(sms.subscriber)}
        body = say(language, "head.withheld", params)
    # Without a conversation nothing of ours would stand behind the text, and its last line might look like a code.
    tail = code(post.conversation) or "\n—"
    # Room for head, code and the line that numbers the parts; the head's own lines are capped.
    room = LIMIT - units(head.text) - units(tail) - 64
    parts = list(pieces(body, room))
    messages = [piece(head, parts, number, tail, language, payload.silent) for number in range(len(parts))]
    messages[-1] = replace(messages[-1], buttons=_opt_choices(payload, language))
    return tuple(messages)


def piece(head: Message, parts: Sequence[str], number: int, tail: str, language: Language, silent: bool) -> Message:
    lines = [head.text]
    if len(parts) > 1:
        lines.append(say(language, "head.part", {"number": number + 1, "count": len(parts)}))
    text = "\n".join(lines) + "\n\n" + parts[number] + tail
    return Message(text=text, entities=head.entities, silent=silent)


def _opt_choices(payload: InboundPayload, language: Language) -> tuple[Button, ...]:
    """Where a rule left it to people whether the subscriber gets automatic texts. Who is meant the message tells."""
    if not payload.opt_question:
        return ()
    return (
        button(say(language, f"button.opt_{payload.opt_question}"), ButtonKind.OPT_OUT, payload.opt_question),
        button(say(language, "button.opt_keep"), ButtonKind.OPT_OUT, "keep"),
    )


def _head(
    sms: Inbound,
    contact: Contact | None,
    payload: InboundPayload,
    language: Language,
    *,
    many_accounts: bool,
    more: Sequence[str],
) -> Message:
    who = subscriber_line(sms.subscriber, contact, language)
    first = " · ".join([who, *way(sms, payload, language, many_accounts=many_accounts), *more])
    return Message(
        text="\n".join([first, *remarks(payload, language)]),
        entities=(Entity(kind="bold", offset=0, length=units(who)),),
    )


def way(sms: Inbound, payload: InboundPayload, language: Language, *, many_accounts: bool) -> Sequence[str]:
    """Which way an SMS came: the number written to, the account, the rule."""
    words: list[str] = []
    if sms.receiver:
        words.append(say(language, "head.to", {"receiver": one_line(sms.receiver, 32)}))
    if many_accounts:
        words.append(say(language, "head.account", {"account": sms.account}))
    rule = one_line(payload.rule, 64)
    words.append(say(language, "head.rule", {"rule": rule}) if rule else say(language, "head.no_rule"))
    return words


def remarks(payload: InboundPayload, language: Language) -> Sequence[str]:
    """What the rules say and did about an SMS, a line each."""
    lines: list[str] = []
    if payload.note:
        lines.append(say(language, "head.note", {"note": one_line(payload.note, 500)}))
    if payload.error:
        lines.append(say(language, "head.error", {"error": one_line(payload.error, 300)}))
    if payload.answered:
        lines.append(say(language, "head.answered", {"count": payload.answered}))
    lines += [say(language, "head.held", {"reason": reason(code, language)}) for code in payload.held]
    if payload.opt_question:
        lines.append(say(language, f"head.asks_{payload.opt_question}"))
    return lines


def shown_text(sms: Inbound, language: Language) -> str:
    return clean(sms.text).strip("\n") or say(language, "head.empty")


def notice(post: Post, payload: NoticePayload, language: Language) -> Message:
    text = say(language, payload.text, spoken(payload.params, language))
    return Message(text=text + code(post.conversation), buttons=_offers(payload, post.conversation, language))


_BY_THE_PLATFORM = frozenset({"alert.account_fault", "alert.sms_failed", "alert.sender_name"})
"""Alerts whose detail is what the platform answered: in its own words, on a line that says so."""


def alert(post: Post, payload: AlertPayload, language: Language) -> Message:
    """A line in the admin chat; with the message it is about, and with buttons where a person has to decide."""
    lines = [say(language, payload.text, spoken(payload.params, language)).strip()]
    if payload.text in _BY_THE_PLATFORM and (detail := one_line(str(payload.params.get("detail") or ""), 300)):
        lines.append(say(language, "fate.platform_says", {"detail": detail}))
    buttons: tuple[Button, ...] = ()
    if post.inbound is not None:
        sender = number(post.inbound.subscriber or post.inbound.sender)
        lines += ["", sender, _quoted(post.inbound.text, language)]
    if post.sms is not None:
        to = {"number": number(post.sms.recipient), "account": post.sms.account}
        lines += ["", say(language, "head.sms_to", to), _quoted(post.sms.text, language)]
        buttons = _choices(post.sms, language)
    return Message(text="\n".join(lines) + code(post.conversation), buttons=buttons)


def recap(
    conversation: Conversation, contact: Contact | None, language: Language, lines: Sequence[str] = ()
) -> Message:
    """First words in a topic that replaces a deleted one. ``lines``: the last ones of the talk."""
    who = subscriber_line(conversation.subscriber, contact, language)
    text = "\n".join([say(language, "head.recap", {"number": who}), *lines])
    return Message(text=text + code(conversation))


def fate(sms: Sms, conversation: Conversation | None, language: Language, now: Ms) -> StatusView:
    if (asked := question(sms, language, now)) is not None:
        return StatusView(
            emoji=_EMOJI[sms.state],
            line=asked.text + code(conversation),
            speak=True,
            mark=asked.mark,
            buttons=asked.buttons,
        )
    if sms.reason == UNDECIDED:
        return _undecided(sms, conversation, language)
    partly = sms.state is SmsState.SENT and sms.platform_status.casefold().startswith("partly")
    word = "partly" if partly else "queued" if sms.state is SmsState.SENDING else str(sms.state)
    if sms.state is SmsState.CANCELLED and not CORRECTIONS.isdisjoint(sms.confirmation_reasons):
        # Under a reply that may have arrived, "not sent" alone would be taken for its own fate.
        word = "cancelled_correction"
    line = say(language, f"fate.{word}")
    speak = sms.state.is_failed or sms.state.needs_person or sms.state.never_left or partly
    if speak and sms.reason not in ("", sms.state) and sms.state is not SmsState.STALE:  # its line is the reason
        line = say(language, "fate.reason", {"state": line, "reason": reason(sms.reason, language)})
    if speak and sms.detail:
        line += "\n" + say(language, "fate.platform_says", {"detail": one_line(sms.detail, 300)})
    if sms.state.needs_person:
        line += "\n" + say(language, "fate.twice")
    return StatusView(
        emoji=_EMOJI[sms.state],
        line=line + code(conversation),
        speak=speak,
        mark="partly" if partly else str(sms.state),
        buttons=_choices(sms, language),
    )


def _undecided(sms: Sms, conversation: Conversation | None, language: Language) -> StatusView:
    """A question that nobody answered in time. Of a correction it says nothing about the first text."""
    line = say(
        language, "fate.undecided" if CORRECTIONS.isdisjoint(sms.confirmation_reasons) else "fate.undecided_correction"
    )
    return StatusView(emoji=_EMOJI[sms.state], line=line + code(conversation), speak=True, mark=UNDECIDED)


def _choices(sms: Sms, language: Language) -> tuple[Button, ...]:
    if sms.state.needs_person:
        return (
            button(say(language, "button.again_anyway"), ButtonKind.SEND_AGAIN, sms.id),
            button(say(language, "button.leave"), ButtonKind.LEAVE, sms.id),
        )
    if sms.state.is_failed:
        return (button(say(language, "button.again"), ButtonKind.SEND_AGAIN, sms.id),)
    return ()


def reason(code: str, language: Language) -> str:
    """A reason code in words; a code nobody has words for is shown as it is."""
    if not code:
        return say(language, "reason.unknown")
    for family in ("reason", "held"):
        if known(language, f"{family}.{code}"):
            return say(language, f"{family}.{code}")
    return one_line(code, 64)


def spoken(params: Mapping[str, Json], language: Language) -> Mapping[str, Json]:
    """Parameters as people read them: codes in words, money with two decimals, nothing that breaks the line."""
    shown: dict[str, Json] = {}
    for name, value in params.items():
        if name == "reason":
            shown[name] = reason(str(value or ""), language)
        elif name == "lasted" and isinstance(value, int):
            shown[name] = length(value, language)
        elif name in ("number", "subscriber"):
            shown[name] = number(str(value))
        elif isinstance(value, float):
            shown[name] = f"{value:.2f}"
        elif isinstance(value, str):
            shown[name] = one_line(value, 300)
        else:
            shown[name] = value
    return shown


def number(subscriber: str) -> str:
    """International numbers with their plus; short numbers and names as they are."""
    plain = one_line(subscriber, 32)
    return f"+{plain}" if plain.isascii() and plain.isdigit() and len(plain) >= 10 else plain


def subscriber_line(subscriber: str, contact: Contact | None, language: Language) -> str:
    if contact is not None and contact.name:
        return say(language, "head.contact", {"name": one_line(contact.name, 64), "number": number(subscriber)})
    return say(language, "head.from", {"number": number(subscriber)})


def topic_name(conversation: Conversation, contact: Contact | None) -> str:
    name = one_line(contact.name, 80) if contact is not None else ""
    shown = number(conversation.subscriber)
    return (f"{name} {shown}" if name else shown)[:_TOPIC_NAME] or conversation.code


def _quoted(text: str, language: Language) -> str:
    """A quotation in an alert: the whole text is in the store and, if forwarded, in its chat.

    Each line is marked: an alert may have no code of its own, and a line from outside must not pass for one.
    """
    shown = clean(text).strip() or say(language, "head.empty")
    quoted = "\n".join(f"> {line}" for line in shown.split("\n"))
    first = next(pieces(quoted, 1500))
    return first if first == quoted else first + "…"


def code(conversation: Conversation | None) -> str:
    """The last line of all that is said about a conversation."""
    return "" if conversation is None else f"\n#{conversation.code}"


REACTIONS = frozenset(_EMOJI.values())
"""All that a reply may come to show."""


def _offers(payload: NoticePayload, conversation: Conversation | None, language: Language) -> tuple[Button, ...]:
    """Buttons about the conversation, under a notice."""
    if conversation is None:
        return ()
    return tuple(
        button(say(language, f"button.{word}"), ButtonKind.CONVERSATION, word, conversation.code)
        for word in payload.buttons
    )
