"""Commands and buttons that change what is stored about a subscriber: block, unblock, name, tag, optout, robot."""

from __future__ import annotations

from bridge.model.actions import ActionKind
from bridge.rules.values import tag_name
from bridge.telegram.buttons.dispatch import DECIDED, UNKNOWN, ButtonPress, PressResult
from bridge.telegram.client.message import one_line
from bridge.telegram.commands.call import Call, UsageError, change, conversation_of, no_arguments
from bridge.telegram.context import OperatorContext
from bridge.telegram.incoming import Notice
from bridge.telegram.notes import Notes
from bridge.telegram.texts.labels import number

MAX_NAME = 64
ON = frozenset({"on", "вкл", "да"})
OFF = frozenset({"off", "выкл", "нет"})
_OPT_PRESSES = {
    "out": (ActionKind.OPT_OUT, PressResult(answer="pressed.opt_out", decision="decided.opt_out")),
    "in": (ActionKind.OPT_IN, PressResult(answer="pressed.opt_in", decision="decided.opt_in")),
}


async def block(context: OperatorContext, call: Call) -> None:
    no_arguments(call)
    await change(context, call, ActionKind.BLOCK, _about(call, "result.blocked"), already="result.blocked_already")


async def unblock(context: OperatorContext, call: Call) -> None:
    no_arguments(call)
    await change(
        context, call, ActionKind.UNBLOCK, _about(call, "result.unblocked"), already="result.unblocked_already"
    )


async def name(context: OperatorContext, call: Call) -> None:
    """Names the subscriber; a dash removes the name. Notes are refused: texts for the subscriber may contain the
    name."""
    notes = Notes(context.settings.telegram.note_mark)
    if not call.rest or notes.is_note(call.rest) or notes.inside(call.rest):
        raise UsageError
    new = "" if call.rest in ("-", "—") else one_line(call.rest, MAX_NAME)
    done = Notice(text="result.named", params={"name": new}) if new else Notice(text="result.unnamed")
    await change(context, call, ActionKind.RENAME, done, already=done.text, detail=new)


async def tag(context: OperatorContext, call: Call) -> Notice | None:
    """Adds a tag, or removes it if ``-`` stands before it; without a tag shows the tags."""
    if not call.rest:
        contact = await context.store.contact(conversation_of(call).subscriber)
        if not contact.tags:
            return Notice(text="result.no_tags")
        return Notice(text="result.tags", params={"tags": ", ".join(contact.tags)})
    try:
        tag = tag_name(call.rest.lstrip("+-−—# "))
    except ValueError:
        raise UsageError from None
    removed = call.rest[0] in "-−—"
    if removed:
        kind, done, already = ActionKind.UNTAG, "result.untagged", "result.untagged_already"
    else:
        kind, done, already = ActionKind.TAG, "result.tagged", "result.tagged_already"
    await change(context, call, kind, Notice(text=done, params={"tag": tag}), already=already, detail=tag)
    return None


async def optout(context: OperatorContext, call: Call) -> None:
    """Stops automatic texts, or allows them again with ``off``."""
    if _switch(call.rest or "on"):
        done = _about(call, "result.opted_out")
        await change(context, call, ActionKind.OPT_OUT, done, already="result.opted_out_already")
    else:
        done = _about(call, "result.opted_in")
        await change(context, call, ActionKind.OPT_IN, done, already="result.opted_in_already")


async def robot(context: OperatorContext, call: Call) -> None:
    if _switch(call.rest):
        await change(
            context, call, ActionKind.ROBOT_ON, Notice(text="result.robot_on"), already="result.robot_on_already"
        )
    else:
        await change(
            context, call, ActionKind.ROBOT_OFF, Notice(text="result.robot_off"), already="result.robot_off_already"
        )


async def opt_pressed(context: OperatorContext, press: ButtonPress) -> PressResult:
    """``out``, ``in`` or ``keep``, under an SMS for which a rule left the choice to people.

    The post tells which subscriber it is. A number in the data of a press could be that of another subscriber.
    """
    conversation = await context.store.conversation_of(press.message.chat.id, press.message.message_id)
    if conversation is None or conversation.chat not in context.chats.names(press.chat):
        return UNKNOWN
    if press.data == "keep":
        return PressResult(answer="pressed.opt_keep", decision="decided.opt_keep")
    chosen = _OPT_PRESSES.get(press.data)
    if chosen is None:
        return UNKNOWN
    kind, result = chosen
    return result if await context.act(kind, conversation, press.source) else DECIDED


def _about(call: Call, text: str) -> Notice:
    return Notice(text=text, params={"number": number(conversation_of(call).subscriber)})


def _switch(word: str) -> bool:
    """Reads "on" or "off". :raises UsageError: another word."""
    if word.casefold() in ON:
        return True
    if word.casefold() in OFF:
        return False
    raise UsageError
