/* The skeleton of a service: tables in, a running replica out.
 *
 * A request's way: door -> decode and validate -> authorise -> worker (queries; `prepare` of commands) -> committer
 * (`apply` of up to 64 commands in one transaction) -> reply after the commit is durable. */
#ifndef LUJIAN_SERVICE_SERVICE_H
#define LUJIAN_SERVICE_SERVICE_H

#include "base/conf.h"
#include "clock/clock.h"
#include "log/log_read.h"
#include "log/tx.h"
#include "reference/snapshot.h"
#include "wire/wire.h"

struct service;
struct client;

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
    int64_t if_version;
    const char *traceparent;
    struct tx *tx;     /* apply only */
    struct pg *pg;     /* queries and prepare: outside a transaction */
    int64_t now_ms;    /* apply: civil time after the locks; queries: civil time at the start */
    void *prepared;    /* what prepare leaves for apply; in the arena */
    const struct service *service;

    /* the answer's head, set by handlers */
    int64_t version;
    bool created;
    const char *aggregate; /* id of what was made or changed: kept in the idempotency record */
    const struct refusal *refusal;
    const char *field; /* of a semantic error: path of the offending field */
};

/* Fills the problem and returns ERR_REFUSED. Aborts, in test builds, if the request has already written. */
int refuse(struct request *rq, const struct refusal *why);
/* A semantic or shape error of a field: ERR_UNPROCESSABLE, ERR_INVALID_ARGUMENT, ERR_PERMISSION_DENIED, ... */
int reject(struct request *rq, int code, const char *reason, const char *field, const char *detail_en);

struct method_handler {
    const struct method_info *method;
    /* Queries: everything. NULL for commands. Response fields are filled in place. */
    int (*query)(struct request *rq, const void *in, void *out);
    /* Commands. `prepare` is optional; `apply` shares its transaction and may be run again: SQL only. */
    int (*prepare)(struct request *rq, const void *in);
    int (*apply)(struct request *rq, const void *in, void *out);
    /* Replay: fills the answer with the aggregate as it is now, masked for the caller now. */
    int (*view)(struct request *rq, const char *aggregate, void *out);
    /* Locks the subjects of a batch: ($1 text[]) -> ids FOR UPDATE SKIP LOCKED, ascending. NULL for creations. */
    const struct pg_query *lock;
    /* Creations with a natural key: ($1 text[], $2 text[]) -> (first, second, id, digest) of those that exist. */
    const struct pg_query *natural_lookup;
};

/* What a service does on another's events. Called in the transaction that moves the cursor; SQL only. */
struct consumer_handler {
    const char *type; /* event type */
    int (*apply)(struct tx *tx, const struct snapshot *reference, const struct log_record *event,
                 const void *data);
    const struct message_rules *data;
};
struct consumer {
    const char *stream; /* "complaints" */
    const struct consumer_handler *handlers; /* ends with a NULL type; others are skipped */
};

struct service_definition {
    const char *name;
    const struct method_handler *methods; /* ends with a NULL method */
    const struct consumer *consumers;     /* ends with a NULL stream */
    const struct clock_owner *clocks;     /* NULL = none */
    const struct pg_module *module;       /* its own schema and statements */
    struct conf_key *conf;                /* its own keys, or NULL */
    int (*start)(struct service *service); /* after configuration, before the door opens; may be NULL */
    /* Adds its own figures to the status; may be NULL. */
    int (*status)(struct request *rq, void *status_response);
};

/* Runs until SIGTERM has drained it; the exit status of main. */
int service_main(const struct service_definition *definition, int argc, char **argv);

const struct conf *service_conf(const struct service *service);
struct client *service_client(const struct service *service); /* for prepare: the registry only */

/* Page tokens: HMAC over principal, method, filter and the last key. NULL / ERR_INVALID_ARGUMENT when forged. */
const char *page_token_seal(struct request *rq, const void *request_message, const char *last_key);
int page_token_open(struct request *rq, const void *request_message, const char *token, const char **ret_last_key);

/* Raises or clears an alarm of this replica: shown in status, metrics and the log. */
void alarm_raise(const struct service *service, const char *code, const char *subject, const char *detail);
void alarm_clear(const struct service *service, const char *code, const char *subject);

#endif
