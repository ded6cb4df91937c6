-- Cards (黄牌, 红牌) and supervision orders (督办单). Instants are bigint milliseconds since 1970.

CREATE TABLE card (
    id                uuid PRIMARY KEY, -- UUIDv5 of (clock, term, rung)
    color             smallint NOT NULL,
    subject           uuid NOT NULL,    -- the complaint
    clock_kind        smallint NOT NULL,
    clock_id          uuid NOT NULL,
    term              integer NOT NULL,
    division          text NOT NULL,
    audience          text NOT NULL,
    about_enforcement boolean NOT NULL,
    unit              text NOT NULL,
    level             smallint NOT NULL,
    due_at            bigint NOT NULL,
    raised_at         bigint NOT NULL,
    state             smallint NOT NULL,
    acknowledged_by   text NOT NULL DEFAULT '',
    acknowledged_at   bigint,
    closed_at         bigint,
    version           bigint NOT NULL
);
CREATE INDEX card_subject ON card (subject);
CREATE INDEX card_county ON card (substr(division, 1, 6), raised_at, id);

-- Who saw a card: every supervisor once.
CREATE TABLE card_acknowledgement (
    card_id         uuid NOT NULL,
    principal       text NOT NULL,
    acknowledged_at bigint NOT NULL,
    PRIMARY KEY (card_id, principal)
);

CREATE TABLE supervision_order (
    id                uuid PRIMARY KEY, -- UUIDv5 of its cause
    level             smallint NOT NULL,
    trigger           smallint NOT NULL,
    subject           uuid NOT NULL,    -- the complaint
    division          text NOT NULL,
    audience          text NOT NULL,
    about_enforcement boolean NOT NULL,
    unit              text NOT NULL,
    body              text NOT NULL,
    previous          uuid,
    clock_id          uuid,             -- of the complaint's clock whose ladder this is; NULL = it has its own
    term              integer NOT NULL DEFAULT 0,
    issued_at         bigint NOT NULL,
    due_at            bigint NOT NULL,
    state             smallint NOT NULL,
    reply_text        text,
    replied_at        bigint,
    verdict           text,
    closed_at         bigint,
    cannot_escalate   boolean NOT NULL DEFAULT false,
    reported          boolean NOT NULL DEFAULT false,
    basis_zh          text NOT NULL,
    basis_en          text NOT NULL,
    version           bigint NOT NULL
);
-- At most one open order per matter and trigger (issued, signed, replied).
CREATE UNIQUE INDEX supervision_order_open ON supervision_order (subject, trigger) WHERE state IN (1, 2, 3);
CREATE INDEX supervision_order_county ON supervision_order (substr(division, 1, 6), issued_at, id);
CREATE INDEX supervision_order_stuck ON supervision_order (id) WHERE cannot_escalate AND state IN (1, 2, 3);
