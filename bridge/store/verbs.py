"""The verbs of all domains put together; an engine adds how its transactions are made."""

from __future__ import annotations

from bridge.model.base import SmsId
from bridge.model.sms import Sms
from bridge.store import sql
from bridge.store.accounts import AccountVerbs
from bridge.store.chat import ChatVerbs
from bridge.store.clock import ClockVerbs
from bridge.store.desk import DeskVerbs
from bridge.store.drafts import DraftVerbs
from bridge.store.inbox import InboxVerbs
from bridge.store.orders import OrderVerbs
from bridge.store.outbox import OutboxVerbs
from bridge.store.posts import PostVerbs
from bridge.store.query import QueryVerbs
from bridge.store.restore import RestoreVerbs
from bridge.store.updates import UpdateVerbs
from bridge.store.watches import WatchVerbs
from bridge.store.work_sms import get_sms


class Questions(QueryVerbs):
    """What can be asked beside a running bridge: it takes no lock and writes nothing."""

    async def get_sms(self, sms_id: SmsId) -> Sms | None:
        return await self._readers.run(lambda tx: get_sms(tx, sms_id))


class Verbs(
    InboxVerbs,
    OutboxVerbs,
    AccountVerbs,
    ClockVerbs,
    ChatVerbs,
    DeskVerbs,
    DraftVerbs,
    PostVerbs,
    WatchVerbs,
    OrderVerbs,
    UpdateVerbs,
    QueryVerbs,
    RestoreVerbs,
):
    """All of :class:`~bridge.ports.store.Store` but its end."""

    async def ping(self) -> None:
        now = self._clock.now()
        await self._writer.run(lambda tx: tx.run(sql.BEAT, {"now": now}))
