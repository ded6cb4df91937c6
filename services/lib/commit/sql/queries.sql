-- name: idempotency_claim
SELECT member, claimed, digest, aggregate, version
FROM idempotency_claim($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[])

-- name: idempotency_record
INSERT INTO idempotency (principal, method, key, digest, aggregate, version, created_at)
SELECT unnest($1::text[]), unnest($2::text[]), unnest($3::text[]), unnest($4::bytea[]), unnest($5::text[]),
       unnest($6::bigint[]), unnest($7::bigint[])
