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
