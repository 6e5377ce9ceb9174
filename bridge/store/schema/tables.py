"""Every table once: its columns and their types, and the value of bridge.model that its rows are read as.

What else is said of a column stands in the schema file. To add a column of a table that is read as a value, add the
field to the dataclass in bridge.model and the column to the schema file; nothing is to be done here. A column that only
statements use is added to ``others``. A test compares these descriptions with the schema file.
"""

from __future__ import annotations

from bridge.model.answers import AccountState
from bridge.model.chat import Conversation, Post, StoredUpdate
from bridge.model.contact import Contact, RuleUse
from bridge.model.inbound import Inbound
from bridge.model.record import Restoration
from bridge.model.routing_outcome import RoutingOutcome
from bridge.model.sms import ConfirmationReason, Sms
from bridge.store.schema.mapping import Codec, ColumnType, MappedTable, Table, words_of

INTEGER, TEXT, BLOB, REAL = ColumnType.INTEGER, ColumnType.TEXT, ColumnType.BLOB, ColumnType.REAL

OUTCOME = Codec(
    type=TEXT,
    read=lambda stored: None if stored is None else RoutingOutcome.parse(stored),
    write=lambda outcome: None if outcome is None else str(outcome),
)

INBOUND = MappedTable(
    "inbound",
    Inbound,
    codecs={"outcome": OUTCOME},
    others={
        "content_hash": BLOB,
        "raw_query": BLOB,
        "repeated_at": INTEGER,
        "settled_at": INTEGER,
        "taken_by": TEXT,
        "taken_at": INTEGER,
    },
)
CONTACT = MappedTable("contact", Contact, key=["subscriber"], renamed={"values": "own_values"}, others={})
CONVERSATION = MappedTable(
    "conversation", Conversation, others={"created_at": INTEGER, "waits_since": INTEGER, "reminded_at": INTEGER}
)
TOPIC = Table(
    "topic",
    key=["chat_id", "thread_id"],
    columns={"chat_id": INTEGER, "thread_id": INTEGER, "conversation_id": INTEGER},
)
SMS = MappedTable(
    "sms",
    Sms,
    renamed={"confirmation_reasons": "asks"},
    codecs={"confirmation_reasons": words_of(ConfirmationReason)},
    others={"left_at": INTEGER, "probed_at": INTEGER, "sent_by": TEXT},
)
SMS_EVENT = Table(
    "sms_event",
    columns={
        "id": INTEGER,
        "sms_id": INTEGER,
        "at": INTEGER,
        "move": TEXT,
        "from_state": TEXT,
        "to_state": TEXT,
        "reason": TEXT,
        "detail": TEXT,
        "author": TEXT,
    },
)
CHAT_POST = MappedTable(
    "chat_post",
    Post,
    joined=["payload", "conversation", "inbound", "sms", "contact"],
    others={
        "key": TEXT,
        "kind": TEXT,
        "payload": TEXT,
        "conversation_id": INTEGER,
        "inbound_id": INTEGER,
        "sms_id": INTEGER,
        "state": TEXT,
        "error": TEXT,
        "finished_at": INTEGER,
        "behind": INTEGER,
        "chat_id": INTEGER,
        "message_id": INTEGER,
    },
)
CHAT_MESSAGE = Table(
    "chat_message",
    key=["chat_id", "message_id"],
    columns={
        "chat_id": INTEGER,
        "message_id": INTEGER,
        "conversation_id": INTEGER,
        "inbound_id": INTEGER,
        "sms_id": INTEGER,
        "at": INTEGER,
    },
)
CHAT_ALIAS = Table("chat_alias", key=["old_id"], columns={"old_id": INTEGER, "new_id": INTEGER, "at": INTEGER})
TG_UPDATE = MappedTable(
    "tg_update",
    StoredUpdate,
    others={"id": INTEGER, "bot_id": INTEGER, "state": TEXT, "error": TEXT, "finished_at": INTEGER},
)
ACCOUNT_STATE = MappedTable("account_state", AccountState, key=["account"], others={})
BALANCE_SPENT = Table("balance_spent", key=["account", "day"], columns={"account": TEXT, "day": TEXT, "amount": REAL})
ALERT = Table(
    "alert",
    columns={
        "id": INTEGER,
        "key": TEXT,
        "text": TEXT,
        "params": TEXT,
        "account": TEXT,
        "opened_at": INTEGER,
        "cleared_at": INTEGER,
    },
)
RULE_USE = MappedTable("rule_use", RuleUse, others={"id": INTEGER, "subscriber": TEXT})
SPEND = Table("spend", key=["day"], columns={"day": TEXT, "parts": INTEGER})
AUDIT = Table(
    "audit",
    columns={
        "id": INTEGER,
        "key": TEXT,
        "at": INTEGER,
        "action": TEXT,
        "detail": TEXT,
        "author": TEXT,
        "subscriber": TEXT,
        "conversation_id": INTEGER,
    },
)
PULSE = Table("pulse", columns={"id": INTEGER, "at": INTEGER})
DOWNTIME = Table("downtime", key=["since"], columns={"since": INTEGER, "until": INTEGER, "reported_at": INTEGER})
RESTORATION = MappedTable("restoration", Restoration, others={"id": INTEGER})

IDENTITY = Table("identity", columns={"id": INTEGER, "place": TEXT, "at": INTEGER})
NODE = Table(
    "node",
    key=["id"],
    columns={
        "id": TEXT,
        "name": TEXT,
        "roles": TEXT,
        "version": TEXT,
        "rules_version": TEXT,
        "started_at": INTEGER,
        "seen_at": INTEGER,
        "alive_until": INTEGER,
        "sends_until": INTEGER,
    },
)
LEADER = Table("leader", key=["role"], columns={"role": TEXT, "node": TEXT, "since": INTEGER})

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
"""The tables that move to another database with the store. A table stands behind those that it refers to."""
STAYING = (IDENTITY, NODE, LEADER)
"""What a database says of itself, and of the nodes on it."""
