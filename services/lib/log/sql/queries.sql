-- Named statements of the log.

-- name: log_append
SELECT log_append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: log_now
SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint + $1 -- lint: database time

-- name: log_read
SELECT position, event_id, type, subject, division, audience, about_enforcement, correlation, traceparent, time, data
  FROM event
 WHERE position > $1
 ORDER BY position
 LIMIT $2;

-- The epoch and the records of one snapshot: a row without a position tells the epoch of an empty answer.
-- name: log_slice
SELECT e.position, e.event_id, e.type, e.subject, e.division, e.audience, e.about_enforcement, e.correlation,
       e.traceparent, e.time, e.data, s.epoch
  FROM log_stream s
  LEFT JOIN LATERAL (SELECT position, event_id, type, subject, division, audience, about_enforcement, correlation,
                            traceparent, time, data
                       FROM event
                      WHERE position > $1
                      ORDER BY position
                      LIMIT $2) e ON true
 ORDER BY e.position;

-- name: log_head
SELECT s.epoch, coalesce((SELECT max(position) FROM event), 0)
  FROM log_stream s;

-- name: log_epochs
SELECT epoch, position
  FROM (SELECT epoch, position FROM log_epoch ORDER BY epoch DESC LIMIT $1) newest
 ORDER BY epoch;

-- name: log_event_id
SELECT event_id FROM event WHERE position = $1;

-- name: log_open
SELECT log_open($1);

-- name: log_newest
SELECT time FROM event ORDER BY position DESC LIMIT 1;

-- name: log_offset
SELECT civil_offset_ms FROM log_stream;

-- name: log_offset_keep
UPDATE log_stream SET civil_offset_ms = greatest(civil_offset_ms, $1::bigint);

-- name: consumer_create
INSERT INTO consumer_cursor (stream) VALUES ($1) ON CONFLICT DO NOTHING;

-- Takes or renews the lease: free, ours, or expired. A row that is locked is being moved: whoever leads is alive, or
-- the server will end his transaction.
-- name: consumer_lease
UPDATE consumer_cursor c
   SET holder = $2,
       lease_until = floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint + $3 -- lint: database time
  FROM (SELECT stream, holder FROM consumer_cursor WHERE stream = $1 FOR UPDATE SKIP LOCKED) old
 WHERE c.stream = old.stream
   AND (c.holder IN ('', $2)
        OR c.lease_until < floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) -- lint: database time
RETURNING old.holder, c.epoch, c.position, c.event_id, c.stopped;

-- A clean end is no death: the trial that was under way does not count.
-- name: consumer_release
UPDATE consumer_cursor
   SET holder = '', lease_until = 0,
       trial_lives = CASE WHEN trial_holder = $2 THEN greatest(trial_lives - 1, 0) ELSE trial_lives END
 WHERE stream = $1 AND holder = $2;

-- name: consumer_lock
SELECT epoch, position, event_id FROM consumer_cursor WHERE stream = $1 FOR UPDATE;

-- The compare-and-set that makes effects exactly once; it renews the lease of whoever leads.
-- name: consumer_move
UPDATE consumer_cursor
   SET epoch = $5, position = $6, event_id = $7,
       lease_until = CASE WHEN holder = $8
                          THEN floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint + $9 -- lint: database time
                          ELSE lease_until END
 WHERE stream = $1 AND epoch = $2 AND position = $3 AND event_id = $4 AND NOT stopped;

-- name: consumer_halt
UPDATE consumer_cursor SET stopped = true
 WHERE stream = $1 AND epoch = $2 AND position = $3 AND holder = $4;

-- How many processes have begun this event alone, this one included.
-- name: consumer_trial
UPDATE consumer_cursor
   SET trial_position = $2, trial_holder = $3,
       trial_lives = CASE WHEN trial_position <> $2 THEN 1
                          WHEN trial_holder = $3 THEN trial_lives
                          ELSE trial_lives + 1 END
 WHERE stream = $1
RETURNING trial_lives;

-- name: consumer_rebase
UPDATE consumer_cursor c
   SET epoch = $2, position = $3, event_id = '', stopped = false, trial_position = 0, trial_lives = 0
  FROM (SELECT stream, epoch, position FROM consumer_cursor WHERE stream = $1 FOR UPDATE) old
 WHERE c.stream = old.stream
RETURNING old.epoch, old.position;

-- name: consumer_status
SELECT c.stream, c.epoch, c.position, c.stopped, c.holder,
       (SELECT count(*) FROM dead_letter d WHERE d.stream = c.stream)
  FROM consumer_cursor c
 WHERE $1 IN ('', c.stream)
 ORDER BY c.stream;

-- name: dead_letter_subjects
SELECT DISTINCT subject FROM dead_letter WHERE stream = $1 AND subject = ANY ($2::text[]);

-- name: dead_letter_park
INSERT INTO dead_letter (stream, position, event_id, type, subject, division, audience, about_enforcement, correlation,
                         traceparent, time, data, attempts, error, parked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15);

-- name: dead_letter_list
SELECT position, type, subject, attempts, error, parked_at
  FROM dead_letter
 WHERE stream = $1
 ORDER BY position
 LIMIT $2;

-- In the shape of log_read.
-- name: dead_letter_first
SELECT position, event_id, type, subject, division, audience, about_enforcement, correlation, traceparent, time, data
  FROM dead_letter
 WHERE stream = $1 AND subject = $2
 ORDER BY position
 LIMIT 1
   FOR UPDATE;

-- name: dead_letter_delete
DELETE FROM dead_letter WHERE stream = $1 AND position = $2;

-- name: dead_letter_failed
UPDATE dead_letter SET attempts = attempts + 1, error = $3 WHERE stream = $1 AND position = $2;

-- name: dead_letter_count
SELECT count(*) FROM dead_letter WHERE stream = $1 AND subject = $2;
