-- As before, with its arrays unnested in step in the list of what is selected: in FROM each array was first stored as a
-- table of its own, which cost more than writing its events did.
CREATE OR REPLACE FUNCTION log_append(ids uuid[], types text[], subjects text[], divisions text[], audiences text[],
                                      enforcement boolean[], correlations text[], traceparents text[], times bigint[],
                                      datas bytea[]) RETURNS bigint
    LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    head bigint;
BEGIN
    PERFORM FROM log_stream WHERE timeline = log_timeline() AND synchronous = log_synchronous();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the stream is not open on this timeline' USING ERRCODE = 'LJ001';
    END IF;
    PERFORM pg_advisory_xact_lock(19530, 2);
    SELECT coalesce(max(position), 0) INTO head FROM event;
    INSERT INTO event (position, time, event_id, about_enforcement, type, subject, division, audience, correlation,
                       traceparent, data)
    SELECT head + generate_subscripts(ids, 1), unnest(times), unnest(ids), unnest(enforcement), unnest(types),
           unnest(subjects), unnest(divisions), unnest(audiences), unnest(correlations), unnest(traceparents),
           unnest(datas);
    RETURN head + cardinality(ids);
END
$$;
