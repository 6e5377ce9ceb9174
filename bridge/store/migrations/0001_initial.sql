-- The first schema. Points in time are integer milliseconds UTC. Partial indexes hold what still moves, so that
-- no verb on a message's way grows dearer with the messages that are long done.

CREATE TABLE inbound (
    id            INTEGER PRIMARY KEY,
    account       TEXT    NOT NULL,
    smsid         TEXT    NOT NULL,
    content_hash  BLOB    NOT NULL,
    sender        TEXT    NOT NULL,
    subscriber    TEXT    NOT NULL,
    receiver      TEXT    NOT NULL,
    prefix        TEXT    NOT NULL,
    text          TEXT    NOT NULL,
    date_raw      TEXT    NOT NULL,
    date          INTEGER,
    raw_query     BLOB    NOT NULL,
    received_at   INTEGER NOT NULL,
    state         TEXT    NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'routed', 'quarantined', 'waiting')),
    fault         TEXT,
    conflict_of   INTEGER REFERENCES inbound (id),
    repeats       INTEGER NOT NULL DEFAULT 0,
    repeated_at   INTEGER,
    rule          TEXT,
    rules_version TEXT,
    outcome       TEXT,
    settled_at    INTEGER,
    UNIQUE (account, smsid, content_hash)
);
CREATE INDEX inbound_new ON inbound (id) WHERE state = 'new';
CREATE INDEX inbound_new_lane ON inbound (subscriber, id) WHERE state = 'new';
CREATE INDEX inbound_quarantined ON inbound (id) WHERE state = 'quarantined';
CREATE INDEX inbound_subscriber ON inbound (subscriber, received_at);

CREATE TABLE contact (
    subscriber         TEXT    PRIMARY KEY,
    version            INTEGER NOT NULL,
    first_seen_at      INTEGER,
    name               TEXT    NOT NULL DEFAULT '',
    opted_out          INTEGER NOT NULL DEFAULT 0,
    blocked            INTEGER NOT NULL DEFAULT 0,
    robot_paused_until INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE conversation (
    id              INTEGER PRIMARY KEY,
    chat            TEXT    NOT NULL,
    subscriber      TEXT    NOT NULL,
    code            TEXT    NOT NULL UNIQUE,
    account         TEXT    NOT NULL,
    receiver        TEXT    NOT NULL,
    thread_id       INTEGER,
    last_inbound_id INTEGER REFERENCES inbound (id),
    last_inbound_at INTEGER,
    created_at      INTEGER NOT NULL,
    UNIQUE (chat, subscriber)
);

-- Every topic a conversation ever had: what is written in a forgotten one still finds its conversation.
CREATE TABLE topic (
    chat_id         INTEGER NOT NULL,
    thread_id       INTEGER NOT NULL,
    conversation_id INTEGER NOT NULL REFERENCES conversation (id),
    PRIMARY KEY (chat_id, thread_id)
);

CREATE TABLE sms (
    id              INTEGER PRIMARY KEY,
    key             TEXT    NOT NULL UNIQUE,
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
    created_at      INTEGER NOT NULL,
    due_at          INTEGER NOT NULL,
    expires_at      INTEGER,
    attempts        INTEGER NOT NULL DEFAULT 0,
    sending_since   INTEGER,
    left_at         INTEGER,              -- the last time a request for it was about to leave; never cleared
    probed_at       INTEGER,              -- of the present attempt
    sent_at         INTEGER,
    final_at        INTEGER,
    platform_ids    TEXT    NOT NULL DEFAULT '[]',
    platform_status TEXT    NOT NULL DEFAULT '',
    reason          TEXT    NOT NULL DEFAULT '',
    detail          TEXT    NOT NULL DEFAULT '',
    poll_at         INTEGER,
    polls           INTEGER NOT NULL DEFAULT 0,
    inbound_id      INTEGER REFERENCES inbound (id),
    conversation_id INTEGER REFERENCES conversation (id),
    chat_id         INTEGER,
    message_id      INTEGER,
    author          TEXT    NOT NULL DEFAULT '',
    retry_of        INTEGER REFERENCES sms (id)
);
CREATE INDEX sms_queued_lane ON sms (account, recipient, priority, id) WHERE state = 'queued';
CREATE INDEX sms_queued_order ON sms (account, priority, id) WHERE state = 'queued';
CREATE INDEX sms_queued_due ON sms (account, due_at) WHERE state = 'queued';
CREATE INDEX sms_queued_expiry ON sms (expires_at) WHERE state = 'queued' AND expires_at IS NOT NULL;
CREATE INDEX sms_sending_lane ON sms (account, recipient) WHERE state = 'sending';
CREATE INDEX sms_poll ON sms (account, poll_at) WHERE state = 'sent' AND poll_at IS NOT NULL;
CREATE INDEX sms_recipient ON sms (recipient, created_at);
CREATE INDEX sms_message ON sms (chat_id, message_id) WHERE chat_id IS NOT NULL;
CREATE INDEX sms_retry ON sms (retry_of) WHERE retry_of IS NOT NULL;
CREATE INDEX sms_unsettled ON sms (state, id) WHERE state <> 'delivered';

CREATE TABLE sms_event (
    id         INTEGER PRIMARY KEY,
    sms_id     INTEGER NOT NULL REFERENCES sms (id),
    at         INTEGER NOT NULL,
    move       TEXT    NOT NULL,
    from_state TEXT    NOT NULL,
    to_state   TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    detail     TEXT    NOT NULL,
    author     TEXT    NOT NULL  -- who decided it, where a person did: with this the table is the audit of all sends
);
CREATE INDEX sms_event_of ON sms_event (sms_id, id);

CREATE TABLE chat_post (
    id              INTEGER PRIMARY KEY,
    key             TEXT    UNIQUE,
    chat            TEXT    NOT NULL,
    kind            TEXT    NOT NULL,
    priority        INTEGER NOT NULL,
    payload         TEXT    NOT NULL,
    conversation_id INTEGER REFERENCES conversation (id),
    inbound_id      INTEGER REFERENCES inbound (id),
    sms_id          INTEGER REFERENCES sms (id),
    reply_to        INTEGER,
    state           TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'posted', 'dropped')),
    attempts        INTEGER NOT NULL DEFAULT 0,
    revision        INTEGER NOT NULL DEFAULT 0,
    shown           TEXT    NOT NULL DEFAULT '',
    error           TEXT    NOT NULL DEFAULT '',
    created_at      INTEGER NOT NULL,
    due_at          INTEGER NOT NULL,
    finished_at     INTEGER
);
CREATE INDEX chat_post_waiting ON chat_post (chat, priority, id) WHERE state = 'waiting';
CREATE INDEX chat_post_ahead ON chat_post (conversation_id, id)
    WHERE state = 'waiting' AND kind IN ('inbound', 'notice');

-- What a message in a chat is about: ours, and an operator's that became an SMS.
CREATE TABLE chat_message (
    chat_id         INTEGER NOT NULL,
    message_id      INTEGER NOT NULL,
    conversation_id INTEGER REFERENCES conversation (id),
    inbound_id      INTEGER REFERENCES inbound (id),
    sms_id          INTEGER REFERENCES sms (id),
    at              INTEGER NOT NULL,
    PRIMARY KEY (chat_id, message_id)
);

-- A group that became a supergroup: its rows keep the id they were written with.
CREATE TABLE chat_alias (
    old_id INTEGER PRIMARY KEY,
    new_id INTEGER NOT NULL,
    at     INTEGER NOT NULL
);

-- id gives the order of arrival: Telegram's own numbers restart after a quiet week.
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

CREATE TABLE account_state (
    account         TEXT    PRIMARY KEY,
    held_reason     TEXT    NOT NULL DEFAULT '',
    held_detail     TEXT    NOT NULL DEFAULT '',
    held_since      INTEGER,
    probe_at        INTEGER,
    probes          INTEGER NOT NULL DEFAULT 0,
    balance         REAL,
    currency        TEXT    NOT NULL DEFAULT '',
    balance_at      INTEGER,
    last_contact_at INTEGER
);

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

-- Parts of automatic replies, by the operator's day (YYYY-MM-DD).
CREATE TABLE spend (
    day   TEXT    PRIMARY KEY,
    parts INTEGER NOT NULL
);

-- One row that the readiness probe rewrites: only a real commit proves that a commit goes through.
CREATE TABLE pulse (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at INTEGER NOT NULL
);
