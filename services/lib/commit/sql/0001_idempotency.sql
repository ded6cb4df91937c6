-- What each key has done. A record lives as long as what it made or changed, so a key is never used for a second
-- thing; it holds ids and a digest, never an answer.
CREATE TABLE idempotency (
    principal text NOT NULL,
    method text NOT NULL,
    key text NOT NULL,
    digest bytea NOT NULL,
    aggregate text NOT NULL,
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (principal, method, key)
);

-- Claims the names of a batch's members, two for each (they may be equal), and returns the records of those that it
-- got. The claim waits for nobody: who finds a name taken goes back to its queue. The records are read by a later
-- statement, with a snapshot of its own, so the work of whoever held the name before is seen.
CREATE FUNCTION idempotency_claim(p_names bigint[], p_matters bigint[], p_principals text[], p_methods text[],
                                  p_keys text[])
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
        LEFT JOIN idempotency r
            ON m.claimed AND r.principal = m.principal AND r.method = m.method AND r.key = m.key
        ORDER BY m.ordinality;
END
$$;
