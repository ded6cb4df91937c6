-- The registry's facts as this service knows them: packed ReferenceRow messages, the newest per key.
CREATE TABLE mirror_row (
    kind     text   NOT NULL,
    key      text   NOT NULL,
    position bigint NOT NULL, -- of the event that told it, in the registry's stream
    data     bytea  NOT NULL,
    PRIMARY KEY (kind, key)
);

-- How far the mirror has come: one row, moved in the transaction of the rows.
CREATE TABLE mirror_state (
    lone    boolean NOT NULL DEFAULT true PRIMARY KEY CHECK (lone),
    applied bigint  NOT NULL DEFAULT 0,    -- position of the newest event looked at
    reached boolean NOT NULL DEFAULT false -- the head that the registry named at first was reached
);
INSERT INTO mirror_state DEFAULT VALUES;
