-- A copy of a store says of itself that it is one: what waits in it may have been sent by the store it was taken from.
-- The rows stay: they tell when this store was put back, what of, and what was open in the copy.

CREATE TABLE restoration (
    id           INTEGER PRIMARY KEY,
    taken_at     INTEGER NOT NULL,           -- when the copy was made; what happened later is not in it
    restored_at  INTEGER,                    -- when a bridge first ran on it; NULL in a copy on which none has run
    last_inbound INTEGER NOT NULL DEFAULT 0, -- the newest message in the copy
    sms          INTEGER NOT NULL DEFAULT 0,
    inbound      INTEGER NOT NULL DEFAULT 0,
    updates      INTEGER NOT NULL DEFAULT 0
);
