-- name: card_insert
INSERT INTO card (id, color, subject, clock_kind, clock_id, term, division, audience, about_enforcement, unit, level,
                  due_at, raised_at, state, version)
SELECT unnest($1::uuid[]), unnest($2::smallint[]), unnest($3::uuid[]), unnest($4::smallint[]), unnest($5::uuid[]),
       unnest($6::int[]), unnest($7::text[]), unnest($8::text[]), unnest($9::boolean[]), unnest($10::text[]),
       unnest($11::smallint[]), unnest($12::bigint[]), unnest($13::bigint[]), unnest($14::smallint[]),
       unnest($15::bigint[])
    ON CONFLICT (id) DO NOTHING
RETURNING id;

-- name: card_lock
SELECT id FROM card WHERE id = ANY($1::text[]::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED;

-- name: card_exists
SELECT id FROM card WHERE id = ANY($1::text[]::uuid[]);

-- name: card_get
SELECT id, color, subject, clock_kind, clock_id, term, division, audience, about_enforcement, unit, level, due_at,
       raised_at, state, acknowledged_by, acknowledged_at, closed_at, version
  FROM card WHERE id = $1;

-- name: card_open_of
SELECT id, color, subject, clock_kind, clock_id, term, division, audience, about_enforcement, unit, level, due_at,
       raised_at, state, acknowledged_by, acknowledged_at, closed_at, version
  FROM card WHERE subject = $1 AND state <> 3 AND clock_kind = ANY($2::smallint[])
 ORDER BY id FOR UPDATE;

-- name: card_close
UPDATE card SET state = 3, closed_at = $2, version = version + 1 WHERE id = $1;

-- name: card_acknowledge
UPDATE card SET state = $2, acknowledged_by = $3, acknowledged_at = $4, version = $5 WHERE id = $1;

-- name: card_acknowledgement_insert
INSERT INTO card_acknowledgement (card_id, principal, acknowledged_at) VALUES ($1, $2, $3)
    ON CONFLICT DO NOTHING RETURNING card_id;

-- name: card_list
SELECT id, color, subject, clock_kind, clock_id, term, division, audience, about_enforcement, unit, level, due_at,
       raised_at, state, acknowledged_by, acknowledged_at, closed_at, version
  FROM card
 WHERE division ^@ ANY($1::text[])
   AND ($2::int = 0 OR color = $2) AND ($3::int = 0 OR state = $3) AND ($4::uuid IS NULL OR subject = $4)
   AND ($5::text IS NULL OR audience = '' OR audience ^@ $5)
   AND ($6::bigint IS NULL OR (raised_at, id) < ($6, $7::uuid))
 ORDER BY raised_at DESC, id DESC LIMIT $8;

-- name: card_list_county
SELECT id, color, subject, clock_kind, clock_id, term, division, audience, about_enforcement, unit, level, due_at,
       raised_at, state, acknowledged_by, acknowledged_at, closed_at, version
  FROM card
 WHERE substr(division, 1, 6) = ANY($9::text[]) AND division ^@ ANY($1::text[])
   AND ($2::int = 0 OR color = $2) AND ($3::int = 0 OR state = $3) AND ($4::uuid IS NULL OR subject = $4)
   AND ($5::text IS NULL OR audience = '' OR audience ^@ $5)
   AND ($6::bigint IS NULL OR (raised_at, id) < ($6, $7::uuid))
 ORDER BY raised_at DESC, id DESC LIMIT $8;

-- name: order_insert
INSERT INTO supervision_order (id, level, trigger, subject, division, audience, about_enforcement, unit, body,
                               previous, clock_id, term, issued_at, due_at, state, basis_zh, basis_en, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 1, $15, $16, 1);

-- name: order_lock
SELECT id FROM supervision_order WHERE id = ANY($1::text[]::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED;

-- name: order_exists
SELECT id FROM supervision_order WHERE id = ANY($1::text[]::uuid[]);

-- name: order_get
SELECT id, level, trigger, subject, division, audience, about_enforcement, unit, body, previous, clock_id, term,
       issued_at, due_at, state, reply_text, replied_at, verdict, closed_at, cannot_escalate, reported, basis_zh,
       basis_en, version
  FROM supervision_order WHERE id = $1;

-- name: order_get_locked
SELECT id, level, trigger, subject, division, audience, about_enforcement, unit, body, previous, clock_id, term,
       issued_at, due_at, state, reply_text, replied_at, verdict, closed_at, cannot_escalate, reported, basis_zh,
       basis_en, version
  FROM supervision_order WHERE id = $1 FOR UPDATE;

-- name: order_open_locked
SELECT id, level, trigger, subject, division, audience, about_enforcement, unit, body, previous, clock_id, term,
       issued_at, due_at, state, reply_text, replied_at, verdict, closed_at, cannot_escalate, reported, basis_zh,
       basis_en, version
  FROM supervision_order WHERE subject = $1 AND ($2::int = 0 OR trigger = $2) AND state IN (1, 2, 3)
 ORDER BY id FOR UPDATE;

-- name: order_open_of_locked
SELECT id, level, trigger, subject, division, audience, about_enforcement, unit, body, previous, clock_id, term,
       issued_at, due_at, state, reply_text, replied_at, verdict, closed_at, cannot_escalate, reported, basis_zh,
       basis_en, version
  FROM supervision_order WHERE subject = ANY($1::text[]::uuid[]) AND trigger = $2 AND state IN (1, 2, 3)
 ORDER BY id FOR UPDATE;

-- name: order_save
UPDATE supervision_order SET state = $2, version = $3, reply_text = $4, replied_at = $5, verdict = $6, closed_at = $7,
       cannot_escalate = $8, reported = $9, due_at = $10
 WHERE id = $1;

-- name: order_readdress
UPDATE supervision_order SET division = $2, audience = $3, about_enforcement = $4, unit = $5, body = $6, version = $7
 WHERE id = $1;

-- name: order_list
SELECT id, level, trigger, subject, division, audience, about_enforcement, unit, body, previous, clock_id, term,
       issued_at, due_at, state, reply_text, replied_at, verdict, closed_at, cannot_escalate, reported, basis_zh,
       basis_en, version
  FROM supervision_order
 WHERE division ^@ ANY($1::text[])
   AND ($2::int = 0 OR state = $2) AND ($3::uuid IS NULL OR subject = $3)
   AND (NOT $4::boolean OR (cannot_escalate AND state IN (1, 2, 3)))
   AND ($5::text IS NULL OR audience = '' OR audience ^@ $5)
   AND ($6::bigint IS NULL OR (issued_at, id) < ($6, $7::uuid))
 ORDER BY issued_at DESC, id DESC LIMIT $8;

-- name: order_list_county
SELECT id, level, trigger, subject, division, audience, about_enforcement, unit, body, previous, clock_id, term,
       issued_at, due_at, state, reply_text, replied_at, verdict, closed_at, cannot_escalate, reported, basis_zh,
       basis_en, version
  FROM supervision_order
 WHERE substr(division, 1, 6) = ANY($9::text[]) AND division ^@ ANY($1::text[])
   AND ($2::int = 0 OR state = $2) AND ($3::uuid IS NULL OR subject = $3)
   AND (NOT $4::boolean OR (cannot_escalate AND state IN (1, 2, 3)))
   AND ($5::text IS NULL OR audience = '' OR audience ^@ $5)
   AND ($6::bigint IS NULL OR (issued_at, id) < ($6, $7::uuid))
 ORDER BY issued_at DESC, id DESC LIMIT $8;

-- name: order_stuck_count
SELECT count(*) FROM supervision_order WHERE cannot_escalate AND state IN (1, 2, 3);
