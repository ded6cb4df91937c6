-- Named statements of the registry.

-- One load at a time changes facts, for its checks look at all that stand. The lock is let go by the commit, when
-- everything it wrote can be read.
-- name: registry_turn
SELECT pg_try_advisory_xact_lock(hashtextextended('registry load', 0));

-- The same turn, waited for: only at start, where no committer stands behind it.
-- name: registry_turn_wait
SELECT pg_advisory_xact_lock(hashtextextended('registry load', 0));

-- name: registry_rows
SELECT data FROM reference_row;

-- name: registry_rows_write
INSERT INTO reference_row (kind, key, division, data, changed_at)
SELECT r.kind, r.key, r.division, r.data, $5::bigint
  FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[]) AS r (kind, key, division, data)
    ON CONFLICT (kind, key)
    DO UPDATE SET division = excluded.division, data = excluded.data, changed_at = excluded.changed_at;

-- name: registry_rows_list
SELECT key, data
  FROM reference_row
 WHERE kind = $1 AND key > $2
   AND ($3::text[] IS NULL OR division = ''
        OR EXISTS (SELECT FROM unnest($3::text[]) AS p (prefix) WHERE starts_with(division, p.prefix)))
 ORDER BY key
 LIMIT $4;

-- name: registry_load_insert
INSERT INTO reference_load (id, loaded_at, principal, changed, unchanged, faults, answer)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: registry_load_read
SELECT answer FROM reference_load WHERE id = $1;
