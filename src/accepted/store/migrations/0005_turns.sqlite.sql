-- Whose turn it is. An operation that is PENDING is found in one of three places: in the line of its owner (`turn`), waiting for a date
-- (`due_at`), or parked in a group that is full (`parked`). Each place is an index of its own, so that none of the three ever makes a
-- search for another one longer. What is in the table already has a `due_at`; the next claims put it in line.

ALTER TABLE operation ADD COLUMN turn INTEGER;   -- only while PENDING, and not delayed
ALTER TABLE operation ADD COLUMN counted TEXT;      -- its concurrency key, only while it counts in its group
ALTER TABLE operation ADD COLUMN parked TEXT;    -- its concurrency key, only while it waits for its group

CREATE INDEX operation_turn ON operation (type, owner, turn, id) WHERE turn IS NOT NULL AND parked IS NULL AND status = 'PENDING';
CREATE INDEX operation_counted ON operation (type, counted) WHERE counted IS NOT NULL;
CREATE INDEX operation_parked ON operation (type, parked, owner, turn, id) WHERE parked IS NOT NULL;

-- The limits of `concurrency` count what runs, and not what owners there have ever been.
DROP INDEX operation_held;
CREATE INDEX operation_held ON operation (worker, type) WHERE worker IS NOT NULL;

CREATE VIEW ready AS
SELECT type, owner, turn, id, record FROM operation WHERE turn IS NOT NULL AND parked IS NULL AND status = 'PENDING';
