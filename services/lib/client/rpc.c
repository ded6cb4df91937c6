/* Typed calls: pack, call, unpack, and ask again where the answer says that this is safe. */
#include "client/rpc.h"

#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/rand.h"
#include "base/time.h"
#include "base/util.h"

#define PAUSE_FIRST_MS 50
#define PAUSE_MAX_MS   2000

/* A problem for what came from no peer: the thread's last error. */
static const Problem *own_problem(struct arena *arena)
{
    const struct err_detail *detail = err_last();
    Problem *p = wire_new(arena, &problem_rules);
    p->code = arena_strdup(arena, *detail->reason ? detail->reason : err_info(detail->code)->name);
    p->detail_en = arena_strdup(arena, detail->text);
    return p;
}

static int fail(struct arena *arena, struct rpc_answer *ret, int code)
{
    ret->code = code;
    ret->problem = own_problem(arena);
    return code;
}

static const ResponseHead *read_head(struct arena *arena, const struct client_answer *answer)
{
    ProtobufCMessage *message;
    struct wire_fault fault;
    if (!answer->head || wire_unpack(&response_head_rules, arena, answer->head, answer->head_size,
                                     &message, &fault) < 0)
        return NULL;
    return (const ResponseHead *)(const void *)message;
}

static int read_answer(struct arena *arena, const struct rpc *call,
                       const struct client_answer *answer, struct rpc_answer *ret)
{
    ProtobufCMessage *message;
    struct wire_fault fault;
    struct err_detail why = *err_last(); /* before unpacking can record anything else */
    *ret = (struct rpc_answer){ .code = answer->code,
                                .instance = answer->instance ? answer->instance : "" };
    ret->head = read_head(arena, answer);
    if (answer->code < 0 && ret->head && ret->head->problem) {
        ret->problem = ret->head->problem;
        return answer->code;
    }
    if (answer->code < 0) {
        if (why.code != answer->code)
            err_set(answer->code, "no replica of %s answered", call->method->service);
        else
            err_restore(&why);
        return fail(arena, ret, answer->code);
    }
    int r = wire_unpack(call->method->response, arena, answer->body, answer->body_size, &message,
                        &fault);
    if (r < 0)
        return fail(arena, ret,
                    err_set(ERR_INTERNAL, "the answer of %s: %s: %s", ret->instance, fault.path,
                            fault.reason));
    ret->out = message;
    return 0;
}

static bool is_later(int code)
{
    return code == ERR_IN_PROGRESS || code == ERR_RATE_LIMITED || code == ERR_NOT_EXECUTED ||
           code == ERR_OUTCOME_UNKNOWN;
}

static void pause_ms(int64_t ms)
{
    struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    nanosleep(&t, NULL);
}

int rpc_call(struct client *client, struct arena *arena, const struct rpc *call,
             struct rpc_answer *ret)
{
    char key[UUID_TEXT_SIZE];
    uint8_t *body;
    size_t body_size;
    uuid_v7(wall_ms(), key);
    wire_pack(arena, call->in, &body, &body_size);
    struct client_call one = {
        .service = call->method->service,
        .instance = call->instance,
        .method = call->method->name,
        .on_behalf = call->on_behalf,
        .if_version = call->if_version,
        .budget_ms = call->budget_ms,
        .body = body,
        .body_size = body_size,
    };
    if (call->method->kind == METHOD_COMMAND)
        one.key = call->key ? call->key : key;

    int64_t until_ms = mono_ms() + call->patience_ms;
    int64_t pause = PAUSE_FIRST_MS;
    for (;;) {
        struct client_answer answer = { 0 };
        err_clear();
        int r = client_call_wait(client, &one, arena, &answer);
        answer.code = r;
        r = read_answer(arena, call, &answer, ret);
        if (!is_later(r) || mono_ms() + pause > until_ms)
            return r;
        pause_ms(MAX(pause, (int64_t)(ret->problem->retry_after_ms)));
        pause = MIN(pause * 2, PAUSE_MAX_MS);
    }
}
