"""Commands about a conversation: sms, close, open, claim."""

from __future__ import annotations

import re

from bridge.config import Settings
from bridge.model.actions import ActionKind
from bridge.model.base import HOUR, Ms
from bridge.model.chat import Conversation
from bridge.model.post import NewPost, OpeningPayload, PostPriority, opening_key
from bridge.schema.values import parse_duration
from bridge.telegram.chats import Chat
from bridge.telegram.client.message import one_line, trimmed
from bridge.telegram.client.notes import Notes
from bridge.telegram.commands.calls import Call, Misused, Word, no_more_words, talk_of, written_by
from bridge.telegram.commands.changes import Changes
from bridge.telegram.commands.contacts import OFF
from bridge.telegram.commands.pages import until_when
from bridge.telegram.commands.zones import zone_of
from bridge.telegram.posts.render import number
from bridge.telegram.replies.writer import Replies
from bridge.text import phones

CLAIM: Ms = 2 * HOUR
LONGEST_CLAIM: Ms = 24 * 7 * HOUR
_WORD = re.compile(r"\S+")
_LIKE_A_NUMBER = re.compile(r"[+()\d][()\d\-–.]*")
_FEWEST_DIGITS = 10
"""Of a number written in groups; a shorter one stands in one piece, or the text's own figures would be taken for it."""


class ConversationCommands:
    def __init__(self, *, settings: Settings, changes: Changes, replies: Replies) -> None:
        self._settings = settings
        self._notes = Notes(settings.telegram.note_mark)
        self._changes = changes
        self._replies = replies

    async def sms(self, call: Call) -> Word | None:
        """A person writes first. The conversation is the one that the number's answers will come to."""
        addressed = self._addressed(call.rest)
        if isinstance(addressed, Word):
            return addressed
        recipient, text = addressed
        if self._notes.is_note(text):
            # Behind the number, too: what a colleague wrote as a note never leaves.
            return Word(text="told.sms_note")
        store, chat = self._changes.store, call.chat.name
        known = await store.conversation_with(chat, recipient)
        account = known.account if known is not None else next(iter(self._settings.accounts))
        if account not in self._settings.accounts:
            return Word(text="notice.no_account", params={"account": account})
        conversation = await store.begin_conversation(chat, recipient, account=account, now=call.now)
        sms = await self._replies.write(written_by(call, text, conversation))
        opening = NewPost(
            chat=chat,
            priority=PostPriority.FAILURE,
            key=opening_key(call.message_chat, call.message_id),
            payload=OpeningPayload(author=call.name, chat_id=call.message_chat),
            conversation_id=conversation.id,
            sms_id=sms.id,
            # In a topic of its own it answers nothing.
            reply_to=None if call.chat.topics else call.message_id,
            due_at=call.now,
        )
        await store.add_post(opening, call.now)
        return None

    def _addressed(self, rest: str) -> tuple[str, str] | Word:
        """Number and text, or which of them is missing. A number may be written in groups; the first that is whole
        counts. :raises Misused: nothing there looks like a number.
        """
        end, written = 0, ""
        for word in _WORD.finditer(rest):
            if not _LIKE_A_NUMBER.fullmatch(word[0]):
                break
            end, written = word.end(), f"{written} {word[0]}".strip()
            recipient = phones.normalise(written, self._settings.region)
            enough = " " not in written or len(recipient) >= _FEWEST_DIGITS
            text = trimmed(rest[end:])
            if enough and text and phones.answerable(recipient, ()):
                return recipient, text
        if not written:
            raise Misused
        if phones.answerable(phones.normalise(written, self._settings.region), ()):
            return Word(text="told.sms_no_text")
        return Word(text="told.sms_no_number", params={"written": one_line(written, 32)})

    async def close(self, call: Call) -> None:
        no_more_words(call)
        done = Word(text="told.closed", offers=("open",))
        await self._changes.made(call, ActionKind.CLOSE, done=done, already=Word(text="told.closed_already"))

    async def open(self, call: Call) -> None:
        no_more_words(call)
        await self._changes.made(
            call, ActionKind.OPEN, done=Word(text="told.opened"), already=Word(text="told.opened_already")
        )

    async def claim(self, call: Call) -> Word | None:
        conversation = talk_of(call)
        if call.user_id is None:
            return Word(text="told.claim_anonymous")
        if call.rest.casefold() in OFF:
            released = Word(text="told.released")
            await self._changes.made(
                call, ActionKind.RELEASE, done=released, already=Word(text="told.released_already")
            )
            return None
        length = _length(call.rest)
        if taken(conversation, call.user_id, call.now):
            return Word(
                text="told.claim_taken",
                params=claim_params(self._settings, conversation, call.chat, call.now),
                offers=("claim",),
            )
        until = call.now + length
        params = {
            "name": call.name,
            "until": until_when(until, call.now, zone_of(self._settings, conversation), call.chat.language),
        }
        word = Word(text="told.claimed", params=params)
        await self._changes.made(call, ActionKind.CLAIM, done=word, already=word, detail=call.name, until=until)
        return None


def _length(rest: str) -> Ms:
    """How long a claim holds. :raises Misused: no duration, or a useless one."""
    try:
        length = parse_duration(rest.replace(" ", "")) if rest else CLAIM
    except ValueError:
        raise Misused from None
    if not 0 < length <= LONGEST_CLAIM:
        raise Misused
    return length


def taken(conversation: Conversation, user_id: int | None, now: Ms) -> bool:
    """Does a colleague hold it?"""
    return conversation.claimed_until > now and conversation.claimed_by != user_id


def claim_params(settings: Settings, conversation: Conversation, chat: Chat, now: Ms) -> dict[str, str]:
    until = until_when(conversation.claimed_until, now, zone_of(settings, conversation), chat.language)
    return {"name": one_line(conversation.claimed_name, 64), "until": until, "number": number(conversation.subscriber)}
