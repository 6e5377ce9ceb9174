"""Describes every table: its columns with their types, and the class of ``bridge.model`` that its rows are read as.

Everything else about a column is in the schema file. To add a column to a table that is read as a class, add the field
to the dataclass in ``bridge.model`` and the column to the schema file. Nothing changes here. This module lists only the
columns that are not fields of the class. A test compares these descriptions with the schema file.
"""

from __future__ import annotations

from bridge.model.answers import AccountState
from bridge.model.chat import Conversation, Post, StoredUpdate
from bridge.model.contact import Contact, RuleUse
from bridge.model.inbound import Inbound
from bridge.model.record import Restoration
from bridge.model.routing_outcome import RoutingOutcome
from bridge.model.sms import ConfirmationReason, Sms
from bridge.store.schema.mapping import Codec, MappedTable, Table, words_of
from bridge.store.schema.types import TEXT

OUTCOME = Codec(
    type=TEXT,
    read=lambda stored: None if stored is None else RoutingOutcome.parse(stored),
    write=lambda outcome: None if outcome is None else str(outcome),
)

INBOUND = MappedTable(
    "inbound",
    Inbound,
    codecs={"outcome": OUTCOME},
    integer="repeated_at settled_at taken_at",
    text="taken_by",
    blob="content_hash raw_query",
)
CONTACT = MappedTable(
    "contact",
    Contact,
    key="subscriber",
    renamed={"values": "own_values"},
)
CONVERSATION = MappedTable("conversation", Conversation, integer="created_at waits_since reminded_at")
TOPIC = Table("topic", key="chat_id thread_id", integer="chat_id thread_id conversation_id")
SMS = MappedTable(
    "sms",
    Sms,
    codecs={"confirmation_reasons": words_of(ConfirmationReason)},
    integer="left_at probed_at",
    text="sent_by",
)
SMS_EVENT = Table("sms_event", integer="id sms_id at", text="move from_state to_state reason detail author")
CHAT_POST = MappedTable(
    "chat_post",
    Post,
    joined=["payload", "conversation", "inbound", "sms", "contact"],
    integer="conversation_id inbound_id sms_id finished_at behind chat_id message_id",
    text="key kind payload state error",
)
CHAT_MESSAGE = Table(
    "chat_message", key="chat_id message_id", integer="chat_id message_id conversation_id inbound_id sms_id at"
)
CHAT_ALIAS = Table("chat_alias", key="old_id", integer="old_id new_id at")
TG_UPDATE = MappedTable("tg_update", StoredUpdate, integer="id bot_id finished_at", text="state error")
ACCOUNT_STATE = MappedTable(
    "account_state",
    AccountState,
    key="account",
)
BALANCE_SPENT = Table("balance_spent", key="account day", text="account day", real="amount")
ALERT = Table("alert", integer="id opened_at cleared_at", text="key text params account")
RULE_USE = MappedTable("rule_use", RuleUse, integer="id", text="subscriber")
SPEND = Table("spend", key="day", integer="parts", text="day")
AUDIT = Table("audit", integer="id at conversation_id", text="key action detail author subscriber")
PULSE = Table("pulse", integer="id at")
DOWNTIME = Table("downtime", key="since", integer="since until reported_at")
RESTORATION = MappedTable("restoration", Restoration, integer="id")

IDENTITY = Table("identity", integer="id at", text="place")
NODE = Table(
    "node", key="id", integer="started_at seen_at alive_until sends_until", text="id name roles version rules_version"
)
LEADER = Table("leader", key="role", integer="since", text="role node")

MOVED = (
    RESTORATION,
    DOWNTIME,
    PULSE,
    ALERT,
    ACCOUNT_STATE,
    BALANCE_SPENT,
    SPEND,
    RULE_USE,
    TG_UPDATE,
    CHAT_ALIAS,
    INBOUND,
    CONTACT,
    CONVERSATION,
    TOPIC,
    AUDIT,
    SMS,
    SMS_EVENT,
    CHAT_MESSAGE,
    CHAT_POST,
)
"""The tables that move with the store to another database. A table comes after the tables that it refers to."""
STAYING = (IDENTITY, NODE, LEADER)
"""The tables that do not move: they describe the database itself and its nodes."""
