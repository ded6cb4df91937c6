-- As before, with its arrays unnested in step in the list of what is selected: in FROM each was first stored as a table
-- of its own.
CREATE OR REPLACE FUNCTION idempotency_claim(p_names bigint[], p_matters bigint[], p_principals text[],
                                             p_methods text[], p_keys text[])
RETURNS TABLE (member int, claimed boolean, digest bytea, aggregate text, version bigint)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_claimed boolean[];
BEGIN
    FOR i IN 1 .. cardinality(p_names) LOOP
        v_claimed[i] := pg_try_advisory_xact_lock(p_names[i]) AND pg_try_advisory_xact_lock(p_matters[i]);
    END LOOP;
    RETURN QUERY
        SELECT m.member, m.claimed, r.digest, r.aggregate, r.version
        FROM (SELECT generate_subscripts(p_names, 1) AS member, unnest(v_claimed) AS claimed,
                     unnest(p_principals) AS principal, unnest(p_methods) AS method, unnest(p_keys) AS key) m
        LEFT JOIN LATERAL (
            SELECT i.digest, i.aggregate, i.version FROM idempotency i
            WHERE m.claimed AND i.principal = m.principal AND i.method = m.method AND i.key = m.key
            LIMIT 1) r ON true
        ORDER BY m.member;
END
$$;
