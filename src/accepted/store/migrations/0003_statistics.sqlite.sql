-- What each process has counted, minute by minute, of what it has committed itself: the last two hours of it.
--
-- A process writes its own rows, and always as they stand, so nobody waits for anybody and nothing is counted twice.

CREATE TABLE statistic (
    scope  TEXT NOT NULL,
    minute INTEGER NOT NULL,     -- since the epoch
    type   TEXT NOT NULL,
    source TEXT NOT NULL,        -- the process
    body   BLOB NOT NULL,
    PRIMARY KEY (scope, minute, type, source)
) WITHOUT ROWID, STRICT;

CREATE INDEX statistic_old ON statistic (minute);
