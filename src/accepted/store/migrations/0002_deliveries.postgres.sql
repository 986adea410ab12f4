-- The outbox of webhooks: the twin of 0002_deliveries.sqlite.sql. What is registered (URL, secrets) is a payload named 'webhook'
-- beside the operation's input.
--
-- `due_at` is there only while a delivery is PENDING, so what has ended costs nothing: neither who looks for the next one nor who
-- looks from host to host sees it.

CREATE TABLE accepted.delivery (
    operation text COLLATE "C" NOT NULL,
    id        text COLLATE "C" NOT NULL,
    host      text COLLATE "C" NOT NULL,
    due_at    bigint,            -- only while PENDING
    record    bytea NOT NULL,
    PRIMARY KEY (operation, id)
) WITH (fillfactor = 80);

CREATE INDEX delivery_due ON accepted.delivery (host, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX delivery_next ON accepted.delivery (due_at) WHERE due_at IS NOT NULL;
