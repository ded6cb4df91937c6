/* Answers: JSON bodies, RFC 9457 problem details, and the one log line a request. */
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/time.h"
#include "base/util.h"
#include "gateway.h"
#include "lujian/bus/v1/envelope.lj.h"
#include "json/json.h"

void request_done(struct gateway_request *rq, int status, const char *code)
{
    log_line(LOG_INFO, "REQ-DONE", LF_TEXT("route", rq->route), LF_TEXT("principal", rq->principal),
             LF_INT("status", status), LF_TEXT("code", code),
             LF_INT("us", mono_us() - rq->started_us), LF_TEXT("traceparent", rq->traceparent));
}

void respond_json(struct gateway_request *rq, int status, const struct buf *body,
                  const struct http_field *fields)
{
    request_done(rq, status, "ok");
    struct http_answer answer = {
        .status = status,
        .content_type = "application/json; charset=utf-8",
        .body = body->data,
        .size = body->size,
        .fields = fields,
    };
    http_respond(rq->x, &answer);
}

static void add_member(struct buf *out, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    buf_printf(out, ",\"%s\":", name);
    json_add_string(out, value);
}

static void write_problem(struct buf *out, const struct err_info *info, int status,
                          const Problem *p)
{
    const char *code = *p->code ? p->code : info->name;
    buf_printf(out, "{\"type\":\"urn:lujian:problem:%s\",\"title\":", code);
    json_add_string(out, info->name);
    buf_printf(out, ",\"status\":%d,\"code\":", status);
    json_add_string(out, code);
    add_member(out, "detail", *p->detail_zh ? p->detail_zh : p->detail_en);
    add_member(out, "detail_zh", p->detail_zh);
    add_member(out, "detail_en", p->detail_en);
    add_member(out, "basis_zh", p->basis_zh);
    add_member(out, "basis_en", p->basis_en);
    add_member(out, "state", p->state);
    add_member(out, "field", p->field);
    if (p->n_allowed > 0 || *p->state) {
        buf_add_text(out, ",\"allowed\":[");
        for (size_t i = 0; i < p->n_allowed; i++) {
            if (i > 0)
                buf_add_char(out, ',');
            json_add_string(out, p->allowed[i]);
        }
        buf_add_char(out, ']');
    }
    buf_add_char(out, '}');
}

/* `allow` marks a path that does not take the method: 405 in place of the table's status. */
static void send_problem(struct gateway_request *rq, int code, const Problem *p, const char *allow)
{
    const struct err_info *info = err_info(code);
    int status = allow ? MHD_HTTP_METHOD_NOT_ALLOWED : info->http_status;
    request_done(rq, status, *p->code ? p->code : info->name);

    struct buf body;
    buf_init(&body, 0);
    write_problem(&body, info, status, p);

    struct http_field fields[4] = { 0 };
    int n = 0;
    char retry_after[16];
    if (code == ERR_UNAUTHENTICATED)
        fields[n++] = (struct http_field){ "WWW-Authenticate", "Bearer" };
    if (info->advice != ADVICE_DO_NOT_RETRY && code != ERR_OUTCOME_UNKNOWN &&
        code != ERR_INTERNAL) {
        uint32_t seconds = (p->retry_after_ms + 999) / 1000;
        snprintf(retry_after, sizeof(retry_after), "%u", seconds > 0 ? seconds : 1);
        fields[n++] = (struct http_field){ "Retry-After", retry_after };
    }
    if (allow)
        fields[n++] = (struct http_field){ "Allow", allow };

    struct http_answer answer = {
        .status = status,
        .content_type = "application/problem+json; charset=utf-8",
        .body = body.data,
        .size = body.size,
        .fields = fields,
    };
    http_respond(rq->x, &answer);
    buf_clear(&body);
}

void respond_problem(struct gateway_request *rq, int code, const char *field)
{
    const struct err_detail *detail = err_last();
    Problem *p = wire_new(rq->arena, &problem_rules);
    p->code = arena_strdup(rq->arena, detail->reason);
    p->detail_en = arena_strdup(rq->arena, detail->text);
    p->field = arena_strdup(rq->arena, field ? field : "");
    send_problem(rq, code, p, NULL);
}

void respond_not_allowed(struct gateway_request *rq, const char *allow)
{
    Problem *p = wire_new(rq->arena, &problem_rules);
    p->code = arena_strdup(rq->arena, "method_not_allowed");
    p->detail_en = arena_strdup(rq->arena, err_last()->text);
    send_problem(rq, ERR_UNSUPPORTED, p, allow);
}

void respond_encoded_problem(struct gateway_request *rq, int code, const uint8_t *head,
                             size_t head_size)
{
    ProtobufCMessage *message;
    struct wire_fault fault;
    Problem *p = NULL;
    if (head &&
        wire_unpack(&response_head_rules, rq->arena, head, head_size, &message, &fault) == 0)
        p = ((ResponseHead *)(void *)message)->problem;
    send_problem(rq, code, p ? p : wire_new(rq->arena, &problem_rules), NULL);
}
