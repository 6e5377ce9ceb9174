-- Several bridges on one database: who is alive, who has which duty, and whose work is whose. On SQLite, which has one
-- bridge, both tables stay empty and every message is nobody's.

-- Times are by the database's own clock, unlike all others: hosts may have different ones.
CREATE TABLE bridge (
    id            TEXT    PRIMARY KEY,
    name          TEXT    NOT NULL,  -- host and process, for people
    roles         TEXT    NOT NULL,  -- with spaces around each
    version       TEXT    NOT NULL,
    rules_version TEXT    NOT NULL,
    started_at    INTEGER NOT NULL,
    seen_at       INTEGER NOT NULL,
    alive_until   INTEGER NOT NULL,  -- until then its duties and the messages it took are its own
    sends_until   INTEGER NOT NULL   -- until then a request that it began may still be under way
);

-- What one bridge at a time does. A duty whose bridge is not alive is anybody's.
CREATE TABLE duty (
    name   TEXT    PRIMARY KEY,
    bridge TEXT    NOT NULL,
    since  INTEGER NOT NULL
);

ALTER TABLE inbound ADD COLUMN taken_by TEXT NOT NULL DEFAULT '';
ALTER TABLE inbound ADD COLUMN taken_at INTEGER NOT NULL DEFAULT 0;  -- when it came in, or was taken from another
ALTER TABLE sms ADD COLUMN sent_by TEXT NOT NULL DEFAULT '';

-- Each of these serves its own statements and no others, which say so by a condition that is always true: a planner
-- that knows nothing yet of a new table would as soon take the wrong index for the lanes as the right one.
DROP INDEX inbound_new;
CREATE INDEX inbound_new ON inbound (taken_by, id) WHERE state = 'new' AND id > 0;
DROP INDEX sms_queued_order;
CREATE INDEX sms_queued_order ON sms (account, priority, id) WHERE state = 'queued' AND priority >= 0;
DROP INDEX sms_queued_due;
CREATE INDEX sms_queued_due ON sms (account, due_at) WHERE state = 'queued' AND due_at >= 0;
DROP INDEX sms_unsettled;
CREATE INDEX contact_paused ON contact (robot_paused_until) WHERE robot_paused_until > 0;
CREATE INDEX sms_unsettled ON sms (state, id) WHERE state <> 'delivered' AND id > 0;
