"""The bot's texts, by text id and language.

The catalogues are gettext's, one for each language: ``<language>/telegram.po``, with the text ids as msgids.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from gettext import GNUTranslations
from importlib.resources import files
from io import BytesIO

from bridge.model.base import Json

PLURALS = {
    "alert.telegram_back": "waiting",
    "alert.platform_back": "waiting",
    "alert.not_acknowledged": "repeats",
    "alert.too_old": "hours",
    "alert.daily_parts": "limit",
    "head.answered": "count",
    "confirmation.parts": "chars",
    "notice.digest": "numbers",
    "notice.digest_over": "sms",
    "alert.low_balance_days": "days",
    "confirmation.command_parts": "chars",
}
"""The texts with plural forms, each with the parameter that decides between the forms."""


@cache
def catalogue(language: str) -> GNUTranslations:
    """The texts of one language. An installed package has them compiled; a checkout compiles them from the source."""
    folder = files(__package__).joinpath(language)
    ready = folder.joinpath("telegram.mo")
    if ready.is_file():
        return GNUTranslations(BytesIO(ready.read_bytes()))
    from bridge.telegram.texts.po import compiled, parsed

    return GNUTranslations(BytesIO(compiled(parsed(folder.joinpath("telegram.po").read_text(encoding="utf-8")))))


def known(language: str, text_id: str) -> bool:
    """True if the catalogue has the text."""
    return say(language, text_id) != text_id


def say(language: str, text_id: str, params: Mapping[str, Json] | None = None) -> str:
    """The text with its parameters filled in.

    A missing text or parameter raises no error and shows as its name: an odd word is better than a lost alert.
    """
    values = params or {}
    counter = PLURALS.get(text_id)
    texts = catalogue(language)
    if counter is None:
        template = texts.gettext(text_id)
    else:
        count = values.get(counter)
        template = texts.ngettext(text_id, text_id, count if isinstance(count, int) else 0)
    return template.format_map(_Values(values))


class _Values(dict[str, Json]):
    """Parameters by name. A missing one shows as its placeholder; None shows as nothing."""

    def __missing__(self, key: str) -> str:
        return "{" + key + "}"

    def __getitem__(self, key: str) -> Json:
        value = super().__getitem__(key)
        return "" if value is None else value
