"""What a rule that matched wants done. Wishes only: accounts, guards and queues come later and elsewhere."""

from __future__ import annotations

from bridge.frozen import frozen
from bridge.model import Forward, Ms, Reply
from bridge.rules.templates import Template, Variables


@frozen
class ReplyAction:
    text: Template
    sender_name: str | None = None
    ttl: Ms | None = None

    def wish(self, variables: Variables) -> Reply:
        """:raises TemplateFailed: the text cannot be made."""
        return Reply(text=self.text.render(variables), sender_name=self.sender_name, ttl=self.ttl)


@frozen
class ForwardAction:
    chats: tuple[str, ...]
    note: Template | None = None
    silent: bool = False

    def wish(self, variables: Variables) -> tuple[Forward, ...]:
        """A note of which nothing is left is no note. :raises TemplateFailed: the note cannot be made."""
        note = self.note.render(variables, may_be_empty=True) if self.note else ""
        return tuple(Forward(chat=chat, note=note, silent=self.silent) for chat in self.chats)


@frozen
class Actions:
    """All that one rule does, in the order it is done."""

    reply: ReplyAction | None = None
    forward: ForwardAction | None = None
    drop: bool = False

    @property
    def needs_variables(self) -> bool:
        """Whether any text of the rule depends on the message; most do not."""
        reply = self.reply.text if self.reply else None
        note = self.forward.note if self.forward else None
        return any(template is not None and template.compiled is not None for template in (reply, note))
