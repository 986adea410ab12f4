-- Who may come in: API keys, of which only a digest of the secret is kept, and tickets, which are used once within seconds.
--
-- `revision` grows with each change of any key, so that every process learns by one look at an index what has changed.

CREATE TABLE api_key (
    id       TEXT NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL,
    record   BLOB NOT NULL
) WITHOUT ROWID, STRICT;

CREATE UNIQUE INDEX api_key_changed ON api_key (revision);

CREATE TABLE ticket (
    digest     BLOB NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL,
    record     BLOB NOT NULL
) WITHOUT ROWID, STRICT;

CREATE INDEX ticket_expiring ON ticket (expires_at);
