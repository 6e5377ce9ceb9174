"""Canned replies: texts of the configuration that operators send by name. They use the variables of rules. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from bridge.rules.template_checks import BadTemplate
from bridge.rules.templates import Template, Variables, check_names, compile_template
from bridge.value import value_object

OPERATOR: Final = "operator"
"""A variable that only canned replies have: the name of the operator."""


@value_object
class Canned:
    name: str
    template: Template

    @property
    def mark(self) -> str:
        """Identifies the reply in buttons. It changes with the text, so that an old button does not send a new text."""
        return hashlib.sha256(f"{self.name}\0{self.template.source}".encode()).hexdigest()[:12]

    def render(self, variables: Variables) -> str:
        """The text with its variables filled in.

        :raises TemplateFailed: the text cannot be made, with the reason.
        """
        return self.template.render(variables)


def canned(name: str, source: str) -> Canned:
    """A checked canned reply.

    :raises BadTemplate: the text has a mistake. The message tells which, and which names are known.
    """
    template = compile_template(source)
    # Rules change with a reload, and with them the values they ``set`` on a contact. A missing value is empty.
    own = [foreign.name for foreign in template.foreign if foreign.of_contact]
    check_names(template, groups=[OPERATOR], own=own)
    return Canned(name=name, template=template)


def all_canned(replies: Mapping[str, str]) -> tuple[Mapping[str, Canned], Mapping[str, str]]:
    """The canned replies by name, and the mistake of each text that cannot be used, by name."""
    good: dict[str, Canned] = {}
    bad: dict[str, str] = {}
    for name, source in replies.items():
        try:
            good[name] = canned(name, source)
        except BadTemplate as error:
            bad[name] = str(error)
    return good, bad
