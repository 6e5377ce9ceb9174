"""Commands that change what is known of a subscriber: block, unblock, name, tag, optout, robot."""

from __future__ import annotations

from bridge.model.actions import ActionKind
from bridge.rules.schema import tag_name
from bridge.telegram.client.message import one_line
from bridge.telegram.client.notes import Notes
from bridge.telegram.commands.calls import Call, Misused, Word, no_more_words, talk_of
from bridge.telegram.commands.changes import Changes
from bridge.telegram.posts.render import number

LONGEST_NAME = 64
ON = frozenset({"on", "вкл", "да"})
OFF = frozenset({"off", "выкл", "нет"})


class ContactCommands:
    def __init__(self, changes: Changes, notes: Notes) -> None:
        self._changes = changes
        self._notes = notes

    async def block(self, call: Call) -> None:
        no_more_words(call)
        await self._changes.made(
            call, ActionKind.BLOCK, done=_about(call, "told.blocked"), already=_about(call, "told.blocked_already")
        )

    async def unblock(self, call: Call) -> None:
        no_more_words(call)
        await self._changes.made(
            call,
            ActionKind.UNBLOCK,
            done=_about(call, "told.unblocked"),
            already=_about(call, "told.unblocked_already"),
        )

    async def name(self, call: Call) -> None:
        """A lone dash takes the name away. Texts for the subscriber may have the name in them, so it is no note."""
        if not call.rest or self._notes.is_note(call.rest) or self._notes.inside(call.rest):
            raise Misused
        name = "" if call.rest in ("-", "—") else one_line(call.rest, LONGEST_NAME)
        done = Word(text="told.named", params={"name": name}) if name else Word(text="told.unnamed")
        await self._changes.made(call, ActionKind.RENAME, done=done, already=done, detail=name)

    async def tag(self, call: Call) -> Word | None:
        """``+`` or nothing before a tag puts it on, ``-`` takes it off; alone it shows what there is."""
        if not call.rest:
            contact = await self._changes.store.contact(talk_of(call).subscriber)
            if not contact.tags:
                return Word(text="told.no_tags")
            return Word(text="told.tags", params={"tags": ", ".join(contact.tags)})
        off = call.rest[0] in "-−—"
        try:
            tag = tag_name(call.rest.lstrip("+-−—# "))
        except ValueError:
            raise Misused from None
        shown = {"tag": tag}
        if off:
            done, already = Word(text="told.untagged", params=shown), Word(text="told.untagged_already", params=shown)
        else:
            done, already = Word(text="told.tagged", params=shown), Word(text="told.tagged_already", params=shown)
        await self._changes.made(
            call, ActionKind.UNTAG if off else ActionKind.TAG, done=done, already=already, detail=tag
        )
        return None

    async def optout(self, call: Call) -> None:
        """``/optout`` itself means "on": no automatic texts from now on."""
        if _switch(call.rest or "on"):
            done, already = _about(call, "told.opted_out"), _about(call, "told.opted_out_already")
            await self._changes.made(call, ActionKind.OPT_OUT, done=done, already=already)
        else:
            done, already = _about(call, "told.opted_in"), _about(call, "told.opted_in_already")
            await self._changes.made(call, ActionKind.OPT_IN, done=done, already=already)

    async def robot(self, call: Call) -> None:
        if _switch(call.rest):
            done, already = Word(text="told.robot_on"), Word(text="told.robot_on_already")
            await self._changes.made(call, ActionKind.ROBOT_ON, done=done, already=already)
        else:
            done, already = Word(text="told.robot_off"), Word(text="told.robot_off_already")
            await self._changes.made(call, ActionKind.ROBOT_OFF, done=done, already=already)


def _about(call: Call, text: str) -> Word:
    return Word(text=text, params={"number": number(talk_of(call).subscriber)})


def _switch(word: str) -> bool:
    """:raises Misused: neither on nor off."""
    if word.casefold() in ON:
        return True
    if word.casefold() in OFF:
        return False
    raise Misused
