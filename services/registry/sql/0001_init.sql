-- The registry's rows: packed ReferenceRow messages, one a key, and the journal of loads. Instants are bigint
-- milliseconds since 1970. What a row was before is in the log, whose events carry whole rows.
CREATE TABLE reference_row (
    kind       text NOT NULL COLLATE "C", -- division, unit, ...
    key        text NOT NULL COLLATE "C", -- pages go in its order
    division   text NOT NULL,             -- '' = it holds in the whole province
    data       bytea NOT NULL,
    changed_at bigint NOT NULL,
    PRIMARY KEY (kind, key)
);

CREATE TABLE reference_load (
    id        uuid PRIMARY KEY,
    loaded_at bigint NOT NULL,
    principal text NOT NULL,
    changed   integer NOT NULL,
    unchanged integer NOT NULL,
    faults    integer NOT NULL,
    answer    bytea NOT NULL -- the LoadResponse: what a replay of the key answers
);
