"""Text and its entities: lengths in UTF-16 units, the HTML parse mode, and Telegram's errors about both.

Markdown is not simulated: a message with it is refused, so that it never passes for plain text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bridge.model.base import Json
from bridge.sandbox.botapi.params import Params, integer_in
from bridge.sandbox.botapi.refusal import bad_request
from bridge.value import value_object

MAX_TEXT = 4096
"""UTF-16 units of a message's text without its markup."""

_TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "a": "text_link",
    "span": "spoiler",
    "tg-emoji": "custom_emoji",
}
_TYPES = frozenset(_TAGS.values()) | {
    "mention",
    "hashtag",
    "cashtag",
    "bot_command",
    "url",
    "email",
    "phone_number",
    "text_mention",
    "expandable_blockquote",
}
_CHARACTERS = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_CHARACTER = re.compile(r"&(?:#(\d+)|#x([0-9a-fA-F]+)|([a-z]+));?")
_COMMAND = re.compile(r"(?<![\w/])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/])")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


@value_object
class Formatted:
    """A text without markup, and its entities."""

    text: str
    entities: list[Json]


def utf16_len(text: str) -> int:
    """Length in UTF-16 code units, as Telegram counts: an emoji outside the BMP is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def formatted_text(params: Params) -> Formatted:
    """Read and check the text of a message to send. :raises Refusal: in Telegram's words."""
    raw = params.text("text")
    if not raw:
        raise bad_request("message text is empty")
    mode = params.text("parse_mode").lower()
    if mode == "html":
        text, entities = _parse_html(raw)
    elif mode in ("markdown", "markdownv2"):
        raise bad_request(f"can't parse entities: the sandbox does not simulate parse_mode {mode}")
    elif mode:
        raise bad_request("unsupported parse_mode")
    else:
        text, entities = raw, _given_entities(params, raw)
    text = _CONTROL.sub(" ", text).rstrip()
    if not text.strip():
        raise bad_request("text must be non-empty")
    if utf16_len(text) > MAX_TEXT:
        raise bad_request("message is too long")
    return Formatted(text=text, entities=_cut(entities, utf16_len(text)))


def find_commands(text: str) -> list[Json]:
    """The entities that Telegram adds for commands in a person's text. Programs find commands only by these."""
    return [
        {"type": "bot_command", "offset": utf16_len(text[: found.start()]), "length": utf16_len(found[0])}
        for found in _COMMAND.finditer(text)
    ]


def _given_entities(params: Params, text: str) -> list[Json]:
    entities: list[Json] = []
    for entity in params.array("entities", "entities") or []:
        if not isinstance(entity, dict):
            raise bad_request("can't parse MessageEntity: expected an Object")
        kind, offset, length = entity.get("type"), integer_in(entity, "offset"), integer_in(entity, "length")
        if offset is None or length is None or not isinstance(kind, str):
            missing = next(name for name in ("type", "offset", "length") if entity.get(name) is None)
            raise bad_request(f"can't parse MessageEntity: Can't find field \"{missing}\"")
        if kind not in _TYPES:
            raise bad_request("can't parse MessageEntity: Unsupported type specified")
        _check_bounds(text, offset, length)
        entities.append(entity)
    return entities


def _check_bounds(text: str, offset: int, length: int) -> None:
    if offset < 0:
        raise bad_request(f"receive an entity with incorrect offset {offset}")
    if length < 0:
        raise bad_request(f"receive an entity with incorrect length {length}")
    if (byte := _inside_symbol(text, offset)) is not None:
        raise bad_request(f"entity begins in a middle of a UTF-16 symbol at byte offset {byte}")
    if offset > utf16_len(text):
        raise bad_request(f"entity begins after the end of the text at UTF-16 offset {offset}")
    end = offset + length
    if (byte := _inside_symbol(text, end)) is not None:
        where = f"entity beginning at UTF-16 offset {offset}"
        raise bad_request(f"{where} ends in a middle of a UTF-16 symbol at byte offset {byte}")
    if end > utf16_len(text):
        where = f"entity beginning at UTF-16 offset {offset}"
        raise bad_request(f"{where} ends after the end of the text at UTF-16 offset {end}")


def _inside_symbol(text: str, offset: int) -> int | None:
    """The byte offset after the character that ``offset`` cuts in two. None if it cuts no character."""
    units = size = 0
    for character in text:
        if units >= offset:
            break
        units += utf16_len(character)
        size += len(character.encode("utf-8", "surrogatepass"))
    return size if units > offset else None


def _cut(entities: list[Json], end: int) -> list[Json]:
    """The entities, cut at ``end``: the text is shorter than before, because its trailing spaces were removed."""
    kept: list[Json] = []
    for entity in entities:
        assert isinstance(entity, dict)
        offset, length = integer_in(entity, "offset") or 0, integer_in(entity, "length") or 0
        if (length := min(length, end - offset)) > 0:
            kept.append({**entity, "offset": offset, "length": length})
    return kept


@dataclass(frozen=True, slots=True)
class _Open:
    tag: str
    attributes: str
    offset: int


def _parse_html(source: str) -> tuple[str, list[Json]]:
    out: list[str] = []
    stack: list[_Open] = []
    entities: list[Json] = []
    position = length = 0
    while position < len(source):
        character = source[position]
        if character == "<":
            position = _tag(source, position, stack, entities, length)
            continue
        step = 1
        if character == "&" and (found := _CHARACTER.match(source, position)):
            character, step = _character(found)
        out.append(character)
        length += utf16_len(character)
        position += step
    if stack:
        raise _unparsable(f'Can\'t find end tag corresponding to start tag "{stack[-1].tag}"')
    return "".join(out), entities


def _tag(source: str, begin: int, stack: list[_Open], entities: list[Json], length: int) -> int:
    """Open or close one tag. Returns the position after it."""
    byte = len(source[:begin].encode("utf-8", "surrogatepass"))
    closing = source.startswith("</", begin)
    end = source.find(">", begin)
    if end < 0:
        raise _unparsable(f"Unclosed {'end' if closing else 'start'} tag at byte offset {byte}")
    inside = source[begin + 1 + closing : end].strip()
    name = inside.split(None, 1)[0].lower() if inside else ""
    if not closing:
        if name not in _TAGS:
            raise _unparsable(f'Unsupported start tag "{name}" at byte offset {byte}')
        stack.append(_Open(name, inside[len(name) :], length))
        return end + 1
    if not stack:
        raise _unparsable(f"Unexpected end tag at byte offset {byte}")
    opened = stack.pop()
    if name != opened.tag:
        expected = f'expected "</{opened.tag}>", found "</{name}>"'
        raise _unparsable(f"Unmatched end tag at byte offset {byte}, {expected}")
    if length > opened.offset:
        entity: dict[str, Json] = {
            "type": _TAGS[name],
            "offset": opened.offset,
            "length": length - opened.offset,
        }
        if name == "a" and (href := re.search(r"href\s*=\s*[\"']?([^\"'\s>]+)", opened.attributes)):
            entity["url"] = href[1]
        entities.append(entity)
    return end + 1


def _character(found: re.Match[str]) -> tuple[str, int]:
    decimal, hexadecimal, name = found.groups()
    if name is not None:
        known = _CHARACTERS.get(name)
        return (known, len(found[0])) if known else ("&", 1)
    code = int(decimal) if decimal else int(hexadecimal, 16)
    return (chr(code), len(found[0])) if 0 < code < 0x110000 else ("&", 1)


def _unparsable(why: str) -> Exception:
    return bad_request(f"can't parse entities: {why}")
