-- name: idempotency_claim
SELECT member, claimed, digest, aggregate, version
FROM idempotency_claim($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[])

-- name: idempotency_record
INSERT INTO idempotency (principal, method, key, digest, aggregate, version, created_at)
SELECT r.principal, r.method, r.key, r.digest, r.aggregate, r.version, $7::bigint
FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::bigint[])
    AS r (principal, method, key, digest, aggregate, version)
