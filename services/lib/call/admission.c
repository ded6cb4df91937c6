/* Admission, on the loop thread: from the bytes of a message to a queue, or to an answer at once.
 *
 * Invariant: nothing is unpacked before its bytes were scanned, and nothing is queued before its
 * caller may do it. */
#include <stdio.h>
#include <string.h>

#include "base/rand.h"
#include "base/time.h"
#include "call/inside.h"
#include "lujian/bus/v1/envelope.lj.h"

#define BUDGET_MAX_MS 600000

/* The id of a head that cannot be read as a whole, so that its sender learns what is wrong. Field 1
 * is written first by every encoder that we know; 0 where it is not there. */
static uint64_t head_id(const uint8_t *head, size_t size)
{
    uint64_t id = 0;
    if (size == 0 || head[0] != 0x08)
        return 0;
    for (size_t i = 1; i < size && i <= 10; i++) {
        id |= (uint64_t)(head[i] & 0x7f) << (7 * (i - 1));
        if (!(head[i] & 0x80))
            return id;
    }
    return 0;
}

static int head_read(struct call *call, const uint8_t *data, size_t size, RequestHead **ret)
{
    struct wire_fault fault;
    ProtobufCMessage *message;
    call->id = head_id(data, size);
    int r = wire_unpack(&request_head_rules, &call->arena, data, size, &message, &fault);
    if (r < 0) {
        call->command.rq.field = arena_strdup(&call->arena, fault.path);
        return r;
    }
    *ret = (RequestHead *)message;
    call->id = (*ret)->id;
    return 0;
}

static int method_find(struct call *call, const char *name)
{
    call->method = map_get(&call->calls->methods, name);
    if (!call->method)
        return err_set_reason(ERR_UNSUPPORTED, "unknown_method", "there is no such method here");
    call->command.rq.method = call->method->info;
    call->command.handler = call->method->handler;
    return 0;
}

static int caller_find(struct call *call, const RequestHead *head)
{
    int r = callers_resolve(call->calls->options.callers, call->snapshot, call->from.user,
                            head->on_behalf, &call->caller);
    if (r < 0)
        return r;
    call->command.rq.actor = call->caller.actor;
    return 0;
}

static int caller_may(struct call *call)
{
    struct calls *cs = call->calls;
    uint32_t roles = call->method->info->roles;
    if (roles && !(call->caller.actor->roles & roles))
        return err_set(ERR_PERMISSION_DENIED, "%s is not for your role", call->method->info->name);
    if (!caller_is_own(&call->caller) &&
        !rate_take(&cs->rate, call->caller.actor->id, call->arrived_us, &call->retry_after_ms))
        return err_set(ERR_RATE_LIMITED, "over %lld requests a second",
                       (long long)cs->options.rate_per_second);
    return 0;
}

static int queue_full(void)
{
    return err_set_reason(ERR_NOT_EXECUTED, "queue_full", "too much waits already");
}

/* Signs of life and what ends a feed are always answered; new work is not begun while draining, nor
 * while what waits takes too much memory. */
static int take_work(struct call *call)
{
    bool begins = !call->method->on_loop || call->method->on_loop->starts;
    if (call->calls->draining && begins)
        return err_set_reason(ERR_NOT_EXECUTED, "draining", "this replica is about to stop");
    if (begins && call->calls->open_bytes > call->calls->options.open_bytes_max)
        return queue_full();
    return 0;
}

static int body_read(struct call *call, const uint8_t *data, size_t size)
{
    struct wire_fault fault;
    ProtobufCMessage *message;
    int r = wire_unpack(call->method->info->request, &call->arena, data, size, &message, &fault);
    if (r < 0) {
        call->command.rq.field = arena_strdup(&call->arena, fault.path);
        return r;
    }
    call->command.in = message;
    return 0;
}

static int head_apply(struct call *call, const RequestHead *head)
{
    struct request *rq = &call->command.rq;
    uint32_t budget_ms = head->budget_ms ? head->budget_ms : call->calls->options.budget_default_ms;
    call->command.deadline_ms = call->arrived_us / 1000 + MIN(budget_ms, (uint32_t)BUDGET_MAX_MS);
    rq->key = head->key;
    rq->if_version = head->if_version;
    rq->traceparent = head->traceparent;
    if (head->key[0])
        snprintf(call->key_hash, sizeof(call->key_hash), "%016llx",
                 (unsigned long long)hash_bytes(head->key, strlen(head->key), 0));
    if (call->method->info->kind == METHOD_COMMAND && !head->key[0]) {
        rq->field = "key";
        return err_set_reason(ERR_INVALID_ARGUMENT, "required", "a command needs a key");
    }
    return 0;
}

static int admit(struct call *call, const uint8_t *head_data, size_t head_size, const uint8_t *body,
                 size_t body_size)
{
    RequestHead *head = NULL;
    int r = head_read(call, head_data, head_size, &head);
    if (r == 0)
        r = method_find(call, head->method);
    if (r == 0)
        r = caller_find(call, head);
    if (r == 0)
        r = caller_may(call);
    if (r == 0)
        r = take_work(call);
    if (r == 0)
        r = head_apply(call, head);
    if (r == 0)
        r = body_read(call, body, body_size);
    const struct method_handler *h = call->command.handler;
    if (r == 0 && h && h->check)
        r = h->check(&call->command.rq, call->command.in);
    return r;
}

/* False = the queue is full. */
static bool enqueue(struct call *call)
{
    struct calls *cs = call->calls;
    struct command *c = &call->command;
    if (!c->handler->apply) {
        call->work = WORK_QUERY;
        return workers_submit(cs->workers, call);
    }
    command_name(c);
    c->bytes = call->bytes_in;
    return committers_submit(cs->committers, c);
}

void calls_on_message(void *ctx, const struct door_address *from, const uint8_t *head,
                      size_t head_size, const uint8_t *body, size_t body_size)
{
    struct calls *cs = ctx;
    struct call *call = call_new(cs, from);
    cs->arrivals++;
    call->bytes_in = head_size + body_size;
    cs->open_bytes += call->bytes_in;
    err_clear();
    int r = admit(call, head, head_size, body, body_size);
    if (r < 0)
        call_fail(call, r);
    else if (call->method->on_loop)
        call->method->on_loop->fn(cs->options.ctx, call);
    else if (!enqueue(call))
        call_fail(call, queue_full());
}
