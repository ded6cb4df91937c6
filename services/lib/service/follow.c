/* The consumers of a service: its own, and the mirror of the registry's facts, which every service
 * but the registry has.
 *
 * Engines run on their own threads and feeds on the loop's: what one asks of the other is posted. A
 * generation numbers each opening of a feed, so what belongs to an earlier one is dropped. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/util.h"
#include "log/consumer.h"
#include "lujian/bus/v1/log.lj.h"
#include "lujian/bus/v1/node.lj.h"
#include "service/replica.h"

#define REGISTRY       "registry"
#define TYPES_MAX      32 /* of a FollowRequest */
#define PING_BUDGET_MS 2000
#define ASK_AGAIN_MS   200
#define HEAD_UNKNOWN   INT64_C(-1)

struct follower {
    struct service *service;
    const struct consumer *consumer; /* NULL = the mirror */
    const char *stream;
    const char *types[TYPES_MAX + 1]; /* none = all */
    struct consumer_engine *engine;

    /* the loop thread's own */
    struct client_feed *feed;
    uint64_t generation; /* of the feed, or of what it waits for */
    char after[LOG_CURSOR_TEXT_SIZE];
    uint32_t credit;
    bool wanted, asking;
    struct loop_timer *again;
    struct arena arena;

    /* the mirror: the registry's head when it was first asked */
    _Atomic int64_t first_head;
};

/* What an engine asks of the loop thread. */
struct feed_order {
    struct follower *follower;
    enum { FEED_OPEN, FEED_CREDIT, FEED_CLOSE } what;
    uint64_t generation;
    uint32_t credit;
    char after[LOG_CURSOR_TEXT_SIZE];
};

/* ---- on the loop thread ---- */

static struct log_record record_of(const Event *e)
{
    return (struct log_record){ .position = e->position,
                                .id = e->id,
                                .type = e->type,
                                .subject = e->subject,
                                .division = e->division,
                                .audience = e->audience,
                                .correlation = e->correlation,
                                .traceparent = e->traceparent,
                                .time_ms = e->time,
                                .data = e->data.data,
                                .size = e->data.len };
}

static void on_frame(void *ctx, const uint8_t *body, size_t size)
{
    struct follower *f = ctx;
    ProtobufCMessage *message;
    struct wire_fault fault;
    arena_reset(&f->arena);
    if (wire_unpack(&follow_response_rules, &f->arena, body, size, &message, &fault) < 0) {
        log_error_last(LOG_ERROR, "FEED-FRAME-NOT-UNDERSTOOD");
        consumer_ended(f->engine, f->generation, ERR_INTERNAL);
        return;
    }
    const FollowResponse *frame = (const FollowResponse *)(void *)message;
    struct log_record *records = arena_array(&f->arena, struct log_record, frame->n_events);
    for (size_t i = 0; i < frame->n_events; i++)
        records[i] = record_of(frame->events[i]);
    consumer_deliver(f->engine, f->generation, records, (int)frame->n_events, frame->through);
}

static void on_end(void *ctx, int code, const uint8_t *head, size_t head_size)
{
    (void)head;
    (void)head_size;
    struct follower *f = ctx;
    consumer_ended(f->engine, f->generation, code);
}

static void feed_open(struct follower *f)
{
    struct client_feed_options options = { .service = f->stream,
                                           .after = f->after,
                                           .division = "",
                                           .types = f->types[0] ? f->types : NULL,
                                           .credit = f->credit,
                                           .on_frame = on_frame,
                                           .on_end = on_end,
                                           .ctx = f };
    int r = client_feed_open(&f->feed, f->service->client, &options);
    if (r < 0)
        consumer_ended(f->engine, f->generation, r);
}

static void on_registry_head(void *ctx, const struct client_answer *answer)
{
    struct follower *f = ctx;
    ProtobufCMessage *message;
    struct wire_fault fault;
    f->asking = false;
    if (!f->wanted)
        return;
    arena_reset(&f->arena);
    if (answer->code < 0 || wire_unpack(&ping_response_rules, &f->arena, answer->body,
                                        answer->body_size, &message, &fault) < 0) {
        loop_timer_start(f->again, ASK_AGAIN_MS, 0);
        return;
    }
    atomic_store(&f->first_head, ((const PingResponse *)(void *)message)->head);
    feed_open(f);
}

/* The facts are whole when the head of this moment is reached; so it is asked for before the feed
 * is opened. */
static void registry_ask_head(void *arg)
{
    struct follower *f = arg;
    if (f->asking || !f->wanted)
        return;
    struct client_call call = { .service = REGISTRY,
                                .method = REGISTRY ".ping",
                                .budget_ms = PING_BUDGET_MS };
    f->asking = true;
    client_call_async(f->service->client, &call, on_registry_head, f);
}

static void order_open(struct follower *f, const struct feed_order *order)
{
    client_feed_close(f->feed);
    f->feed = NULL;
    f->generation = order->generation;
    f->credit = order->credit;
    f->wanted = true;
    memcpy(f->after, order->after, sizeof(f->after));
    bool ask = !f->consumer && atomic_load(&f->first_head) == HEAD_UNKNOWN;
    if (ask)
        registry_ask_head(f);
    else
        feed_open(f);
}

static void on_order(void *arg)
{
    struct feed_order *order = arg;
    struct follower *f = order->follower;
    if (order->what == FEED_OPEN) {
        order_open(f, order);
    } else if (order->generation == f->generation && order->what == FEED_CREDIT) {
        if (f->feed)
            client_feed_credit(f->feed, order->credit);
        else
            f->credit += order->credit;
    } else if (order->generation == f->generation) {
        client_feed_close(f->feed);
        f->feed = NULL;
        f->wanted = false;
    }
    free(order);
}

/* ---- on the engine's thread ---- */

static void post_order(struct follower *f, int what, uint64_t generation, const char *after,
                       uint32_t credit)
{
    struct feed_order *order = calloc(1, sizeof(*order));
    assert_always(order);
    order->follower = f;
    order->what = what;
    order->generation = generation;
    order->credit = credit;
    assert_always(strlen(after) < sizeof(order->after));
    memcpy(order->after, after, strlen(after) + 1);
    loop_post(f->service->loop, on_order, order);
}

static int source_open(void *ctx, struct consumer_engine *engine, uint64_t generation,
                       const char *after, uint32_t credit)
{
    (void)engine;
    post_order(ctx, FEED_OPEN, generation, after, credit);
    return 0;
}

static void source_credit(void *ctx, uint64_t generation, uint32_t events)
{
    post_order(ctx, FEED_CREDIT, generation, "", events);
}

static void source_close(void *ctx, uint64_t generation)
{
    post_order(ctx, FEED_CLOSE, generation, "", 0);
}

static const struct consumer_handler *handler_of(const struct consumer *consumer, const char *type)
{
    for (const struct consumer_handler *h = consumer->handlers; h->type; h++) {
        if (strcmp(h->type, type) == 0)
            return h;
    }
    return NULL;
}

static int open_event(const struct consumer_handler *h, struct tx *tx,
                      const struct log_record *record, struct consumer_event *ret)
{
    ProtobufCMessage *data;
    struct wire_fault fault;
    int r = wire_unpack(h->data, tx->arena, record->data, record->size, &data, &fault);
    if (r < 0)
        return r;
    *ret = (struct consumer_event){ .record = record, .data = data };
    return 0;
}

static int apply_one(const struct consumer_handler *h, struct tx *tx,
                     const struct snapshot *reference, const struct log_record *record)
{
    struct consumer_event event;
    int r = open_event(h, tx, record, &event);
    if (r < 0)
        return r;
    tx->traceparent = record->traceparent;
    return h->apply(tx, reference, record, event.data);
}

/* How many of the records, from the first on, are of its type. */
static int run_length(const struct log_record *records, int count)
{
    int n = 1;
    while (n < count && strcmp(records[n].type, records[0].type) == 0)
        n++;
    return n;
}

static int apply_run(const struct consumer_handler *h, struct tx *tx,
                     const struct snapshot *reference, const struct log_record *records, int count)
{
    struct consumer_event *events = arena_array(tx->arena, struct consumer_event, count);
    int r = 0;
    for (int i = 0; i < count && r == 0; i++)
        r = open_event(h, tx, &records[i], &events[i]);
    return r < 0 ? r : h->apply_run(tx, reference, events, count);
}

static int apply_events(void *ctx, struct tx *tx, const struct log_record *records, int count)
{
    struct follower *f = ctx;
    int r = tx_now(tx);
    const struct snapshot *reference = snapshot_get();
    for (int i = 0, n = 1; i < count && r == 0; i += n, n = 1) {
        const struct consumer_handler *h = handler_of(f->consumer, records[i].type);
        if (h && h->apply_run) {
            n = run_length(&records[i], count - i);
            r = apply_run(h, tx, reference, &records[i], n);
        } else if (h) {
            r = apply_one(h, tx, reference, &records[i]);
        }
    }
    snapshot_put(reference);
    return r;
}

static int apply_mirror(void *ctx, struct tx *tx, const struct log_record *records, int count)
{
    (void)ctx;
    return mirror_apply(tx, records, count);
}

static int moved_mirror(void *ctx, struct tx *tx, int64_t epoch, int64_t position)
{
    (void)epoch;
    struct follower *f = ctx;
    int64_t head = atomic_load(&f->first_head);
    return head != HEAD_UNKNOWN && position >= head ? mirror_reached(tx) : 0;
}

static void on_commit(void *ctx, int64_t head)
{
    struct follower *f = ctx;
    if (head && f->service->tail)
        stream_on_commit(f->service, head);
}

static void on_alarm(void *ctx, const char *code, const char *subject, const char *detail,
                     bool raised)
{
    struct follower *f = ctx;
    if (raised)
        alarms_raise(&f->service->alarms, code, subject, detail);
    else
        alarms_lower(&f->service->alarms, code, subject);
}

/* ---- start and stop ---- */

static void list_types(struct follower *f)
{
    int count = 0;
    for (const struct consumer_handler *h = f->consumer->handlers; h->type; h++) {
        if (count == TYPES_MAX) { /* more than a feed can name: it brings all */
            f->types[0] = NULL;
            return;
        }
        f->types[count++] = h->type;
    }
}

static int follower_start(struct service *s, const struct consumer *consumer)
{
    struct follower *f = calloc(1, sizeof(*f));
    assert_always(f && s->follower_count < SERVICE_FOLLOWERS_MAX);
    s->followers[s->follower_count++] = f;
    f->service = s;
    f->consumer = consumer;
    f->stream = consumer ? consumer->stream : REGISTRY;
    atomic_store(&f->first_head, HEAD_UNKNOWN);
    arena_init(&f->arena, 0);
    f->again = loop_timer_new(s->loop, registry_ask_head, f);
    if (consumer)
        list_types(f);
    struct consumer_options options = {
        .pg = service_link(s, f->stream),
        .stream = f->stream,
        .instance = s->settings.instance,
        .source = { .open = source_open, .credit = source_credit, .close = source_close, .ctx = f },
        .apply = consumer ? apply_events : apply_mirror,
        .moved = consumer ? NULL : moved_mirror,
        .on_commit = on_commit,
        .on_alarm = on_alarm,
        .ctx = f,
        .own_log = consumer && strcmp(consumer->stream, s->definition->name) == 0,
    };
    return consumer_start(&f->engine, &options);
}

bool follow_is_own(const struct service_definition *definition)
{
    for (const struct consumer *c = definition->consumers; c && c->stream; c++) {
        if (strcmp(c->stream, definition->name) == 0)
            return true;
    }
    return false;
}

int follow_start(struct service *s)
{
    int r = 0;
    if (!s->client)
        return 0;
    if (strcmp(s->definition->name, REGISTRY) != 0)
        r = follower_start(s, NULL);
    for (const struct consumer *c = s->definition->consumers; c && c->stream && r == 0; c++)
        r = follower_start(s, c);
    return r;
}

void follow_stop(struct service *s)
{
    for (int i = 0; i < s->follower_count; i++) {
        struct follower *f = s->followers[i];
        if (f->engine)
            consumer_stop(f->engine);
        f->engine = NULL;
    }
}

void follow_close_feeds(struct service *s)
{
    for (int i = 0; i < s->follower_count; i++) {
        struct follower *f = s->followers[i];
        f->wanted = false;
        client_feed_close(f->feed);
        f->feed = NULL;
        loop_timer_free(f->again);
    }
}

void follow_free(struct service *s)
{
    for (int i = 0; i < s->follower_count; i++) {
        arena_clear(&s->followers[i]->arena);
        free(s->followers[i]);
    }
    s->follower_count = 0;
}

/* ---- what operators see and do ---- */

struct follower *follow_find(const struct service *s, const char *stream)
{
    for (int i = 0; i < s->follower_count; i++) {
        if (strcmp(s->followers[i]->stream, stream) == 0)
            return s->followers[i];
    }
    return NULL;
}

int follow_replay(struct follower *f, struct request *rq, const char *subject,
                  struct dead_letter_replay *ret)
{
    struct arena arena; /* reset while it runs: not the request's */
    arena_init(&arena, 0);
    int r = dead_letter_replay(rq->pg, &arena, f->stream, subject,
                               f->consumer ? apply_events : apply_mirror, f, ret);
    arena_clear(&arena);
    if (r >= 0)
        on_commit(f, ret->head);
    return r;
}

void follow_wake(struct follower *f)
{
    consumer_wake(f->engine);
}
