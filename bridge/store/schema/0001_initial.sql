-- The tables of the store, the same on SQLite and PostgreSQL (which names column types in its own way,
-- bridge/store/postgres/dialect.py). From version 0.2.0 on this file is never changed: every change is another numbered
-- file (docs/decisions/0015-one-first-schema.md).
--
-- Points in time are integer milliseconds UTC. Columns whose names end in "at" or "since" hold one.
-- Rows that still need work have partial indexes. So no statement that routes or sends a message reads finished rows.
-- Some of these indexes have a condition that is always true (id > 0). A statement that repeats the condition names its
-- index in this way. Without that, a planner that has no statistics of a new table may choose a wrong index.

-- -------------------------------------------------------------------------------- inbound SMS

-- One row for each SMS that the platform brought, unchanged, with the decision of the rules.
CREATE TABLE inbound (
    id            INTEGER PRIMARY KEY,
    account       TEXT    NOT NULL,
    smsid         TEXT    NOT NULL,            -- the platform's id; other content under the same id is another row
    content_hash  BLOB    NOT NULL,
    sender        TEXT    NOT NULL,            -- as the platform wrote it
    subscriber    TEXT    NOT NULL,            -- the same number, normalized
    receiver      TEXT    NOT NULL,
    prefix        TEXT    NOT NULL,
    text          TEXT    NOT NULL,
    date_raw      TEXT    NOT NULL,
    date          INTEGER,                     -- the platform's date; NULL if it could not be read
    raw_query     BLOB    NOT NULL,
    received_at   INTEGER NOT NULL,
    state         TEXT    NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'routed', 'quarantined', 'waiting')),
    fault         TEXT,                        -- why it went to quarantine
    conflict_of   INTEGER REFERENCES inbound (id), -- the first row with this smsid and other content
    repeats       INTEGER NOT NULL DEFAULT 0,
    repeated_at   INTEGER,
    taken_by      TEXT    NOT NULL DEFAULT '', -- the node that routes it; empty on SQLite, or if any node may take it
    taken_at      INTEGER NOT NULL DEFAULT 0,  -- when it was accepted, or taken from another node
    rule          TEXT,
    rules_version TEXT,
    outcome       TEXT,
    settled_at    INTEGER,
    UNIQUE (account, smsid, content_hash)
);
CREATE INDEX inbound_new ON inbound (taken_by, id) WHERE state = 'new' AND id > 0;
CREATE INDEX inbound_new_lane ON inbound (subscriber, id) WHERE state = 'new';
CREATE INDEX inbound_quarantined ON inbound (id) WHERE state = 'quarantined';
CREATE INDEX inbound_subscriber ON inbound (subscriber, received_at);

-- -------------------------------------------------------------------------------- subscribers

-- What is known of a subscriber. "version" grows with each routed message and each change of the contact. A decision
-- that was made on an older version is made again.
CREATE TABLE contact (
    subscriber         TEXT    PRIMARY KEY,
    version            INTEGER NOT NULL,
    first_seen_at      INTEGER,
    name               TEXT    NOT NULL DEFAULT '',
    opted_out          INTEGER NOT NULL DEFAULT 0,
    blocked            INTEGER NOT NULL DEFAULT 0,
    robot_off          INTEGER NOT NULL DEFAULT 0,   -- an operator switched automatic replies off
    robot_paused_until INTEGER NOT NULL DEFAULT 0,   -- an operator answers: no automatic replies until then
    tags               TEXT    NOT NULL DEFAULT '[]',
    own_values         TEXT    NOT NULL DEFAULT '{}' -- the values that "set" of the rules stores
);
CREATE INDEX contact_paused ON contact (robot_paused_until) WHERE robot_paused_until > 0;

-- Matches and replies of the rules that have a limit. Rows that are too old for every limit are deleted.
CREATE TABLE rule_use (
    id         INTEGER PRIMARY KEY,
    rule       TEXT    NOT NULL,
    what       TEXT    NOT NULL,
    subscriber TEXT    NOT NULL,
    at         INTEGER NOT NULL
);
CREATE INDEX rule_use_subscriber ON rule_use (subscriber, at);
CREATE INDEX rule_use_rule ON rule_use (rule, what, at);
CREATE INDEX rule_use_at ON rule_use (at);

-- The parts of automatic replies in each day of the operator's time zone (YYYY-MM-DD).
CREATE TABLE spend (
    day   TEXT    PRIMARY KEY,
    parts INTEGER NOT NULL
);

-- -------------------------------------------------------------------------------- conversations

-- One row for each subscriber in each chat.
CREATE TABLE conversation (
    id              INTEGER PRIMARY KEY,
    chat            TEXT    NOT NULL,
    subscriber      TEXT    NOT NULL,
    code            TEXT    NOT NULL UNIQUE,     -- the hashtag without "#"
    account         TEXT    NOT NULL,
    receiver        TEXT    NOT NULL,
    thread_id       INTEGER,
    last_inbound_id INTEGER REFERENCES inbound (id),
    last_inbound_at INTEGER,
    waits_since     INTEGER,                     -- since then the subscriber has waited for an answer of a person
    reminded_at     INTEGER,                     -- when the team was reminded that the subscriber waits
    closed_at       INTEGER,
    claimed_by      INTEGER,                     -- Telegram's id of the operator
    claimed_name    TEXT    NOT NULL DEFAULT '',
    claimed_until   INTEGER NOT NULL DEFAULT 0,
    created_at      INTEGER NOT NULL,
    UNIQUE (chat, subscriber)
);
CREATE INDEX conversation_subscriber ON conversation (subscriber);
CREATE INDEX conversation_waits ON conversation (waits_since) WHERE waits_since IS NOT NULL AND reminded_at IS NULL;

-- Every topic that a conversation ever had. So a message in an old topic still finds its conversation.
CREATE TABLE topic (
    chat_id         INTEGER NOT NULL,
    thread_id       INTEGER NOT NULL,
    conversation_id INTEGER NOT NULL REFERENCES conversation (id),
    PRIMARY KEY (chat_id, thread_id)
);

-- What operators did by commands and buttons. Rows are never changed. Together with sms_event this is the record of
-- what people did.
CREATE TABLE audit (
    id              INTEGER PRIMARY KEY,
    key             TEXT    NOT NULL UNIQUE,     -- names the update or the press, so that each counts once
    at              INTEGER NOT NULL,
    action          TEXT    NOT NULL,
    detail          TEXT    NOT NULL,
    author          TEXT    NOT NULL,
    subscriber      TEXT    NOT NULL,
    conversation_id INTEGER REFERENCES conversation (id)
);
CREATE INDEX audit_subscriber ON audit (subscriber, at);

-- -------------------------------------------------------------------------------- outbound SMS

-- One row for each outbound SMS, with its present state (docs/architecture.md). Its lane is (account, recipient).
CREATE TABLE sms (
    id              INTEGER PRIMARY KEY,
    key             TEXT    NOT NULL UNIQUE,     -- names its cause: a cause that is reported twice makes one SMS
    account         TEXT    NOT NULL,
    recipient       TEXT    NOT NULL,
    sender_name     TEXT    NOT NULL,
    text            TEXT    NOT NULL,
    parts           INTEGER NOT NULL,
    origin          TEXT    NOT NULL,
    priority        INTEGER NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN (
        'draft', 'queued', 'sending', 'sent', 'delivered', 'undelivered', 'expired', 'unconfirmed',
        'failed', 'parked', 'uncertain', 'cancelled', 'stale', 'abandoned')),
    -- why an operator is asked before it leaves: words separated by spaces
    confirmation_reasons TEXT NOT NULL DEFAULT '',
    created_at      INTEGER NOT NULL,
    due_at          INTEGER NOT NULL,
    expires_at      INTEGER,
    attempts        INTEGER NOT NULL DEFAULT 0,
    sending_since   INTEGER,
    sent_by         TEXT    NOT NULL DEFAULT '', -- the node that sends it; empty on SQLite
    left_at         INTEGER,                     -- the last time a request for it was about to leave; never cleared
    probed_at       INTEGER,                     -- when the present attempt was probed
    sent_at         INTEGER,
    final_at        INTEGER,
    platform_ids    TEXT    NOT NULL DEFAULT '[]',
    platform_status TEXT    NOT NULL DEFAULT '',
    reason          TEXT    NOT NULL DEFAULT '',
    detail          TEXT    NOT NULL DEFAULT '',
    poll_at         INTEGER,                     -- when to ask for its delivery status
    polls           INTEGER NOT NULL DEFAULT 0,
    inbound_id      INTEGER REFERENCES inbound (id),
    conversation_id INTEGER REFERENCES conversation (id),
    chat_id         INTEGER,                     -- with message_id: the operator's message that it came from
    message_id      INTEGER,
    author          TEXT    NOT NULL DEFAULT '',
    retry_of        INTEGER REFERENCES sms (id)
);
CREATE INDEX sms_queued_lane ON sms (account, recipient, priority, id) WHERE state = 'queued';
CREATE INDEX sms_queued_order ON sms (account, priority, id) WHERE state = 'queued' AND priority >= 0;
CREATE INDEX sms_queued_due ON sms (account, due_at) WHERE state = 'queued' AND due_at >= 0;
CREATE INDEX sms_queued_expiry ON sms (expires_at) WHERE state = 'queued' AND expires_at IS NOT NULL;
CREATE INDEX sms_sending_lane ON sms (account, recipient) WHERE state = 'sending';
CREATE INDEX sms_poll ON sms (account, poll_at) WHERE state = 'sent' AND poll_at IS NOT NULL;
CREATE INDEX sms_recipient ON sms (recipient, created_at);
CREATE INDEX sms_message ON sms (chat_id, message_id) WHERE chat_id IS NOT NULL;
CREATE INDEX sms_retry ON sms (retry_of) WHERE retry_of IS NOT NULL;
CREATE INDEX sms_unsettled ON sms (state, id) WHERE state <> 'delivered' AND id > 0;

-- Every change of an SMS. Rows are never changed.
CREATE TABLE sms_event (
    id         INTEGER PRIMARY KEY,
    sms_id     INTEGER NOT NULL REFERENCES sms (id),
    at         INTEGER NOT NULL,
    move       TEXT    NOT NULL,
    from_state TEXT    NOT NULL,
    to_state   TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    detail     TEXT    NOT NULL,
    author     TEXT    NOT NULL                  -- the person who decided it; empty if no person did
);
CREATE INDEX sms_event_of ON sms_event (sms_id, id);

-- -------------------------------------------------------------------------------- Telegram

-- Posts: what the bot has to write into a chat, or has written.
CREATE TABLE chat_post (
    id              INTEGER PRIMARY KEY,
    key             TEXT    UNIQUE,              -- names its cause: a cause that is reported twice makes one post
    chat            TEXT    NOT NULL,            -- a configured name, or "id:" and Telegram's id
    kind            TEXT    NOT NULL,
    priority        INTEGER NOT NULL,
    payload         TEXT    NOT NULL,
    conversation_id INTEGER REFERENCES conversation (id),
    inbound_id      INTEGER REFERENCES inbound (id),
    sms_id          INTEGER REFERENCES sms (id),
    reply_to        INTEGER,
    state           TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'posted', 'dropped')),
    behind          INTEGER NOT NULL DEFAULT 0,  -- 1: it waits behind an earlier post of its conversation
    attempts        INTEGER NOT NULL DEFAULT 0,
    revision        INTEGER NOT NULL DEFAULT 0,  -- grows when the content to show changes
    shown           TEXT    NOT NULL DEFAULT '',
    chat_id         INTEGER,                     -- with message_id: the message that shows it; posts may share one
    message_id      INTEGER,
    error           TEXT    NOT NULL DEFAULT '',
    created_at      INTEGER NOT NULL,
    due_at          INTEGER NOT NULL,
    finished_at     INTEGER
);
CREATE INDEX chat_post_waiting ON chat_post (chat, behind, priority, id) WHERE state = 'waiting';
CREATE INDEX chat_post_ahead ON chat_post (conversation_id, id)
    WHERE state = 'waiting' AND kind IN ('inbound', 'notice');
CREATE INDEX chat_post_behind ON chat_post (conversation_id, id) WHERE state = 'waiting' AND behind = 1;

-- What a message in a chat is about. The message is one of the bot's, or one of an operator's that became an SMS.
CREATE TABLE chat_message (
    chat_id         INTEGER NOT NULL,
    message_id      INTEGER NOT NULL,
    conversation_id INTEGER REFERENCES conversation (id),
    inbound_id      INTEGER REFERENCES inbound (id),
    sms_id          INTEGER REFERENCES sms (id),
    at              INTEGER NOT NULL,
    PRIMARY KEY (chat_id, message_id)
);

-- Groups that became supergroups. Rows of other tables keep the chat id that they were written with.
CREATE TABLE chat_alias (
    old_id INTEGER PRIMARY KEY,
    new_id INTEGER NOT NULL,
    at     INTEGER NOT NULL
);

-- Updates as Telegram brought them. Their order is that of id, since Telegram's own numbers restart after a quiet week.
CREATE TABLE tg_update (
    id          INTEGER PRIMARY KEY,
    bot_id      INTEGER NOT NULL,
    update_id   INTEGER NOT NULL,
    raw         TEXT    NOT NULL,
    received_at INTEGER NOT NULL,
    state       TEXT    NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'done', 'parked')),
    error       TEXT    NOT NULL DEFAULT '',
    finished_at INTEGER,
    UNIQUE (bot_id, update_id)
);
CREATE INDEX tg_update_new ON tg_update (bot_id, id) WHERE state = 'new';
CREATE INDEX tg_update_done ON tg_update (received_at) WHERE state = 'done';
CREATE INDEX tg_update_parked ON tg_update (id) WHERE state = 'parked';

-- -------------------------------------------------------------------------------- accounts and alerts

CREATE TABLE account_state (
    account          TEXT    PRIMARY KEY,
    suspended_reason TEXT    NOT NULL DEFAULT '',
    suspended_detail TEXT    NOT NULL DEFAULT '',
    suspended_since  INTEGER,
    probe_at         INTEGER,                    -- when to ask the platform whether the suspension is over
    probes           INTEGER NOT NULL DEFAULT 0,
    balance          REAL,
    currency         TEXT    NOT NULL DEFAULT '',
    balance_at       INTEGER,
    last_answer_at  INTEGER
);

-- What an account spent in a day (YYYY-MM-DD, UTC): the sum of the falls of its balance. Top-ups do not count.
CREATE TABLE balance_spent (
    account TEXT NOT NULL,
    day     TEXT NOT NULL,
    amount  REAL NOT NULL,
    PRIMARY KEY (account, day)
);

-- Alerts of the team: open ones, and those that were cleared.
CREATE TABLE alert (
    id         INTEGER PRIMARY KEY,
    key        TEXT    NOT NULL,
    text       TEXT    NOT NULL,
    params     TEXT    NOT NULL,
    account    TEXT    NOT NULL,
    opened_at  INTEGER NOT NULL,
    cleared_at INTEGER
);
CREATE UNIQUE INDEX alert_open ON alert (key) WHERE cleared_at IS NULL;

-- -------------------------------------------------------------------------------- the service itself

-- One row that the readiness probe rewrites, since only a real commit proves that commits succeed.
CREATE TABLE pulse (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at INTEGER NOT NULL
);

-- Downtimes: times in which no node ran. A report after the downtime says what had waited.
CREATE TABLE downtime (
    since       INTEGER PRIMARY KEY,
    until       INTEGER NOT NULL,
    reported_at INTEGER
);
CREATE INDEX downtime_unreported ON downtime (since) WHERE reported_at IS NULL;

-- A row without restored_at marks this store as a copy. The store that it was taken from may have sent the SMS
-- that wait in it. The rows stay. They tell when a copy was put in the store's place, and what waited in it.
CREATE TABLE restoration (
    id           INTEGER PRIMARY KEY,
    taken_at     INTEGER NOT NULL,           -- when the copy was made; what happened later is not in it
    restored_at  INTEGER,                    -- when a node first ran on it; NULL in a copy on which none has run
    last_inbound INTEGER NOT NULL DEFAULT 0, -- the newest message in the copy
    sms          INTEGER NOT NULL DEFAULT 0,
    inbound      INTEGER NOT NULL DEFAULT 0,
    updates      INTEGER NOT NULL DEFAULT 0
);

-- The place of this store: numbers of the server, the database and this table. A database that was restored from a dump
-- has other numbers than the one that was dumped. Each start on PostgreSQL compares them. Copies of SQLite's file are
-- marked when they are made. No later migration may make this table again, since the table's own number is compared.
CREATE TABLE identity (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    place TEXT    NOT NULL,
    at    INTEGER NOT NULL                   -- the last start
);

-- -------------------------------------------------------------------------------- several nodes

-- The nodes: processes of the service on one PostgreSQL database. On SQLite (one node) both tables stay empty.
-- Times in these tables are by the database's clock, since the hosts' clocks may differ.
CREATE TABLE node (
    id            TEXT    PRIMARY KEY,
    name          TEXT    NOT NULL,          -- host and process, for people
    roles         TEXT    NOT NULL,          -- separated by spaces
    version       TEXT    NOT NULL,
    rules_version TEXT    NOT NULL,
    started_at    INTEGER NOT NULL,
    seen_at       INTEGER NOT NULL,
    alive_until   INTEGER NOT NULL,          -- until then it keeps its roles, and the messages that it took
    sends_until   INTEGER NOT NULL           -- until then a request that it began may still be under way
);

-- Singleton roles, and the node that leads each. If that node is not alive, another may take the role.
CREATE TABLE leader (
    role  TEXT    PRIMARY KEY,
    node  TEXT    NOT NULL,
    since INTEGER NOT NULL
);
