-- name: mirror_rows
-- One statement, one moment: position and version belong to exactly these rows.
SELECT r.position, r.data, s.applied, s.reached, s.xmin::text::bigint
  FROM mirror_state s LEFT JOIN mirror_row r ON true;

-- name: mirror_state
-- xmin is another whenever the row was moved, be it to where it was before: a log that lost its end gives positions again.
SELECT applied, reached, xmin::text::bigint FROM mirror_state;

-- name: mirror_take
-- For a service that mirrors its own log: one replica applies, the others read what it applied.
SELECT applied FROM mirror_state FOR UPDATE SKIP LOCKED;

-- name: mirror_upsert
INSERT INTO mirror_row (kind, key, position, data)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[])
    ON CONFLICT (kind, key) DO UPDATE SET position = excluded.position, data = excluded.data;

-- name: mirror_advance
UPDATE mirror_state SET applied = $1;

-- name: mirror_reach
-- Tells the replicas when it happens, and nobody when it has happened.
WITH now_reached AS (UPDATE mirror_state SET reached = true WHERE NOT reached RETURNING 1)
SELECT pg_notify('mirror', '') FROM now_reached;

-- name: mirror_notify
-- Told at commit: every replica's mirror looks at once.
SELECT pg_notify('mirror', '');
