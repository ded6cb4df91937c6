/* Server-sent events: a feed of the bus, one CloudEvent a message, its SSE id the cursor.
 *
 * Authority is checked by the service at every event, which knows the principal; that it is the
 * token of the request that is still in force is checked here, at every frame: one comes each
 * second. Credit is granted as the connection takes what was written, so a slow reader is paused
 * and later read again from the log. A heartbeat is a comment that tells how far was looked. */
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/time.h"
#include "base/util.h"
#include "client/cloudevent.h"
#include "gateway.h"
#include "log/log_read.h"
#include "lujian/bus/v1/envelope.lj.h"
#include "lujian/bus/v1/log.lj.h"
#include "json/json.h"

#define STREAM_CREDIT       256
#define STREAM_HEARTBEAT_MS 10000 /* a suspended connection notices no disconnect: a write does */

struct stream {
    struct gateway_request *rq;
    struct client_feed *feed;
    struct arena frame; /* reset after each frame */
    uint32_t owed;      /* credit to grant when the connection has taken what waits */
    char through[64];
    bool ended; /* the reader was told why */
    struct loop_timer *heartbeat;
    struct stream *next, *previous;
};

static struct stream *streams;

/* What the connection does not take any more is not dropped in silence: the stream ends, and the
 * reader comes back with the last id that reached him. */
static void stream_write(struct stream *s, const struct buf *text)
{
    if (!http_stream_write(s->rq->x, text->data, text->size))
        http_stream_end(s->rq->x);
}

/* It ended for good: the reader is told why, then the connection ends. */
static void stream_on_end(void *ctx, int code, const uint8_t *head, size_t head_size)
{
    struct stream *s = ctx;
    ProtobufCMessage *message;
    struct wire_fault fault;
    const char *reason = err_info(code)->name;
    if (head &&
        wire_unpack(&response_head_rules, &s->frame, head, head_size, &message, &fault) == 0) {
        const Problem *p = ((const ResponseHead *)(void *)message)->problem;
        if (p && *p->code)
            reason = p->code;
    }
    struct buf text;
    buf_init(&text, 0);
    buf_printf(&text, "event: problem\ndata: {\"code\":\"%s\",\"status\":%d}\n\n", reason,
               err_info(code)->http_status);
    stream_write(s, &text);
    buf_clear(&text);
    s->ended = true;
    http_stream_end(s->rq->x);
}

static void stream_on_frame(void *ctx, const uint8_t *body, size_t body_size)
{
    struct stream *s = ctx;
    ProtobufCMessage *message;
    struct wire_fault fault;
    if (s->ended)
        return;
    if (!authentic_still(s->rq)) {
        stream_on_end(s, ERR_UNAUTHENTICATED, NULL, 0);
        return;
    }
    if (wire_unpack(&follow_response_rules, &s->frame, body, body_size, &message, &fault) < 0) {
        log_line(LOG_ERROR, "feed frame refused", LF_TEXT("reason", fault.reason));
        http_stream_end(s->rq->x);
        return;
    }
    const FollowResponse *frame = (const FollowResponse *)(void *)message;
    struct log_cursor cursor = { .stream = "" };
    if (log_cursor_parse(frame->through, &cursor) == 0) {
        snprintf(s->through, sizeof(s->through), "%s", frame->through);
    } else if (frame->n_events > 0) { /* events whose log nobody knows */
        log_line(LOG_ERROR, "feed frame refused", LF_TEXT("reason", "no cursor"));
        http_stream_end(s->rq->x);
        return;
    }

    struct buf text;
    buf_init(&text, 0);
    for (size_t i = 0; i < frame->n_events; i++) {
        const Event *e = frame->events[i];
        buf_printf(&text, "id: %s:%lld:%lld\nevent: %s\ndata: ", cursor.stream,
                   (long long)cursor.epoch, (long long)e->position, e->type);
        cloudevent_json(&s->frame, &text, cursor.stream, e);
        buf_add_text(&text, "\n\n");
    }
    if (text.size > 0)
        stream_write(s, &text);
    buf_clear(&text);

    s->owed += (uint32_t)frame->n_events;
    if (s->owed > 0 && http_stream_waiting(s->rq->x) == 0) {
        client_feed_credit(s->feed, s->owed);
        s->owed = 0;
    }
    arena_reset(&s->frame);
}

static void stream_on_drain(void *context)
{
    struct stream *s = context;
    if (s->owed > 0 && s->feed) {
        client_feed_credit(s->feed, s->owed);
        s->owed = 0;
    }
}

static void stream_on_heartbeat(void *arg)
{
    struct stream *s = arg;
    struct buf text;
    buf_init(&text, 0);
    buf_printf(&text, ": through %s\n\n", s->through);
    stream_write(s, &text);
    buf_clear(&text);
}

static void stream_on_close(void *context)
{
    struct stream *s = context;
    if (s->previous)
        s->previous->next = s->next;
    else
        streams = s->next;
    if (s->next)
        s->next->previous = s->previous;
    loop_timer_free(s->heartbeat);
    client_feed_close(s->feed);
    arena_clear(&s->frame);
    request_done(s->rq, MHD_HTTP_OK, "closed");
}

static int stream_check(struct gateway_request *rq, struct events_query *q,
                        struct wire_fault *fault)
{
    int r = events_query_read(rq, false, q);
    if (r < 0)
        return r;
    const char *last = http_header(rq->x, "Last-Event-ID");
    if (last && *last)
        q->after = arena_strdup(rq->arena, last);

    FollowRequest *in = wire_new(rq->arena, &follow_request_rules);
    in->after = arena_strdup(rq->arena, q->after);
    in->division = arena_strdup(rq->arena, q->division);
    in->credit = STREAM_CREDIT;
    return wire_check(&follow_request_rules, &in->base, fault);
}

static void stream_open(struct gateway_request *rq, const struct events_query *q)
{
    struct stream *s = arena_new(rq->arena, struct stream);
    s->rq = rq;
    arena_init(&s->frame, 0);
    snprintf(s->through, sizeof(s->through), "%s", q->after);
    s->heartbeat = loop_timer_new(gateway.loop, stream_on_heartbeat, s);
    s->next = streams;
    if (s->next)
        s->next->previous = s;
    streams = s;

    http_set_context(rq->x, s, stream_on_close);
    http_stream_start(rq->x, "text/event-stream; charset=utf-8", stream_on_drain);
    stream_on_heartbeat(s); /* the head of the answer leaves at once */
    loop_timer_start(s->heartbeat, STREAM_HEARTBEAT_MS, STREAM_HEARTBEAT_MS);

    struct client_feed_options options = {
        .service = q->stream,
        .after = q->after,
        .division = q->division,
        .types = q->type_count > 0 ? q->types : NULL,
        .on_behalf = rq->principal,
        .credit = STREAM_CREDIT,
        .on_frame = stream_on_frame,
        .on_end = stream_on_end,
        .ctx = s,
    };
    int r = client_feed_open(&s->feed, gateway.client, &options);
    if (r < 0)
        stream_on_end(s, r, NULL, 0);
}

/* A refusal must come as a status, not inside a 200: one event is pulled first, with the same
 * authority. */
struct stream_probe {
    struct gateway_request *rq;
    struct events_query q;
};

static void probe_done(void *ctx, const struct client_answer *answer)
{
    struct stream_probe *probe = ctx;
    if (answer->code < 0)
        respond_encoded_problem(probe->rq, answer->code, answer->head, answer->head_size);
    else
        stream_open(probe->rq, &probe->q);
}

void events_stream(struct gateway_request *rq)
{
    struct stream_probe *probe = arena_new(rq->arena, struct stream_probe);
    struct wire_fault fault = { 0 };
    probe->rq = rq;
    int r = stream_check(rq, &probe->q, &fault);
    if (r < 0) {
        respond_problem(rq, r, fault.path);
        return;
    }
    PullRequest *in = wire_new(rq->arena, &pull_request_rules);
    in->after = arena_strdup(rq->arena, probe->q.after);
    in->division = arena_strdup(rq->arena, probe->q.division);
    in->limit_choice_case = PULL_REQUEST_LIMIT_CHOICE_LIMIT;
    in->limit = 1;
    uint8_t *body;
    struct client_call call = {
        .service = probe->q.stream,
        .method = arena_printf(rq->arena, "%s.pull", probe->q.stream),
        .on_behalf = rq->principal,
        .traceparent = rq->traceparent,
        .budget_ms = GATEWAY_BUDGET_MS,
    };
    wire_pack(rq->arena, &in->base, &body, &call.body_size);
    call.body = body;
    client_call_async(gateway.client, &call, probe_done, probe);
}

void streams_end_all(void)
{
    for (struct stream *s = streams; s; s = s->next)
        http_stream_end(s->rq->x);
}
