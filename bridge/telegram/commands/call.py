"""One call of a command, its possible answers, and what the handlers of several commands need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from bridge.errors import BridgeError
from bridge.model.actions import ActionKind
from bridge.model.base import Ms
from bridge.model.chat import Conversation
from bridge.telegram.chats import Chat
from bridge.telegram.client.message import MAX_UNITS, Button, ChatMessage, clean, pieces, units
from bridge.telegram.client.transient_replies import Search
from bridge.telegram.commands.spec import Command
from bridge.telegram.context import ActionSource, OperatorContext
from bridge.telegram.incoming import IncomingMessage, Notice
from bridge.telegram.replies import Reply, SendableText, reply_of
from bridge.value import value_object


@value_object
class Call:
    """One call of a command, as its author wrote it."""

    command: Command
    rest: str
    """The text after the command's name, trimmed; line breaks are kept."""
    message: IncomingMessage
    conversation: Conversation | None
    """The conversation it is about, if it was given in one."""
    now: Ms

    @property
    def chat(self) -> Chat:
        return self.message.chat

    @property
    def source(self) -> ActionSource:
        return ActionSource(key=self.key, author=self.message.author, user_id=self.message.user_id)

    @property
    def key(self) -> str:
        """Every effect of the call has a key made from this one, so a call that is processed twice has one effect."""
        return self.message.key("command")

    @property
    def answer_key(self) -> str:
        return f"{self.key}:answer"


Answer = Notice | Sequence[ChatMessage] | Search
"""A stored notice, or messages that are not stored."""
Handler = Callable[[OperatorContext, Call], Awaitable[Answer | None]]
"""Carries out one command. None: the answer is stored already, together with the change that it reports.

:raises UsageError: the call cannot be understood.
"""


class UsageError(BridgeError):
    """The call cannot be understood. The answer says how to write the command."""


def conversation_of(call: Call) -> Conversation:
    """The conversation of a call that needs one. :raises UsageError: it has none."""
    if call.conversation is None:
        raise UsageError
    return call.conversation


def no_arguments(call: Call) -> None:
    """Refuses a text after the command: ``/block +7900…`` would block the number of the conversation, not that one.

    :raises UsageError: the call has such a text.
    """
    if call.rest:
        raise UsageError


async def change(
    context: OperatorContext,
    call: Call,
    kind: ActionKind,
    done: Notice,
    *,
    already: str,
    detail: str = "",
    until: Ms = 0,
) -> None:
    """Makes a change and stores its answer in one transaction.

    :param done: the answer if something changed.
    :param already: id of the text that answers if it was so before. It has the parameters of ``done``, and no buttons.
    :raises UsageError: the call is about no conversation.
    """
    conversation = conversation_of(call)
    done_post, already_post = (
        notice.post_under(call.message, key=call.answer_key, conversation=conversation, due_at=call.now)
        for notice in (done, replace(done, text=already, buttons=()))
    )
    await context.act(kind, conversation, call.source, detail=detail, until=until, done=done_post, already=already_post)


def command_reply(call: Call, text: str, conversation: Conversation) -> Reply:
    """The SMS that a command sends: one for each call."""
    return reply_of(call.message, conversation, SendableText(text=text, by_command=True), f"{call.key}:sms")


# ---------------------------------------------------------------- long answers


def pages(
    lines: Iterable[str], *, conversation: Conversation | None = None, buttons: Sequence[Button] = ()
) -> Sequence[ChatMessage]:
    """Puts the lines into as few messages as possible. A line is cut only if it is longer than a message. The buttons
    stand under the last message.

    No line may begin with a text from outside, so that none can look like a conversation's code.
    """
    code = "" if conversation is None else f"\n#{conversation.code}"
    messages = [ChatMessage(text=text + code) for text in _texts(lines, MAX_UNITS - units(code))]
    if messages and buttons:
        messages[-1] = replace(messages[-1], buttons=tuple(buttons))
    return tuple(messages)


def _texts(lines: Iterable[str], room: int) -> Iterator[str]:
    page = ""
    for line in lines:
        for piece in pieces(line, room):
            longer = f"{page}\n{piece}" if page else piece
            if units(longer) > room:
                yield page
                longer = piece
            page = longer
    if page:
        yield page


def quoted(text: str) -> str:
    """A subscriber's or an operator's text that follows words of ours: its later lines are indented."""
    return clean(text).strip().replace("\n", "\n  ")
