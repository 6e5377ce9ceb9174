-- A claim must cost the same however many posts wait behind another of their conversation: those are marked.
ALTER TABLE chat_post ADD COLUMN behind INTEGER NOT NULL DEFAULT 0;
UPDATE chat_post SET behind = 1
WHERE state = 'waiting' AND kind <> 'status' AND EXISTS (
    SELECT 1 FROM chat_post AS e WHERE e.conversation_id = chat_post.conversation_id AND e.state = 'waiting'
                                   AND e.kind IN ('inbound', 'notice') AND e.id < chat_post.id);
DROP INDEX chat_post_waiting;
CREATE INDEX chat_post_waiting ON chat_post (chat, behind, priority, id) WHERE state = 'waiting';
CREATE INDEX chat_post_behind ON chat_post (conversation_id, id) WHERE state = 'waiting' AND behind = 1;

-- Where a post stands. Several that were merged stand in one message.
ALTER TABLE chat_post ADD COLUMN chat_id INTEGER;
ALTER TABLE chat_post ADD COLUMN message_id INTEGER;

-- Since when a person has not answered, and whether the team was reminded of it.
ALTER TABLE conversation ADD COLUMN waits_since INTEGER;
ALTER TABLE conversation ADD COLUMN reminded_at INTEGER;
CREATE INDEX conversation_waits ON conversation (waits_since) WHERE waits_since IS NOT NULL AND reminded_at IS NULL;

-- What an account spent in a day (YYYY-MM-DD, UTC), by how its balance fell; top-ups do not count.
CREATE TABLE balance_spent (
    account TEXT NOT NULL,
    day     TEXT NOT NULL,
    amount  REAL NOT NULL,
    PRIMARY KEY (account, day)
);
