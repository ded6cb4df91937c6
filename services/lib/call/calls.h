/* A request's way, from the door's bytes to a handler and back.
 *
 * On the loop thread: scan, method, caller, roles, rate, unpack, check. Then a bounded queue: to a
 * worker (queries, replays) or to the committers. Every message that has a readable id gets one
 * answer, or a feed. What cannot be taken is NOT_EXECUTED with a hint when to come again. */
#ifndef LUJIAN_CALL_CALLS_H
#define LUJIAN_CALL_CALLS_H

#include "base/map.h"
#include "bus/door.h"
#include "call/callers.h"
#include "commit/committer.h"

#define CALL_CODES           17 /* 0 and the negated values of enum err */
#define CALL_LATENCY_BUCKETS 14 /* 0.5 ms doubled, ..., 4 s; the last has no bound */

struct cache;
struct call;
struct calls;
struct loop;

/* A method that the loop thread answers itself, or keeps open as a feed. */
struct loop_handler {
    const struct method_info *method;
    bool starts; /* begins work that goes on (a feed): refused while draining */
    /* Ends in call_answer, call_fail or call_release. */
    void (*fn)(void *ctx, struct call *call);
};

struct calls_options {
    struct loop *loop;
    const struct method_handler *methods;      /* ends with a NULL method */
    const struct method_handler *node_methods; /* those of every service; the same shape */
    const struct loop_handler *loop_methods;   /* ends with a NULL method */
    struct callers *callers;
    const struct service *service; /* what handlers see in struct request */
    void *ctx;                     /* of loop methods, send and on_commit */
    int (*send)(void *ctx, const struct door_address *to, const uint8_t *head, size_t head_size,
                const uint8_t *body, size_t body_size);
    void (*on_commit)(void *ctx, int64_t head);
    void (*on_trouble)(void *ctx, const char *code); /* "storage_full"; NULL = it is over */
    struct pg_options pg;
    struct cache *cache; /* of the workers, for queries; NULL = none */
    int workers, committers;
    int worker_queue_max, commit_queue_max;
    uint32_t budget_default_ms;
    size_t unpack_bytes_max;             /* of one request, in its arena */
    size_t open_bytes_max;               /* of all requests that are open, as they came */
    int64_t rate_per_second, rate_burst; /* of a principal; 0 = no limit */
};

int calls_open(struct calls **ret, const struct calls_options *options);
/* The door's on_message; `ctx` is the calls. */
void calls_on_message(void *ctx, const struct door_address *from, const uint8_t *head,
                      size_t head_size, const uint8_t *body, size_t body_size);
/* From here on new work is NOT_EXECUTED. */
void calls_drain(struct calls *cs);
/* Requests that were taken and not answered yet. */
int calls_open_count(const struct calls *cs);
/* Messages that came since the last time this was asked. */
int calls_arrivals(struct calls *cs);
/* Ends the threads: what still waits is run, or answered where the database is away. The answers
 * are posted to the loop: let it run once more. */
void calls_stop(struct calls *cs);
void calls_free(struct calls *cs);

/* Runs a query of ours on a worker, for nobody at the door. `done` is called once, on the loop
 * thread; `out` lives until it returns and is NULL where code is negative. */
void calls_ask(struct calls *cs, const struct method_handler *query, uint32_t budget_ms,
               void (*done)(void *ctx, int code, const void *out), void *ctx);

struct method_figures {
    const char *method; /* the last one has "unknown" */
    uint64_t codes[CALL_CODES];
    uint64_t latency[CALL_LATENCY_BUCKETS]; /* not cumulative */
    uint64_t latency_us;
};

struct calls_figures {
    const struct method_figures *methods;
    int method_count;
    uint64_t bytes_in, bytes_out, unsent;
    int open, worker_waiting, worker_connected;
    struct committers_figures commits;
};
void calls_figures_read(struct calls *cs, struct calls_figures *ret);
/* Is a command waiting or being run? May be asked by any thread. */
bool calls_commands_under_way(struct calls *cs);

/* For loop methods. */
struct request *call_request(struct call *call);
const void *call_in(const struct call *call);
const struct door_address *call_from(const struct call *call);
uint64_t call_id(const struct call *call);
const char *call_on_behalf(const struct call *call); /* "" = the speaker's own */
/* The response message; its rules are the method's. */
void call_answer(struct call *call, const ProtobufCMessage *out);
/* Answers with the thread's last error. */
void call_fail(struct call *call, int code);
/* No answer from here: the method answers by itself, many times. */
void call_release(struct call *call);

#endif
