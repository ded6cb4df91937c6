/* One call's life: made when a message came, finished on the loop thread when its answer is sent.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/time.h"
#include "call/inside.h"

struct call *call_new(struct calls *cs, const struct door_address *from)
{
    struct call *call = calloc(1, sizeof(*call));
    assert_always(call);
    call->calls = cs;
    call->from = *from;
    call->arrived_us = mono_us();
    arena_init(&call->arena, cs->options.unpack_bytes_max);
    call->command.rq.arena = &call->arena;
    call->command.rq.service = cs->options.service;
    call->snapshot = snapshot_get();
    call->command.rq.reference = call->snapshot;
    cs->open++;
    return call;
}

void call_free(struct call *call)
{
    call->calls->open--;
    call->calls->open_bytes -= call->bytes_in;
    snapshot_put(call->snapshot);
    arena_clear(&call->arena);
    free(call);
}

void call_pack(struct call *call)
{
    if (!call->head && !call->on_asked)
        answer_pack(call);
}

static int latency_bucket(int64_t us)
{
    int bucket = 0;
    while (bucket < CALL_LATENCY_BUCKETS - 1 && (INT64_C(500) << bucket) < us)
        bucket++;
    return bucket;
}

static void count_call(struct call *call)
{
    struct calls *cs = call->calls;
    struct method_figures *f =
        call->method ? call->method->figures : &cs->figures[cs->method_count];
    int64_t us = mono_us() - call->arrived_us;
    int code = -call->command.code;
    f->codes[code >= 0 && code < CALL_CODES ? code : -ERR_INTERNAL]++;
    f->latency[latency_bucket(us)]++;
    f->latency_us += (uint64_t)us;
    cs->bytes_in += call->bytes_in;
    cs->bytes_out += call->head_size + call->body_size;
}

/* A command that succeeded tells that there is room again; one that met a full disk, that there is
 * not. */
static void watch_trouble(struct call *call)
{
    struct calls *cs = call->calls;
    if (call->command.handler && call->command.handler->apply && call->command.code == 0 &&
        cs->troubled) {
        cs->troubled = false;
        cs->options.on_trouble(cs->options.ctx, NULL);
    } else if (strcmp(call->command.detail.reason, "storage_full") == 0 && !cs->troubled) {
        cs->troubled = true;
        cs->options.on_trouble(cs->options.ctx, "storage_full");
    }
}

static void asked_finish(struct call *call)
{
    int code = call->command.code;
    call->on_asked(call->asked_ctx, code, code < 0 ? NULL : call->command.out);
    call_free(call);
}

void call_finish(struct call *call)
{
    struct calls *cs = call->calls;
    if (call->on_asked) {
        asked_finish(call);
        return;
    }
    call_pack(call);
    watch_trouble(call);
    /* A peer that is gone or too slow to take its answer asks again with the same key. */
    if (!call->silent && cs->options.send(cs->options.ctx, &call->from, call->head, call->head_size,
                                          call->body, call->body_size) < 0)
        cs->unsent++;
    fault_point("call.after_reply");
    count_call(call);
    answer_log(call);
    call_free(call);
}

static void finish_list(void *arg)
{
    for (struct command *c = arg, *next; c; c = next) {
        next = c->next;
        call_finish(call_of(c));
    }
}

void calls_post(struct calls *cs, struct command *first)
{
    loop_post(cs->options.loop, finish_list, first);
}

void calls_ask(struct calls *cs, const struct method_handler *query, uint32_t budget_ms,
               void (*done)(void *ctx, int code, const void *out), void *ctx)
{
    struct call *call = call_new(cs, &(const struct door_address){ 0 });
    call->on_asked = done;
    call->asked_ctx = ctx;
    call->work = WORK_QUERY;
    call->command.handler = query;
    call->command.rq.method = query->method;
    call->command.rq.key = "";
    call->command.rq.traceparent = "";
    call->command.in = wire_new(&call->arena, query->method->request);
    call->command.deadline_ms = call->arrived_us / 1000 + budget_ms;
    if (!workers_submit(cs->workers, call)) {
        command_fail(&call->command, err_set(ERR_NOT_EXECUTED, "too much waits already"));
        calls_post(cs, &call->command);
    }
}

/* ---- for loop methods ---- */

struct request *call_request(struct call *call)
{
    return &call->command.rq;
}

const void *call_in(const struct call *call)
{
    return call->command.in;
}

const struct door_address *call_from(const struct call *call)
{
    return &call->from;
}

uint64_t call_id(const struct call *call)
{
    return call->id;
}

const char *call_on_behalf(const struct call *call)
{
    return call->caller.actor == call->caller.speaker ? "" : call->caller.actor->id;
}

void call_answer(struct call *call, const ProtobufCMessage *out)
{
    call->command.code = 0;
    /* Packed at once: the message is the caller's. */
    call->command.out = (void *)out;
    call_finish(call);
}

void call_fail(struct call *call, int code)
{
    command_fail(&call->command, code);
    call_finish(call);
}

void call_release(struct call *call)
{
    call->silent = true;
    call->command.code = 0;
    call->command.out = NULL;
    call_finish(call);
}
