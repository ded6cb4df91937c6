/* One RPC for one HTTP request: parameters and body into the request message, the answer back into
 * JSON. */
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/rand.h"
#include "base/util.h"
#include "gateway.h"
#include "lujian/bus/v1/envelope.lj.h"
#include "json/json.h"

int request_body(struct gateway_request *rq, const struct message_rules *rules,
                 ProtobufCMessage **ret, struct wire_fault *fault)
{
    size_t size;
    const uint8_t *body = http_body(rq->x, &size);
    const char *type = http_header(rq->x, "Content-Type");
    if (size > 0 && (!type || strncasecmp(type, "application/json", 16) != 0 ||
                     (type[16] && type[16] != ';' && type[16] != ' ')))
        return err_set(ERR_UNSUPPORTED, "the body must be application/json");
    if (size == 0)
        return json_to_message(rules, rq->arena, "{}", 2, ret, fault);
    return json_to_message(rules, rq->arena, (const char *)body, size, ret, fault);
}

/* A field that the path names must not stand in the body or query too. */
static int bind_path(struct gateway_request *rq, const struct route_match *match,
                     ProtobufCMessage *message, struct wire_fault *fault)
{
    for (int i = 0; i < match->binding_count; i++) {
        const struct route_binding *b = &match->bindings[i];
        const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(
            rq->method->request->descriptor, b->name);
        if (*wire_string(message, field)) {
            snprintf(fault->path, sizeof(fault->path), "%s", b->name);
            fault->reason = "unknown_field";
            return err_set(ERR_INVALID_ARGUMENT, "%s: unknown_field", b->name);
        }
        int r = bind_text(rq->arena, rq->method->request, message, b->name, b->value, fault);
        if (r < 0)
            return r;
    }
    return 0;
}

/* One that comes twice would be another one for whoever reads the other of the two. */
bool query_repeats(const struct http_parameter *query, int at)
{
    for (int i = 0; i < at; i++)
        if (strcmp(query[i].name, query[at].name) == 0)
            return true;
    return false;
}

static bool takes_many(const struct gateway_request *rq, const char *name)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(rq->method->request->descriptor, name);
    return field && field->label == PROTOBUF_C_LABEL_REPEATED;
}

static int bind_query(struct gateway_request *rq, ProtobufCMessage *message,
                      struct wire_fault *fault)
{
    int count;
    const struct http_parameter *query = http_query(rq->x, &count);
    for (int i = 0; i < count; i++) {
        if (query_repeats(query, i) && !takes_many(rq, query[i].name))
            return err_set(ERR_INVALID_ARGUMENT, "%s: repeated", query[i].name);
        int r = bind_text(rq->arena, rq->method->request, message, query[i].name, query[i].value,
                          fault);
        if (r < 0)
            return r;
    }
    return 0;
}

static int make_message(struct gateway_request *rq, const struct route_match *match,
                        ProtobufCMessage **ret, struct wire_fault *fault)
{
    int r = 0;
    if (rq->method->http_post) {
        int count;
        http_query(rq->x, &count);
        if (count > 0)
            return err_set(ERR_INVALID_ARGUMENT, "this path takes no query parameters");
        r = request_body(rq, rq->method->request, ret, fault);
    } else {
        *ret = wire_new(rq->arena, rq->method->request);
        r = bind_query(rq, *ret, fault);
    }
    if (r == 0)
        r = bind_path(rq, match, *ret, fault);
    if (r == 0)
        r = wire_check(rq->method->request, *ret, fault);
    return r;
}

/* One tag of an If-Match list; past it, or NULL where it is none. Ours are "5", strong. */
static const char *read_tag(const char *at, int64_t *ret_version)
{
    bool weak = at[0] == 'W' && at[1] == '/';
    const char *open = weak ? at + 2 : at;
    const char *close = *open == '"' ? strchr(open + 1, '"') : NULL;
    if (!close)
        return NULL;
    size_t length = (size_t)(close - open) - 1;
    bool ours = !weak && length > 0 && length <= 18 && strspn(open + 1, "0123456789") == length;
    *ret_version = ours ? strtoll(open + 1, NULL, 10) : 0;
    return close + 1;
}

/* If-Match (RFC 9110, 13.1.1): absent or * = any version. A tag that is none of ours matches
 * nothing. */
static int read_if_match(struct gateway_request *rq, int64_t *ret)
{
    static const char malformed[] = "If-Match takes * or entity tags in quotes, one of them ours";
    const char *at = http_header(rq->x, "If-Match");
    *ret = 0;
    if (!at || strcmp(at, "*") == 0)
        return 0;
    for (bool more = true; more;) {
        int64_t version;
        at = read_tag(at, &version);
        if (!at || (version && *ret))
            return err_set(ERR_INVALID_ARGUMENT, malformed);
        *ret = version ? version : *ret;
        at += strspn(at, " \t");
        more = *at == ',';
        if (!more && *at)
            return err_set(ERR_INVALID_ARGUMENT, malformed);
        at += more;
        at += strspn(at, " \t");
    }
    return *ret ? 0 : err_set(ERR_VERSION_MISMATCH, "no version has that entity tag");
}

static int read_key(struct gateway_request *rq, const char **ret)
{
    const char *key = http_header(rq->x, "Idempotency-Key");
    if (!key) {
        /* A key of its own, so that the gateway's retry is safe. */
        char uuid[UUID_TEXT_SIZE];
        uuid_v7(0, uuid);
        *ret = arena_printf(rq->arena, "gw-%s", uuid);
        return 0;
    }
    if (!*key || strlen(key) > 128 || !wire_pattern_matches(WIRE_PATTERN_KEY, key, strlen(key)))
        return err_set(ERR_INVALID_ARGUMENT,
                       "Idempotency-Key is 1 to 128 printable ASCII characters");
    *ret = arena_strdup(rq->arena, key);
    return 0;
}

static void answer_success(struct gateway_request *rq, const struct client_answer *answer)
{
    ProtobufCMessage *head_message, *message;
    struct wire_fault fault;
    if (wire_unpack(&response_head_rules, rq->arena, answer->head, answer->head_size, &head_message,
                    &fault) < 0 ||
        wire_unpack(rq->method->response, rq->arena, answer->body, answer->body_size, &message,
                    &fault) < 0) {
        respond_problem(rq, ERR_INTERNAL, fault.path);
        return;
    }
    const ResponseHead *head = (const ResponseHead *)(void *)head_message;

    struct http_field fields[4] = { 0 };
    int n = 0;
    char etag[32];
    if (head->version > 0) {
        snprintf(etag, sizeof(etag), "\"%lld\"", (long long)head->version);
        fields[n++] = (struct http_field){ "ETag", etag };
    }
    if (head->replayed)
        fields[n++] = (struct http_field){ "Idempotency-Replayed", "true" };
    if (head->created && !head->replayed) {
        const ProtobufCFieldDescriptor *id =
            protobuf_c_message_descriptor_get_field_by_name(rq->method->response->descriptor, "id");
        snprintf(rq->location, sizeof(rq->location), "%s/%s", rq->route,
                 id ? wire_string(message, id) : "");
        fields[n++] = (struct http_field){ "Location", rq->location };
    }

    struct buf body;
    buf_init(&body, 0);
    json_from_message(rq->method->response, message, &body);
    respond_json(rq, head->created && !head->replayed ? MHD_HTTP_CREATED : MHD_HTTP_OK, &body,
                 fields);
    buf_clear(&body);
}

static void call_done(void *ctx, const struct client_answer *answer)
{
    struct gateway_request *rq = ctx;
    if (answer->code == 0)
        answer_success(rq, answer);
    else
        respond_encoded_problem(rq, answer->code, answer->head, answer->head_size);
}

void call_route(struct gateway_request *rq, const struct route_match *match)
{
    rq->method = match->method;
    ProtobufCMessage *message;
    struct wire_fault fault = { 0 };
    int r = make_message(rq, match, &message, &fault);
    if (r < 0) {
        respond_problem(rq, r, fault.path);
        return;
    }

    struct client_call call = {
        .service = rq->method->service,
        .method = rq->method->name,
        .on_behalf = rq->principal,
        .traceparent = rq->traceparent,
        .budget_ms = GATEWAY_BUDGET_MS,
    };
    r = read_if_match(rq, &call.if_version);
    if (r == 0 && rq->method->kind == METHOD_COMMAND)
        r = read_key(rq, &call.key);
    if (r < 0) {
        respond_problem(rq, r, NULL);
        return;
    }
    uint8_t *body;
    wire_pack(rq->arena, message, &body, &call.body_size);
    call.body = body;
    client_call_async(gateway.client, &call, call_done, rq);
}
