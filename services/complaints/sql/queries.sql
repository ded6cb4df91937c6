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
-- Of subjects that are locked: read in a statement of its own, so that it sees what the lock waited for.
SELECT id, order_no, source, external_id, channel, type, urgency, category, title, body, place, division, unit,
       audience, about_enforcement, caller_sealed, caller_key, confidential, wants_reply, received_at, filed_at,
       state, version, redo_count, return_count, failed_visits, returned_by, return_limit, extended, reply_text,
       reply_basis, replied_at, visit_reached, visit_solved, visit_satisfied, visit_note, visited_at
  FROM complaint WHERE id = ANY($1::uuid[]);

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

-- These say twice which rows they are for: the second keeps the planner from reading all of a table that had some sixty wide
-- rows when it planned. (Clocks have narrow ones, and two columns to be found by: they are looked up at any size. There a
-- second condition would cost, for a batch of rungs is four times as large.)
-- name: complaint_set_state
UPDATE complaint c
   SET state = v.state, version = v.version
  FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::smallint[]) AS state, unnest($3::bigint[]) AS version) v
 WHERE c.id = v.id AND c.id = ANY($1::uuid[]);

-- name: complaint_set_dispatched
UPDATE complaint c
   SET state = v.state, version = v.version, division = v.division, unit = v.unit, extended = false
  FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::smallint[]) AS state, unnest($3::bigint[]) AS version,
               unnest($4::text[]) AS division, unnest($5::text[]) AS unit) v
 WHERE c.id = v.id AND c.id = ANY($1::uuid[]);

-- name: complaint_set_returned
UPDATE complaint c
   SET state = v.state, version = v.version, return_count = v.return_count, returned_by = v.returned_by,
       return_limit = v.return_limit, unit = v.unit
  FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::smallint[]) AS state, unnest($3::bigint[]) AS version,
               unnest($4::integer[]) AS return_count, unnest($5::text[]) AS returned_by,
               unnest($6::boolean[]) AS return_limit, unnest($7::text[]) AS unit) v
 WHERE c.id = v.id AND c.id = ANY($1::uuid[]);

-- name: complaint_set_replied
UPDATE complaint c
   SET state = v.state, version = v.version, reply_text = v.reply_text, reply_basis = v.reply_basis,
       replied_at = v.replied_at
  FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::smallint[]) AS state, unnest($3::bigint[]) AS version,
               unnest($4::text[]) AS reply_text, unnest($5::text[]) AS reply_basis,
               unnest($6::bigint[]) AS replied_at) v
 WHERE c.id = v.id AND c.id = ANY($1::uuid[]);

-- name: complaint_set_extended
UPDATE complaint c
   SET version = v.version, extended = true
  FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::bigint[]) AS version) v
 WHERE c.id = v.id AND c.id = ANY($1::uuid[]);

-- name: complaint_set_visited
UPDATE complaint c
   SET state = v.state, version = v.version, visit_reached = v.visit_reached, visit_solved = v.visit_solved,
       visit_satisfied = v.visit_satisfied, visit_note = v.visit_note, visited_at = v.visited_at,
       failed_visits = v.failed_visits
  FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::smallint[]) AS state, unnest($3::bigint[]) AS version,
               unnest($4::boolean[]) AS visit_reached, unnest($5::boolean[]) AS visit_solved,
               unnest($6::boolean[]) AS visit_satisfied, unnest($7::text[]) AS visit_note,
               unnest($8::bigint[]) AS visited_at, unnest($9::integer[]) AS failed_visits) v
 WHERE c.id = v.id AND c.id = ANY($1::uuid[]);

-- name: complaint_set_redone
UPDATE complaint c
   SET state = v.state, version = v.version, redo_count = v.redo_count, extended = false
  FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::smallint[]) AS state, unnest($3::bigint[]) AS version,
               unnest($4::integer[]) AS redo_count) v
 WHERE c.id = v.id AND c.id = ANY($1::uuid[]);

-- name: complaint_set_reopened
UPDATE complaint c
   SET state = v.state, version = v.version, redo_count = 0, failed_visits = 0
  FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::smallint[]) AS state, unnest($3::bigint[]) AS version) v
 WHERE c.id = v.id AND c.id = ANY($1::uuid[]);

-- name: complaint_act_insert
INSERT INTO complaint_act (complaint_id, version, action, acted_at, principal, reached, unit, note)
SELECT unnest($1::uuid[]), unnest($2::bigint[]), unnest($3::text[]), unnest($4::bigint[]), unnest($5::text[]),
       unnest($6::boolean[]), unnest($7::text[]), unnest($8::text[]);
