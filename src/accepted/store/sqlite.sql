-- Every statement of the SQLite store. Lists of ids go in as one JSON array.

-- name: operations_by_ids
-- Records of all named operations that exist.
SELECT id, record FROM operation WHERE id IN (SELECT value FROM json_each(?));

-- name: operation_by_id
-- One record.
SELECT record FROM operation WHERE id = ?;

-- name: operation_of_owner
-- One record, where it is this owner's: nobody else's is read, so that it takes as long as one that is not there.
SELECT record FROM operation WHERE id = ? AND owner = ?;

-- name: tombstone_by_id
-- What is left of an expired operation.
SELECT id, owner, expired_at FROM tombstone WHERE id = ?;

-- name: key
-- One idempotency key, unless its time is over.
SELECT operation, fingerprint, keep_until FROM idempotency_key WHERE owner = ? AND route = ? AND key = ?;

-- name: lease
-- Until when a worker may hold operations.
SELECT lease_until FROM worker WHERE id = ?;

-- name: due
-- Operations of a type whose turn it is, owner by owner, by (type, limit): with fewer than that, or with one owner, this is all.
SELECT id, record FROM ready WHERE type = ? ORDER BY owner, turn, id LIMIT ?;

-- name: first_owner
-- The first of all owners that wait for a type. From owner to owner it is one step of the index; a recursion costs ten times that.
SELECT owner FROM ready WHERE type = ? ORDER BY owner LIMIT 1;

-- name: next_owner
-- The next one, by (type, owner).
SELECT owner FROM ready WHERE type = ? AND owner > ? ORDER BY owner LIMIT 1;

-- name: line
-- The line of one owner, by (type, owner, limit).
SELECT id, record FROM ready WHERE type = ? AND owner = ? ORDER BY turn, id LIMIT ?;

-- name: woken
-- What was delayed and is due, by (type, time, limit); so is whatever an older version has made.
SELECT id, record FROM operation WHERE type = ? AND due_at <= ? ORDER BY due_at, id LIMIT ?;

-- name: next_due
-- When the next delayed operation of a type becomes due, or has become so.
SELECT due_at FROM operation WHERE type = ? AND due_at IS NOT NULL ORDER BY due_at LIMIT 1;

-- name: due_after
-- The same, but only what is not due yet, by (type, time).
SELECT due_at FROM operation WHERE type = ? AND due_at > ? ORDER BY due_at LIMIT 1;

-- name: groups
-- How many operations are active in a group, by (type, key).
SELECT count(*) FROM operation WHERE type = ? AND counted = ?;

-- name: parked
-- Operations that are parked in a group, owner by owner, by (type, key, limit).
SELECT id, record FROM operation WHERE type = ? AND parked = ? ORDER BY owner, turn, id LIMIT ?;

-- name: first_parked
-- The first of all owners with operations that are parked in a group, by (type, key).
SELECT owner FROM operation WHERE type = ? AND parked = ? ORDER BY owner LIMIT 1;

-- name: next_parked
-- The next one, by (type, key, owner).
SELECT owner FROM operation WHERE type = ? AND parked = ? AND owner > ? ORDER BY owner LIMIT 1;

-- name: parked_line
-- Those of one owner, by (type, key, owner, limit).
SELECT id, record FROM operation WHERE type = ? AND parked = ? AND owner = ? ORDER BY turn, id LIMIT ?;

-- name: running
-- How many operations of a type run, over all owners and workers.
SELECT count(*) FROM operation WHERE worker IS NOT NULL AND type = ?;

-- name: standing
-- How many operations of an owner wait, and how many run, over all types.
SELECT status, sum(number) FROM tally WHERE owner = ? AND status IN ('PENDING', 'PROCESSING') GROUP BY status;

-- name: held
-- What a worker holds.
SELECT id, record FROM operation WHERE worker = ?;

-- name: orphans
-- Operations whose worker has lost its lease or is gone, at (tick, limit).
SELECT operation.id, operation.record FROM operation LEFT JOIN worker ON worker.id = operation.worker
WHERE operation.worker IS NOT NULL AND (worker.lease_until IS NULL OR worker.lease_until <= ?) LIMIT ?;

-- name: settling
-- Operations whose grace after a cancel is over, at (tick, limit).
SELECT id, record FROM operation WHERE settle_at <= ? LIMIT ?;

-- name: expiring
-- Ended operations whose retention is over, at (time, limit).
SELECT id, record FROM operation WHERE expires_at <= ? ORDER BY expires_at LIMIT ?;

-- name: insert_operation
-- A new operation.
INSERT INTO operation (owner, type, status, turn, due_at, counted, parked, worker, settle_at, expires_at, record, id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: move_operation
-- Operations whose indexed columns change.
UPDATE operation SET
    status = new.column1, turn = new.column2, due_at = new.column3, counted = new.column4, parked = new.column5, worker = new.column6,
    settle_at = new.column7, expires_at = new.column8, record = new.column9
FROM (VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)) AS new WHERE operation.id = new.column10;

-- name: update_operation
-- An operation that changes but stays where it is in every index.
UPDATE operation SET record = ? WHERE id = ?;

-- name: insert_event
-- One event.
INSERT INTO event (operation, sequence, body) VALUES (?, ?, ?);

-- name: compact_events
-- The first events of a long operation, up to a number, by (operation, sequence).
DELETE FROM event WHERE operation = ? AND sequence <= ?;

-- name: put_payload
-- An input, a checkpoint or a webhook.
INSERT INTO payload (operation, name, body) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body;

-- name: copy_input
-- The input of (new operation, old operation) for a retry, and its webhook.
INSERT INTO payload (operation, name, body)
SELECT ?, name, body FROM payload WHERE operation = ? AND name IN ('input', 'webhook');

-- name: payload
-- One payload by (operation, name).
SELECT body FROM payload WHERE operation = ? AND name = ?;

-- name: payloads
-- What attempts of the named operations start from. Not their webhooks: secrets go to nobody who has no use for them.
SELECT operation, name, body FROM payload
WHERE operation IN (SELECT value FROM json_each(?)) AND name IN ('input', 'checkpoint');

-- name: webhooks
-- What is registered for webhooks, behind (operation, limit).
SELECT operation, body FROM payload WHERE name = 'webhook' AND operation > ? ORDER BY operation LIMIT ?;

-- name: rewrite_webhook
-- The same in another form, by (body, operation).
UPDATE payload SET body = ? WHERE operation = ? AND name = 'webhook';

-- name: put_delivery
-- A delivery, new or changed.
INSERT INTO delivery (operation, id, host, due_at, record) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET due_at = excluded.due_at, record = excluded.record;

-- name: deliveries_of
-- All deliveries of the named operations, in the order of their events.
SELECT id, record FROM delivery WHERE operation IN (SELECT value FROM json_each(?)) ORDER BY operation, length(id), id;

-- name: next_delivery
-- When the first of all pending deliveries is due.
SELECT due_at FROM delivery WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1;

-- name: waiting_hosts
-- Hosts with pending deliveries behind (host, limit), and when their first one is due: one step of the index for each host.
WITH RECURSIVE waiting (host) AS (
    SELECT (SELECT host FROM delivery WHERE due_at IS NOT NULL AND host > ?1 ORDER BY host LIMIT 1)
    UNION ALL
    SELECT (SELECT host FROM delivery WHERE due_at IS NOT NULL AND host > waiting.host ORDER BY host LIMIT 1)
    FROM waiting WHERE waiting.host IS NOT NULL
    LIMIT ?2
)
SELECT host, (SELECT due_at FROM delivery WHERE delivery.host = waiting.host AND due_at IS NOT NULL ORDER BY due_at LIMIT 1)
FROM waiting WHERE host IS NOT NULL;

-- name: due_deliveries
-- Deliveries to a host that are due, by (host, time, limit).
SELECT id, record FROM delivery WHERE host = ? AND due_at <= ? ORDER BY due_at, id LIMIT ?;

-- name: drop_deliveries
-- The deliveries of an operation.
DELETE FROM delivery WHERE operation = ?;

-- name: put_chunk
-- One chunk of an artifact; an attempt may write it again after an unclear answer.
INSERT INTO chunk (operation, attempt, number, body) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body;

-- name: drop_chunks
-- All chunks of an operation but those of one attempt.
DELETE FROM chunk WHERE operation = ? AND attempt <> ?;

-- name: chunk
-- One chunk.
SELECT body FROM chunk WHERE operation = ? AND attempt = ? AND number = ?;

-- name: insert_line
-- One line of a log.
INSERT INTO log_line (operation, line, body) VALUES (?, ?, ?);

-- name: put_key
-- An idempotency key; it takes the place of one whose time is over.
INSERT INTO idempotency_key (owner, route, key, operation, fingerprint, keep_until) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET operation = excluded.operation, fingerprint = excluded.fingerprint, keep_until = excluded.keep_until, drop_at = NULL;

-- name: put_resource
-- Where the result of an operation is found.
INSERT INTO resource (owner, path, operation) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET operation = excluded.operation;

-- name: resource
-- The operation whose result is at a path.
SELECT operation FROM resource WHERE owner = ? AND path = ?;

-- name: put_lease
-- A worker's lease.
INSERT INTO worker (id, lease_until, about) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET lease_until = excluded.lease_until;

-- name: drop_worker
-- A worker is gone.
DELETE FROM worker WHERE id = ?;

-- name: drop_lost_workers
-- Workers whose lease ran out before a tick and which hold nothing any more.
DELETE FROM worker WHERE lease_until <= ? AND NOT EXISTS (SELECT 1 FROM operation WHERE operation.worker = worker.id);

-- name: expire_leases
-- The ticks of another boot mean nothing: all leases are over.
UPDATE worker SET lease_until = 0;

-- name: add_to_tally
-- A difference of how many operations there are.
INSERT INTO tally (owner, type, status, number) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET number = number + excluded.number;

-- name: put_duration
-- A run time, over the oldest of its type.
INSERT INTO duration (type, slot, milliseconds) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET milliseconds = excluded.milliseconds;

-- name: put_statistic
-- What a process has counted, in place of what it said of the same minute before.
INSERT INTO statistic (scope, minute, type, source, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body;

-- name: drop_statistics
-- Counts from before a minute.
DELETE FROM statistic WHERE minute < ?;

-- name: statistics
-- What all processes have counted for a scope since a minute.
SELECT scope, minute, type, source, body FROM statistic WHERE scope = ? AND minute >= ?;

-- name: running_now
-- Operations that some worker holds, at most so many.
SELECT record FROM operation WHERE worker IS NOT NULL LIMIT ?;

-- name: durations
-- Recent run times of a type.
SELECT milliseconds FROM duration WHERE type = ?;

-- name: insert_tombstone
-- An operation has expired.
INSERT INTO tombstone (id, owner, expired_at) VALUES (?, ?, ?);

-- name: drop_operation
-- Its record.
DELETE FROM operation WHERE id = ?;

-- name: drop_events
-- Its events.
DELETE FROM event WHERE operation = ?;

-- name: drop_payloads
-- Its input, checkpoint and webhook.
DELETE FROM payload WHERE operation = ?;

-- name: drop_lines
-- Its log.
DELETE FROM log_line WHERE operation = ?;

-- name: free_key
-- The key of an expired operation, by (now, owner, route, key, operation): it goes once its minimal lifetime is over.
UPDATE idempotency_key SET drop_at = max(keep_until, ?) WHERE owner = ? AND route = ? AND key = ? AND operation = ?;

-- name: forget_resources
-- Paths of tombstones from before (time, limit).
DELETE FROM resource WHERE operation IN (SELECT id FROM tombstone WHERE expired_at <= ? ORDER BY expired_at LIMIT ?);

-- name: forget_tombstones
-- Tombstones from before (time, limit).
DELETE FROM tombstone WHERE id IN (SELECT id FROM tombstone WHERE expired_at <= ? ORDER BY expired_at LIMIT ?);

-- name: forget_keys
-- Keys whose time is over at (time, limit).
DELETE FROM idempotency_key WHERE (owner, route, key) IN
    (SELECT owner, route, key FROM idempotency_key WHERE drop_at <= ? ORDER BY drop_at LIMIT ?);

-- name: partitions
-- Which (owner, type, status) there are, and how many operations are in each.
SELECT owner, type, status, number FROM tally WHERE number > 0;

-- name: partitions_of_owner
-- The same for one owner.
SELECT owner, type, status, number FROM tally WHERE owner = ? AND number > 0;

-- name: newest
-- The newest operations in one partition, by (owner, type, status, before, since, limit).
SELECT id FROM operation WHERE owner = ? AND type = ? AND status = ? AND id < ? AND id > ? ORDER BY id DESC LIMIT ?;

-- name: events
-- Events of an operation, by (operation, after, limit).
SELECT body FROM event WHERE operation = ? AND sequence > ? ORDER BY sequence LIMIT ?;

-- name: news
-- Events of several operations, by ({operation: after}, limit). CROSS JOIN keeps the order of the loops: one seek for each.
SELECT body FROM json_each(?) AS wanted CROSS JOIN event ON event.operation = wanted.key AND event.sequence > wanted.value LIMIT ?;

-- name: lines
-- Lines of a log, by (operation, after, limit).
SELECT body FROM log_line WHERE operation = ? AND line > ? ORDER BY line LIMIT ?;

-- name: queue
-- The line of one owner, by (type, owner, limit): who waits, and since when.
SELECT owner, turn, id FROM ready WHERE type = ? AND owner = ? ORDER BY turn, id LIMIT ?;

-- name: workers
-- All workers and whether their lease holds, at a tick.
SELECT id, lease_until > ?, about FROM worker;

-- name: fact
-- A fact about this file.
SELECT value FROM fact WHERE name = ?;

-- name: put_fact
-- A fact about this file.
INSERT INTO fact (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value;

-- name: keys_after
-- API keys that have changed since a revision.
SELECT revision, record FROM api_key WHERE revision > ? ORDER BY revision;

-- name: key_by_id
-- One API key.
SELECT record FROM api_key WHERE id = ?;

-- name: put_api_key
-- An API key, new or changed.
INSERT INTO api_key (id, revision, record) VALUES (?, (SELECT coalesce(max(revision), 0) + 1 FROM api_key), ?)
ON CONFLICT DO UPDATE SET revision = excluded.revision, record = excluded.record;

-- name: put_ticket
-- A ticket, by (digest, expires at, record).
INSERT INTO ticket (digest, expires_at, record) VALUES (?, ?, ?);

-- name: drop_tickets
-- A few tickets that nobody has used in time.
DELETE FROM ticket WHERE digest IN (SELECT digest FROM ticket WHERE expires_at <= ? ORDER BY expires_at LIMIT 100);

-- name: take_ticket
-- A ticket, which is gone with this.
DELETE FROM ticket WHERE digest = ? RETURNING record;
