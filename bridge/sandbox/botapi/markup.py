"""Inline keyboards, checked as Telegram checks them. Other keyboards are accepted and not shown."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.model.base import Json
from bridge.sandbox.botapi.params import Params
from bridge.sandbox.botapi.refusal import bad_request

MAX_DATA = 64
"""Bytes of ``callback_data`` in UTF-8."""
MAX_BUTTONS = 100
_ACTIONS = (
    "callback_data",
    "url",
    "web_app",
    "login_url",
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
    "copy_text",
    "callback_game",
    "pay",
)
_OTHER_KEYBOARDS = ("keyboard", "remove_keyboard", "force_reply")


def reply_markup(params: Params, *, inline_only: bool = False) -> dict[str, Json] | None:
    """Read and check the keyboard of a call. :raises Refusal: Telegram's error about the keyboard or a button."""
    markup = params.json("reply_markup", "reply keyboard markup")
    if markup is None:
        return None
    if not isinstance(markup, dict):
        raise bad_request("object expected as reply markup")
    if "inline_keyboard" not in markup:
        if inline_only and any(name in markup for name in _OTHER_KEYBOARDS):
            raise bad_request("inline keyboard expected")
        return None
    rows = markup["inline_keyboard"]
    if not isinstance(rows, list):
        raise bad_request('field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays')
    count = 0
    for row in rows:
        if not isinstance(row, list):
            raise bad_request('field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays')
        for button in row:
            _check_button(button)
            count += 1
    if count > MAX_BUTTONS:
        raise bad_request("reply markup is too long")
    return markup if count else None


def buttons(markup: dict[str, Json] | None) -> Iterator[tuple[str, str]]:
    """The buttons that can be pressed, as (text, callback_data)."""
    rows = (markup or {}).get("inline_keyboard")
    for row in rows if isinstance(rows, list) else []:
        for button in row if isinstance(row, list) else []:
            if isinstance(button, dict) and "callback_data" in button:
                yield str(button["text"]), str(button["callback_data"])


def _check_button(button: Json) -> None:
    if not isinstance(button, dict):
        raise _unparsable("InlineKeyboardButton must be an Object")
    text = button.get("text")
    if text is None:
        raise _unparsable('Can\'t find field "text"')
    if not isinstance(text, str):
        raise _unparsable('Field "text" must be of type String')
    if not text.strip():
        raise bad_request("inline keyboard button text must be non-empty")
    if not any(name in button for name in _ACTIONS):
        raise _unparsable("Text buttons are unallowed in the inline keyboard")
    data = button.get("callback_data")
    if "callback_data" in button and not isinstance(data, str):
        raise _unparsable('Field "callback_data" must be of type String')
    if isinstance(data, str):
        if not data:
            raise _unparsable("Text buttons are unallowed in the inline keyboard")
        if len(data.encode()) > MAX_DATA:
            raise bad_request("BUTTON_DATA_INVALID")


def _unparsable(why: str) -> Exception:
    return bad_request(f"can't parse inline keyboard button: {why}")
