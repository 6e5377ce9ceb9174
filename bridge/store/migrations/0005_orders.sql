-- What people order in the chats: switches of a contact, the state of a conversation, and who did what.

ALTER TABLE contact ADD COLUMN robot_off INTEGER NOT NULL DEFAULT 0;

ALTER TABLE conversation ADD COLUMN closed_at INTEGER;
ALTER TABLE conversation ADD COLUMN claimed_by INTEGER;
ALTER TABLE conversation ADD COLUMN claimed_name TEXT NOT NULL DEFAULT '';
ALTER TABLE conversation ADD COLUMN claimed_until INTEGER NOT NULL DEFAULT 0;
CREATE INDEX conversation_subscriber ON conversation (subscriber);

-- Nothing is ever changed here: with sms_event it is the record of what people did.
CREATE TABLE deed (
    id              INTEGER PRIMARY KEY,
    key             TEXT    NOT NULL UNIQUE,
    at              INTEGER NOT NULL,
    deed            TEXT    NOT NULL,
    detail          TEXT    NOT NULL,
    author          TEXT    NOT NULL,
    subscriber      TEXT    NOT NULL,
    conversation_id INTEGER REFERENCES conversation (id)
);
CREATE INDEX deed_subscriber ON deed (subscriber, at);
