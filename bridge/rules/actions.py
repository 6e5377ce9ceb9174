"""The actions of a rule, and how they become effects of a decision.

An effect is only a request: the guards, accounts and queues of the pipeline decide later whether and how it happens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field

from bridge.model.base import Ms
from bridge.model.contact import RuleCounter
from bridge.model.decision import ContactEffect, Forward, OptOutEffect, Reply
from bridge.rules.templates import Template, Variables
from bridge.value import value_object


@value_object
class ReplyText:
    """One text, one for each language, or several among which the id of the message chooses."""

    choices: tuple[Template, ...] = ()
    by_language: Mapping[str, Template] = field(default_factory=dict)

    def all(self) -> Iterator[Template]:
        yield from self.choices
        yield from self.by_language.values()

    def chosen(self, *, id: int, languages: tuple[str, ...]) -> Template:
        """The text for one message.

        :param languages: the preferred one first. If the reply has none of them, its first language is taken.
        """
        if self.choices:
            return self.choices[id % len(self.choices)]
        language = next((language for language in languages if language in self.by_language), None)
        return self.by_language[language] if language is not None else next(iter(self.by_language.values()))


@value_object
class ReplyAction:
    text: ReplyText
    sender_name: str | None = None
    ttl: Ms | None = None
    once: tuple[int, Ms] | None = None
    """How often one sender gets the reply, in how many milliseconds."""

    def effect(self, template: Template, variables: Variables, *, confirms: bool) -> Reply:
        """The reply with its variables filled in.

        :raises TemplateFailed: the text cannot be made.
        """
        text = template.render(variables)
        return Reply(text=text, sender_name=self.sender_name, ttl=self.ttl, confirms_opt_out=confirms)


@value_object
class ForwardAction:
    chats: tuple[str, ...]
    note: Template | None = None
    silent: bool = False

    def effect(self, variables: Variables) -> tuple[Forward, ...]:
        """One forward for each chat. An empty note is left out.

        :raises TemplateFailed: the note cannot be made.
        """
        note = self.note.render(variables, may_be_empty=True) if self.note else ""
        return tuple(Forward(chat=chat, note=note, silent=self.silent) for chat in self.chats)


@value_object
class ContactAction:
    opt: OptOutEffect | None = None
    """``OUT`` or ``IN``."""
    tag: tuple[str, ...] = ()
    untag: tuple[str, ...] = ()
    values: Mapping[str, Template] = field(default_factory=dict)

    def effect(self, variables: Variables) -> ContactEffect:
        """The change of the contact, with the variables of its values filled in.

        :raises TemplateFailed: a value cannot be made.
        """
        return ContactEffect(
            opt=self.opt,
            tag=self.tag,
            untag=self.untag,
            values={name: text.render(variables, may_be_empty=True) for name, text in self.values.items()},
        )


@value_object
class Actions:
    """All actions of one rule, in the order in which they are done."""

    contact: ContactAction | None = None
    reply: ReplyAction | None = None
    forward: ForwardAction | None = None
    drop: bool = False
    on_error: Actions | None = None
    """The actions that replace these if one of their texts cannot be made."""
    need_variables: bool = False
    """Whether any of the texts depends on the message. Most texts do not."""

    def templates(self) -> Iterator[Template]:
        """Every text of these actions, and of those on an error, that may hold a placeholder."""
        if self.contact is not None:
            yield from self.contact.values.values()
        if self.reply is not None:
            yield from self.reply.text.all()
        if self.forward is not None and self.forward.note is not None:
            yield self.forward.note
        if self.on_error is not None:
            yield from self.on_error.templates()

    @property
    def counters(self) -> tuple[RuleCounter, ...]:
        """The counters of the rule that its reply increases."""
        return (RuleCounter.REPLY,) if self.reply is not None and self.reply.once is not None else ()
