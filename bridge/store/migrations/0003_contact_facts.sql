-- What rules remember of a subscriber, and the matches and replies that their limits count.

ALTER TABLE contact ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE contact ADD COLUMN own_values TEXT NOT NULL DEFAULT '{}';

-- Only of rules that count; what is older than any limit asks for is deleted.
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
