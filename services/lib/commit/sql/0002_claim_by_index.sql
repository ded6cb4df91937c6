-- The same claim, with its records looked up by key one by one. A join over the whole array was planned once, while the
-- table was small, as a hash over all of it, and stayed so as the table grew: LIMIT keeps the planner from that.
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
        SELECT m.ordinality::int, m.claimed, r.digest, r.aggregate, r.version
        FROM unnest(v_claimed, p_principals, p_methods, p_keys)
            WITH ORDINALITY AS m (claimed, principal, method, key, ordinality)
        LEFT JOIN LATERAL (
            SELECT i.digest, i.aggregate, i.version FROM idempotency i
            WHERE m.claimed AND i.principal = m.principal AND i.method = m.method AND i.key = m.key
            LIMIT 1) r ON true
        ORDER BY m.ordinality;
END
$$;
