-- The peer's tables: what a service of this kind usually keeps. The same columns, keys and indexes as ours where both have them.
CREATE TABLE complaint (
    id uuid PRIMARY KEY,
    order_no text NOT NULL,
    source text NOT NULL,
    external_id text NOT NULL,
    channel text NOT NULL,
    type text NOT NULL,
    urgency text NOT NULL,
    category text NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    division text NOT NULL,
    caller jsonb,
    received_at timestamptz NOT NULL,
    filed_at timestamptz NOT NULL,
    state text NOT NULL,
    version bigint NOT NULL,
    UNIQUE (source, external_id)
);
CREATE INDEX complaint_county ON complaint (substr(division, 1, 6), id);
CREATE TABLE event (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time timestamptz NOT NULL,
    event_id uuid NOT NULL,
    type text NOT NULL,
    subject uuid NOT NULL,
    division text NOT NULL,
    data jsonb NOT NULL
);
