-- Where this store is: what a database that was restored from a dump does not have in common with the one that was
-- dumped. Compared at each start on PostgreSQL; SQLite's copies are marked when they are made. No later migration may
-- make this table anew: its own number is a part of the answer.

CREATE TABLE identity (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    place TEXT    NOT NULL,
    at    INTEGER NOT NULL                    -- the last start
);
