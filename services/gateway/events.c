/* Events over HTTP: the pull. */
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/util.h"
#include "client/cloudevent.h"
#include "gateway.h"
#include "lujian/bus/v1/log.lj.h"
#include "lujian/contract.lj.h"
#include "json/json.h"

static int add_types(struct gateway_request *rq, const char *list, struct events_query *q)
{
    if (!*list)
        return 0; /* type= is as good as none */
    char *rest = arena_strdup(rq->arena, list), *type;
    while ((type = strsep(&rest, ","))) {
        if (q->type_count + 1 == (int)ARRAY_LEN(q->types) ||
            !wire_pattern_matches(WIRE_PATTERN_EVENT_TYPE, type, strlen(type)))
            return err_set(ERR_INVALID_ARGUMENT, "type takes event types like complaint.filed.v1");
        q->types[q->type_count++] = type;
    }
    return 0;
}

static bool is_stream(const char *name)
{
    char pull[64];
    snprintf(pull, sizeof(pull), "%s.pull", name);
    return contract_method(pull) != NULL;
}

int events_query_read(struct gateway_request *rq, bool with_limit, struct events_query *ret)
{
    *ret = (struct events_query){ .after = "", .division = "" };
    int count;
    const struct http_parameter *query = http_query(rq->x, &count);
    for (int i = 0; i < count; i++) {
        const char *name = query[i].name, *value = query[i].value;
        if (query_repeats(query, i) && strcmp(name, "type") != 0)
            return err_set(ERR_INVALID_ARGUMENT, "%s: repeated", name);
        if (strcmp(name, "stream") == 0)
            ret->stream = value;
        else if (strcmp(name, "after") == 0)
            ret->after = value;
        else if (strcmp(name, "division") == 0)
            ret->division = value;
        else if (with_limit && strcmp(name, "limit") == 0)
            ret->limit = value;
        else if (strcmp(name, "type") != 0)
            return err_set(ERR_INVALID_ARGUMENT, "unknown parameter");
        else if (add_types(rq, value, ret) < 0)
            return ERR_INVALID_ARGUMENT;
    }
    if (!ret->stream || strlen(ret->stream) > 31 || !is_stream(ret->stream))
        return err_set(ERR_INVALID_ARGUMENT, "stream is one of registry, complaints, supervision");
    return 0;
}

static void pull_done(void *ctx, const struct client_answer *answer)
{
    struct gateway_request *rq = ctx;
    ProtobufCMessage *message;
    struct wire_fault fault;
    if (answer->code < 0) {
        respond_encoded_problem(rq, answer->code, answer->head, answer->head_size);
        return;
    }
    if (wire_unpack(&pull_response_rules, rq->arena, answer->body, answer->body_size, &message,
                    &fault) < 0) {
        respond_problem(rq, ERR_INTERNAL, fault.path);
        return;
    }
    const PullResponse *pulled = (const PullResponse *)(void *)message;
    char stream[32];
    snprintf(stream, sizeof(stream), "%.*s", (int)strcspn(pulled->through, ":"), pulled->through);

    struct buf body;
    buf_init(&body, 0);
    buf_add_text(&body, "{\"events\":[");
    for (size_t i = 0; i < pulled->n_events; i++) {
        if (i > 0)
            buf_add_char(&body, ',');
        cloudevent_json(rq->arena, &body, stream, pulled->events[i]);
    }
    buf_add_text(&body, "],\"through\":");
    json_add_string(&body, pulled->through);
    buf_add_char(&body, '}');
    respond_json(rq, MHD_HTTP_OK, &body, NULL);
    buf_clear(&body);
}

static int pull_message(struct gateway_request *rq, const struct events_query *q, PullRequest **ret,
                        struct wire_fault *fault)
{
    PullRequest *in = wire_new(rq->arena, &pull_request_rules);
    in->after = arena_strdup(rq->arena, q->after);
    in->division = arena_strdup(rq->arena, q->division);
    in->n_types = (size_t)q->type_count;
    in->types = arena_memdup(rq->arena, q->types, sizeof(q->types));
    *ret = in;
    if (q->limit) {
        int r = bind_text(rq->arena, &pull_request_rules, &in->base, "limit", q->limit, fault);
        if (r < 0)
            return r;
    }
    return wire_check(&pull_request_rules, &in->base, fault);
}

void events_pull(struct gateway_request *rq)
{
    struct events_query q;
    struct wire_fault fault = { 0 };
    PullRequest *in = NULL;
    int r = events_query_read(rq, true, &q);
    if (r == 0)
        r = pull_message(rq, &q, &in, &fault);
    if (r < 0) {
        respond_problem(rq, r, fault.path);
        return;
    }

    uint8_t *body;
    struct client_call call = {
        .service = q.stream,
        .method = arena_printf(rq->arena, "%s.pull", q.stream),
        .on_behalf = rq->principal,
        .traceparent = rq->traceparent,
        .budget_ms = GATEWAY_BUDGET_MS,
    };
    wire_pack(rq->arena, &in->base, &body, &call.body_size);
    call.body = body;
    client_call_async(gateway.client, &call, pull_done, rq);
}
