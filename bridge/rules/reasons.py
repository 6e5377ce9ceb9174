"""Why a rule matched or did not, as a value, and its wording in each language.

A condition answers with a :class:`Reason`: the key of the rule, the id of a text, and what fills it in. Whoever shows
it chooses the language: the command line, or a chat.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Final

from bridge.model.base import Language
from bridge.value import value_object


@value_object
class Reason:
    """Why one condition holds, or why it does not."""

    key: str = ""
    """The key of the rule it is about; empty: about the rule as a whole."""
    text: str = ""
    """Id of a text in :data:`TEXTS`; empty: :attr:`parts` say it all."""
    params: Mapping[str, str | int] = field(default_factory=dict)
    """Values for the placeholders of the text."""
    parts: tuple[Reason, ...] = ()
    """The reasons it is made of, as those of the conditions under ``any``."""
    separator: str = "; "
    """Stands between the parts."""

    def say(self, language: Language) -> str:
        """The reason in words, in one line: ``keyword: the first word is INFO``."""
        if self.text:
            words = TEXTS[self.text][language].format_map(self.params)
        else:
            words = self.separator.join(part.say(language) for part in self.parts)
        return f"{self.key}: {words}" if self.key else words


def listed(values: tuple[str, ...]) -> str:
    """The first five values, for a text."""
    shown = ", ".join(values[:5])
    return f"{shown}, …" if len(values) > 5 else shown


TEXTS: Final[Mapping[str, Mapping[Language, str]]] = {
    "rule.switched_off": {"en": "it is switched off", "ru": "правило выключено"},
    "rule.no_conditions": {"en": "no conditions: takes whatever comes", "ru": "условий нет: подходит любое сообщение"},
    "prefix.holds": {"en": "{prefix} holds", "ru": "сообщение пришло с префиксом {prefix}"},
    "prefix.other": {"en": "{actual} holds, not {wanted}", "ru": "префикс {actual}, а нужен {wanted}"},
    "prefix.none": {"en": "none holds, not {wanted}", "ru": "префикса нет, а нужен {wanted}"},
    "keyword.exact": {"en": "the first word is {word}", "ru": "первое слово — {word}"},
    "keyword.glued": {
        "en": "the text begins with {word}, with a number beside it",
        "ru": "текст начинается с {word}, число написано слитно",
    },
    "keyword.layout": {
        "en": "the text begins with {word}, typed in the other keyboard layout",
        "ru": "текст начинается с {word} в другой раскладке клавиатуры",
    },
    "keyword.typo": {
        "en": "the text begins with {word}, with one wrong letter",
        "ru": "текст начинается с {word} с одной опечаткой",
    },
    "keyword.other": {"en": "the first word is {word}, not {wanted}", "ru": "первое слово — {word}, а не {wanted}"},
    "keyword.no_word": {"en": "there is no word, not {wanted}", "ru": "в тексте нет слов, а нужно {wanted}"},
    "only.alone": {"en": "the keyword stands alone", "ru": "кроме ключевого слова ничего нет"},
    "only.courtesy": {
        "en": "but for {rest} the keyword stands alone",
        "ru": "кроме ключевого слова и вежливых слов ({rest}) ничего нет",
    },
    "only.more": {"en": "the keyword does not stand alone", "ru": "кроме ключевого слова есть другие слова"},
    "contains.found": {"en": "{phrase} is in the text", "ru": "в тексте есть {phrase}"},
    "contains.missing": {"en": "none of {phrases} in the text", "ru": "в тексте нет ничего из этого: {phrases}"},
    "text.fits": {"en": "`{pattern}` fits", "ru": "`{pattern}` подходит"},
    "text.differs": {"en": "`{pattern}` does not fit", "ru": "`{pattern}` не подходит"},
    "args.fits": {"en": "`{pattern}` fits `{args}`", "ru": "`{pattern}` подходит к `{args}`"},
    "args.differs": {"en": "`{pattern}` does not fit `{args}`", "ru": "`{pattern}` не подходит к `{args}`"},
    "number.listed": {"en": "{number} is one of these", "ru": "{number} — один из этих номеров"},
    "number.not_listed": {"en": "{number} is none of these", "ru": "{number} — не из этих номеров"},
    "from.listed": {"en": "the sender is one of these", "ru": "отправитель — один из этих номеров"},
    "from.not_listed": {"en": "the sender is none of these", "ru": "отправитель — не из этих номеров"},
    "to.listed": {"en": "the number written to is one of these", "ru": "номер получателя — один из этих"},
    "to.not_listed": {"en": "the number written to is none of these", "ru": "номер получателя — не из этих"},
    "account.is": {"en": "it came by {account}", "ru": "сообщение пришло через {account}"},
    "account.other": {
        "en": "it came by {account}, not {wanted}",
        "ru": "сообщение пришло через {account}, а не {wanted}",
    },
    "account.none": {"en": "it came by none, not {wanted}", "ru": "учётная запись неизвестна, а нужна {wanted}"},
    "hours.within": {"en": "it is within {windows}", "ru": "сейчас рабочее время {windows}"},
    "hours.outside": {"en": "it is outside {windows}", "ru": "сейчас не рабочее время {windows}"},
    "campaign.before": {"en": "it is not yet from_date", "ru": "from_date ещё не наступило"},
    "campaign.during": {"en": "it is between them", "ru": "сейчас время между ними"},
    "campaign.after": {"en": "until_date is over", "ru": "until_date уже прошло"},
    "campaign.too_early": {"en": "it is too early", "ru": "ещё рано"},
    "campaign.over": {"en": "it is over", "ru": "срок прошёл"},
    "contact.fact": {"en": "{fact} is {value}", "ru": "{fact} — {value}"},
    "contact.tagged": {"en": "has the tag {tags}", "ru": "есть метка {tags}"},
    "contact.not_tagged": {"en": "has not the tag {tags}", "ru": "нет метки {tags}"},
    "conversation.open": {"en": "it is open", "ru": "она открыта"},
    "conversation.none": {"en": "it is none", "ru": "её нет"},
    "limit.free": {"en": "not reached", "ru": "не исчерпан"},
    "limit.per_sender": {
        "en": "matched {count} times for this sender already",
        "ru": "для этого отправителя правило уже сработало столько раз: {count}",
    },
    "limit.total": {"en": "matched {count} times already", "ru": "правило уже сработало столько раз: {count}"},
}
"""The wordings of all reasons. A condition's texts begin with its key."""
