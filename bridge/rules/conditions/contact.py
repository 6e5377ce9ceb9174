"""``contact``: known facts about the sender."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Tag

from bridge.rules.conditions.base import Captures, Condition, Keys, Scope, View
from bridge.rules.reasons import Reason, Wording
from bridge.rules.values import Strict, Tags, shape
from bridge.schema import Flag
from bridge.value import value_object

_FACT = Wording(en="{fact} is {value}", ru="{fact} — {value}")
_TAGGED = Wording(en="has the tag {tags}", ru="есть метка {tags}")
_NOT_TAGGED = Wording(en="has not the tag {tags}", ru="нет метки {tags}")


class ContactEntry(Strict):
    """Facts about the sender. All that are given must agree with the contact."""

    first_time: Flag | None = None
    opted_out: Flag | None = None
    blocked: Flag | None = None
    tag: Tags = ()


class ContactKeys(Keys):
    contact: (
        Annotated[
            Annotated[Literal["first_time", "opted_out", "blocked"], Tag("text")]
            | Annotated[ContactEntry, Tag("keys")],
            Discriminator(lambda value: "keys" if shape(value) == "keys" else "text"),
        ]
        | None
    ) = None

    def condition(self, scope: Scope) -> Condition | None:
        if self.contact is None:
            return None
        if isinstance(self.contact, str):
            return ContactIs(facts=((self.contact, True),))
        written = self.contact.model_dump(exclude={"tag"})
        facts = tuple((fact, wanted) for fact, wanted in written.items() if wanted is not None)
        return ContactIs(facts=facts, tags=frozenset(self.contact.tag))


@value_object
class ContactIs(Condition):
    """Each fact about the sender has the wanted value, and the sender has one of the tags."""

    facts: tuple[tuple[str, bool], ...] = ()
    """Names of boolean fields of :class:`~bridge.rules.context.ContactFacts`, with the value wanted."""
    tags: frozenset[str] = frozenset()
    """Empty: the tags do not matter."""

    def met(self, view: View, captures: Captures) -> Captures | None:
        return captures if self._difference(view) is None else None

    def why(self, view: View, captures: Captures) -> Reason:
        parts = [_fact(fact, wanted) for fact, wanted in self.facts]
        if self.tags:
            parts.append(_tags(_TAGGED, self.tags.intersection(view.message.contact.tags)))
        return Reason(key="contact", parts=tuple(parts), separator=", ")

    def why_not(self, view: View, captures: Captures) -> Reason:
        difference = self._difference(view)
        return Reason(key="contact", parts=() if difference is None else (difference,))

    def _difference(self, view: View) -> Reason | None:
        contact = view.message.contact
        for fact, wanted in self.facts:
            if getattr(contact, fact) is not wanted:
                return _fact(fact, not wanted)
        if self.tags and self.tags.isdisjoint(contact.tags):
            return _tags(_NOT_TAGGED, self.tags)
        return None


def _fact(fact: str, value: bool) -> Reason:
    return Reason(wording=_FACT, params={"fact": fact, "value": "true" if value else "false"})


def _tags(wording: Wording, tags: frozenset[str]) -> Reason:
    return Reason(wording=wording, params={"tags": ", ".join(sorted(tags))})
