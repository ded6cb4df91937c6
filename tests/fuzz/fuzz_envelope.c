/* Whatever frames a known key sends, admission ends in exactly one answer under the head's own id,
 * or in a handler whose message obeys the contract and whose caller may do it.
 *
 * The first line of an input is the User-Id that the link was given, two bytes are the size of the
 * head, the rest is head and body. It is the door's own code, from the frames on; only the handlers
 * are ours. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "call/inside.h"
#include "fuzz.h"
#include "lujian/bus/v1/envelope.lj.h"
#include "lujian/contract.lj.h"
#include "people.h"

#define METHODS_MAX      512
#define UNPACK_BYTES_MAX ((size_t)8 * 1024 * 1024)

static struct calls replica;
static struct call_method methods[METHODS_MAX];
static struct loop_handler handlers[METHODS_MAX];
static struct method_figures figures[METHODS_MAX + 1];

/* of the input at hand */
static int answers, handled;
static uint64_t head_id;

static void on_call(void *ctx UNUSED, struct call *call)
{
    const struct method_info *method = call->method->info;
    struct wire_fault fault = { 0 };
    handled++;
    assert_always(wire_check(method->request, call_in(call), &fault) == 0);
    assert_always(!method->roles || method->roles & call->caller.actor->roles);
    assert_always(method->kind != METHOD_COMMAND || *call_request(call)->key);
    assert_always(caller_is_own(&call->caller) || call->caller.actor == call->caller.speaker);
    call_answer(call, wire_new(&call->arena, method->response));
}

static int on_answer(void *ctx UNUSED, const struct door_address *to UNUSED, const uint8_t *head,
                     size_t head_size, const uint8_t *body, size_t body_size)
{
    struct arena arena;
    struct wire_fault fault;
    ProtobufCMessage *message;
    arena_init(&arena, 0);
    assert_always(wire_unpack(&response_head_rules, &arena, head, head_size, &message, &fault) ==
                  0);
    const ResponseHead *told = (const ResponseHead *)(void *)message;
    assert_always(told->id == head_id);
    assert_always(!told->problem == (handled == 1));
    assert_always(!told->problem || (*told->problem->code && *told->problem->detail_en));
    assert_always(told->problem ? body_size == 0 : !body_size || body);
    arena_clear(&arena);
    answers++;
    return 0;
}

static void replica_open(void)
{
    people_install();
    log_init("fuzz", "fuzz", LOG_ERROR + 1);
    replica.options = (struct calls_options){
        .send = on_answer,
        .budget_default_ms = 10000,
        .unpack_bytes_max = UNPACK_BYTES_MAX,
        .open_bytes_max = UNPACK_BYTES_MAX,
    };
    assert_always(callers_open(&replica.options.callers, NULL, "") == 0);
    rate_init(&replica.rate, 0, 0);
    map_init(&replica.methods);
    for (int i = 0; contract_methods[i]; i++) {
        assert_always(i < METHODS_MAX);
        handlers[i] = (struct loop_handler){ .method = contract_methods[i], .fn = on_call };
        methods[i] = (struct call_method){ .info = contract_methods[i],
                                           .on_loop = &handlers[i],
                                           .figures = &figures[i] };
        map_put(&replica.methods, contract_methods[i]->name, &methods[i]);
        replica.method_count++;
    }
    replica.figures = figures;
    replica.method_table = methods;
}

/* The id that an answer must bear: the head's, or where the head cannot be read as a whole, that of
 * its first field. */
static uint64_t id_of(const uint8_t *head, size_t size)
{
    struct arena arena;
    struct wire_fault fault;
    ProtobufCMessage *message;
    uint64_t id = 0;
    arena_init(&arena, UNPACK_BYTES_MAX);
    if (wire_unpack(&request_head_rules, &arena, head, size, &message, &fault) == 0) {
        id = ((RequestHead *)(void *)message)->id;
    } else if (size > 0 && head[0] == 0x08) {
        size_t last = 1;
        while (last < size && last < 10 && head[last] & 0x80)
            last++;
        for (size_t i = 1; last < size && !(head[last] & 0x80) && i <= last; i++)
            id |= (uint64_t)(head[i] & 0x7f) << (7 * (i - 1));
    }
    arena_clear(&arena);
    return id;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct door_address from = { 0 };
    const uint8_t *end = memchr(data, '\n', MIN(size, sizeof(from.user)));
    size_t length = end ? (size_t)(end - data) : 0;
    if (!end || size - length < 3)
        return 0;
    if (!replica.methods.count)
        replica_open();
    memcpy(from.user, data, length);
    data += length + 1;
    size -= length + 1;
    size_t head_size = MIN((size_t)data[0] | (size_t)data[1] << 8, size - 2);
    /* Each frame in memory of its own: a sanitizer sees a read behind it. */
    size_t body_size = size - 2 - head_size;
    uint8_t *head = malloc(head_size + 1), *body = malloc(body_size + 1);
    assert_always(head && body);
    head = realloc(memcpy(head, data + 2, head_size), head_size ? head_size : 1);
    body = realloc(memcpy(body, data + 2 + head_size, body_size), body_size ? body_size : 1);
    assert_always(head && body);
    answers = handled = 0;
    head_id = id_of(head, head_size);
    calls_on_message(&replica, &from, head, head_size, body, body_size);
    assert_always(answers == 1 && replica.open == 0 && replica.open_bytes == 0);
    free(head);
    free(body);
    return 0;
}
