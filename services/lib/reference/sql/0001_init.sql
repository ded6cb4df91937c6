-- The registry's facts as this service knows them: packed ReferenceRow messages, the newest per key.
create table mirror_row (
    kind text not null,
    key text not null,
    position bigint not null, -- of the event that told it, in the registry's stream
    data bytea not null,
    primary key (kind, key)
);

-- How far the mirror has come: one row. `applied` moves with the rows, in their transaction.
create table mirror_state (
    one boolean primary key default true check (one),
    applied bigint not null default 0, -- position of the newest row applied
    reached boolean not null default false -- the head that the registry named at first was reached
);
insert into mirror_state default values;
