-- The limit: what PostgreSQL reaches when batches of complaints are stored with nothing around it. Runs inside a copy of the
-- schema of complaints (tables, keys, indexes and log_append as they are), on rows that the service itself wrote: their
-- templates are below. No client sends a row, none is parsed: what is left is the tables, their indexes, the log and the flush.
CREATE SCHEMA bench;
-- A batch has its own thousand. Outside the schema, which is made anew with new templates: numbers are not given twice.
CREATE SEQUENCE IF NOT EXISTS bench_number INCREMENT 1000 START 1000;

-- The complaints that were filed last are the templates; the n-th of them, and everything that was written with it. (Copies
-- have ids of long ago.)
CREATE UNLOGGED TABLE bench.complaint AS
    SELECT row_number() OVER (ORDER BY id DESC) - 1 AS n, c.* FROM complaint c ORDER BY id DESC LIMIT 1024;
CREATE UNLOGGED TABLE bench.clock AS
    SELECT b.n, k.* FROM bench.complaint b JOIN clock k ON k.subject = b.id;
CREATE UNLOGGED TABLE bench.act AS
    SELECT b.n, a.* FROM bench.complaint b JOIN complaint_act a ON a.complaint_id = b.id;
CREATE UNLOGGED TABLE bench.idempotency AS
    SELECT b.n, i.* FROM bench.complaint b JOIN idempotency i ON i.aggregate = b.id::text;
CREATE UNLOGGED TABLE bench.event AS
    SELECT b.n, e.* FROM bench.complaint b JOIN event e ON e.subject = b.id::text;
CREATE INDEX ON bench.complaint (n);
CREATE INDEX ON bench.clock (n);
CREATE INDEX ON bench.act (n);
CREATE INDEX ON bench.idempotency (n);
CREATE INDEX ON bench.event (n);
ANALYZE bench.complaint, bench.clock, bench.act, bench.idempotency, bench.event;

-- Ids in order of time, as the service makes them: the number stands where UUIDv7 has its milliseconds.
CREATE FUNCTION bench.id(number bigint) RETURNS uuid
    LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT (lpad(to_hex(number), 12, '0') || substr(replace(gen_random_uuid()::text, '-', ''), 13))::uuid
$$;

-- Stores so many complaints in one transaction. Settled ones have no clock running; what is not logged has no events.
CREATE FUNCTION bench.store(count int, settled boolean DEFAULT false, logged boolean DEFAULT true) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan AS $$ -- as the service's own statements
DECLARE
    v_first bigint := nextval('bench_number');
    v_n bigint[];
    v_id uuid[];
BEGIN
    SELECT array_agg(i % 1024 ORDER BY i), array_agg(bench.id(i) ORDER BY i) INTO v_n, v_id
      FROM generate_series(v_first, v_first + count - 1) i;
    INSERT INTO complaint (id, order_no, source, external_id, digest, channel, type, urgency, category, title, body, place,
                           division, unit, audience, about_enforcement, caller_sealed, caller_key, confidential,
                           wants_reply, received_at, filed_at, state, version)
    SELECT m.id, b.order_no, b.source, substr(replace(m.id::text, '-', ''), 1, 17), b.digest, b.channel, b.type, b.urgency, b.category, b.title, b.body,
           b.place, b.division, b.unit, b.audience, b.about_enforcement, b.caller_sealed, b.caller_key, b.confidential,
           b.wants_reply, b.received_at, b.filed_at, b.state, b.version
      FROM unnest(v_n, v_id) AS m (n, id) JOIN bench.complaint b ON b.n = m.n;
    INSERT INTO complaint_act (complaint_id, version, action, acted_at, principal, reached, unit, note)
    SELECT m.id, a.version, a.action, a.acted_at, a.principal, a.reached, a.unit, a.note
      FROM unnest(v_n, v_id) AS m (n, id) JOIN bench.act a ON a.n = m.n;
    INSERT INTO clock (subject, kind, id, term, division, audience, unit, about_enforcement, started_at, due_at, due_on,
                       provisional, ended_at, cancelled, rule, rule_version, extended_days, calendar_position, next_rung,
                       next_at, next_provisional, row_version)
    SELECT m.id, k.kind, gen_random_uuid(), k.term, k.division, k.audience, k.unit, k.about_enforcement, k.started_at,
           k.due_at, k.due_on, k.provisional, CASE WHEN settled THEN k.started_at END, k.cancelled, k.rule, k.rule_version,
           k.extended_days, k.calendar_position, CASE WHEN NOT settled THEN k.next_rung END,
           CASE WHEN NOT settled THEN k.next_at END, k.next_provisional, k.row_version
      FROM unnest(v_n, v_id) AS m (n, id) JOIN bench.clock k ON k.n = m.n;
    INSERT INTO idempotency (principal, method, key, digest, aggregate, version, created_at)
    SELECT i.principal, i.method, gen_random_uuid()::text, i.digest, m.id::text, i.version, i.created_at
      FROM unnest(v_n, v_id) AS m (n, id) JOIN bench.idempotency i ON i.n = m.n;
    IF NOT logged THEN
        RETURN 0;
    END IF;
    RETURN (SELECT log_append(array_agg(gen_random_uuid()), array_agg(e.type), array_agg(m.id::text), array_agg(e.division),
                              array_agg(e.audience), array_agg(e.about_enforcement), array_agg(e.correlation),
                              array_agg(e.traceparent), array_agg(e.time), array_agg(e.data))
              FROM unnest(v_n, v_id) AS m (n, id) JOIN bench.event e ON e.n = m.n);
END
$$;
