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
ALTER TABLE sms ADD COLUMN sent_by TEXT NOT NULL DEFAULT '';
DROP INDEX inbound_new;
CREATE INDEX inbound_new ON inbound (taken_by, id) WHERE state = 'new';
