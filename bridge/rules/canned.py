"""Canned replies: texts of the configuration that people send by name, with the variables that rules have. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from bridge.rules.template_checks import BadTemplate
from bridge.rules.templates import Template, Variables, check_names, compile_template
from bridge.value import value_object

OPERATOR: Final = "operator"
"""The variable that only these texts have: who sends it."""


@value_object
class Canned:
    name: str
    template: Template

    @property
    def mark(self) -> str:
        """For buttons: another text under the same name is another reply, and an old button must not send it."""
        return hashlib.sha256(f"{self.name}\0{self.template.source}".encode()).hexdigest()[:12]

    def render(self, variables: Variables) -> str:
        """:raises TemplateFailed: nothing comes of it here, with the reason."""
        return self.template.render(variables)


def canned(name: str, source: str) -> Canned:
    """:raises BadTemplate: with what is wrong and what is known instead."""
    template = compile_template(source)
    # What rules ``set`` of a contact changes with them; what is not there is empty.
    own = [foreign.name for foreign in template.foreign if foreign.of_contact]
    check_names(template, groups=[OPERATOR], own=own)
    return Canned(name=name, template=template)


def all_canned(replies: Mapping[str, str]) -> tuple[Mapping[str, Canned], Mapping[str, str]]:
    """The good ones by name, and what is wrong with each other one."""
    good: dict[str, Canned] = {}
    bad: dict[str, str] = {}
    for name, source in replies.items():
        try:
            good[name] = canned(name, source)
        except BadTemplate as error:
            bad[name] = str(error)
    return good, bad
