-- The record of operations and all that belongs to it.
--
-- A column of `operation` exists because a statement looks at it; everything else of the operation is in `record`, as JSON, so that
-- both databases load and save it in the same way and a new member needs no migration. Times are milliseconds.

CREATE TABLE operation (
    id         TEXT NOT NULL PRIMARY KEY,
    owner      TEXT NOT NULL,
    type       TEXT NOT NULL,
    status     TEXT NOT NULL,
    due_at     INTEGER,          -- only while PENDING
    worker     TEXT,             -- only while PROCESSING
    settle_at  INTEGER,          -- only while a cancel waits for its grace to pass; a tick
    expires_at INTEGER,          -- only once it has ended
    record     BLOB NOT NULL
) WITHOUT ROWID, STRICT;

CREATE INDEX operation_due ON operation (type, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX operation_held ON operation (worker) WHERE worker IS NOT NULL;
CREATE INDEX operation_settling ON operation (settle_at) WHERE settle_at IS NOT NULL;
CREATE INDEX operation_expiring ON operation (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX operation_listed ON operation (owner, type, status, id);

-- How many operations there are: counted with each commit, because counting a million rows for each page is too slow.
CREATE TABLE tally (
    owner  TEXT NOT NULL,
    type   TEXT NOT NULL,
    status TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (owner, type, status)
) WITHOUT ROWID, STRICT;

-- The last 64 run times of each type: they outlive the operations they come from.
CREATE TABLE duration (
    type         TEXT NOT NULL,
    slot         INTEGER NOT NULL,
    milliseconds INTEGER NOT NULL,
    PRIMARY KEY (type, slot)
) WITHOUT ROWID, STRICT;

CREATE TABLE event (
    operation TEXT NOT NULL,
    sequence  INTEGER NOT NULL,
    body      BLOB NOT NULL,
    PRIMARY KEY (operation, sequence)
) WITHOUT ROWID, STRICT;

-- What an attempt starts from: its input, and the checkpoint of the attempt before.
CREATE TABLE payload (
    operation TEXT NOT NULL,
    name      TEXT NOT NULL,
    body      BLOB NOT NULL,
    PRIMARY KEY (operation, name)
) WITHOUT ROWID, STRICT;

CREATE TABLE chunk (
    operation TEXT NOT NULL,
    attempt   INTEGER NOT NULL,
    number    INTEGER NOT NULL,
    body      BLOB NOT NULL,
    PRIMARY KEY (operation, attempt, number)
) STRICT;

CREATE TABLE log_line (
    operation TEXT NOT NULL,
    line      INTEGER NOT NULL,
    body      BLOB NOT NULL,
    PRIMARY KEY (operation, line)
) WITHOUT ROWID, STRICT;

CREATE TABLE idempotency_key (
    owner       TEXT NOT NULL,
    route       TEXT NOT NULL,
    key         TEXT NOT NULL,
    operation   TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    keep_until  INTEGER NOT NULL,
    drop_at     INTEGER,         -- once its operation has expired
    PRIMARY KEY (owner, route, key)
) WITHOUT ROWID, STRICT;

CREATE INDEX idempotency_key_dropped ON idempotency_key (drop_at) WHERE drop_at IS NOT NULL;

-- Results that have a path of their own; of two operations that name the same path the later one has it. `path` is a digest: the
-- row lives as long as the tombstone, so that the path can say 410.
CREATE TABLE resource (
    owner     TEXT NOT NULL,
    path      TEXT NOT NULL,
    operation TEXT NOT NULL,
    PRIMARY KEY (owner, path)
) WITHOUT ROWID, STRICT;

CREATE INDEX resource_operation ON resource (operation);

CREATE TABLE tombstone (
    id         TEXT NOT NULL PRIMARY KEY,
    owner      TEXT NOT NULL,
    expired_at INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

CREATE INDEX tombstone_expired ON tombstone (expired_at);

-- Who may hold operations, and until which tick.
CREATE TABLE worker (
    id          TEXT NOT NULL PRIMARY KEY,
    lease_until INTEGER NOT NULL,
    about       BLOB NOT NULL
) WITHOUT ROWID, STRICT;

-- Facts about the file itself, such as the boot of the machine that its ticks count from.
CREATE TABLE fact (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID, STRICT;
