-- Statutory clocks beside what they time. Instants are milliseconds since 1970, days are counts of local days.
--
-- A clock's row is its current term; what a later write would forget stands in clock_ledger. The first start of a
-- clock has no ledger row: intake writes three clocks a complaint, and the row itself says it until it moves.
CREATE TABLE clock (
    subject uuid NOT NULL,
    kind smallint NOT NULL,
    id uuid NOT NULL, -- UUIDv5 of (subject, kind): derived, so never looked up
    term integer NOT NULL CHECK (term > 0),
    division text NOT NULL,
    audience text NOT NULL,
    unit text NOT NULL,
    about_enforcement boolean NOT NULL,
    started_at bigint NOT NULL,
    due_at bigint NOT NULL,
    due_on integer NOT NULL,
    provisional boolean NOT NULL,
    ended_at bigint,
    cancelled boolean NOT NULL,
    rule text NOT NULL,
    rule_version integer NOT NULL,
    extended_days integer NOT NULL,
    calendar_position bigint NOT NULL,
    last_rung smallint,
    last_fired_at bigint,
    next_rung smallint,
    next_at bigint,
    next_provisional boolean NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    retry_at bigint,
    row_version bigint NOT NULL,
    PRIMARY KEY (subject, kind),
    CHECK ((next_rung IS NULL) = (next_at IS NULL)),
    CHECK ((last_rung IS NULL) = (last_fired_at IS NULL)),
    CHECK (ended_at IS NULL OR next_at IS NULL),
    CHECK (ended_at IS NOT NULL OR NOT cancelled),
    CHECK (next_rung > last_rung OR next_rung IS NULL OR last_rung IS NULL)
) WITH (fillfactor = 80);

-- The scanner's way in. A clock that failed waits for retry_at, so it never stands in front of others.
CREATE INDEX clock_wake ON clock (greatest(next_at, retry_at), subject) WHERE next_at IS NOT NULL;
CREATE INDEX clock_unsettled ON clock (calendar_position, subject)
    WHERE ended_at IS NULL AND (provisional OR next_provisional);
CREATE INDEX clock_failing ON clock (attempts) WHERE attempts > 0;
-- Open, its ladder at an end: few, and nothing wakes them any more. Kind 3, a right to return, lapses by itself.
CREATE INDEX clock_spent ON clock (due_at) WHERE ended_at IS NULL AND next_at IS NULL AND kind <> 3;

-- What has fired. The key is the proof that a rung of a term fires once.
CREATE TABLE clock_rung (
    clock_id uuid NOT NULL,
    term integer NOT NULL,
    rung smallint NOT NULL,
    due_at bigint NOT NULL,
    fired_at bigint NOT NULL,
    PRIMARY KEY (clock_id, term, rung),
    CHECK (fired_at >= due_at)
);

-- What moved, by the clock's row_version after the move: the next term's start, an extension, a recomputation, the
-- end. was_* is what the clock's row said before.
CREATE TABLE clock_ledger (
    clock_id uuid NOT NULL,
    row_version bigint NOT NULL,
    what text NOT NULL CHECK (what in ('started', 'extended', 'recomputed', 'stopped', 'cancelled')),
    at bigint NOT NULL,
    term integer NOT NULL,
    was_started_at bigint NOT NULL,
    was_due_at bigint NOT NULL,
    was_rule text NOT NULL,
    was_rule_version integer NOT NULL,
    due_at bigint NOT NULL,
    calendar_position bigint NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (clock_id, row_version)
);
