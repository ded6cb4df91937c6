/* What every service answers about itself: ping, time, status. */
#include <stdio.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "lujian/contract.lj.h"
#include "service/replica.h"

static const struct method_info *node_method(const struct service *s, const char *verb)
{
    char name[96];
    snprintf(name, sizeof(name), "%s.%s", s->definition->name, verb);
    const struct method_info *method = contract_method(name);
    assert_always(method);
    return method;
}

static void on_ping(void *ctx, struct call *call)
{
    struct service *s = ctx;
    PingResponse out = PING_RESPONSE_INIT;
    int64_t epoch;
    tail_head(s->tail, &epoch, &out.head);
    out.draining = service_draining(s);
    call_answer(call, &out.base);
}

/* Confirms that this replica sees the offset, and keeps it with the log. */
static int time_query(struct request *rq, const void *in, void *response)
{
    (void)in;
    TimeResponse *out = response;
    out->clock_offset_ms = civil_offset_ms();
    out->civil_time = rq->now_ms;
    return out->clock_offset_ms ? log_offset_keep(rq->pg, out->clock_offset_ms) : 0;
}

static void fill_alarms(struct service *s, struct arena *arena, StatusResponse *out)
{
    struct alarm *alarms = arena_array(arena, struct alarm, ALARMS_MAX);
    int64_t dropped;
    int count = alarms_copy(&s->alarms, alarms, &dropped);
    out->alarms = arena_array(arena, Alarm *, count);
    for (int i = 0; i < count; i++) {
        Alarm *a = wire_new(arena, &alarm_rules);
        a->code = alarms[i].code;
        a->subject = alarms[i].subject;
        a->since = alarms[i].since_ms;
        a->detail = alarms[i].detail;
        out->alarms[i] = a;
    }
    out->n_alarms = (size_t)count;
}

static void fill_clocks(const struct clock_figures *f, StatusResponse *out)
{
    out->clocks_due = f->due;
    out->clocks_overdue = f->overdue;
    out->clocks_failing = f->failing;
    out->clocks_provisional = f->provisional;
}

#define EPOCHS_MAX 16

static int fill_log(struct request *rq, StatusResponse *out)
{
    struct log_epoch *epochs = NULL;
    int count = 0;
    int r = log_head(rq->pg, rq->arena, &out->epoch, &out->head);
    if (r == 0)
        r = log_epochs(rq->pg, rq->arena, EPOCHS_MAX, &epochs, &count);
    if (r < 0)
        return r;
    out->epochs = arena_array(rq->arena, EpochStart *, count);
    for (int i = 0; i < count; i++) {
        EpochStart *start = wire_new(rq->arena, &epoch_start_rules);
        start->epoch = epochs[i].epoch;
        start->position = epochs[i].position;
        out->epochs[i] = start;
    }
    out->n_epochs = (size_t)count;
    return 0;
}

static int fill_counted(struct service *s, struct request *rq, StatusResponse *out)
{
    int r = fill_log(rq, out);
    struct clock_figures figures = { 0 };
    if (r == 0 && s->definition->clocks)
        r = clock_figures_read(rq->pg, rq->arena, rq->now_ms, &figures);
    if (r == 0)
        r = operator_consumers(rq, out);
    if (r == 0 && s->definition->status)
        r = s->definition->status(rq, out);
    fill_clocks(&figures, out);
    return r;
}

/* What it knows of itself without asking its database. */
static void fill_own(struct service *s, const struct snapshot *reference, StatusResponse *out)
{
    out->service = (char *)s->definition->name;
    out->instance = (char *)s->settings.instance;
    out->clock_offset_ms = civil_offset_ms();
    out->mirror_position = snapshot_position(reference);
    out->connections_max = (uint32_t)s->settings.connections;
    out->draining = service_draining(s);
}

static int status_query(struct request *rq, const void *in, void *response)
{
    (void)in;
    struct service *s = (struct service *)rq->service;
    StatusResponse *out = response;
    fill_own(s, rq->reference, out);
    out->civil_time = rq->now_ms;
    int r = fill_counted(s, rq, out);
    fill_alarms(s, rq->arena, out); /* last: counting may raise some */
    return r;
}

void node_status_own(struct service *s, struct arena *arena, StatusResponse *out)
{
    const struct snapshot *reference = snapshot_get();
    fill_own(s, reference, out);
    snapshot_put(reference);
    out->civil_time = wall_ms() + civil_offset_ms();
    fill_alarms(s, arena, out);
}

static void add_query(struct service *s, int *count, const char *verb,
                      int (*query)(struct request *rq, const void *in, void *out))
{
    assert_always(*count + 1 < (int)ARRAY_LEN(s->node_methods));
    s->node_methods[(*count)++] =
        (struct method_handler){ .method = node_method(s, verb), .query = query };
}

static void add_loop(struct service *s, int *count, const char *verb, bool starts,
                     void (*fn)(void *ctx, struct call *call))
{
    assert_always(*count + 1 < (int)ARRAY_LEN(s->loop_methods));
    s->loop_methods[(*count)++] =
        (struct loop_handler){ .method = node_method(s, verb), .starts = starts, .fn = fn };
}

void node_methods_build(struct service *s)
{
    int queries = 0, loops = 0;
    add_query(s, &queries, "status", status_query);
    add_query(s, &queries, "time", time_query);
    add_query(s, &queries, "pull", stream_pull);
    add_query(s, &queries, "list_dead_letters", operator_list_dead_letters);
    add_query(s, &queries, "replay", operator_replay);
    add_query(s, &queries, "rebase", operator_rebase);
    add_query(s, &queries, "recompute", operator_recompute);
    add_query(s, &queries, "apply_recompute", operator_apply_recompute);
    add_loop(s, &loops, "ping", false, on_ping);
    add_loop(s, &loops, "follow", true, stream_follow);
    add_loop(s, &loops, "credit", false, stream_credit);
    add_loop(s, &loops, "unfollow", false, stream_unfollow);
}

const struct method_handler *node_status(const struct service *s)
{
    return &s->node_methods[0];
}
