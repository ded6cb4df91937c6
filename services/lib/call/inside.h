/* Private to call/: a call and the calls of a replica. */
#ifndef LUJIAN_CALL_INSIDE_H
#define LUJIAN_CALL_INSIDE_H

#include "base/util.h"
#include "call/calls.h"
#include "call/rate.h"
#include "commit/command_queue.h"
#include "loop/loop.h"

struct call_method {
    const struct method_info *info;
    const struct method_handler *handler; /* NULL = the loop thread's */
    const struct loop_handler *on_loop;
    struct method_figures *figures;
};

/* What a worker does with a call. */
enum call_work { WORK_QUERY, WORK_VIEW };

struct call {
    struct command command;
    struct calls *calls;
    const struct call_method *method; /* NULL until it is known */
    struct arena arena;
    struct door_address from;
    struct caller caller;
    const struct snapshot *snapshot;
    uint64_t id;
    enum call_work work;
    bool replayed;
    bool silent; /* a feed: its answers do not come from here */
    void (*on_asked)(void *ctx, int code, const void *out); /* ours: calls_ask */
    void *asked_ctx;
    uint32_t retry_after_ms;
    char key_hash[17];
    size_t bytes_in;
    int64_t arrived_us, read_us;
    /* the packed answer, in the arena */
    uint8_t *head, *body;
    size_t head_size, body_size;
};

struct workers;

struct calls {
    struct calls_options options;
    struct map methods; /* name -> struct call_method */
    struct call_method *method_table;
    struct method_figures *figures;
    int method_count; /* of both; the last of figures is for unknown methods */
    struct rate rate;
    struct workers *workers;
    struct committers *committers;
    struct loop_timer *expiry;
    bool draining, troubled;
    int open, arrivals;
    size_t open_bytes;
    uint64_t bytes_in, bytes_out, unsent;
};

static inline struct call *call_of(struct command *c)
{
    return container_of(c, struct call, command);
}

/* call.c */
struct call *call_new(struct calls *cs, const struct door_address *from);
void call_free(struct call *call);
/* Packs the answer from command.code and command.out. On any thread; after it nothing of a batch is
 * needed. */
void call_pack(struct call *call);
/* On the loop thread: packs, sends, counts, logs, frees. */
void call_finish(struct call *call);
/* From any thread: packed calls, linked by command.next, to be finished on the loop thread. */
void calls_post(struct calls *cs, struct command *first);

/* answer.c: head and body of an answer. */
void answer_pack(struct call *call);
/* REQ-DONE. */
void answer_log(const struct call *call);

/* worker.c */
int workers_start(struct workers **ret, struct calls *cs);
/* False when the queue is full or closed. */
bool workers_submit(struct workers *ws, struct call *call);
void workers_expire(struct workers *ws);
void workers_stop(struct workers *ws); /* NULL is fine */
void workers_figures(struct workers *ws, int *ret_waiting, int *ret_connected);

#endif
