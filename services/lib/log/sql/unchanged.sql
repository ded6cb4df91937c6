-- What tells that an answer which was made from this database is still the answer.

-- name: log_unchanged
-- Has anything under these divisions happened since a position? Where more than $3 events came since, or fewer than
-- none, nobody looks: then something may have. In order and with a limit, so that it is a walk by the key whatever the
-- planner believes.
SELECT s.epoch, h.head,
       CASE WHEN h.head < $1::bigint OR h.head - $1::bigint > $3::bigint THEN false
            WHEN h.head = $1::bigint THEN true
            ELSE NOT EXISTS (SELECT FROM (SELECT division FROM event
                                           WHERE position > $1::bigint
                                           ORDER BY position
                                           LIMIT $3::bigint) e
                              WHERE e.division = '' OR e.division ^@ ANY ($2::text[]))
       END
  FROM log_stream s
 CROSS JOIN (SELECT coalesce(max(position), 0) AS head FROM event) h;

-- name: log_place
SELECT place FROM log_stream;
