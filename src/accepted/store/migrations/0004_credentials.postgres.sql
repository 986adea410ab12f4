-- Who may come in: the twin of 0004_credentials.sqlite.sql. Of API keys only a digest of the secret is kept; tickets are used once within
-- seconds.
--
-- `revision` grows with each change of any key, so that every process learns by one look at an index what has changed.

CREATE TABLE accepted.api_key (
    id       text COLLATE "C" NOT NULL PRIMARY KEY,
    revision bigint NOT NULL,
    record   bytea NOT NULL
);

CREATE UNIQUE INDEX api_key_changed ON accepted.api_key (revision);

CREATE TABLE accepted.ticket (
    digest     bytea NOT NULL PRIMARY KEY,
    expires_at bigint NOT NULL,
    record     bytea NOT NULL
);

CREATE INDEX ticket_expiring ON accepted.ticket (expires_at);
