/* A request as handlers see it, and the table that names a method's handlers.
 *
 * A handler fills the answer and returns 0, or returns a negative `enum err` through refuse() or
 * reject(). `apply` refuses before its first write: a refusal after one would leave half a command
 * in a transaction that others share, so it aborts the process in test builds and costs the batch a
 * rerun elsewhere. */
#ifndef LUJIAN_COMMIT_REQUEST_H
#define LUJIAN_COMMIT_REQUEST_H

#include "log/tx.h"
#include "wire/wire.h"

struct cache_conn;
struct principal;
struct service;
struct snapshot;

/* Why an action is refused: data, decided by rules_*. */
struct refusal {
    const char *code; /* stable, lower_snake */
    const char *detail_zh, *detail_en;
    const char *basis_zh, *basis_en; /* NULL = none */
    const char *state;               /* the state that forbids it; NULL = none */
    const char *const *allowed;      /* what it allows; NULL-terminated, or NULL */
};

struct request {
    struct arena *arena;
    const struct method_info *method;
    const struct principal *actor; /* on whose behalf; from the snapshot */
    const struct snapshot *reference;
    const char *key;
    const uint8_t
        *digest;        /* commands: SHA-256 of method and known fields; what is created keeps it */
    int64_t if_version; /* 0 = any */
    const char *traceparent;
    struct tx *tx;            /* apply only */
    struct pg *pg;            /* queries and views: outside a transaction */
    struct cache_conn *cache; /* queries alone: nothing with legal effect reads one; NULL = none */
    const void
        *loaded; /* apply: what the handler's `load` found of the subject; NULL = it is not there */
    int64_t now_ms; /* apply: civil time after the locks; elsewhere: civil time at the start */
    const struct service *service;

    /* the answer's head, set by handlers */
    int64_t version;
    bool created;
    const char *aggregate; /* id of what was made or changed: kept in the idempotency record */
    const struct refusal *refusal;
    const char *field; /* of a semantic error: path of the offending field */
};

/* Fills the problem and returns ERR_REFUSED. Aborts, in test builds, if the request has already
 * written. */
int refuse(struct request *rq, const struct refusal *why);
/* A semantic or shape error of a field: ERR_UNPROCESSABLE, ERR_INVALID_ARGUMENT,
 * ERR_PERMISSION_DENIED, ... */
int reject(struct request *rq, int code, const char *reason, const char *field,
           const char *detail_en);
/* If-Match: ERR_VERSION_MISMATCH where the caller named another version than the row's. */
int request_check_version(struct request *rq, int64_t version);

struct method_handler {
    const struct method_info *method;
    /* Optional, for both kinds: the message against the snapshot (a source that is not the
     * caller's, an unknown category). Pure, no I/O. Runs before anything is queued, so before any
     * replay too: authority that depends on the message alone belongs here. */
    int (*check)(struct request *rq, const void *in);
    /* Queries: everything. NULL for commands. Response fields are filled in place. */
    int (*query)(struct request *rq, const void *in, void *out);
    /* Commands. Shares its transaction and may be run again: no effect but SQL, and nothing that
     * waits for anything else. */
    int (*apply)(struct request *rq, const void *in, void *out);
    /* Commands; replay: fills the answer with the aggregate as it is now, masked for the caller
     * now, and rq->version. ERR_NOT_FOUND where the caller may no longer see it. */
    int (*view)(struct request *rq, const char *aggregate, void *out);
    /* Locks the subjects of a batch: ($1 text[]) -> ids FOR UPDATE SKIP LOCKED, ascending. NULL for
     * creations. */
    const struct pg_query *lock;
    /* With lock: ($1 text[]) -> ids that exist, without a lock. Tells "another holds it" from
     * "absent"; asked only about rows that `lock` did not return. */
    const struct pg_query *exist;
    /* With lock, optional: reads what the applies of these members need of their subjects, for all
     * of them at once, and leaves it in each one's `loaded`, in the transaction's arena. Handlers
     * that share a lock share it. It runs after the lock, in statements of its own, so it sees what
     * the lock has waited for. */
    int (*load)(struct tx *tx, struct request *const *requests, const char *const *subjects,
                int count);
    /* Creations with a natural key of two fields: ($1 text[], $2 text[]) -> (first, second, id,
     * digest) of those that exist. */
    const struct pg_query *natural_lookup;
};

#endif
