-- Every statement of the PostgreSQL store. Many rows go in as arrays, one for each column, and many are named by one array.
--
-- A commit locks in one order: limited types, keys, named operations, workers that renew, groups; whoever looks for rows that are due skips
-- what others have locked and so waits for nobody. docs/decisions/0009-postgresql.md tells why.

-- name: begin
-- READ COMMITTED: each statement sees what is committed when it begins, and so what the locks before it have waited for.
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;

-- name: bounds
-- They keep a node that freezes within a commit from holding rows for ever.
SELECT set_config('idle_in_transaction_session_timeout', '10000', false), set_config('lock_timeout', '2000', false);

-- name: by_index
-- A connection keeps the plans that it made while the tables were small, until their statistics are next gathered: a burst of 20,000
-- operations made each commit read all of them. Every statement here has its index, whatever the statistics say; where there is none, on
-- tables of a few rows, servers before 18 take the scan for so dear that they would compile it.
SELECT set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false), set_config('jit', 'off', false);

-- name: begin_bounded
-- Where a session is not ours alone, the same for each transaction.
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL idle_in_transaction_session_timeout = 10000; SET LOCAL lock_timeout = 2000;

-- name: clock
-- The database's time in milliseconds.
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint;

-- name: moment
-- The time, and what is judged by it: until when workers may hold operations, when the next delayed operation of each type becomes due or
-- has become so, of which types any is ready, and how many of a type run, over all owners and workers; by (workers, types, limited types).
SELECT 'now', '', (extract(epoch FROM clock_timestamp()) * 1000)::bigint
UNION ALL
SELECT 'lease', id, lease_until FROM accepted.worker WHERE id = ANY($1::text[])
UNION ALL
SELECT 'due', wanted.type, later.due_at FROM unnest($2::text[]) AS wanted (type) CROSS JOIN LATERAL
    (SELECT due_at FROM accepted.operation WHERE type = wanted.type AND due_at IS NOT NULL ORDER BY due_at LIMIT 1) AS later
UNION ALL
SELECT 'ready', wanted.type, 1 FROM unnest($2::text[]) AS wanted (type) CROSS JOIN LATERAL
    (SELECT FROM accepted.ready WHERE type = wanted.type ORDER BY type, owner, turn, id LIMIT 1) AS any_ready
UNION ALL
SELECT 'running', type, count(*) FROM accepted.operation WHERE worker IS NOT NULL AND type = ANY($3::text[]) GROUP BY type;

-- name: stored
-- Of what is stored by this very statement (see `postgres_bundle.py`): the number of its transaction, and what attempts of the named
-- operations start from. Not their webhooks: secrets go to nobody who has no use for them. A server that is set not to wait for its
-- commits is overruled: a 202 waits for the disk.
SELECT pg_current_xact_id()::text, operation, name, body,
    CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END
FROM (SELECT) AS always LEFT JOIN accepted.payload ON operation = ANY($1::text[]) AND name IN ('input', 'checkpoint');

-- name: fate
-- What became of a recent transaction: "committed", "aborted", "in progress", or NULL where it is long over.
SELECT pg_xact_status($1::text::xid8);

-- name: witness
-- Whether an event is stored just so, by (operation, sequence, body).
SELECT true FROM accepted.event WHERE operation = $1 AND sequence = $2 AND body = $3;

-- name: held_elsewhere
-- Which operations others have locked, themselves or their deliveries, by (operations, operations of deliveries).
WITH free AS MATERIALIZED (SELECT id FROM accepted.operation WHERE id = ANY($1::text[]) FOR UPDATE SKIP LOCKED),
    free_deliveries AS MATERIALIZED
        (SELECT operation, id FROM accepted.delivery WHERE operation = ANY($2::text[]) FOR UPDATE SKIP LOCKED)
(SELECT id FROM accepted.operation WHERE id = ANY($1::text[]) EXCEPT SELECT id FROM free)
UNION
SELECT operation FROM
    (SELECT operation, id FROM accepted.delivery WHERE operation = ANY($2::text[]) EXCEPT SELECT * FROM free_deliveries) AS held;

-- name: lock_types
-- Claims of types that are limited over all workers go one after the other: the count that they look at has to stay true.
SELECT pg_advisory_xact_lock(hashtextextended('accepted limit ' || type, 0))
FROM (SELECT type FROM unnest($1::text[]) AS wanted (type) ORDER BY type COLLATE "C") AS ordered;

-- name: keys
-- The named idempotency keys, locked: whoever makes the same key elsewhere comes before or after.
SELECT owner, route, key, operation, fingerprint, keep_until FROM accepted.idempotency_key
WHERE (owner, route, key) IN (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]))
ORDER BY owner, route, key FOR UPDATE;

-- name: operations_by_ids
-- Records of all named operations that exist, as they are.
SELECT id, record FROM accepted.operation WHERE id = ANY($1::text[]);

-- name: lock_operations
-- The same, to be changed: locked, always in the order of their ids.
SELECT id, record FROM accepted.operation WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE;

-- name: tombstones_by_ids
-- What is left of expired operations.
SELECT id, owner, expired_at FROM accepted.tombstone WHERE id = ANY($1::text[]);

-- name: lock_workers
-- Of workers that renew: nobody may take back what they hold meanwhile.
SELECT id FROM accepted.worker WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE;

-- name: due
-- The next operations of a type whose turn it is, by (type, owner served last, number, share): one step of the index for each owner that
-- waits, and of each no more than its share, or what one of so many owners gets. Not those that another claim looks at: an owner who has
-- but such is there alone.
WITH RECURSIVE behind (owner) AS (
    (SELECT owner FROM accepted.ready WHERE type = $1 AND owner > $2 ORDER BY owner LIMIT 1)
    UNION ALL
    SELECT (SELECT next.owner FROM accepted.ready AS next WHERE type = $1 AND next.owner > behind.owner ORDER BY next.owner LIMIT 1)
    FROM behind WHERE behind.owner IS NOT NULL
), before (owner) AS (
    (SELECT owner FROM accepted.ready WHERE type = $1 ORDER BY owner LIMIT 1)
    UNION ALL
    SELECT (SELECT next.owner FROM accepted.ready AS next WHERE type = $1 AND next.owner > before.owner ORDER BY next.owner LIMIT 1)
    FROM before WHERE before.owner <= $2
), owners AS (
    SELECT owner FROM behind WHERE owner IS NOT NULL UNION ALL SELECT owner FROM before WHERE owner <= $2 LIMIT $3
)
SELECT owners.owner, first.id, first.record FROM owners LEFT JOIN LATERAL (
    SELECT id, record FROM accepted.ready WHERE type = $1 AND ready.owner = owners.owner ORDER BY turn, id
    LIMIT greatest($4, ($3 - 1) / (SELECT count(*) FROM owners) + 1) FOR UPDATE SKIP LOCKED
) AS first ON true;

-- name: woken
-- What was delayed and is due, by (type, time, limit); so is whatever a node of an older version has made.
SELECT id, record FROM accepted.operation WHERE type = $1 AND due_at <= $2 ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED;

-- name: next_due
-- When the next delayed operation of each type becomes due, or has become so.
SELECT wanted.type, later.due_at FROM unnest($1::text[]) AS wanted (type) CROSS JOIN LATERAL
    (SELECT due_at FROM accepted.operation WHERE type = wanted.type AND due_at IS NOT NULL ORDER BY due_at LIMIT 1) AS later;

-- name: due_after
-- The same, but only what is not due yet, by (types, time).
SELECT wanted.type, later.due_at FROM unnest($1::text[]) AS wanted (type) CROSS JOIN LATERAL
    (SELECT due_at FROM accepted.operation WHERE type = wanted.type AND due_at > $2 ORDER BY due_at LIMIT 1) AS later;

-- name: lock_groups
-- Whoever enters or leaves a group does so alone: the count of its places has to stay true.
SELECT pg_advisory_xact_lock(hashtextextended('accepted group ' || type || ' ' || key, 0))
FROM (SELECT type, key FROM unnest($1::text[], $2::text[]) AS wanted (type, key) ORDER BY type COLLATE "C", key COLLATE "C") AS ordered;

-- name: groups
-- How many operations are active in each group, and whether any is parked there. In an order that only the index has: EXISTS reads the
-- whole table where statistics tell that many are parked.
SELECT type, key, (SELECT count(*) FROM accepted.operation WHERE operation.type = wanted.type AND operation.counted = wanted.key),
    (SELECT id FROM accepted.operation WHERE operation.type = wanted.type AND operation.parked = wanted.key
     ORDER BY type, parked, owner, turn, id LIMIT 1) IS NOT NULL
FROM unnest($1::text[], $2::text[]) AS wanted (type, key);

-- name: parked
-- The next operations that are parked in a group, by (type, key, owner let in last, number, share): as `due` does, but it waits for
-- those that others have locked, because nobody else will look.
WITH RECURSIVE behind (owner) AS (
    (SELECT owner FROM accepted.operation WHERE type = $1 AND parked = $2 AND owner > $3 ORDER BY owner LIMIT 1)
    UNION ALL
    SELECT (SELECT next.owner FROM accepted.operation AS next WHERE type = $1 AND parked = $2 AND next.owner > behind.owner ORDER BY next.owner LIMIT 1)
    FROM behind WHERE behind.owner IS NOT NULL
), before (owner) AS (
    (SELECT owner FROM accepted.operation WHERE type = $1 AND parked = $2 ORDER BY owner LIMIT 1)
    UNION ALL
    SELECT (SELECT next.owner FROM accepted.operation AS next WHERE type = $1 AND parked = $2 AND next.owner > before.owner ORDER BY next.owner LIMIT 1)
    FROM before WHERE before.owner <= $3
), owners AS (
    SELECT owner FROM behind WHERE owner IS NOT NULL UNION ALL SELECT owner FROM before WHERE owner <= $3 LIMIT $4
)
SELECT first.owner, first.id, first.record FROM owners CROSS JOIN LATERAL (
    SELECT owner, id, record FROM accepted.operation
    WHERE type = $1 AND parked = $2 AND operation.owner = owners.owner ORDER BY turn, id
    LIMIT greatest($5, ($4 - 1) / (SELECT count(*) FROM owners) + 1) FOR UPDATE
) AS first;

-- name: standing
-- How many operations of owners wait, and how many run, over all types: as far as others have committed, for nobody waits for that.
SELECT owner, status, sum(number)::bigint FROM accepted.tally
WHERE owner = ANY($1::text[]) AND status IN ('PENDING', 'PROCESSING') GROUP BY owner, status;

-- name: held
-- What workers hold.
SELECT worker, id, record FROM accepted.operation WHERE worker = ANY($1::text[]);

-- name: lost_workers
-- Workers whose lease has run out, at a tick; locked, so that none of them renews at the same moment.
SELECT id FROM accepted.worker WHERE lease_until <= $1 ORDER BY id FOR UPDATE SKIP LOCKED;

-- name: orphans
-- Operations whose worker is one of those or is gone, by (workers, limit).
SELECT id, record FROM accepted.operation
WHERE worker IS NOT NULL
    AND (worker = ANY($1::text[]) OR NOT EXISTS (SELECT 1 FROM accepted.worker AS known WHERE known.id = operation.worker))
LIMIT $2 FOR UPDATE OF operation SKIP LOCKED;

-- name: settling
-- Operations whose grace after a cancel is over, at (tick, limit).
SELECT id, record FROM accepted.operation WHERE settle_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED;

-- name: expiring
-- Ended operations whose retention is over, at (time, limit).
SELECT id, record FROM accepted.operation WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED;

-- name: insert_operation
-- New operations.
INSERT INTO accepted.operation (owner, type, status, turn, due_at, counted, parked, worker, settle_at, expires_at, record, id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::bigint[],
    $10::bigint[], $11::bytea[], $12::text[]);

-- name: insert_ready
-- The same where they are in line and nowhere else, as nearly all are.
INSERT INTO accepted.operation (owner, type, status, turn, record, id)
SELECT owner, type, 'PENDING', turn, record, id
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[], $5::text[]) AS new (owner, type, turn, record, id);

-- name: move_operation
-- Operations whose indexed columns change.
UPDATE accepted.operation SET
    status = new.status, turn = new.turn, due_at = new.due_at, counted = new.counted, parked = new.parked, worker = new.worker,
    settle_at = new.settle_at, expires_at = new.expires_at, record = new.record
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::bytea[], $10::text[])
    AS new (status, turn, due_at, counted, parked, worker, settle_at, expires_at, record, id)
WHERE operation.id = new.id;

-- name: update_operation
-- Operations that change but stay where they are in every index.
UPDATE accepted.operation SET record = new.record
FROM unnest($1::bytea[], $2::text[]) AS new (record, id) WHERE operation.id = new.id;

-- name: insert_event
-- Events.
INSERT INTO accepted.event (operation, sequence, body) SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[]);

-- name: compact_events
-- The first events of long operations, up to a number, by (operation, sequence).
DELETE FROM accepted.event USING unnest($1::text[], $2::bigint[]) AS old (operation, sequence)
WHERE event.operation = old.operation AND event.sequence <= old.sequence;

-- name: put_payload
-- Inputs, checkpoints and webhooks.
INSERT INTO accepted.payload (operation, name, body) SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[])
ON CONFLICT (operation, name) DO UPDATE SET body = excluded.body;

-- name: copy_input
-- The inputs of (new operation, old operation) for retries, and their webhooks.
INSERT INTO accepted.payload (operation, name, body)
SELECT made.new, payload.name, payload.body FROM unnest($1::text[], $2::text[]) AS made (new, old)
JOIN accepted.payload ON payload.operation = made.old AND payload.name IN ('input', 'webhook');

-- name: payload
-- One payload by (operation, name).
SELECT body FROM accepted.payload WHERE operation = $1 AND name = $2;

-- name: webhooks
-- What is registered for webhooks, behind (operation, limit); locked, for it is to be rewritten.
SELECT operation, body FROM accepted.payload WHERE name = 'webhook' AND operation > $1 ORDER BY operation LIMIT $2 FOR UPDATE;

-- name: rewrite_webhook
-- The same in another form, by (body, operation).
UPDATE accepted.payload SET body = $1 WHERE operation = $2 AND name = 'webhook';

-- name: put_delivery
-- Deliveries, new or changed.
INSERT INTO accepted.delivery (operation, id, host, due_at, record)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[])
ON CONFLICT (operation, id) DO UPDATE SET due_at = excluded.due_at, record = excluded.record;

-- name: deliveries_of
-- All deliveries of the named operations, in the order of their events.
SELECT id, record FROM accepted.delivery WHERE operation = ANY($1::text[]) ORDER BY operation, length(id), id;

-- name: lock_deliveries
-- The same, to be changed: who claims what is due looks at deliveries without their operations.
SELECT id, record FROM accepted.delivery WHERE operation = ANY($1::text[]) ORDER BY operation, length(id), id FOR UPDATE;

-- name: next_delivery
-- When the first of all pending deliveries is due.
SELECT due_at FROM accepted.delivery WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1;

-- name: waiting_hosts
-- Hosts with pending deliveries behind (host, limit), and when their first one is due: one step of the index for each host. In an order
-- that only that index has: by the time alone, PostgreSQL may look for a host's first among those of all others.
WITH RECURSIVE waiting (host) AS (
    (SELECT host FROM accepted.delivery WHERE due_at IS NOT NULL AND host > $1 ORDER BY host LIMIT 1)
    UNION ALL
    SELECT (SELECT next.host FROM accepted.delivery AS next
            WHERE next.due_at IS NOT NULL AND next.host > waiting.host ORDER BY next.host LIMIT 1)
    FROM waiting WHERE waiting.host IS NOT NULL
)
SELECT host, (SELECT due_at FROM accepted.delivery AS first
              WHERE first.host >= waiting.host AND first.due_at IS NOT NULL ORDER BY first.host, first.due_at LIMIT 1)
FROM waiting WHERE host IS NOT NULL LIMIT $2;

-- name: due_deliveries
-- Deliveries to a host that are due, by (host, time, limit); not those that another claim looks at. In the order of the index of hosts,
-- too, or all that waits for another host may be read first.
SELECT id, record FROM accepted.delivery WHERE host >= $1 AND (host, due_at) <= ($1, $2) AND due_at IS NOT NULL
ORDER BY host, due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED;

-- name: drop_deliveries
-- The deliveries of operations.
DELETE FROM accepted.delivery WHERE operation = ANY($1::text[]);

-- name: put_chunk
-- Chunks of artifacts; an attempt may write one again after an unclear answer.
INSERT INTO accepted.chunk (operation, attempt, number, body)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bytea[])
ON CONFLICT (operation, attempt, number) DO UPDATE SET body = excluded.body;

-- name: drop_chunks
-- All chunks of operations but those of one attempt.
DELETE FROM accepted.chunk USING unnest($1::text[], $2::bigint[]) AS kept (operation, attempt)
WHERE chunk.operation = kept.operation AND chunk.attempt <> kept.attempt;

-- name: chunk
-- One chunk.
SELECT body FROM accepted.chunk WHERE operation = $1 AND attempt = $2 AND number = $3;

-- name: insert_line
-- Lines of logs.
INSERT INTO accepted.log_line (operation, line, body) SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[]);

-- name: insert_key
-- New idempotency keys. One that another node has just made is an error: then the batch is decided anew, and sees it.
INSERT INTO accepted.idempotency_key (owner, route, key, operation, fingerprint, keep_until)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])
    AS new (owner, route, key, operation, fingerprint, keep_until)
ORDER BY owner COLLATE "C", route COLLATE "C", key COLLATE "C";

-- name: replace_key
-- Keys in the place of those whose time is over, which this commit has locked.
UPDATE accepted.idempotency_key SET
    operation = new.operation, fingerprint = new.fingerprint, keep_until = new.keep_until, drop_at = NULL
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])
    AS new (owner, route, key, operation, fingerprint, keep_until)
WHERE (idempotency_key.owner, idempotency_key.route, idempotency_key.key) = (new.owner, new.route, new.key);

-- name: put_resource
-- Where the results of operations are found.
INSERT INTO accepted.resource (owner, path, operation)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS new (owner, path, operation) ORDER BY owner COLLATE "C", path COLLATE "C"
ON CONFLICT (owner, path) DO UPDATE SET operation = excluded.operation;

-- name: resource
-- The operation whose result is at a path.
SELECT operation FROM accepted.resource WHERE owner = $1 AND path = $2;

-- name: put_lease
-- Leases of workers.
INSERT INTO accepted.worker (id, lease_until, about)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS new (id, lease_until, about) ORDER BY id COLLATE "C"
ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until;

-- name: drop_workers
-- Workers are gone.
DELETE FROM accepted.worker WHERE id = ANY($1::text[]);

-- name: drop_lost_workers
-- Workers whose lease ran out before a tick and which hold nothing any more.
DELETE FROM accepted.worker WHERE id IN (
    SELECT id FROM accepted.worker AS lost
    WHERE lease_until <= $1 AND NOT EXISTS (SELECT 1 FROM accepted.operation WHERE operation.worker = lost.id)
    ORDER BY id FOR UPDATE OF lost SKIP LOCKED
);

-- name: add_to_tally
-- Differences of how many operations there are, in one stripe, by (owners, types, statuses, numbers, stripe).
INSERT INTO accepted.tally AS tally (owner, type, status, number, stripe)
SELECT new.*, $5::smallint FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS new (owner, type, status, number)
ORDER BY owner COLLATE "C", type COLLATE "C", status COLLATE "C"
ON CONFLICT (owner, type, status, stripe) DO UPDATE SET number = tally.number + excluded.number;

-- name: put_duration
-- Run times, over the oldest of their type.
INSERT INTO accepted.duration (type, slot, milliseconds)
SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS new (type, slot, milliseconds) ORDER BY type COLLATE "C", slot
ON CONFLICT (type, slot) DO UPDATE SET milliseconds = excluded.milliseconds;

-- name: put_statistic
-- What a process has counted, in place of what it said of the same minute before.
INSERT INTO accepted.statistic (scope, minute, type, source, body)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bytea[])
ON CONFLICT (scope, minute, type, source) DO UPDATE SET body = excluded.body;

-- name: drop_statistics
-- Counts from before a minute; what another process is about to drop is left to it.
DELETE FROM accepted.statistic WHERE (scope, minute, type, source) IN (
    SELECT scope, minute, type, source FROM accepted.statistic WHERE minute < $1 FOR UPDATE SKIP LOCKED
);

-- name: statistics
-- What all processes have counted for a scope since a minute.
SELECT scope, minute, type, source, body FROM accepted.statistic WHERE scope = $1 AND minute >= $2;

-- name: running_now
-- Operations that some worker holds, at most so many.
SELECT record FROM accepted.operation WHERE worker IS NOT NULL LIMIT $1;

-- name: durations
-- Recent run times of a type.
SELECT milliseconds FROM accepted.duration WHERE type = $1;

-- name: insert_tombstone
-- Operations have expired.
INSERT INTO accepted.tombstone (id, owner, expired_at) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]);

-- name: drop_operation
-- Their records.
DELETE FROM accepted.operation WHERE id = ANY($1::text[]);

-- name: drop_events
-- Their events.
DELETE FROM accepted.event WHERE operation = ANY($1::text[]);

-- name: drop_payloads
-- Their inputs, checkpoints and webhooks.
DELETE FROM accepted.payload WHERE operation = ANY($1::text[]);

-- name: drop_lines
-- Their logs.
DELETE FROM accepted.log_line WHERE operation = ANY($1::text[]);

-- name: free_key
-- Keys of expired operations, by (owners, routes, keys, operations, now): they go once their minimal lifetime is over.
UPDATE accepted.idempotency_key SET drop_at = greatest(keep_until, $5::bigint)
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS old (owner, route, key, operation)
WHERE (idempotency_key.owner, idempotency_key.route, idempotency_key.key) = (old.owner, old.route, old.key)
    AND idempotency_key.operation = old.operation;

-- name: forget_resources
-- Paths of tombstones from before (time, limit). An array, here and below: a plan made before the limit is known would read all.
DELETE FROM accepted.resource WHERE operation = ANY(ARRAY
    (SELECT id FROM accepted.tombstone WHERE expired_at <= $1 ORDER BY expired_at, id LIMIT $2));

-- name: forget_tombstones
-- Tombstones from before (time, limit).
DELETE FROM accepted.tombstone WHERE id = ANY(ARRAY
    (SELECT id FROM accepted.tombstone WHERE expired_at <= $1 ORDER BY expired_at, id LIMIT $2));

-- name: forget_keys
-- Keys whose time is over at (time, limit).
DELETE FROM accepted.idempotency_key WHERE ctid = ANY(ARRAY
    (SELECT ctid FROM accepted.idempotency_key WHERE drop_at <= $1 ORDER BY drop_at LIMIT $2 FOR UPDATE SKIP LOCKED));

-- name: partitions
-- Which (owner, type, status) there are, and how many operations are in each.
SELECT owner, type, status, sum(number)::bigint AS number FROM accepted.tally GROUP BY owner, type, status HAVING sum(number) > 0;

-- name: partitions_of_owner
-- The same for one owner.
SELECT owner, type, status, sum(number)::bigint AS number FROM accepted.tally WHERE owner = $1
GROUP BY owner, type, status HAVING sum(number) > 0;

-- name: newest
-- The newest operations in some partitions, by (owners, types, statuses, before, skip, limit, since): of each no more than are wanted in all.
SELECT newest.record FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (owner, type, status) CROSS JOIN LATERAL (
    SELECT id, record FROM accepted.operation
    WHERE owner = wanted.owner AND type = wanted.type AND status = wanted.status AND id < $4 AND id > $7
    ORDER BY id DESC LIMIT $5::bigint + $6::bigint
) AS newest ORDER BY newest.id DESC OFFSET $5::bigint LIMIT $6::bigint;

-- name: events
-- Events of an operation, by (operation, after, limit).
SELECT body FROM accepted.event WHERE operation = $1 AND sequence > $2 ORDER BY sequence LIMIT $3;

-- name: news
-- Events of several operations, by (operations, afters, limit): one seek for each.
SELECT later.body FROM unnest($1::text[], $2::bigint[]) AS wanted (operation, after) CROSS JOIN LATERAL (
    SELECT body FROM accepted.event WHERE operation = wanted.operation AND sequence > wanted.after ORDER BY sequence LIMIT $3
) AS later LIMIT $3;

-- name: lines
-- Lines of a log, by (operation, after, limit).
SELECT body FROM accepted.log_line WHERE operation = $1 AND line > $2 ORDER BY line LIMIT $3;

-- name: queue
-- Who waits for nothing but a turn, by (type, owner served last, number, share), as `due` finds them.
WITH RECURSIVE behind (owner) AS (
    (SELECT owner FROM accepted.ready WHERE type = $1 AND owner > $2 ORDER BY owner LIMIT 1)
    UNION ALL
    SELECT (SELECT next.owner FROM accepted.ready AS next WHERE type = $1 AND next.owner > behind.owner ORDER BY next.owner LIMIT 1)
    FROM behind WHERE behind.owner IS NOT NULL
), before (owner) AS (
    (SELECT owner FROM accepted.ready WHERE type = $1 ORDER BY owner LIMIT 1)
    UNION ALL
    SELECT (SELECT next.owner FROM accepted.ready AS next WHERE type = $1 AND next.owner > before.owner ORDER BY next.owner LIMIT 1)
    FROM before WHERE before.owner <= $2
), owners AS (
    SELECT owner FROM behind WHERE owner IS NOT NULL UNION ALL SELECT owner FROM before WHERE owner <= $2 LIMIT $3
)
SELECT first.owner, first.turn, first.id FROM owners CROSS JOIN LATERAL (
    SELECT owner, turn, id FROM accepted.ready WHERE type = $1 AND ready.owner = owners.owner ORDER BY turn, id
    LIMIT greatest($4, ($3 - 1) / (SELECT count(*) FROM owners) + 1)
) AS first;

-- name: heads
-- The first in the line of each owner that waits for these types, by (types, limit of owners for each).
SELECT wanted.type, first.record FROM unnest($1::text[]) AS wanted (type) CROSS JOIN LATERAL (
    WITH RECURSIVE owners (owner) AS (
        (SELECT owner FROM accepted.ready WHERE type = wanted.type ORDER BY owner LIMIT 1)
        UNION ALL
        SELECT (SELECT next.owner FROM accepted.ready AS next
                WHERE next.type = wanted.type AND next.owner > owners.owner ORDER BY next.owner LIMIT 1)
        FROM owners WHERE owners.owner IS NOT NULL
    )
    SELECT owner FROM owners WHERE owner IS NOT NULL LIMIT $2
) AS waiting CROSS JOIN LATERAL
    (SELECT record FROM accepted.ready WHERE type = wanted.type AND ready.owner = waiting.owner ORDER BY turn, id LIMIT 1) AS first;

-- name: workers
-- All workers and until when their leases hold.
SELECT id, lease_until, about FROM accepted.worker;

-- name: notify
-- Hints to whoever listens, in one transaction.
SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS told (payload);

-- name: changed
-- Another text once anything has been committed.
SELECT pg_current_snapshot()::text;

-- name: keys_after
-- API keys that have changed since a revision.
SELECT revision, record FROM accepted.api_key WHERE revision > $1 ORDER BY revision;

-- name: lock_keys
-- Changes of keys follow one another, so that nobody who has seen a revision can miss one before it. Readers wait for nothing.
LOCK TABLE accepted.api_key IN SHARE ROW EXCLUSIVE MODE;

-- name: key_by_id
-- One API key.
SELECT record FROM accepted.api_key WHERE id = $1;

-- name: put_api_key
-- An API key, new or changed.
INSERT INTO accepted.api_key (id, revision, record)
VALUES ($1, (SELECT coalesce(max(revision), 0) + 1 FROM accepted.api_key), $2)
ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, record = excluded.record;

-- name: put_ticket
-- A ticket, by (digest, expires at, record).
INSERT INTO accepted.ticket (digest, expires_at, record) VALUES ($1, $2, $3);

-- name: drop_tickets
-- A few tickets that nobody has used in time; those that another node is about to drop are left to it.
DELETE FROM accepted.ticket WHERE digest = ANY (ARRAY(
    SELECT digest FROM accepted.ticket WHERE expires_at <= $1 ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED));

-- name: take_ticket
-- A ticket, which is gone with this.
DELETE FROM accepted.ticket WHERE digest = $1 RETURNING record;
