-- What each process has counted, minute by minute: the twin of 0003_statistics.sqlite.sql.
--
-- A process writes its own rows, and always as they stand, so nobody waits for anybody and nothing is counted twice.

CREATE TABLE accepted.statistic (
    scope  text COLLATE "C" NOT NULL,
    minute bigint NOT NULL,      -- since the epoch
    type   text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,  -- the process
    body   bytea NOT NULL,
    PRIMARY KEY (scope, minute, type, source)
) WITH (fillfactor = 80);

CREATE INDEX statistic_old ON accepted.statistic (minute);
