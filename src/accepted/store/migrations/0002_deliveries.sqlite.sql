-- The outbox of webhooks. What is registered (URL, secrets) is a payload named 'webhook' beside the operation's input.
--
-- `due_at` is there only while a delivery is PENDING, so what has ended costs nothing: neither who looks for the next one nor who
-- looks from host to host sees it.

CREATE TABLE delivery (
    operation TEXT NOT NULL,
    id        TEXT NOT NULL,
    host      TEXT NOT NULL,
    due_at    INTEGER,           -- only while PENDING
    record    BLOB NOT NULL,
    PRIMARY KEY (operation, id)
) WITHOUT ROWID, STRICT;

CREATE INDEX delivery_due ON delivery (host, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX delivery_next ON delivery (due_at) WHERE due_at IS NOT NULL;
