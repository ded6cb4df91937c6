/* The gateway: HTTP/JSON on one side, the bus on the other, and nothing of its own to remember. */
#ifndef LUJIAN_GATEWAY_GATEWAY_H
#define LUJIAN_GATEWAY_GATEWAY_H

#include "bus/client.h"
#include "http/http.h"
#include "reference/snapshot.h"
#include "service/service.h"
#include "wire/wire.h"

#define GATEWAY_BODY_BYTES_MAX (1024 * 1024)
#define GATEWAY_BUDGET_MS      10000

struct gateway {
    struct service *service;
    struct loop *loop;
    struct client *client;
    struct http_server *http;
    bool draining;
};

extern struct gateway gateway;

/* One HTTP request between reading and answering. It lives in the exchange's arena: a suspended
 * exchange stays until it is answered, whatever its connection does, so a pending call may hold on
 * to it. */
struct gateway_request {
    struct http_exchange *x;
    struct arena *arena;
    const struct method_info *method; /* NULL for the gateway's own routes */
    const char *route;                /* the template, for logs: never a path with an id */
    char principal[65];
    char token_sha256[65]; /* what proved it */
    const char *traceparent;
    int64_t started_us;
    char location[96];
};

/* routes.c: the contract's routes, matched without regular expressions. */
struct route_binding {
    const char *name, *value;
};
#define ROUTE_BINDINGS_MAX 4
struct route_match {
    const struct method_info *method;
    const char *route;
    struct route_binding bindings[ROUTE_BINDINGS_MAX];
    int binding_count;
    const char *allow; /* set where the path is known and the method is not */
};
void routes_init(void);
/* 0, ERR_NOT_FOUND, or ERR_UNSUPPORTED with `allow` set. */
int routes_match(struct arena *arena, const char *http_method, const char *path,
                 struct route_match *ret);

/* bind.c: path and query parameters into message fields, by the contract's types. */
int bind_text(struct arena *arena, const struct message_rules *rules, ProtobufCMessage *message,
              const char *name, const char *value, struct wire_fault *ret_fault);

/* problem.c: answers. Every response of the gateway leaves through here or stream.c. */
void respond_problem(struct gateway_request *rq, int code, const char *field);
void respond_encoded_problem(struct gateway_request *rq, int code, const uint8_t *head,
                             size_t head_size);
void respond_not_allowed(struct gateway_request *rq, const char *allow);
void respond_json(struct gateway_request *rq, int status, const struct buf *body,
                  const struct http_field *fields);
void request_done(struct gateway_request *rq, int status, const char *code);

/* auth.c */
int authenticate(struct gateway_request *rq, const struct snapshot *reference,
                 const struct principal **ret);
/* Is it still in force? For answers that go on: the principal may have another token. */
bool authentic_still(const struct gateway_request *rq);

/* request.c: where every request begins; the HTTP door's on_request. */
void gateway_on_request(void *ctx, struct http_exchange *x);

/* call.c: one RPC for one HTTP request. */
/* The JSON body as a message; no body is {}. */
int request_body(struct gateway_request *rq, const struct message_rules *rules,
                 ProtobufCMessage **ret, struct wire_fault *fault);
/* Whether a parameter before `at` has its name. */
bool query_repeats(const struct http_parameter *query, int at);
void call_route(struct gateway_request *rq, const struct route_match *match);

/* events.c */
void events_pull(struct gateway_request *rq);
/* The query of both forms: stream, after, division, type. */
struct events_query {
    const char *stream, *after, *division;
    const char *types[33];
    int type_count;
    const char *limit;
};
int events_query_read(struct gateway_request *rq, bool with_limit, struct events_query *ret);

/* stream.c: server-sent events */
void events_stream(struct gateway_request *rq);
void streams_end_all(void);

/* time.c */
void time_advance(struct gateway_request *rq);

/* me.c */
void show_me(struct gateway_request *rq);

#endif
