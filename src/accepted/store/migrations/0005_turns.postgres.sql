-- Whose turn it is: the twin of 0005_turns.sqlite.sql. An operation that is PENDING is found in one of three places: in the line of its
-- owner (`turn`), waiting for a date (`due_at`), or parked in a group that is full (`parked`). Each place is an index of its own, so that
-- none of the three ever makes a search for another one longer. What is in the table already has a `due_at`; the next claims put it in
-- line, and so they do with whatever a node of the older version still writes. The condition on the status is for such nodes, too: they
-- leave `turn` as it was.

ALTER TABLE accepted.operation
    ADD COLUMN turn bigint,                   -- only while PENDING, and not delayed
    ADD COLUMN counted text COLLATE "C",         -- its concurrency key, only while it counts in its group
    ADD COLUMN parked text COLLATE "C";       -- its concurrency key, only while it waits for its group

CREATE INDEX operation_turn ON accepted.operation (type, owner, turn, id)
    WHERE turn IS NOT NULL AND parked IS NULL AND status = 'PENDING';
CREATE INDEX operation_counted ON accepted.operation (type, counted) WHERE counted IS NOT NULL;
CREATE INDEX operation_parked ON accepted.operation (type, parked, owner, turn, id) WHERE parked IS NOT NULL;

-- The limits of `concurrency` count what runs, and not what owners there have ever been.
CREATE INDEX operation_held_by_type ON accepted.operation (worker, type) WHERE worker IS NOT NULL;
DROP INDEX accepted.operation_held;
ALTER INDEX accepted.operation_held_by_type RENAME TO operation_held;

CREATE VIEW accepted.ready AS
SELECT type, owner, turn, id, record FROM accepted.operation WHERE turn IS NOT NULL AND parked IS NULL AND status = 'PENDING';
