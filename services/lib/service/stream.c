/* The replica's own log as others see it: the tail, the pulse that tells how far it has read, and
 * the feeds.
 *
 * Who reads a feed is looked up again at every send, in the snapshot of that moment. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "log/feed.h"
#include "lujian/bus/v1/envelope.lj.h"
#include "service/metrics.h"
#include "service/replica.h"

#define ROLES_EVERYWHERE (ROLE_BIT_OPERATOR | ROLE_BIT_EDGE | ROLE_BIT_SERVICE)

/* ---- when the tail looks ---- */

/* A commit, ours or a sibling's, is looked for at once. Each look is a transaction of its own, so
 * after one that found much the next waits a while for company: a millisecond for each event. Below
 * 1,000 events a second that settles at no wait at all, above at the longest, where there would be
 * as many looks as commits.
 */
static void wake_tail(void *arg)
{
    struct service *s = arg;
    int64_t pause_ms = MIN(atomic_load(&s->tail_found), TAIL_PAUSE_MAX_MS);
    int64_t since_ms = mono_ms() - s->woken_at_ms;
    if (since_ms < pause_ms) {
        loop_timer_start(s->wake_timer, (uint64_t)(pause_ms - since_ms), 0);
        return;
    }
    atomic_store(&s->wake_posted, false);
    s->woken_at_ms = mono_ms();
    tail_wake(s->tail);
}

/* From any thread. */
void stream_on_commit(void *ctx, int64_t head)
{
    (void)head;
    struct service *s = ctx;
    if (!atomic_exchange(&s->wake_posted, true))
        loop_post(s->loop, wake_tail, s);
}

/* ---- the pulse ---- */

void stream_pulse(struct service *s)
{
    Pulse pulse = PULSE_INIT;
    struct arena arena;
    uint8_t *data;
    size_t size;
    pulse.stream = (char *)s->definition->name;
    pulse.instance = (char *)s->settings.instance;
    pulse.draining = service_draining(s);
    tail_head(s->tail, &pulse.epoch, &pulse.head);
    s->pulsed_at_ms = mono_ms();
    if (pulse.epoch == 0 && !pulse.draining)
        return; /* the log was not reached yet: there is nothing to tell */
    arena_init(&arena, 0);
    wire_pack(&arena, &pulse.base, &data, &size);
    door_pulse(s->door, s->definition->name, data, size);
    arena_clear(&arena);
}

static void pulse_posted(void *arg)
{
    struct service *s = arg;
    atomic_store(&s->pulse_posted, false);
    if (s->door)
        stream_pulse(s);
}

/* From any thread; several at once are told as one. */
static void pulse_soon(struct service *s)
{
    if (!atomic_exchange(&s->pulse_posted, true))
        loop_post(s->loop, pulse_posted, s);
}

/* A sibling has read further than we: its commit, or one that we were not told of. */
void stream_on_pulse(void *ctx, const uint8_t *data, size_t size)
{
    struct service *s = ctx;
    struct arena arena;
    struct wire_fault fault;
    ProtobufCMessage *message;
    if (!s->tail)
        return;
    arena_init(&arena, 0);
    if (wire_unpack(&pulse_rules, &arena, data, size, &message, &fault) == 0) {
        const Pulse *pulse = (const Pulse *)(void *)message;
        int64_t epoch, head;
        tail_head(s->tail, &epoch, &head);
        if (strcmp(pulse->stream, s->definition->name) == 0 &&
            (pulse->epoch != epoch || pulse->head > head))
            stream_on_commit(s, pulse->head);
    }
    arena_clear(&arena);
}

/* ---- on the tail's thread ---- */

static void something_new(struct service *s)
{
    struct feeds *feeds = atomic_load(&s->feeds);
    if (feeds)
        feeds_wake(feeds);
    pulse_soon(s);
}

static void on_batch(void *ctx, struct tail_batch *batch)
{
    struct service *s = ctx;
    atomic_store(&s->tail_found, batch->count);
    something_new(s);
}

static void on_epoch(void *ctx, int64_t epoch, int64_t head)
{
    log_line(LOG_INFO, "LOG-REACHED", LF_INT("epoch", epoch), LF_INT("head", head));
    something_new(ctx);
}

static void on_fault(void *ctx, const char *code, const char *detail)
{
    struct service *s = ctx;
    if (code)
        alarms_raise(&s->alarms, "log_fault", s->definition->name, detail ? detail : code);
    else
        alarms_lower(&s->alarms, "log_fault", s->definition->name);
}

/* ---- authority ---- */

struct reader {
    struct service *service;
    const struct snapshot *snapshot;
    const struct principal *principal;
    struct arena arena;
};

static int check_division(const struct principal *p, const struct snapshot *snapshot,
                          const char *division)
{
    if (!division[0])
        return 0;
    if (!snapshot_division(snapshot, division))
        return err_set_reason(ERR_UNPROCESSABLE, "unknown_division", "no such division");
    if ((p->roles & ROLES_EVERYWHERE) || snapshot_covers(snapshot, p->jurisdiction, division))
        return 0;
    return err_set_reason(ERR_PERMISSION_DENIED, "division_not_yours",
                          "the division is not within your jurisdiction");
}

static void reader_leave(void *ctx, struct feed_view *view)
{
    (void)ctx;
    struct reader *reader = view->reader;
    snapshot_put(reader->snapshot);
    arena_clear(&reader->arena);
    free(reader);
}

static int reader_look(void *ctx, const char *user, const char *on_behalf, const char *division,
                       struct feed_view *ret)
{
    struct service *s = ctx;
    struct caller caller;
    const struct snapshot *snapshot = snapshot_get();
    int r = callers_resolve(s->callers, snapshot, user, on_behalf, &caller);
    if (r == 0)
        r = check_division(caller.actor, snapshot, division);
    if (r < 0) {
        snapshot_put(snapshot);
        return r;
    }
    struct reader *reader = calloc(1, sizeof(*reader));
    assert_always(reader);
    *reader = (struct reader){ .service = s, .snapshot = snapshot, .principal = caller.actor };
    arena_init(&reader->arena, 0);
    *ret = (struct feed_view){ .reader = reader };
    if (division[0])
        ret->divisions = snapshot_scope(snapshot, &reader->arena, division);
    return 0;
}

static bool may_see(const struct service *s, const struct principal *p,
                    const struct log_record *record)
{
    return principal_may_see(p, record->division, record->audience) &&
           (!s->definition->may_see_event || s->definition->may_see_event(p, record));
}

static bool reader_may_see(void *ctx, const struct feed_view *view, const struct log_record *record)
{
    const struct reader *reader = view->reader;
    return may_see(ctx, reader->principal, record);
}

/* ---- pull: on a worker, whose request has looked the caller up ---- */

static bool puller_may_see(void *ctx, const struct feed_view *view, const struct log_record *record)
{
    const struct request *rq = view->reader;
    return may_see(ctx, rq->actor, record);
}

int stream_pull(struct request *rq, const void *message, void *response)
{
    const PullRequest *in = message;
    struct service *s = (struct service *)rq->service;
    int r = check_division(rq->actor, rq->reference, in->division);
    if (r < 0) {
        rq->field = "division";
        return r;
    }
    struct feed_authority authority = { .may_see = puller_may_see, .ctx = s };
    struct feed_view view = { .reader = rq };
    if (in->division[0])
        view.divisions = snapshot_scope(rq->reference, rq->arena, in->division);
    return log_pull(rq->pg, rq->arena, s->definition->name, in, &authority, &view, response);
}

/* ---- follow: on the loop thread ---- */

static void answer_or_fail(struct call *call, int code, const ProtobufCMessage *out)
{
    if (code < 0)
        call_fail(call, code);
    else
        call_answer(call, out);
}

void stream_follow(void *ctx, struct call *call)
{
    struct service *s = ctx;
    int r =
        feeds_follow(s->feeds, call_from(call), call_id(call), call_on_behalf(call), call_in(call));
    if (r < 0)
        call_fail(call, r);
    else
        call_release(call);
}

void stream_credit(void *ctx, struct call *call)
{
    struct service *s = ctx;
    const CreditRequest *in = call_in(call);
    CreditResponse out = CREDIT_RESPONSE_INIT;
    int r = feeds_credit(s->feeds, call_from(call), in->feed, in->credit);
    answer_or_fail(call, r, &out.base);
}

void stream_unfollow(void *ctx, struct call *call)
{
    struct service *s = ctx;
    const UnfollowRequest *in = call_in(call);
    UnfollowResponse out = UNFOLLOW_RESPONSE_INIT;
    int r = feeds_unfollow(s->feeds, call_from(call), in->feed);
    answer_or_fail(call, r, &out.base);
}

void stream_on_gone(struct service *s, const struct door_address *who)
{
    feeds_gone(s->feeds, who);
}

static int send_frame(void *ctx, const struct door_address *to, const uint8_t *head,
                      size_t head_size, const uint8_t *body, size_t body_size)
{
    struct service *s = ctx;
    return door_send(s->door, to, head, head_size, body, body_size);
}

/* ---- start and stop ---- */

int stream_start(struct service *s)
{
    struct tail_options tail = { .pg = service_link(s, "tail"),
                                 .on_batch = on_batch,
                                 .on_epoch = on_epoch,
                                 .on_fault = on_fault,
                                 .ctx = s };
    s->wake_timer = loop_timer_new(s->loop, wake_tail, s);
    int r = tail_start(&s->tail, &tail);
    if (r < 0)
        return r;
    struct feeds_options options = { .loop = s->loop,
                                     .stream = s->definition->name,
                                     .pg = service_link(s, "feeds"),
                                     .tail = s->tail,
                                     .authority = { .look = reader_look,
                                                    .may_see = reader_may_see,
                                                    .leave = reader_leave,
                                                    .ctx = s },
                                     .send = send_frame,
                                     .ctx = s };
    struct feeds *feeds;
    r = feeds_open(&feeds, &options);
    if (r == 0)
        atomic_store(&s->feeds, feeds);
    return r;
}

void stream_drain(struct service *s)
{
    feeds_drain(s->feeds);
}

void stream_stop(struct service *s)
{
    loop_timer_free(s->wake_timer);
    tail_stop(s->tail);
    feeds_close(s->feeds);
    s->tail = NULL;
}

void stream_metrics(struct buf *out, const struct service *s)
{
    struct feeds_figures f;
    feeds_figures_read(s->feeds, &f);
    metrics_counter(out, "lujian_feed_events_total", "Events sent to feeds.", (double)f.events);
    metrics_counter(out, "lujian_feed_frames_total", "Messages sent to feeds.", (double)f.frames);
    metrics_counter(out, "lujian_feed_slices_total", "Slices of the log read for feeds that lag.",
                    (double)f.slices);
    metrics_counter(out, "lujian_feeds_opened_total", "Feeds that were opened.", (double)f.opened);
    metrics_counter(out, "lujian_feeds_revoked_total",
                    "Feeds ended because their reader may not read any more.", (double)f.revoked);
    metrics_counter(out, "lujian_feeds_silent_total",
                    "Feeds ended because their reader gave no sign of life.", (double)f.silent);
    metrics_gauge(out, "lujian_feeds_open", "Open feeds.", f.open);
    metrics_gauge(out, "lujian_feeds_lagging", "Open feeds that are read from the log.", f.lagging);
    metrics_gauge(out, "lujian_feeds_waiting", "Open feeds without credit.", f.waiting);
}
