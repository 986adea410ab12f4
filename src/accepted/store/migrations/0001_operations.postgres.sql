-- The record of operations and all that belongs to it: the twin of 0001_operations.sqlite.sql.
--
-- Everything is in a schema of its own, so that it may share a database with other tables. Texts are compared byte by byte (COLLATE
-- "C"), as SQLite does: ids and cursors depend on it. `fillfactor` leaves room on the page of a row that changes a few times, so that
-- an update that touches no index stays on its page.

CREATE TABLE accepted.operation (
    id         text COLLATE "C" NOT NULL PRIMARY KEY,
    owner      text COLLATE "C" NOT NULL,
    type       text COLLATE "C" NOT NULL,
    status     text COLLATE "C" NOT NULL,
    due_at     bigint,           -- only while PENDING
    worker     text COLLATE "C", -- only while PROCESSING
    settle_at  bigint,           -- only while a cancel waits for its grace to pass; a tick
    expires_at bigint,           -- only once it has ended
    record     bytea NOT NULL
) WITH (fillfactor = 80);

CREATE INDEX operation_due ON accepted.operation (type, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX operation_held ON accepted.operation (worker) WHERE worker IS NOT NULL;
CREATE INDEX operation_settling ON accepted.operation (settle_at) WHERE settle_at IS NOT NULL;
CREATE INDEX operation_expiring ON accepted.operation (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX operation_listed ON accepted.operation (owner, type, status, id);

-- How many operations there are. Each store counts in a stripe of its own, so that commits of two nodes hardly ever wait for each other
-- here; the sum over all stripes is the number.
CREATE TABLE accepted.tally (
    owner  text COLLATE "C" NOT NULL,
    type   text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    stripe smallint NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (owner, type, status, stripe)
) WITH (fillfactor = 50);

-- The last 64 run times of each type: they outlive the operations they come from.
CREATE TABLE accepted.duration (
    type         text COLLATE "C" NOT NULL,
    slot         integer NOT NULL,
    milliseconds bigint NOT NULL,
    PRIMARY KEY (type, slot)
) WITH (fillfactor = 50);

CREATE TABLE accepted.event (
    operation text COLLATE "C" NOT NULL,
    sequence  bigint NOT NULL,
    body      bytea NOT NULL,
    PRIMARY KEY (operation, sequence)
);

-- What an attempt starts from: its input, and the checkpoint of the attempt before.
CREATE TABLE accepted.payload (
    operation text COLLATE "C" NOT NULL,
    name      text COLLATE "C" NOT NULL,
    body      bytea NOT NULL,
    PRIMARY KEY (operation, name)
);

CREATE TABLE accepted.chunk (
    operation text COLLATE "C" NOT NULL,
    attempt   bigint NOT NULL,
    number    bigint NOT NULL,
    body      bytea NOT NULL,
    PRIMARY KEY (operation, attempt, number)
);

CREATE TABLE accepted.log_line (
    operation text COLLATE "C" NOT NULL,
    line      bigint NOT NULL,
    body      bytea NOT NULL,
    PRIMARY KEY (operation, line)
);

CREATE TABLE accepted.idempotency_key (
    owner       text COLLATE "C" NOT NULL,
    route       text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,
    operation   text COLLATE "C" NOT NULL,
    fingerprint text NOT NULL,
    keep_until  bigint NOT NULL,
    drop_at     bigint,          -- once its operation has expired
    PRIMARY KEY (owner, route, key)
);

CREATE INDEX idempotency_key_dropped ON accepted.idempotency_key (drop_at) WHERE drop_at IS NOT NULL;

-- Results that have a path of their own; of two operations that name the same path the later one has it. `path` is a digest: the
-- row lives as long as the tombstone, so that the path can say 410.
CREATE TABLE accepted.resource (
    owner     text COLLATE "C" NOT NULL,
    path      text COLLATE "C" NOT NULL,
    operation text COLLATE "C" NOT NULL,
    PRIMARY KEY (owner, path)
);

CREATE INDEX resource_operation ON accepted.resource (operation);

CREATE TABLE accepted.tombstone (
    id         text COLLATE "C" NOT NULL PRIMARY KEY,
    owner      text COLLATE "C" NOT NULL,
    expired_at bigint NOT NULL
);

CREATE INDEX tombstone_expired ON accepted.tombstone (expired_at);

-- Who may hold operations, and until when by the database's clock.
CREATE TABLE accepted.worker (
    id          text COLLATE "C" NOT NULL PRIMARY KEY,
    lease_until bigint NOT NULL,
    about       bytea NOT NULL
) WITH (fillfactor = 50);
