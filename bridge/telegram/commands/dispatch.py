"""Takes commands: decides who may give them, which conversation they are about, and which handler carries them out."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from bridge.model.chat import Conversation
from bridge.telegram.client.api import Api
from bridge.telegram.client.errors import ApiError
from bridge.telegram.commands import canned, contacts, conversations, lookup, search, system
from bridge.telegram.commands.call import Answer, Call, Handler, UsageError
from bridge.telegram.commands.spec import Command, addressee, parse
from bridge.telegram.context import OperatorContext
from bridge.telegram.conversations import locate
from bridge.telegram.incoming import IncomingMessage, Notice

log = structlog.get_logger()

HANDLERS: Mapping[str, Handler] = {
    "t": canned.canned_reply,
    "sms": conversations.sms,
    "history": lookup.history,
    "info": lookup.info,
    "why": lookup.why,
    "claim": conversations.claim,
    "close": conversations.close,
    "open": conversations.reopen,
    "name": contacts.name,
    "tag": contacts.tag,
    "robot": contacts.robot,
    "optout": contacts.optout,
    "find": search.find,
    "balance": system.balance,
    "stats": system.stats,
    "status": system.status,
    "test": system.test,
    "help": system.help,
    "block": contacts.block,
    "unblock": contacts.unblock,
    "rules": system.rules,
    "reload": system.reload,
}


class BotName:
    """The bot's own name, to which commands in groups are addressed. Telegram is asked once, when it is needed."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._name = ""

    async def get(self) -> str:
        """The name in lower case; empty while Telegram does not answer."""
        if not self._name:
            try:
                self._name = (await self._api.username()).lower()
            except ApiError as error:
                log.warning("bot_name_not_read", failure=error.kind)
        return self._name


class CommandDispatcher:
    def __init__(self, context: OperatorContext, bot_name: BotName) -> None:
        self._context = context
        self._bot_name = bot_name

    async def handle(self, message: IncomingMessage) -> bool:
        """Carries out a command. False: the message is no command of ours, and the caller handles it.

        A command for another bot of the group counts as handled, also as the caption of a picture: nothing is done.
        """
        for_another = await self._for_another_bot(addressee(message.text))
        if for_another:
            return True
        written = parse(message.raw.text or "")
        if written is None:
            return False
        call = Call(
            command=written.command,
            rest=written.rest,
            message=message,
            conversation=await self._conversation(message),
            now=self._context.clock.now(),
        )
        refusal = Notice(text="result.not_sure") if for_another is None else self._refusal(written.command, message)
        answer = refusal or await self._answer_of(call)
        log.info("command_handled", name=call.command.name, chat=call.chat.name, refused=refusal and refusal.text)
        if answer is not None:
            await self._answer(call, answer)
        elif call.command.writes:
            await self._tell_claimed(message)
        return True

    async def shows_command(self, message: IncomingMessage) -> bool:
        """Whether an edited message shows a command of ours. An edit carries no command out: the message may have shown
        another command before, and that one was carried out."""
        written = parse(message.raw.text or "")
        return written is not None and await self._for_another_bot(written.addressee) is False

    async def _for_another_bot(self, addressee: str) -> bool | None:
        """Whether the addressee is another bot; None while the bot does not know its own name."""
        if not addressee:
            return False
        name = await self._bot_name.get()
        return addressee != name if name else None

    def _refusal(self, command: Command, message: IncomingMessage) -> Notice | None:
        if refusal := message.refusal:
            return Notice(text=f"result.{refusal}")
        if command.admin and message.user_id not in self._context.settings.telegram.admins:
            return Notice(text="result.not_admin", params={"id": message.user_id or "—"})
        if message.sent_at < self._context.restored_at:
            # It may have been carried out before the restoration.
            return Notice(text="result.before_restore")
        return None

    async def _conversation(self, message: IncomingMessage) -> Conversation | None:
        """The conversation of the topic, even if no SMS may leave from there; otherwise that of the message replied
        to."""
        if message.chat.topics and message.thread_id is not None:
            found = await self._context.store.conversation_of_topic(message.chat_id, message.thread_id)
            if found is not None:
                return found
        return (await locate(message, self._context)).conversation

    async def _answer_of(self, call: Call) -> Answer | None:
        usage = Notice(text=f"usage.{call.command.name}")
        if call.command.needs_conversation and call.conversation is None:
            return usage
        try:
            return await HANDLERS[call.command.name](self._context, call)
        except UsageError:
            return usage

    async def _answer(self, call: Call, answer: Answer) -> None:
        message = call.message
        if isinstance(answer, Notice):
            post = answer.post_under(message, key=call.answer_key, conversation=call.conversation, due_at=call.now)
            await self._context.store.add_post(post, call.now)
        else:
            self._context.transient.send(call.chat, answer, thread_id=message.thread_id, reply_to=message.id)

    async def _tell_claimed(self, message: IncomingMessage) -> None:
        sms = await self._context.store.sms_of_message(message.chat_id, message.id)
        if sms is not None and sms.conversation_id is not None:
            conversation = await self._context.store.conversation(sms.conversation_id)
            if conversation is not None:
                await conversations.tell_claimed(self._context, message, conversation)
