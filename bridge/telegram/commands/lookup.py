"""Commands that tell what is on record: history, info, why, find."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import tzinfo
from typing import Protocol

from bridge.config import Settings
from bridge.model.base import InboundId, Json, Ms, SmsId
from bridge.model.chat import Conversation
from bridge.model.inbound import Inbound
from bridge.model.record import HistoryLine
from bridge.model.sms import Sms, SmsState
from bridge.ports.chats import ChatStore
from bridge.ports.desk import DeskStore, OrderStore
from bridge.ports.record import QueryStore
from bridge.ports.sending import OutboxStore
from bridge.rules import RuleSet
from bridge.telegram.chats import Chat, Chats, Language
from bridge.telegram.client.message import Button, Message, one_line
from bridge.telegram.commands.calls import Answer, Call, Misused, Search, Word, no_more_words, talk_of
from bridge.telegram.commands.finding import BEGIN, Finder, Position
from bridge.telegram.commands.pages import moment, paged, quoted, until_when
from bridge.telegram.commands.zones import zone_of
from bridge.telegram.posts.render import number, reason, subscriber_line
from bridge.telegram.texts import known, say

PAGE = 15
"""Lines of a history at a time."""
_SHORTEST = 2
"""Characters of what is looked for."""
_DEEDS = 5
_ANSWERS = 5
EVER: Ms = 10**15
"""Later than anything that is on record, and short enough for a button."""


class RecordStore(OrderStore, ChatStore, DeskStore, OutboxStore, QueryStore, Protocol):
    """The parts of the store that hold the record."""


class LookupCommands:
    def __init__(self, *, settings: Settings, chats: Chats, store: RecordStore, rules: Callable[[], RuleSet]) -> None:
        self._settings = settings
        self._chats = chats
        self._store = store
        self._rules = rules
        self._finder = Finder(store)

    # ------------------------------------------------ history

    async def history(self, call: Call) -> Answer:
        no_more_words(call)
        return Answer(messages=await self.page(call.chat, talk_of(call), before=EVER))

    async def page(self, chat: Chat, conversation: Conversation, *, before: Ms) -> Sequence[Message]:
        """The lines before a moment, and a button for those before them."""
        language, zone = chat.language, zone_of(self._settings, conversation)
        stories, older = await self._store.talk(conversation.subscriber, before=before, limit=PAGE)
        if not stories:
            return paged([say(language, "answer.no_history")], conversation=conversation)
        lines = [line(story, zone, language) for story in stories]
        buttons = []
        if older:
            data = f"past:{conversation.code}:{stories[0].at}"
            buttons.append(Button(label=say(language, "button.past"), data=data))
        return paged(lines, conversation=conversation, buttons=buttons)

    # ------------------------------------------------ info

    async def info(self, call: Call) -> Answer:
        """Of the message replied to, if it is on record; else of the conversation."""
        no_more_words(call)
        sms, inbound = await self._meant(call)
        if sms is not None:
            return await self._of_sms(call, sms)
        if inbound is not None:
            return await self._of_inbound(call, inbound)
        return await self._of_talk(call, talk_of(call))

    async def _meant(self, call: Call) -> tuple[Sms | None, Inbound | None]:
        """What the message replied to is: an SMS of ours, or a subscriber's."""
        if call.replied_to is None:
            return None, None
        written = await self._store.sms_of_message(call.message_chat, call.replied_to)
        if written is not None:
            return written, None
        about = await self._store.about(call.message_chat, call.replied_to)
        if about.sms_id is not None:
            return await self._store.get_sms(about.sms_id), None
        return None, await self._inbound(about.inbound_id)

    async def _inbound(self, inbound_id: InboundId | None) -> Inbound | None:
        return await self._store.get_inbound(inbound_id) if inbound_id is not None else None

    async def _of_sms(self, call: Call, sms: Sms) -> Answer:
        language, zone = call.chat.language, zone_of(self._settings, call.conversation)
        lines = [
            say(language, "answer.sms", {"id": sms.id, "number": number(sms.recipient)}),
            say(language, "answer.sms_by", {"account": sms.account, "sender": one_line(sms.sender_name, 32)}),
            say(language, "answer.author", {"author": one_line(sms.author, 128) or "—"}),
            say(language, "answer.parts", {"parts": sms.parts}),
        ]
        if sms.platform_ids:
            lines.append(say(language, "answer.platform_ids", {"ids": one_line(", ".join(sms.platform_ids), 500)}))
        if sms.platform_status:
            lines.append(say(language, "answer.platform_status", {"status": one_line(sms.platform_status, 200)}))
        if sms.retry_of is not None:
            lines.append(say(language, "answer.retry_of", {"id": sms.retry_of}))
        lines.append("")
        lines += await self._moves(sms.id, zone, language)
        lines += ["", say(language, "answer.text", {"text": quoted(sms.text)})]
        return Answer(messages=paged(lines, conversation=call.conversation))

    async def _moves(self, sms_id: SmsId, zone: tzinfo, language: Language) -> list[str]:
        stories = await self._store.sms_story(sms_id)
        return [_move(story, zone, language) for story in stories]

    async def _of_inbound(self, call: Call, inbound: Inbound) -> Answer:
        language, zone = call.chat.language, zone_of(self._settings, call.conversation)
        lines = [
            say(language, "answer.inbound", {"id": inbound.id, "number": number(inbound.subscriber)}),
            say(
                language, "answer.inbound_to", {"receiver": one_line(inbound.receiver, 32), "account": inbound.account}
            ),
            say(language, "answer.received", {"at": moment(inbound.received_at, zone, language, seconds=True)}),
        ]
        if inbound.date is not None:
            lines.append(say(language, "answer.written", {"at": moment(inbound.date, zone, language, seconds=True)}))
        lines.append(say(language, "answer.smsid", {"smsid": one_line(inbound.smsid, 64)}))
        if inbound.repeats:
            lines.append(say(language, "answer.repeats", {"repeats": inbound.repeats}))
        lines += self._why(inbound, language)
        for sms in await self._store.answers_to(inbound, limit=_ANSWERS):
            state = _state(sms, language)
            lines.append(say(language, "answer.answered", {"id": sms.id, "state": state, "text": quoted(sms.text)}))
        return Answer(messages=paged(lines, conversation=call.conversation))

    async def _of_talk(self, call: Call, talk: Conversation) -> Answer:
        language, zone = call.chat.language, zone_of(self._settings, talk)
        contact = await self._store.contact(talk.subscriber)
        lines = [
            subscriber_line(talk.subscriber, contact, language),
            _way_of(talk, language),
        ]
        for text, at in (("answer.first_seen", contact.first_seen_at), ("answer.last_seen", talk.last_inbound_at)):
            if at is not None:
                lines.append(say(language, text, {"at": moment(at, zone, language)}))
        if contact.tags:
            lines.append(say(language, "answer.tags", {"tags": one_line(", ".join(contact.tags), 500)}))
        for name, value in contact.values.items():
            lines.append(f"{one_line(name, 64)}: {one_line(value, 200)}")
        told = {
            "answer.opted_out": contact.opted_out,
            "answer.blocked": contact.blocked,
            "answer.robot_off": contact.robot_off,
        }
        lines += [say(language, text) for text, holds in told.items() if holds]
        if not contact.robot_off and contact.robot_paused_until > call.now:
            until = until_when(contact.robot_paused_until, call.now, zone, language)
            lines.append(say(language, "answer.robot_paused", {"until": until}))
        if talk.claimed_until > call.now:
            held: dict[str, Json] = {
                "name": one_line(talk.claimed_name, 64),
                "until": until_when(talk.claimed_until, call.now, zone, language),
            }
            lines.append(say(language, "answer.claimed", held))
        if talk.closed_at is not None:
            lines.append(say(language, "answer.closed", {"at": moment(talk.closed_at, zone, language)}))
        lines += await self._deeds(talk, zone, language)
        word = "close" if talk.closed_at is None else "open"
        buttons = [
            Button(label=say(language, "button.history"), data=f"past:{talk.code}:{EVER}"),
            Button(label=say(language, f"button.{word}"), data=f"talk:{word}:{talk.code}"),
        ]
        return Answer(messages=paged(lines, conversation=talk, buttons=buttons))

    async def _deeds(self, talk: Conversation, zone: tzinfo, language: Language) -> list[str]:
        deeds = [line(story, zone, language) for story in await self._store.deeds(talk.subscriber, limit=_DEEDS)]
        return ["", *deeds] if deeds else []

    # ------------------------------------------------ why

    async def why(self, call: Call) -> Answer | Word:
        """Of the message replied to: an SMS of the subscriber's, or what a rule answered it with; else the latest."""
        no_more_words(call)
        sms, inbound = await self._meant(call)
        if sms is not None:
            inbound = await self._inbound(sms.inbound_id)
            if inbound is None:
                return Word(text="told.no_rule_behind")
        if inbound is None and call.conversation is not None:
            inbound = await self._inbound(call.conversation.last_inbound_id)
            if inbound is None:
                return Word(text="told.no_sms_yet")
        if inbound is None:
            raise Misused
        said = say(call.chat.language, "answer.text", {"text": one_line(inbound.text, 200)})
        lines = [said, *self._why(inbound, call.chat.language)]
        return Answer(messages=paged(lines, conversation=call.conversation))

    def _why(self, inbound: Inbound, language: Language) -> Iterator[str]:
        if inbound.rules_version is None:
            yield say(language, "answer.not_routed")
            return
        rules = self._rules()
        found = next((rule for rule in rules.rules if rule.name == inbound.rule), None)
        if inbound.rule is None:
            yield say(language, "answer.no_rule")
        elif found is None:
            yield say(language, "answer.rule_gone", {"rule": one_line(inbound.rule, 64)})
        else:
            place: dict[str, Json] = {"rule": one_line(inbound.rule, 64), "file": found.file, "line": found.line}
            yield say(language, "answer.rule", place)
        if rules.version == inbound.rules_version:
            yield say(language, "answer.version", {"version": inbound.rules_version})
        else:
            yield say(language, "answer.version_was", {"version": inbound.rules_version, "now": rules.version})
        yield say(language, "answer.outcome", {"outcome": outcome(inbound.outcome or "", language)})

    # ------------------------------------------------ find

    async def find(self, call: Call) -> Search:
        if len(call.rest) < _SHORTEST:
            raise Misused
        return Search(found=lambda: self.found(call.chat, call.rest))

    async def found(self, chat: Chat, text: str, start: Position = BEGIN) -> Sequence[Message]:
        """Among the conversations of this chat; the admin chat sees those of all. A button where there may be more."""
        language = chat.language
        everywhere = chat.name == self._chats.admin_name
        search = await self._finder.search(text, None if everywhere else self._chats.names(chat), start)
        lines = []
        for each in search.found:
            talk = each.conversation
            # Not a line of its own: an answer to this list is for nobody.
            shown = f"{one_line(each.name, 64)}, {number(talk.subscriber)}" if each.name else number(talk.subscriber)
            lines.append(f"• {shown} (#{talk.code}){_link(chat, talk)}")
            if each.at is not None:
                at = moment(each.at, zone_of(self._settings, talk), language)
                lines.append(f"   {at} {one_line(each.text, 120)}")
        if not lines:
            lines.append(say(language, "answer.nothing_found"))
        if search.back_to is not None:
            at = moment(search.back_to, zone_of(self._settings), language)
            lines.append(say(language, "answer.searched_back", {"at": at}))
        buttons = [Button(label=say(language, "button.older"), data=f"older:{search.rest}")] if search.rest else ()
        return paged(lines, buttons=buttons)


def _way_of(talk: Conversation, language: Language) -> str:
    """A subscriber to whom a colleague wrote first has written to no number of ours yet."""
    if not talk.receiver:
        return say(language, "answer.talk_begun", {"account": talk.account})
    return say(language, "answer.talk_by", {"receiver": one_line(talk.receiver, 32), "account": talk.account})


def outcome(words: str, language: Language) -> str:
    """What routing noted, for people; what nobody has words for stands as it is."""
    if words.startswith("quarantined"):
        return _result(words, language)
    return ", ".join(_result(word, language) for word in words.split(", ")) if words else "—"


def _result(word: str, language: Language) -> str:
    kind, _, why = word.partition(": ")
    text = f"outcome.{kind.replace(' ', '_')}"
    return say(language, text, {"reason": reason(why, language)}) if known(language, text) else one_line(word, 100)


def line(story: HistoryLine, zone: tzinfo, language: Language) -> str:
    """One line of a history."""
    at = moment(story.at, zone, language)
    match story.what:
        case "in":
            return f"{at} ← {quoted(story.text) or say(language, 'head.empty')}"
        case "act":
            deed = say(language, f"deed.{story.state}", {"detail": one_line(story.text, 64)})
            return f"{at} · {one_line(story.author, 64)}: {deed}"
    who = f" — {one_line(story.author, 64)}" if story.author else ""
    return f"{at} → {quoted(story.text)} [{say(language, _STATES[SmsState(story.state)])}{who}]"


_STATES = {state: "answer.sending" if state is SmsState.SENDING else f"fate.{state}" for state in SmsState}


def _state(sms: Sms, language: Language) -> str:
    return say(language, _STATES[sms.state])


def _move(story: HistoryLine, zone: tzinfo, language: Language) -> str:
    """The detail begins with the reason's code where there is one; it may say no more than the state."""
    words = [f"{moment(story.at, zone, language, seconds=True)} {say(language, _STATES[SmsState(story.state)])}"]
    code, _, rest = story.detail.partition(" ")
    if code == story.state:
        detail = rest
    elif known(language, f"reason.{code}"):
        words.append(reason(code, language))
        detail = rest
    else:
        detail = story.detail
    if detail:
        words.append(one_line(detail, 200))
    if story.author and story.what == "move":
        words.append(one_line(story.author, 64))
    return " · ".join(words)


def _link(chat: Chat, talk: Conversation) -> str:
    """To the conversation's topic; only a supergroup's messages have addresses."""
    if not chat.topics or talk.thread_id is None or talk.chat != chat.name:
        return ""
    bare = str(chat.id).removeprefix("-100")
    return f" https://t.me/c/{bare}/{talk.thread_id}"
