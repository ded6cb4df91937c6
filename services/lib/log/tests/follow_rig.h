/* Feeds under test: a loop, a tail, feeds, and readers behind a send that can be slow or gone. Each
 * frame is compared with the model as it comes. */
#ifndef LUJIAN_LOG_TESTS_FOLLOW_RIG_H
#define LUJIAN_LOG_TESTS_FOLLOW_RIG_H

#include "feed_rig.h"
#include "log/tail.h"

#define FOLLOWERS_MAX 300

struct follow_rig;

struct follower {
    struct follow_rig *rig;
    int who; /* of rig_readers */
    const char *division, *type;
    struct door_address address;
    uint64_t id;
    bool holds;      /* grants no credit */
    bool slow, gone; /* what its connection says */
    int64_t last;    /* position of the last event */
    int64_t through;
    int events, frames, wrong, ended, code;
    char reason[48];
    uint32_t credit; /* granted and not used */
    int64_t frame_ms, longest_silence_ms;
};

struct follow_rig {
    struct log_rig log;
    struct loop *loop;
    struct tail *tail;
    struct feeds *feeds;
    struct arena arena;
    struct follower followers[FOLLOWERS_MAX];
    int count;
};

static void follower_event(struct follower *f, const Event *e)
{
    const struct model_filter filter = { &rig_readers[f->who], f->division, f->type };
    f->wrong += e->position != model_next(&f->rig->log, &filter, f->last);
    f->wrong += strcmp(e->subject, f->rig->log.model[e->position - 1].subject) != 0;
    f->wrong += f->credit == 0;
    f->credit -= f->credit > 0;
    f->last = e->position;
    f->events++;
}

static void follower_frame(struct follower *f, const FollowResponse *frame)
{
    const struct model_filter filter = { &rig_readers[f->who], f->division, f->type };
    for (size_t i = 0; i < frame->n_events; i++)
        follower_event(f, frame->events[i]);
    struct log_cursor through;
    f->wrong += log_cursor_parse(frame->through, &through) < 0 || through.position < f->through ||
                strcmp(through.stream, "complaints") != 0;
    f->through = through.position;
    /* Nothing that it gets stands between its last event and what it is told was looked at. */
    f->wrong += model_next(&f->rig->log, &filter, f->last) <= f->through;
    int64_t now = mono_ms();
    if (f->frames++)
        f->longest_silence_ms = MAX(f->longest_silence_ms, now - f->frame_ms);
    f->frame_ms = now;
}

static int follow_send(void *ctx, const struct door_address *to, const uint8_t *head_bytes,
                       size_t head_size, const uint8_t *body, size_t body_size)
{
    struct follow_rig *rig = ctx;
    struct follower *f = &rig->followers[to->connection - 1];
    struct wire_fault fault;
    ProtobufCMessage *message;
    arena_reset(&rig->arena);
    if (f->slow)
        return err_set(ERR_AGAIN, "slow");
    if (f->gone)
        return err_set(ERR_NOT_FOUND, "gone");
    assert_int_equal(
        wire_unpack(&response_head_rules, &rig->arena, head_bytes, head_size, &message, &fault), 0);
    const ResponseHead *head = (const ResponseHead *)(void *)message;
    f->wrong += head->id != f->id || f->ended;
    if (head->problem) {
        f->ended++;
        f->code = -(int)head->problem->error;
        snprintf(f->reason, sizeof(f->reason), "%s", head->problem->code);
        f->wrong += !head->problem->detail_zh[0] || !head->problem->detail_en[0];
        return 0;
    }
    assert_int_equal(
        wire_unpack(&follow_response_rules, &rig->arena, body, body_size, &message, &fault), 0);
    const FollowResponse *frame = (const FollowResponse *)(void *)message;
    uint32_t events = (uint32_t)frame->n_events;
    follower_frame(f, frame);
    if (events && !f->holds) {
        f->credit += events;
        feeds_credit(rig->feeds, &f->address, f->id, events);
    }
    return 0;
}

static void follow_wake(void *ctx)
{
    struct follow_rig *rig = ctx;
    struct feeds *feeds = __atomic_load_n(&rig->feeds, __ATOMIC_ACQUIRE);
    if (feeds)
        feeds_wake(feeds);
}

static void follow_on_batch(void *ctx, struct tail_batch *batch)
{
    (void)batch;
    follow_wake(ctx);
}

static void follow_on_epoch(void *ctx, int64_t epoch, int64_t head)
{
    (void)epoch, (void)head;
    follow_wake(ctx);
}

static void follow_tick(void *arg)
{
    (void)arg;
}

UNUSED static bool follow_until(struct follow_rig *rig, bool (*done)(void *ctx), void *ctx,
                                int timeout_ms)
{
    struct loop_timer *tick = loop_timer_new(rig->loop, follow_tick, NULL);
    loop_timer_start(tick, 5, 5);
    int64_t deadline = mono_ms() + timeout_ms;
    bool good = done(ctx);
    while (!good && mono_ms() < deadline) {
        uv_run(loop_uv(rig->loop), UV_RUN_ONCE);
        good = done(ctx);
    }
    loop_timer_free(tick);
    return good;
}

static bool follow_never(void *ctx)
{
    (void)ctx;
    return false;
}

UNUSED static void follow_turn(struct follow_rig *rig, int ms)
{
    follow_until(rig, follow_never, NULL, ms);
}

static bool tail_is_at_head(void *ctx)
{
    struct follow_rig *rig = ctx;
    int64_t epoch, head;
    tail_head(rig->tail, &epoch, &head);
    return epoch && head == rig->log.head;
}

UNUSED static void follow_rig_open(struct follow_rig *rig, struct pg_fixture *fixture,
                                   int ring_events)
{
    memset(rig, 0, sizeof(*rig));
    log_rig_open(&rig->log, fixture);
    arena_init(&rig->arena, 0);
    assert_int_equal(loop_new(&rig->loop), 0);
    const struct tail_options tail = { .pg = &rig->log.pg_options,
                                       .ring_events_max = ring_events,
                                       .on_batch = follow_on_batch,
                                       .on_epoch = follow_on_epoch,
                                       .ctx = rig };
    assert_int_equal(tail_start(&rig->tail, &tail), 0);
    const struct feeds_options options = { .loop = rig->loop,
                                           .stream = "complaints",
                                           .pg = &rig->log.pg_options,
                                           .tail = rig->tail,
                                           .authority = rig_authority(),
                                           .send = follow_send,
                                           .ctx = rig };
    struct feeds *feeds;
    assert_int_equal(feeds_open(&feeds, &options), 0);
    __atomic_store_n(&rig->feeds, feeds, __ATOMIC_RELEASE);
    assert_true(follow_until(rig, tail_is_at_head, rig, 10000));
}

UNUSED static void follow_rig_close(struct follow_rig *rig)
{
    tail_stop(rig->tail);
    feeds_close(rig->feeds);
    loop_free(rig->loop);
    arena_clear(&rig->arena);
    log_rig_close(&rig->log);
}

UNUSED static void follow_append(struct follow_rig *rig, int count, size_t size)
{
    rig_append(&rig->log, count, size);
    tail_wake(rig->tail);
}

UNUSED static struct feeds_figures follow_figures(const struct follow_rig *rig)
{
    struct feeds_figures figures;
    feeds_figures_read(rig->feeds, &figures);
    return figures;
}

/* One that reads from `after` on, as `who`; the code of feeds_follow in `code`. */
UNUSED static struct follower *follow(struct follow_rig *rig, int who, int64_t after,
                                      uint32_t credit)
{
    struct follower *f = &rig->followers[rig->count++];
    char cursor[LOG_CURSOR_TEXT_SIZE] = "";
    *f = (struct follower){ .rig = rig, .who = who, .division = "", .credit = credit, .id = 77 };
    f->address.connection = (uint64_t)rig->count;
    strcpy(f->address.user, rig_readers[who].user);
    f->last = f->through = after;
    if (after)
        snprintf(cursor, sizeof(cursor), "complaints:1:%d", (int)after);
    FollowRequest in = FOLLOW_REQUEST_INIT;
    in.after = cursor;
    in.credit = credit;
    f->code = feeds_follow(rig->feeds, &f->address, f->id, "", &in);
    return f;
}

/* The same with a filter. */
UNUSED static struct follower *follow_filtered(struct follow_rig *rig, int who,
                                               const char *division, const char *type,
                                               uint32_t credit)
{
    struct follower *f = &rig->followers[rig->count++];
    *f = (struct follower){
        .rig = rig, .who = who, .division = division, .type = type, .credit = credit, .id = 78
    };
    f->address.connection = (uint64_t)rig->count;
    strcpy(f->address.user, rig_readers[who].user);
    char *types[] = { (char *)(uintptr_t)type };
    FollowRequest in = FOLLOW_REQUEST_INIT;
    in.division = (char *)(uintptr_t)division;
    in.types = types;
    in.n_types = type ? 1 : 0;
    in.credit = credit;
    f->code = feeds_follow(rig->feeds, &f->address, f->id, "", &in);
    assert_int_equal(f->code, 0);
    return f;
}

static bool follower_is_through(void *ctx)
{
    const struct follower *f = ctx;
    return f->through >= f->rig->log.head || f->ended;
}

/* It has been told that all was looked at, and got what the model says. */
UNUSED static void follower_reach_head(struct follower *f, int timeout_ms)
{
    assert_true(follow_until(f->rig, follower_is_through, f, timeout_ms));
    const struct model_filter filter = { &rig_readers[f->who], f->division, f->type };
    assert_int_equal(f->wrong, 0);
    assert_int_equal(f->ended, 0);
    assert_int_equal(model_next(&f->rig->log, &filter, f->last), f->rig->log.head + 1);
}

static bool follower_has_ended(void *ctx)
{
    return ((struct follower *)ctx)->ended > 0;
}

UNUSED static void follower_end(struct follower *f, int code, const char *reason)
{
    assert_true(follow_until(f->rig, follower_has_ended, f, 5000));
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->code, code);
    assert_string_equal(f->reason, reason);
    assert_int_equal(f->wrong, 0);
}

#endif
