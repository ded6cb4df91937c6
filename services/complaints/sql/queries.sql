-- name: complaint_order_block
SELECT nextval('complaint_order_seq');

-- name: complaint_insert
INSERT INTO complaint (id, order_no, source, external_id, digest, channel, type, urgency, category, title, body,
                       place, division, unit, audience, about_enforcement, caller_sealed, caller_key,
                       confidential, wants_reply, received_at, filed_at, state, version)
SELECT unnest($1::uuid[]), unnest($2::text[]), unnest($3::text[]), unnest($4::text[]), unnest($5::bytea[]),
       unnest($6::smallint[]), unnest($7::smallint[]), unnest($8::smallint[]), unnest($9::text[]), unnest($10::text[]),
       unnest($11::text[]), unnest($12::text[]), unnest($13::text[]), unnest($14::text[]), unnest($15::text[]),
       unnest($16::boolean[]), unnest($17::bytea[]), unnest($18::text[]), unnest($19::boolean[]), unnest($20::boolean[]),
       unnest($21::bigint[]), unnest($22::bigint[]), unnest($23::smallint[]), unnest($24::bigint[]);

-- name: complaint_natural
-- LIMIT keeps each lookup one by index, however the table was when this was planned.
SELECT c.source, c.external_id, c.id, c.digest
  FROM unnest($1::text[], $2::text[]) AS k(source, external_id)
 CROSS JOIN LATERAL (SELECT f.source, f.external_id, f.id, f.digest
                       FROM complaint f
                      WHERE f.source = k.source AND f.external_id = k.external_id
                      LIMIT 1) c;

-- name: complaint_lock
SELECT id FROM complaint WHERE id = ANY($1::text[]::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED;

-- name: complaint_exists
SELECT id FROM complaint WHERE id = ANY($1::text[]::uuid[]);

-- name: complaint_get
SELECT id, order_no, source, external_id, channel, type, urgency, category, title, body, place, division, unit,
       audience, about_enforcement, caller_sealed, caller_key, confidential, wants_reply, received_at, filed_at,
       state, version, redo_count, return_count, failed_visits, returned_by, return_limit, extended, reply_text,
       reply_basis, replied_at, visit_reached, visit_solved, visit_satisfied, visit_note, visited_at
  FROM complaint WHERE id = $1;

-- name: complaint_see
-- The same for readers, and the epoch that its version is of.
SELECT id, order_no, source, external_id, channel, type, urgency, category, title, body, place, division, unit,
       audience, about_enforcement, caller_sealed, caller_key, confidential, wants_reply, received_at, filed_at,
       state, version, redo_count, return_count, failed_visits, returned_by, return_limit, extended, reply_text,
       reply_basis, replied_at, visit_reached, visit_solved, visit_satisfied, visit_note, visited_at,
       (SELECT epoch FROM log_stream)
  FROM complaint WHERE id = $1;

-- name: complaint_standing
-- What a kept answer is checked by: it rises with every change of the complaint and of its clocks.
SELECT s.epoch, c.version + coalesce((SELECT sum(k.row_version) FROM clock k WHERE k.subject = c.id), 0)::bigint
  FROM complaint c
 CROSS JOIN log_stream s
 WHERE c.id = $1;

-- name: complaint_list
SELECT id, order_no, source, external_id, channel, type, urgency, category, title, body, place, division, unit,
       audience, about_enforcement, caller_sealed, caller_key, confidential, wants_reply, received_at, filed_at,
       state, version, redo_count, return_count, failed_visits, returned_by, return_limit, extended, reply_text,
       reply_basis, replied_at, visit_reached, visit_solved, visit_satisfied, visit_note, visited_at
  FROM complaint
 WHERE division ^@ ANY($1::text[]) AND ($2::int = 0 OR state = $2) AND ($3::text IS NULL OR source = $3)
   AND ($4::text IS NULL OR audience = '' OR audience ^@ $4)
   AND ($5::uuid IS NULL OR id < $5)
 ORDER BY id DESC LIMIT $6;

-- name: complaint_list_county
SELECT id, order_no, source, external_id, channel, type, urgency, category, title, body, place, division, unit,
       audience, about_enforcement, caller_sealed, caller_key, confidential, wants_reply, received_at, filed_at,
       state, version, redo_count, return_count, failed_visits, returned_by, return_limit, extended, reply_text,
       reply_basis, replied_at, visit_reached, visit_solved, visit_satisfied, visit_note, visited_at
  FROM complaint
 WHERE substr(division, 1, 6) = ANY($7::text[])
   AND division ^@ ANY($1::text[]) AND ($2::int = 0 OR state = $2) AND ($3::text IS NULL OR source = $3)
   AND ($4::text IS NULL OR audience = '' OR audience ^@ $4)
   AND ($5::uuid IS NULL OR id < $5)
 ORDER BY id DESC LIMIT $6;

-- name: complaint_list_external
SELECT id, order_no, source, external_id, channel, type, urgency, category, title, body, place, division, unit,
       audience, about_enforcement, caller_sealed, caller_key, confidential, wants_reply, received_at, filed_at,
       state, version, redo_count, return_count, failed_visits, returned_by, return_limit, extended, reply_text,
       reply_basis, replied_at, visit_reached, visit_solved, visit_satisfied, visit_note, visited_at
  FROM complaint
 WHERE external_id = $7
   AND division ^@ ANY($1::text[]) AND ($2::int = 0 OR state = $2) AND ($3::text IS NULL OR source = $3)
   AND ($4::text IS NULL OR audience = '' OR audience ^@ $4)
   AND ($5::uuid IS NULL OR id < $5)
 ORDER BY id DESC LIMIT $6;

-- name: complaint_set_state
UPDATE complaint SET state = $2, version = $3 WHERE id = $1;

-- name: complaint_set_dispatched
UPDATE complaint SET state = $2, version = $3, division = $4, unit = $5, extended = false WHERE id = $1;

-- name: complaint_set_returned
UPDATE complaint SET state = $2, version = $3, return_count = $4, returned_by = $5, return_limit = $6, unit = $7
 WHERE id = $1;

-- name: complaint_set_replied
UPDATE complaint SET state = $2, version = $3, reply_text = $4, reply_basis = $5, replied_at = $6 WHERE id = $1;

-- name: complaint_set_extended
UPDATE complaint SET version = $2, extended = true WHERE id = $1;

-- name: complaint_set_visited
UPDATE complaint SET state = $2, version = $3, visit_reached = $4, visit_solved = $5, visit_satisfied = $6,
       visit_note = $7, visited_at = $8, failed_visits = $9
 WHERE id = $1;

-- name: complaint_set_redone
UPDATE complaint SET state = $2, version = $3, redo_count = $4, extended = false WHERE id = $1;

-- name: complaint_set_reopened
UPDATE complaint SET state = $2, version = $3, redo_count = 0, failed_visits = 0 WHERE id = $1;

-- name: complaint_act_insert
INSERT INTO complaint_act (complaint_id, version, action, acted_at, principal, reached, unit, note)
SELECT unnest($1::uuid[]), unnest($2::bigint[]), unnest($3::text[]), unnest($4::bigint[]), unnest($5::text[]),
       unnest($6::boolean[]), unnest($7::text[]), unnest($8::text[]);
