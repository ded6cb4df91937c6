-- name: mirror_rows
-- One statement, one moment: the position belongs to exactly these rows.
select r.position, r.data, s.applied
from mirror_state s left join mirror_row r on true;

-- name: mirror_state
select applied, reached from mirror_state;

-- name: mirror_upsert
insert into mirror_row (kind, key, position, data)
select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[])
on conflict (kind, key) do update set position = excluded.position, data = excluded.data;

-- name: mirror_advance
update mirror_state set applied = $1;

-- name: mirror_reach
update mirror_state set reached = true where not reached;

-- name: mirror_notify
-- Told at commit: every replica's mirror builds its snapshot anew.
select pg_notify('mirror', '');
