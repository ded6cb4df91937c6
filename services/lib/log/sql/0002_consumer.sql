-- Consumers: how far this database has followed another service's stream, who leads, and what could not be applied.

-- A row a stream. It is updated in every transaction of effects: room on the page keeps that cheap.
CREATE TABLE consumer_cursor (
    stream         text    NOT NULL PRIMARY KEY,
    epoch          bigint  NOT NULL DEFAULT 0,     -- 0 = nothing was followed yet
    position       bigint  NOT NULL DEFAULT 0,     -- looked at up to here
    event_id       text    NOT NULL DEFAULT '',    -- of the event that stands there; '' = not known
    stopped        boolean NOT NULL DEFAULT false, -- the cursor does not match the log: an operator rebases it
    holder         text    NOT NULL DEFAULT '',    -- who leads; '' = nobody, after a clean end
    lease_until    bigint  NOT NULL DEFAULT 0,     -- database time, without the civil offset, milliseconds
    trial_position bigint  NOT NULL DEFAULT 0,     -- the event that was last tried alone, after a crash
    trial_holder   text    NOT NULL DEFAULT '',    -- by whom
    trial_lives    integer NOT NULL DEFAULT 0      -- by how many processes, one after the other
) WITH (fillfactor = 50);

-- Events whose effects failed for a reason that stays, and those of the same subject that came later: in order, until an
-- operator replays the subject.
CREATE TABLE dead_letter (
    stream            text    NOT NULL,
    position          bigint  NOT NULL,
    event_id          uuid    NOT NULL,
    type              text    NOT NULL,
    subject           text    NOT NULL,
    division          text    NOT NULL,
    audience          text    NOT NULL,
    about_enforcement boolean NOT NULL,
    correlation       text    NOT NULL,
    traceparent       text    NOT NULL,
    time              bigint  NOT NULL,
    data              bytea   NOT NULL,
    attempts          integer NOT NULL, -- 0 = only waits behind an earlier one
    error             text    NOT NULL,
    parked_at         bigint  NOT NULL, -- civil time
    PRIMARY KEY (stream, position)
);
CREATE INDEX dead_letter_subject ON dead_letter (stream, subject, position);
