/* Whatever request the HTTP library hands over, the gateway answers it once, with a status of its
 * own and JSON in UTF-8; and a call that leaves for a service is one that the service's door
 * admits.
 *
 * An input is a request as it goes over the wire: a line with method and target, header lines, an
 * empty line, the body. A token is the name of its principal. Only the library below the exchange
 * and the bus above the call are ours: http_mock.c has the first. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/utf8.h"
#include "base/util.h"
#include "bus/envelope.h"
#include "fuzz.h"
#include "gateway.h"
#include "http_mock.h"
#include "lujian/bus/v1/envelope.lj.h"
#include "lujian/bus/v1/log.lj.h"
#include "lujian/contract.lj.h"
#include "people.h"
#include "service/replica.h"

static struct service replica;
static struct conf_key keys[] = {
    { .name = "clock-offset-file", .type = CONF_TEXT, .by_default = "" },
    { .name = "peers", .type = CONF_TEXT, .by_default = "" },
    { 0 },
};

/* The call that has left, until it is answered: one request makes one, and a stream's probe. */
static struct {
    const struct method_info *method;
    void (*done)(void *ctx, const struct client_answer *answer);
    void *ctx;
} open_call;
static int feeds;

void __wrap_client_call_async(struct client *client, const struct client_call *call,
                              void (*done)(void *ctx, const struct client_answer *answer),
                              void *ctx);
int __wrap_client_feed_open(struct client_feed **ret, struct client *client,
                            const struct client_feed_options *options);
void __wrap_client_feed_credit(struct client_feed *feed, uint32_t credit);
void __wrap_client_feed_close(struct client_feed *feed);

void __wrap_client_call_async(struct client *client UNUSED, const struct client_call *call,
                              void (*done)(void *ctx, const struct client_answer *answer),
                              void *ctx)
{
    struct arena arena;
    struct wire_fault fault;
    ProtobufCMessage *message;
    uint8_t *head;
    size_t head_size;
    const struct method_info *method = contract_method(call->method);
    arena_init(&arena, 0);
    assert_always(method && strcmp(method->service, call->service) == 0 && !open_call.done);
    assert_always(wire_scan(method->request, call->body, call->body_size, &fault) == 0);
    assert_always((method->kind == METHOD_COMMAND) == (call->key && *call->key));
    struct envelope_request request = { .id = 1,
                                        .method = call->method,
                                        .key = call->key,
                                        .on_behalf = call->on_behalf,
                                        .traceparent = call->traceparent,
                                        .if_version = call->if_version,
                                        .budget_ms = call->budget_ms };
    envelope_request_pack(&arena, &request, &head, &head_size);
    assert_always(wire_unpack(&request_head_rules, &arena, head, head_size, &message, &fault) == 0);
    arena_clear(&arena);
    open_call.method = method;
    open_call.done = done;
    open_call.ctx = ctx;
}

int __wrap_client_feed_open(struct client_feed **ret, struct client *client UNUSED,
                            const struct client_feed_options *options)
{
    FollowResponse frame = FOLLOW_RESPONSE_INIT;
    struct arena arena;
    uint8_t *data;
    size_t size;
    arena_init(&arena, 0);
    *ret = (struct client_feed *)(void *)&open_call;
    feeds++;
    frame.through = arena_printf(&arena, "%s:1:7", options->service);
    wire_pack(&arena, &frame.base, &data, &size);
    options->on_frame(options->ctx, data, size);
    options->on_end(options->ctx, ERR_CURSOR_MISMATCH, NULL, 0);
    arena_clear(&arena);
    return 0;
}

void __wrap_client_feed_credit(struct client_feed *feed UNUSED, uint32_t credit UNUSED)
{
}

void __wrap_client_feed_close(struct client_feed *feed)
{
    feeds -= feed != NULL;
}

/* Done, refused, or not heard of: as the input's bytes will have it. */
static void answer_call(unsigned how)
{
    struct arena arena;
    ResponseHead head = RESPONSE_HEAD_INIT;
    Problem problem = PROBLEM_INIT;
    struct client_answer answer = { .instance = "" };
    uint8_t *data, *body;
    arena_init(&arena, 0);
    head.id = 1;
    if (how == 0) {
        head.created = true;
        head.version = 3;
        wire_pack(&arena, wire_new(&arena, open_call.method->response), &body, &answer.body_size);
        answer.body = body;
    } else {
        answer.code = how == 1 ? ERR_REFUSED : ERR_OUTCOME_UNKNOWN;
        problem.error = (ErrorCode)-answer.code;
        problem.code = (char *)(uintptr_t) "deadline_passed";
        head.problem = &problem;
    }
    if (how < 2) {
        wire_pack(&arena, &head.base, &data, &answer.head_size);
        answer.head = data;
    }
    void (*done)(void *, const struct client_answer *) = open_call.done;
    open_call.done = NULL;
    done(open_call.ctx, &answer);
    arena_clear(&arena);
}

static void check_answer(const struct mock_answer *told)
{
    assert_always(told->count == 1);
    assert_always(told->status >= 200 && told->status < 600);
    if (told->stream || told->size == 0)
        return;
    size_t last = told->size - 1;
    last -= last > 0 && told->body[last] == '\n'; /* a text file's end, as openapi.json has it */
    assert_always(told->body[0] == '{' && told->body[last] == '}');
    assert_always(utf8_check((const char *)told->body, told->size));
    for (size_t i = 0; i < told->size && told->status >= 400; i++)
        assert_always(told->body[i] >= ' ');
}

static void gateway_open(void)
{
    char program[] = "fuzz", *argv[] = { program, NULL };
    people_install();
    log_init("fuzz", "fuzz", LOG_ERROR + 1);
    routes_init();
    replica.conf = (struct conf){ .tables = { keys }, .table_count = 1 };
    assert_always(conf_load(&replica.conf, 1, argv) == 0);
    assert_always(loop_new(&gateway.loop) == 0);
    gateway.service = &replica;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!gateway.service)
        gateway_open();
    struct mock *mock = mock_begin(data, size, GATEWAY_BODY_BYTES_MAX, gateway_on_request);
    if (!mock)
        return 0;
    unsigned how = (unsigned)hash_bytes(data, size, 0) % 3;
    if (open_call.done)
        answer_call(how);
    struct mock_answer told = mock_end(mock);
    check_answer(&told);
    free(told.body);
    assert_always(!open_call.done && feeds == 0);
    uv_run(loop_uv(gateway.loop), UV_RUN_NOWAIT); /* timers that were freed go */
    return 0;
}
