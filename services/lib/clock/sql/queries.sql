-- name: clock_insert
INSERT INTO clock (subject, kind, id, term, division, audience, unit, about_enforcement, started_at, due_at, due_on,
                   provisional, cancelled, rule, rule_version, extended_days, calendar_position,
                   next_rung, next_at, next_provisional, last_rung, last_fired_at, row_version)
SELECT v.subject, v.kind, v.id, v.term, v.division, v.audience, v.unit, v.about_enforcement, v.started_at, v.due_at,
       v.due_on, v.provisional, false, v.rule, v.rule_version, v.extended_days, v.calendar_position,
       nullif(v.next_rung, 0), v.next_at, v.next_provisional, nullif(v.last_rung, 0), v.last_fired_at, 1
FROM (SELECT unnest($1::uuid[]), unnest($2::smallint[]), unnest($3::uuid[]), unnest($4::integer[]), unnest($5::text[]),
             unnest($6::text[]), unnest($7::text[]), unnest($8::boolean[]), unnest($9::bigint[]), unnest($10::bigint[]),
             unnest($11::integer[]), unnest($12::boolean[]), unnest($13::text[]), unnest($14::integer[]),
             unnest($15::integer[]), unnest($16::bigint[]), unnest($17::smallint[]), unnest($18::bigint[]),
             unnest($19::boolean[]), unnest($20::smallint[]), unnest($21::bigint[]))
    AS v (subject, kind, id, term, division, audience, unit, about_enforcement, started_at, due_at, due_on, provisional,
          rule, rule_version, extended_days, calendar_position, next_rung, next_at, next_provisional, last_rung,
          last_fired_at);

-- name: clock_update
UPDATE clock c
SET term = v.term, division = v.division, audience = v.audience, unit = v.unit, about_enforcement = v.about_enforcement,
    started_at = v.started_at, due_at = v.due_at, due_on = v.due_on, provisional = v.provisional, ended_at = v.ended_at,
    cancelled = v.cancelled, rule = v.rule, rule_version = v.rule_version, extended_days = v.extended_days,
    calendar_position = v.calendar_position, last_rung = nullif(v.last_rung, 0), last_fired_at = v.last_fired_at,
    next_rung = nullif(v.next_rung, 0), next_at = v.next_at, next_provisional = v.next_provisional, attempts = 0,
    retry_at = NULL, row_version = v.row_version, date_position = v.date_position
FROM (SELECT unnest($1::uuid[]), unnest($2::smallint[]), unnest($3::integer[]), unnest($4::text[]), unnest($5::text[]),
             unnest($6::text[]), unnest($7::boolean[]), unnest($8::bigint[]), unnest($9::bigint[]), unnest($10::integer[]),
             unnest($11::boolean[]), unnest($12::bigint[]), unnest($13::boolean[]), unnest($14::text[]),
             unnest($15::integer[]), unnest($16::integer[]), unnest($17::bigint[]), unnest($18::smallint[]),
             unnest($19::bigint[]), unnest($20::smallint[]), unnest($21::bigint[]), unnest($22::boolean[]),
             unnest($23::bigint[]), unnest($24::bigint[]))
    AS v (subject, kind, term, division, audience, unit, about_enforcement, started_at, due_at, due_on, provisional,
          ended_at, cancelled, rule, rule_version, extended_days, calendar_position, last_rung, last_fired_at, next_rung,
          next_at, next_provisional, row_version, date_position)
WHERE c.subject = v.subject AND c.kind = v.kind;

-- name: clock_ledger_insert
INSERT INTO clock_ledger (clock_id, row_version, what, at, term, was_started_at, was_due_at, was_rule,
                          was_rule_version, due_at, calendar_position, reason)
SELECT unnest($1::uuid[]), unnest($2::bigint[]), unnest($3::text[]), unnest($4::bigint[]), unnest($5::integer[]),
       unnest($6::bigint[]), unnest($7::bigint[]), unnest($8::text[]), unnest($9::integer[]), unnest($10::bigint[]),
       unnest($11::bigint[]), unnest($12::text[]);

-- name: clock_readdress
UPDATE clock
SET division = $2, audience = $3, unit = $4, about_enforcement = $5
WHERE subject = $1 AND ended_at IS NULL
  AND (division, audience, unit, about_enforcement) IS DISTINCT FROM ($2, $3, $4, $5::boolean);

-- name: clock_by_subjects
SELECT subject, kind, id, term, started_at, due_at, due_on, provisional, ended_at, cancelled, rule, rule_version,
       extended_days, calendar_position, date_position, last_rung, last_fired_at, next_rung, next_at, next_provisional,
       row_version, division, audience, unit, about_enforcement
FROM clock
WHERE subject = any ($1::uuid[])
ORDER BY subject, kind;

-- name: clock_due_page
-- What is due at $1, after the place ($2, $3), without a lock: only where to look.
SELECT subject, greatest(next_at, retry_at)
FROM clock
WHERE next_at IS NOT NULL AND greatest(next_at, retry_at) <= $1
  AND (greatest(next_at, retry_at), subject) > ($2::bigint, $3::uuid)
ORDER BY greatest(next_at, retry_at), subject
LIMIT $4;

-- name: clock_due_locked
-- Of subjects that are locked: read in a statement of its own, so that it sees what the lock waited for.
SELECT subject, kind, id, term, started_at, due_at, due_on, provisional, ended_at, cancelled, rule, rule_version,
       extended_days, calendar_position, date_position, last_rung, last_fired_at, next_rung, next_at, next_provisional,
       row_version, division, audience, unit, about_enforcement
FROM clock
WHERE subject = any ($1::uuid[]) AND next_at IS NOT NULL AND greatest(next_at, retry_at) <= $2
ORDER BY subject, kind;

-- name: clock_rungs_insert
INSERT INTO clock_rung (clock_id, term, rung, due_at, fired_at)
SELECT unnest($1::uuid[]), unnest($2::integer[]), unnest($3::smallint[]), unnest($4::bigint[]), unnest($5::bigint[]);

-- name: clock_rungs_advance
-- The position only falls: whoever computed the next rung by an older calendar leaves the clock to be recomputed.
UPDATE clock c
SET last_rung = v.rung, last_fired_at = v.fired_at, next_rung = nullif(v.next_rung, 0),
    next_at = nullif(v.next_at, 0), next_provisional = v.next_provisional,
    calendar_position = least(c.calendar_position, v.calendar_position), attempts = 0, retry_at = NULL,
    row_version = c.row_version + 1
FROM (SELECT unnest($1::uuid[]), unnest($2::smallint[]), unnest($3::smallint[]), unnest($4::bigint[]),
             unnest($5::smallint[]), unnest($6::bigint[]), unnest($7::boolean[]), unnest($8::bigint[]))
    AS v (subject, kind, rung, fired_at, next_rung, next_at, next_provisional, calendar_position)
WHERE c.subject = v.subject AND c.kind = v.kind;

-- name: clock_unsettled_page
SELECT subject, calendar_position
FROM clock
WHERE ended_at IS NULL AND (provisional OR next_provisional) AND calendar_position < $1
  AND (retry_at IS NULL OR retry_at <= $2) AND (calendar_position, subject) > ($3::bigint, $4::uuid)
ORDER BY calendar_position, subject
LIMIT $5;

-- name: clock_unsettled_locked
SELECT subject, kind, id, term, started_at, due_at, due_on, provisional, ended_at, cancelled, rule, rule_version,
       extended_days, calendar_position, date_position, last_rung, last_fired_at, next_rung, next_at, next_provisional,
       row_version, division, audience, unit, about_enforcement
FROM clock
WHERE subject = any ($1::uuid[]) AND ended_at IS NULL AND (provisional OR next_provisional)
  AND calendar_position < $2 AND (retry_at IS NULL OR retry_at <= $3)
ORDER BY subject, kind;

-- name: clock_recompute
UPDATE clock c
SET due_at = v.due_at, due_on = v.due_on, provisional = v.provisional, next_rung = nullif(v.next_rung, 0),
    next_at = nullif(v.next_at, 0), next_provisional = v.next_provisional,
    calendar_position = v.calendar_position, date_position = nullif(v.date_position, 0), attempts = 0, retry_at = NULL,
    row_version = c.row_version + 1
FROM unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::integer[], $5::boolean[], $6::smallint[], $7::bigint[],
            $8::boolean[], $9::bigint[], $10::bigint[]) AS v (subject, kind, due_at, due_on, provisional, next_rung,
                                                              next_at, next_provisional, calendar_position,
                                                              date_position)
WHERE c.subject = v.subject AND c.kind = v.kind;

-- name: clock_fail
-- Doubling from one second to about five minutes. Civil time: after time:advance everything is tried again.
UPDATE clock c
SET attempts = c.attempts + 1, retry_at = $3::bigint + (1000::bigint << least(c.attempts, 8))
FROM unnest($1::uuid[], $2::smallint[]) AS v (subject, kind)
WHERE c.subject = v.subject AND c.kind = v.kind AND c.ended_at IS NULL;

-- name: clock_next_wake
SELECT greatest(next_at, retry_at)
FROM clock
WHERE next_at IS NOT NULL
ORDER BY greatest(next_at, retry_at), subject
LIMIT 1;

-- name: clock_figures
-- Overdue: open past due_at; kind 3, a right to return, lapses instead. Behind: counted by an older calendar than an
-- operator has decided for; looked for among the clocks with a rung ahead, which are read for the overdue anyway.
SELECT (SELECT count(*) FROM clock
        WHERE next_at IS NOT NULL AND greatest(next_at, retry_at) <= $1 AND attempts = 0),
       armed.overdue
           + (SELECT count(*) FROM clock WHERE ended_at IS NULL AND next_at IS NULL AND kind <> 3 AND due_at <= $1),
       (SELECT count(*) FROM clock WHERE attempts > 0),
       (SELECT count(*) FROM clock WHERE ended_at IS NULL AND (provisional OR next_provisional)),
       armed.behind
FROM (SELECT count(*) FILTER (WHERE due_at <= $1) AS overdue,
             count(*) FILTER (WHERE NOT provisional AND coalesce(date_position, calendar_position)
                              < (SELECT max(calendar_position) FROM clock_decision)) AS behind
      FROM clock
      WHERE next_at IS NOT NULL) AS armed;

-- name: clock_older_page
-- A walk through all clocks by their key, $5 of them a page, from behind ($1, $2): those that are counted by an older
-- calendar than $3, and always the last one looked at, so that the walk goes on from there. No row is the end. A right
-- to return (kind 3) that has lapsed at $4 is left out: nothing of it could change.
SELECT subject, kind, id, term, started_at, due_at, due_on, provisional, ended_at, cancelled, rule, rule_version,
       extended_days, calendar_position, date_position, last_rung, last_fired_at, next_rung, next_at, next_provisional,
       row_version, division, audience, unit, about_enforcement, older
FROM (SELECT looked.*,
             ended_at IS NULL AND NOT provisional AND coalesce(date_position, calendar_position) < $3
                 AND (due_at > $4 OR kind <> 3) AS older,
             lead(kind) OVER (ORDER BY subject, kind) IS NULL AS last
      FROM (SELECT subject, kind, id, term, started_at, due_at, due_on, provisional, ended_at, cancelled, rule,
                   rule_version, extended_days, calendar_position, date_position, last_rung, last_fired_at, next_rung,
                   next_at, next_provisional, row_version, division, audience, unit, about_enforcement
            FROM clock
            WHERE (subject, kind) > ($1::uuid, $2::smallint)
            ORDER BY subject, kind
            LIMIT $5) AS looked) AS page
WHERE older OR last
ORDER BY subject, kind;

-- name: clock_older_locked
-- By the decisions that a calendar of position $3 can carry out.
SELECT subject, kind, id, term, started_at, due_at, due_on, provisional, ended_at, cancelled, rule, rule_version,
       extended_days, calendar_position, date_position, last_rung, last_fired_at, next_rung, next_at, next_provisional,
       row_version, division, audience, unit, about_enforcement
FROM clock
WHERE subject = any ($1::uuid[]) AND ended_at IS NULL AND NOT provisional
  AND coalesce(date_position, calendar_position)
      < (SELECT max(calendar_position) FROM clock_decision WHERE calendar_position <= $3)
  AND (due_at > $2 OR kind <> 3) AND (retry_at IS NULL OR retry_at <= $2)
ORDER BY subject, kind;

-- name: clock_decision_insert
INSERT INTO clock_decision (calendar_position, decided_by, decided_at)
VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING;

-- name: clock_decision_last
SELECT calendar_position, decided_by, decided_at, settled_at
FROM clock_decision
ORDER BY calendar_position DESC
LIMIT 1;

-- name: clock_decision_settle
UPDATE clock_decision
SET settled_at = $2
WHERE calendar_position <= $1 AND settled_at IS NULL;

-- name: clock_decision_reopen
UPDATE clock_decision
SET settled_at = NULL
WHERE calendar_position = (SELECT max(calendar_position) FROM clock_decision) AND settled_at IS NOT NULL;
