-- The tables of the store, the same on SQLite and PostgreSQL (which names column types in its own way,
-- bridge/store/postgres/dialect.py). From version 0.2.0 on this file is never changed: every change is another numbered
-- file (docs/decisions/0015-one-first-schema.md).
--
-- Points in time are integer milliseconds UTC. Names of columns that end in "at" or "since" hold one.
-- What is still to be done has partial indexes of its own, so that no statement on a message's way reads what is done.
-- Some of them have a condition that is always true (id > 0): it lets a statement name its index. A planner that knows
-- nothing of a new table takes the wrong one as readily as the right one.

-- -------------------------------------------------------------------------------- messages that came in

-- One row for each SMS that the platform brought, as it came, with what the rules decided.
CREATE TABLE inbound (
    id            INTEGER PRIMARY KEY,
    account       TEXT    NOT NULL,
    smsid         TEXT    NOT NULL,            -- the platform's id; other content under the same id is another row
    content_hash  BLOB    NOT NULL,
    sender        TEXT    NOT NULL,            -- as the platform wrote it
    subscriber    TEXT    NOT NULL,            -- the same number as it is kept
    receiver      TEXT    NOT NULL,
    prefix        TEXT    NOT NULL,
    text          TEXT    NOT NULL,
    date_raw      TEXT    NOT NULL,
    date          INTEGER,                     -- the platform's date, where it could be read
    raw_query     BLOB    NOT NULL,
    received_at   INTEGER NOT NULL,
    state         TEXT    NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'routed', 'quarantined', 'waiting')),
    fault         TEXT,                        -- why it goes to quarantine
    conflict_of   INTEGER REFERENCES inbound (id), -- the first row with this smsid and other content
    repeats       INTEGER NOT NULL DEFAULT 0,
    repeated_at   INTEGER,
    taken_by      TEXT    NOT NULL DEFAULT '', -- the node that routes it; empty where there is one node
    taken_at      INTEGER NOT NULL DEFAULT 0,  -- when it came in, or was taken over from another node
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

-- What is known of a subscriber. "version" changes with each message that is routed: a decision that was made on an
-- older version is made again.
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
    own_values         TEXT    NOT NULL DEFAULT '{}' -- what the rules' "set" keeps
);
CREATE INDEX contact_paused ON contact (robot_paused_until) WHERE robot_paused_until > 0;

-- Matches and replies of the rules that have a limit. What is older than any limit looks back to is deleted.
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

-- Parts of automatic replies, by the operator's day (YYYY-MM-DD).
CREATE TABLE spend (
    day   TEXT    PRIMARY KEY,
    parts INTEGER NOT NULL
);

-- -------------------------------------------------------------------------------- conversations

-- A subscriber in a chat.
CREATE TABLE conversation (
    id              INTEGER PRIMARY KEY,
    chat            TEXT    NOT NULL,
    subscriber      TEXT    NOT NULL,
    code            TEXT    NOT NULL UNIQUE,     -- the hashtag
    account         TEXT    NOT NULL,
    receiver        TEXT    NOT NULL,
    thread_id       INTEGER,
    last_inbound_id INTEGER REFERENCES inbound (id),
    last_inbound_at INTEGER,
    waits_since     INTEGER,                     -- the subscriber has had no answer of a person since then
    reminded_at     INTEGER,                     -- the team was reminded of that
    closed_at       INTEGER,
    claimed_by      INTEGER,                     -- Telegram's id of the operator
    claimed_name    TEXT    NOT NULL DEFAULT '',
    claimed_until   INTEGER NOT NULL DEFAULT 0,
    created_at      INTEGER NOT NULL,
    UNIQUE (chat, subscriber)
);
CREATE INDEX conversation_subscriber ON conversation (subscriber);
CREATE INDEX conversation_waits ON conversation (waits_since) WHERE waits_since IS NOT NULL AND reminded_at IS NULL;

-- Every topic that a conversation ever had: a message in a forgotten one still finds its conversation.
CREATE TABLE topic (
    chat_id         INTEGER NOT NULL,
    thread_id       INTEGER NOT NULL,
    conversation_id INTEGER NOT NULL REFERENCES conversation (id),
    PRIMARY KEY (chat_id, thread_id)
);

-- What operators did by commands and buttons. Its rows are never changed: with those of sms_event they are the record of
-- what people did.
CREATE TABLE audit (
    id              INTEGER PRIMARY KEY,
    key             TEXT    NOT NULL UNIQUE,     -- the update or the press, each of which counts once
    at              INTEGER NOT NULL,
    action          TEXT    NOT NULL,
    detail          TEXT    NOT NULL,
    author          TEXT    NOT NULL,
    subscriber      TEXT    NOT NULL,
    conversation_id INTEGER REFERENCES conversation (id)
);
CREATE INDEX audit_subscriber ON audit (subscriber, at);

-- -------------------------------------------------------------------------------- SMS that go out

-- One row for each SMS, with its present state (docs/architecture.md). Its lane is (account, recipient).
CREATE TABLE sms (
    id              INTEGER PRIMARY KEY,
    key             TEXT    NOT NULL UNIQUE,     -- what made it: written once, however often that is told
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
    -- why an operator is asked before it leaves: words with spaces between
    confirmation_reasons TEXT NOT NULL DEFAULT '',
    created_at      INTEGER NOT NULL,
    due_at          INTEGER NOT NULL,
    expires_at      INTEGER,
    attempts        INTEGER NOT NULL DEFAULT 0,
    sending_since   INTEGER,
    sent_by         TEXT    NOT NULL DEFAULT '', -- the node that sends it; empty where there is one node
    left_at         INTEGER,                     -- the last time a request for it was about to leave; never cleared
    probed_at       INTEGER,                     -- of the present attempt
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
    chat_id         INTEGER,                     -- the operator's message that it was, with message_id
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

-- Every change of an SMS. Never changed itself.
CREATE TABLE sms_event (
    id         INTEGER PRIMARY KEY,
    sms_id     INTEGER NOT NULL REFERENCES sms (id),
    at         INTEGER NOT NULL,
    move       TEXT    NOT NULL,
    from_state TEXT    NOT NULL,
    to_state   TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    detail     TEXT    NOT NULL,
    author     TEXT    NOT NULL                  -- who decided it, where a person did
);
CREATE INDEX sms_event_of ON sms_event (sms_id, id);

-- -------------------------------------------------------------------------------- Telegram

-- What the bot is to write into a chat, or has written.
CREATE TABLE chat_post (
    id              INTEGER PRIMARY KEY,
    key             TEXT    UNIQUE,              -- what made it: written once, however often that is told
    chat            TEXT    NOT NULL,            -- a configured name, or "id:" and Telegram's id
    kind            TEXT    NOT NULL,
    priority        INTEGER NOT NULL,
    payload         TEXT    NOT NULL,
    conversation_id INTEGER REFERENCES conversation (id),
    inbound_id      INTEGER REFERENCES inbound (id),
    sms_id          INTEGER REFERENCES sms (id),
    reply_to        INTEGER,
    state           TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'posted', 'dropped')),
    behind          INTEGER NOT NULL DEFAULT 0,  -- 1: an earlier post of its conversation comes first
    attempts        INTEGER NOT NULL DEFAULT 0,
    revision        INTEGER NOT NULL DEFAULT 0,  -- changes with what is to be shown
    shown           TEXT    NOT NULL DEFAULT '',
    chat_id         INTEGER,                     -- the message that it became, with message_id; several may share one
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

-- What a message in a chat is about: one of the bot's, or an operator's that became an SMS.
CREATE TABLE chat_message (
    chat_id         INTEGER NOT NULL,
    message_id      INTEGER NOT NULL,
    conversation_id INTEGER REFERENCES conversation (id),
    inbound_id      INTEGER REFERENCES inbound (id),
    sms_id          INTEGER REFERENCES sms (id),
    at              INTEGER NOT NULL,
    PRIMARY KEY (chat_id, message_id)
);

-- A group that became a supergroup. Rows keep the chat id that they were written with.
CREATE TABLE chat_alias (
    old_id INTEGER PRIMARY KEY,
    new_id INTEGER NOT NULL,
    at     INTEGER NOT NULL
);

-- Updates as Telegram brought them. The order is that of id: Telegram's own numbers restart after a quiet week.
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

-- What an account spent in a day (YYYY-MM-DD, UTC), by how its balance fell; top-ups do not count.
CREATE TABLE balance_spent (
    account TEXT NOT NULL,
    day     TEXT NOT NULL,
    amount  REAL NOT NULL,
    PRIMARY KEY (account, day)
);

-- What the team was told of and has not seen the end of, and how it ended.
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

-- One row that the readiness probe rewrites: only a real commit proves that a commit goes through.
CREATE TABLE pulse (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at INTEGER NOT NULL
);

-- Times in which no node ran. The first report after it says what had waited.
CREATE TABLE downtime (
    since       INTEGER PRIMARY KEY,
    until       INTEGER NOT NULL,
    reported_at INTEGER
);
CREATE INDEX downtime_unreported ON downtime (since) WHERE reported_at IS NULL;

-- A copy of a store says of itself that it is one: the store that it was taken from may have sent what waits in it.
-- The rows stay and tell when a copy was put in the store's place, and what it held.
CREATE TABLE restoration (
    id           INTEGER PRIMARY KEY,
    taken_at     INTEGER NOT NULL,           -- when the copy was made; what happened later is not in it
    restored_at  INTEGER,                    -- when a node first ran on it; NULL in a copy on which none has run
    last_inbound INTEGER NOT NULL DEFAULT 0, -- the newest message in the copy
    sms          INTEGER NOT NULL DEFAULT 0,
    inbound      INTEGER NOT NULL DEFAULT 0,
    updates      INTEGER NOT NULL DEFAULT 0
);

-- Where this store is: a database that was restored from a dump has other numbers than the one that was dumped. Each
-- start on PostgreSQL compares them; copies of SQLite's file are marked when they are made. No later migration may make
-- this table anew: its own number is part of the answer.
CREATE TABLE identity (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    place TEXT    NOT NULL,
    at    INTEGER NOT NULL                   -- the last start
);

-- -------------------------------------------------------------------------------- several nodes

-- The service's processes on one PostgreSQL database. On SQLite, which has one node, both tables stay empty.
-- Times are by the database's own clock, unlike all others: hosts may have different ones.
CREATE TABLE node (
    id            TEXT    PRIMARY KEY,
    name          TEXT    NOT NULL,          -- host and process, for people
    roles         TEXT    NOT NULL,          -- with spaces between
    version       TEXT    NOT NULL,
    rules_version TEXT    NOT NULL,
    started_at    INTEGER NOT NULL,
    seen_at       INTEGER NOT NULL,
    alive_until   INTEGER NOT NULL,          -- until then it leads what it leads, and the messages it took are its own
    sends_until   INTEGER NOT NULL           -- until then a request that it began may still be under way
);

-- Which node does what only one may do. Where that node is not alive, another may take its place.
CREATE TABLE leader (
    role  TEXT    PRIMARY KEY,
    node  TEXT    NOT NULL,
    since INTEGER NOT NULL
);
