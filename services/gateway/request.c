/* One request, from the exchange that was read to whoever answers it: faults of its shape first,
 * then who asks, then where it goes. */
#include <string.h>

#include "base/err.h"
#include "base/rand.h"
#include "base/time.h"
#include "base/util.h"
#include "gateway.h"
#include "lujian/contract.lj.h"

struct gateway gateway;

static const struct {
    const char *http_method, *path;
    uint32_t roles; /* 0 = any principal */
    void (*handle)(struct gateway_request *rq);
} own_routes[] = {
    { "GET", "/v1/events", 0, events_pull },
    { "GET", "/v1/events:stream", 0, events_stream },
    { "GET", "/v1/me", 0, show_me },
    { "POST", "/v1/time:advance", ROLE_BIT_OPERATOR, time_advance },
};

/* W3C Trace Context: what came, if it is well-formed, else a new trace. */
static const char *traceparent(struct gateway_request *rq)
{
    const char *text = http_header(rq->x, "traceparent");
    if (text && strlen(text) == 55 && strncmp(text, "00-", 3) == 0 &&
        strspn(text, "0123456789abcdef-") == 55)
        return arena_strdup(rq->arena, text);
    return arena_printf(rq->arena, "00-%016llx%016llx-%016llx-01", (unsigned long long)rand_u64(),
                        (unsigned long long)rand_u64(), (unsigned long long)(rand_u64() | 1));
}

/* Who asks for the head of an answer asks as who asks for all of it: the library drops the body. */
static bool takes_method(const struct gateway_request *rq, const char *method)
{
    const char *asked = http_method(rq->x);
    return strcmp(strcmp(asked, "HEAD") == 0 ? "GET" : asked, method) == 0;
}

static bool handle_own_route(struct gateway_request *rq, const struct principal *actor)
{
    for (size_t i = 0; i < ARRAY_LEN(own_routes); i++) {
        if (strcmp(http_path(rq->x), own_routes[i].path) != 0)
            continue;
        rq->route = own_routes[i].path;
        if (!takes_method(rq, own_routes[i].http_method)) {
            err_set(ERR_UNSUPPORTED, "the path does not take %s", http_method(rq->x));
            respond_not_allowed(rq, own_routes[i].http_method);
        } else if (own_routes[i].roles && !(own_routes[i].roles & actor->roles)) {
            respond_problem(rq, err_set(ERR_PERMISSION_DENIED, "not a method of the caller's role"),
                            NULL);
        } else {
            own_routes[i].handle(rq);
        }
        return true;
    }
    return false;
}

static void handle_known(struct gateway_request *rq, const struct principal *actor)
{
    struct route_match match;
    if (handle_own_route(rq, actor))
        return;
    int r = routes_match(rq->arena, http_method(rq->x), http_path(rq->x), &match);
    if (match.allow && r < 0) {
        respond_not_allowed(rq, match.allow);
    } else if (r < 0) {
        respond_problem(rq, r, NULL);
    } else if (match.method->roles && !(match.method->roles & actor->roles)) {
        /* Before the shape, as at the services' own doors. */
        rq->route = match.route;
        respond_problem(
            rq, err_set(ERR_PERMISSION_DENIED, "%s is not for your role", match.method->name),
            NULL);
    } else {
        rq->route = match.route;
        call_route(rq, &match);
    }
}

static void show_openapi(struct gateway_request *rq)
{
    struct buf body;
    rq->route = "/openapi.json";
    if (!takes_method(rq, "GET")) {
        err_set(ERR_UNSUPPORTED, "the path does not take %s", http_method(rq->x));
        respond_not_allowed(rq, "GET");
        return;
    }
    buf_init(&body, 0);
    buf_add_text(&body, contract_openapi_json);
    respond_json(rq, 200, &body, NULL);
    buf_clear(&body);
}

void gateway_on_request(void *ctx, struct http_exchange *x)
{
    (void)ctx;
    struct gateway_request *rq = arena_new(http_arena(x), struct gateway_request);
    rq->x = x;
    rq->arena = http_arena(x);
    rq->started_us = mono_us();
    rq->route = "";
    rq->traceparent = traceparent(rq);

    if (http_body_too_large(x)) {
        respond_problem(
            rq, err_set(ERR_TOO_LARGE, "a body has %d bytes at most", GATEWAY_BODY_BYTES_MAX),
            NULL);
        return;
    }
    if (http_fault(x)) {
        respond_problem(rq, err_set(ERR_INVALID_ARGUMENT, "%s", http_fault(x)), NULL);
        return;
    }
    if (gateway.draining) {
        respond_problem(rq, err_set(ERR_NOT_EXECUTED, "draining"), NULL);
        return;
    }
    if (strcmp(http_path(x), "/openapi.json") == 0) {
        show_openapi(rq);
        return;
    }
    const struct snapshot *reference = snapshot_get();
    const struct principal *actor;
    int r = authenticate(rq, reference, &actor);
    if (r < 0)
        respond_problem(rq, r, NULL);
    else
        handle_known(rq, actor);
    snapshot_put(reference);
}
