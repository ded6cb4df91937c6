/* The skeleton of a service: tables in, a running replica out.
 *
 * A request's way: door -> decode and validate -> authorise -> worker (queries), or committer
 * (`apply` of up to 64 commands in one transaction) -> reply after the commit is durable. */
#ifndef LUJIAN_SERVICE_SERVICE_H
#define LUJIAN_SERVICE_SERVICE_H

#include "base/conf.h"
#include "clock/clock.h"
#include "commit/request.h" /* struct request, struct method_handler, refuse, reject */
#include "log/log_read.h"
#include "log/tx.h"
#include "reference/snapshot.h"
#include "wire/wire.h"

struct service;
struct client;
struct loop;

struct consumer_event {
    const struct log_record *record;
    const void *data; /* its message */
};
/* What a service does on another's events. Called in the transaction that moves the cursor; SQL
 * only. */
struct consumer_handler {
    const char *type; /* event type */
    int (*apply)(struct tx *tx, const struct snapshot *reference, const struct log_record *event,
                 const void *data);
    const struct message_rules *data;
    /* Set-based, in place of apply where it is not NULL: events of this type that follow each other
     * in the stream, one or many. What each tells bears its own trace: set tx->traceparent. */
    int (*apply_run)(struct tx *tx, const struct snapshot *reference,
                     const struct consumer_event *events, int count);
};
struct consumer {
    const char *stream;                      /* "complaints" */
    const struct consumer_handler *handlers; /* ends with a NULL type; others are skipped */
};

struct service_definition {
    const char *name;
    const struct method_handler *methods; /* ends with a NULL method */
    const struct consumer *consumers;     /* ends with a NULL stream */
    const struct clock_owner *clocks;     /* NULL = none */
    const struct pg_module *module;       /* its own schema and statements */
    struct conf_key *conf;                /* its own keys, or NULL */
    int (*start)(
        struct service *service); /* after configuration, before the door opens; may be NULL */
    /* For a service with work of its own on the loop thread (the gateway); all may be NULL.
     * `drain`: SIGTERM came, take no new work. `open_work`: how much is under way; the replica
     * waits until it is 0. `stop`: close all. */
    void (*drain)(struct service *service);
    int (*open_work)(const struct service *service);
    void (*stop)(struct service *service);
    /* Narrows who may read an event of this service's log, beyond division and audience: asked for
     * each reader at every send, by pull and feed alike. NULL = division and audience decide alone.
     */
    bool (*may_see_event)(const struct principal *reader, const struct log_record *event);
    /* Adds its own figures to the status; may be NULL. */
    int (*status)(struct request *rq, void *status_response);
};

/* Runs until SIGTERM has drained it; the exit status of main. */
int service_main(const struct service_definition *definition, int argc, char **argv);

const struct conf *service_conf(const struct service *service);
struct client *
service_client(const struct service *service); /* the registry, and whom feeds come from */
struct loop *service_loop(const struct service *service);
bool service_draining(const struct service *service);

/* Page tokens: HMAC over principal, method, filter and the last key. NULL / ERR_INVALID_ARGUMENT
 * when forged. */
const char *page_token_seal(struct request *rq, const void *request_message, const char *last_key);
int page_token_open(struct request *rq, const void *request_message, const char *token,
                    const char **ret_last_key);

/* Raises or clears an alarm of this replica: shown in status, metrics and the log. */
void alarm_raise(const struct service *service, const char *code, const char *subject,
                 const char *detail);
void alarm_clear(const struct service *service, const char *code, const char *subject);

#endif
