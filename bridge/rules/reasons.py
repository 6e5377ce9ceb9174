"""Why a rule matched or did not, as a value that can be said in any language of the program.

A condition answers with a :class:`Reason`: the key of the rule, a wording, and values for its placeholders. The command
line or the chat that shows the reason chooses the language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from bridge.model.base import Language
from bridge.value import value_object


@value_object
class Wording:
    """A text in every language, with the same placeholders."""

    en: str
    ru: str

    def in_language(self, language: Language) -> str:
        match language:
            case "en":
                return self.en
            case "ru":
                return self.ru


@value_object
class Reason:
    """Why one condition holds, or why it does not."""

    key: str = ""
    """The key of the rule that the reason is about; empty: it is about the whole rule."""
    wording: Wording | None = None
    """None: the :attr:`parts` say it all."""
    params: Mapping[str, str | int | Wording] = field(default_factory=dict)
    """Values for the placeholders of the wording."""
    parts: tuple[Reason, ...] = ()
    """The reasons that this one consists of, such as those of the conditions under ``any``."""
    separator: str = "; "
    """Stands between the parts."""

    def say(self, language: Language) -> str:
        """The reason in words, in one line: ``keyword: the first word is INFO``."""
        if self.wording is not None:
            words = self.wording.in_language(language).format_map(
                {
                    name: value.in_language(language) if isinstance(value, Wording) else value
                    for name, value in self.params.items()
                }
            )
        else:
            words = self.separator.join(part.say(language) for part in self.parts)
        return f"{self.key}: {words}" if self.key else words


def listed(values: tuple[str, ...]) -> str:
    """The first five values, for a text."""
    shown = ", ".join(values[:5])
    return f"{shown}, …" if len(values) > 5 else shown
