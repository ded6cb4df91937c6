-- Complaints (工单) and the journal of acts on them. Instants are bigint milliseconds since 1970.

CREATE SEQUENCE complaint_order_seq AS bigint INCREMENT 1000 START 1000;

CREATE TABLE complaint (
    id                uuid PRIMARY KEY,
    order_no          text NOT NULL,
    source            text NOT NULL,
    external_id       text NOT NULL,
    digest            bytea NOT NULL, -- of the filing request: what a second filing is compared with
    channel           smallint NOT NULL,
    type              smallint NOT NULL,
    urgency           smallint NOT NULL,
    category          text NOT NULL,
    title             text NOT NULL,
    body              text NOT NULL,
    place             text NOT NULL,
    division          text NOT NULL,
    unit              text NOT NULL,
    audience          text NOT NULL, -- of a matter about an organ: the superior's division; '' = none
    about_enforcement boolean NOT NULL,
    caller_sealed     bytea,         -- AES-256-GCM of name and phone; NULL = anonymous
    caller_key        text,          -- the key that sealed it
    confidential      boolean NOT NULL,
    wants_reply       boolean NOT NULL,
    received_at       bigint NOT NULL,
    filed_at          bigint NOT NULL,
    state             smallint NOT NULL,
    version           bigint NOT NULL,
    redo_count        integer NOT NULL DEFAULT 0,
    return_count      integer NOT NULL DEFAULT 0,
    failed_visits     integer NOT NULL DEFAULT 0,
    returned_by       text NOT NULL DEFAULT '', -- the unit of the newest accepted return
    return_limit      boolean NOT NULL DEFAULT false,
    extended          boolean NOT NULL DEFAULT false,
    reply_text        text,
    reply_basis       text,
    replied_at        bigint,
    visit_reached     boolean,
    visit_solved      boolean,
    visit_satisfied   boolean,
    visit_note        text,
    visited_at        bigint,
    UNIQUE (source, external_id)
);

-- Lists of one county and below; wider lists walk the primary key, which is in order of time.
CREATE INDEX complaint_county ON complaint (substr(division, 1, 6), id);

CREATE TABLE complaint_act (
    complaint_id uuid NOT NULL,
    version      bigint NOT NULL, -- the version that this act made
    action       text NOT NULL,
    acted_at     bigint NOT NULL,
    principal    text NOT NULL,
    reached      boolean,
    unit         text,
    note         text,
    PRIMARY KEY (complaint_id, version)
);
