"""What a rule that matched wants done. Wishes only: accounts, guards and queues come later and elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from enum import StrEnum

from bridge.model.base import Ms
from bridge.model.contact import RuleCounter
from bridge.model.decision import ContactEffect, Forward, OptOutEffect, Reply
from bridge.rules.templates import Template, Variables
from bridge.value import value_object


@value_object
class ReplyText:
    """One text, one for each language, or several of which the message's id chooses."""

    choices: tuple[Template, ...] = ()
    by_language: Mapping[str, Template] = field(default_factory=dict)

    def all(self) -> Iterator[Template]:
        yield from self.choices
        yield from self.by_language.values()

    def chosen(self, *, id: int, languages: tuple[str, ...]) -> Template:
        """:param languages: the best first; where the reply has none of them, its own first one."""
        if self.choices:
            return self.choices[id % len(self.choices)]
        wanted = next((language for language in languages if language in self.by_language), None)
        return self.by_language[wanted] if wanted is not None else next(iter(self.by_language.values()))


@value_object
class ReplyAction:
    text: ReplyText
    sender_name: str | None = None
    ttl: Ms | None = None
    once: tuple[int, Ms] | None = None
    """How often one sender gets it, in how much time."""

    def wish(self, template: Template, variables: Variables, *, confirms: bool) -> Reply:
        """:raises TemplateFailed: the text cannot be made."""
        text = template.render(variables)
        return Reply(text=text, sender_name=self.sender_name, ttl=self.ttl, confirms_opt_out=confirms)


@value_object
class ForwardAction:
    chats: tuple[str, ...]
    note: Template | None = None
    silent: bool = False

    def wish(self, variables: Variables) -> tuple[Forward, ...]:
        """A note of which nothing is left is no note. :raises TemplateFailed: the note cannot be made."""
        note = self.note.render(variables, may_be_empty=True) if self.note else ""
        return tuple(Forward(chat=chat, note=note, silent=self.silent) for chat in self.chats)


class Opt(StrEnum):
    """What an ``opt_out`` or ``opt_in`` of a rule asks for."""

    OUT = "out"
    IN = "in"


@value_object
class ContactAction:
    opt: Opt | None = None
    tag: tuple[str, ...] = ()
    untag: tuple[str, ...] = ()
    values: Mapping[str, Template] = field(default_factory=dict)

    def wish(self, variables: Variables) -> ContactEffect:
        """:raises TemplateFailed: a value cannot be made."""
        return ContactEffect(
            opt=None if self.opt is None else OptOutEffect(self.opt.value),
            tag=self.tag,
            untag=self.untag,
            values={name: text.render(variables, may_be_empty=True) for name, text in self.values.items()},
        )


@value_object
class Actions:
    """All that one rule does, in the order it is done."""

    contact: ContactAction | None = None
    reply: ReplyAction | None = None
    forward: ForwardAction | None = None
    drop: bool = False
    instead: Actions | None = None
    """``on_error``: what is done where a text of these cannot be made."""

    def templates(self) -> Iterator[Template]:
        """Every text of the rule that may hold something to fill in."""
        if self.contact is not None:
            yield from self.contact.values.values()
        if self.reply is not None:
            yield from self.reply.text.all()
        if self.forward is not None and self.forward.note is not None:
            yield self.forward.note
        if self.instead is not None:
            yield from self.instead.templates()

    @property
    def needs_variables(self) -> bool:
        """Whether any text of the rule depends on the message; most do not."""
        return any(template.compiled is not None for template in self.templates())

    @property
    def counted(self) -> tuple[RuleCounter, ...]:
        """What is counted of a reply that is given."""
        return (RuleCounter.REPLY,) if self.reply is not None and self.reply.once is not None else ()
